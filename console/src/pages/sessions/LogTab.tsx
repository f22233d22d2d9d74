/** What the session's program writes, as it writes it. */
import { Alert, Button, Label, SearchInput, Switch } from "@patternfly/react-core";
import { DownloadIcon } from "@patternfly/react-icons/dist/esm/icons/download-icon";
import { PauseIcon } from "@patternfly/react-icons/dist/esm/icons/pause-icon";
import { PlayIcon } from "@patternfly/react-icons/dist/esm/icons/play-icon";
import { SearchAddon } from "@xterm/addon-search";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { isOpen, type Session } from "@/api/sessions";
import { logBytes, openStream } from "@/api/streams";
import { saveFile } from "@/parts/csv";
import { errorText } from "@/parts/error";
import { number } from "@/parts/format";
import { useAction } from "@/parts/useAction";
import { createScreen, readsAloud, type Screen, setReadsAloud } from "./screen";

/** Lines kept on the page; Download has all of them. */
const LINES = 20_000;
/** Pieces held back while following is paused; then the oldest go. */
const HELD = 2_000;
/** Matches that are counted and marked. */
const MATCHES = 1_000;

type State = { kind: "connecting" | "live" | "ended" | "lost" } | { kind: "refused"; error: unknown };

const marks = {
  matchBackground: "#f9e0a2",
  matchOverviewRuler: "#dca614",
  activeMatchBackground: "#f5921b",
  activeMatchColorOverviewRuler: "#ca6c0f",
};

export default function LogTab({ session }: { session: Session }) {
  const { t } = useTranslation("sessions");
  const place = useRef<HTMLDivElement>(null);
  const screen = useRef<Screen>(null);
  const search = useRef<SearchAddon>(null);
  const held = useRef<Uint8Array[]>([]);
  const isPaused = useRef(false);
  const [state, setState] = useState<State>({ kind: "connecting" });
  const [waiting, setWaiting] = useState(0);
  const [paused, setPaused] = useState(false);
  const [empty, setEmpty] = useState(true);
  const [attempt, setAttempt] = useState(0);
  const [reader, setReader] = useState(readsAloud);
  const [text, setText] = useState("");
  const [found, setFound] = useState<{ index: number; count: number }>();
  const label = t("log.label", { name: session.session_name });
  const open = isOpen(session);
  const isOpenNow = useRef(open);
  isOpenNow.current = open;

  useEffect(() => {
    if (!place.current) return undefined;
    const made = createScreen(place.current, label, {
      disableStdin: true,
      convertEol: true,
      scrollback: LINES,
      cursorStyle: "underline",
      cursorInactiveStyle: "none",
      allowProposedApi: true,
    });
    const addon = new SearchAddon({ highlightLimit: MATCHES });
    made.terminal.loadAddon(addon);
    addon.onDidChangeResults(({ resultIndex, resultCount }) => setFound({ index: resultIndex, count: resultCount }));
    // Nothing is typed here, so Tab leaves and the browser's own keys work.
    made.terminal.attachCustomKeyEventHandler(() => false);
    screen.current = made;
    search.current = addon;
    return () => {
      made.dispose();
      screen.current = null;
      search.current = null;
    };
  }, [label]);

  // A session that starts, or starts again, has a new log.
  const stage = `${session.attempt} ${session.status === "pending" || session.status === "scheduled"}`;
  useEffect(() => {
    const terminal = screen.current?.terminal;
    if (!terminal) return undefined;
    let gone = false;
    let socket: WebSocket | undefined;
    setState({ kind: "connecting" });
    openStream(session.id, "logs")
      .then((opened) => {
        socket = opened;
        if (gone) {
          opened.close();
          return;
        }
        let wasOpen = false;
        opened.onopen = () => {
          wasOpen = true;
          held.current = [];
          setWaiting(0);
          setEmpty(true);
          terminal.reset();
          terminal.write("\x1b[?25l");
          setState({ kind: "live" });
        };
        opened.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
          setEmpty(false);
          const bytes = new Uint8Array(data);
          if (!isPaused.current) {
            terminal.write(bytes);
            return;
          }
          held.current = [...held.current.slice(1 - HELD), bytes];
          setWaiting(held.current.length);
        };
        opened.onclose = ({ wasClean }) => {
          if (!gone) setState({ kind: wasOpen && (wasClean || !isOpenNow.current) ? "ended" : "lost" });
        };
      })
      .catch((error: unknown) => {
        if (!gone) setState({ kind: "refused", error });
      });
    return () => {
      gone = true;
      socket?.close();
    };
  }, [session.id, stage, attempt, label]);

  const follow = (on: boolean) => {
    isPaused.current = !on;
    setPaused(!on);
    if (!on) return;
    for (const bytes of held.current) screen.current?.terminal.write(bytes);
    held.current = [];
    setWaiting(0);
    screen.current?.terminal.scrollToBottom();
  };
  const find = (next: string, back = false) => {
    if (next === "") {
      search.current?.clearDecorations();
      setFound(undefined);
    } else if (back) {
      search.current?.findPrevious(next, { decorations: marks });
    } else {
      search.current?.findNext(next, { decorations: marks, incremental: next !== text });
    }
  };
  const download = useAction(
    async () => saveFile(`${session.session_name}.log`, new Blob([await logBytes(session.id)], { type: "text/plain" })),
    { wanted: t("log.wanted_download") },
  );
  const matches = () => {
    if (text === "" || !found) return undefined;
    if (found.count === 0) return t("log.no_matches");
    const count = found.count >= MATCHES ? t("log.many", { count: MATCHES }) : number(found.count);
    return t("log.matches", { index: number(found.index + 1), count });
  };
  return (
    <div className="berth-screen-page">
      <div className="berth-screen-bar">
        <SearchInput
          aria-label={t("log.search")}
          placeholder={t("log.search")}
          value={text}
          data-shortcut="search"
          {...(matches() ? { resultsCount: matches() } : {})}
          nextNavigationButtonAriaLabel={t("log.next")}
          previousNavigationButtonAriaLabel={t("log.previous")}
          onChange={(_, next) => {
            setText(next);
            find(next);
          }}
          onClear={() => {
            setText("");
            find("");
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter") find(text, event.shiftKey);
          }}
          onNextClick={() => find(text)}
          onPreviousClick={() => find(text, true)}
          className="berth-log-search"
        />
        <Button
          variant="secondary"
          size="sm"
          icon={paused ? <PlayIcon /> : <PauseIcon />}
          isDisabled={!paused && state.kind !== "live"}
          onClick={() => follow(paused)}
        >
          {paused ? t("log.resume") : t("log.pause")}
        </Button>
        <Button
          variant="secondary"
          size="sm"
          icon={<DownloadIcon />}
          isLoading={download.isPending}
          isDisabled={download.isPending}
          onClick={() => download.mutate()}
        >
          {t("log.download")}
        </Button>
        <Switch
          id="log-reader"
          label={t("log.reader")}
          isChecked={reader}
          onChange={(_, on) => {
            setReader(on);
            setReadsAloud(on);
            if (screen.current) screen.current.terminal.options.screenReaderMode = on;
          }}
        />
        <span role="status" className="berth-screen-state">
          {paused && <span className="berth-quiet">{t("log.paused", { count: waiting })}</span>}
          {!paused && (state.kind === "live" || state.kind === "connecting") && (
            <Label isCompact variant="outline" status={state.kind === "live" ? "success" : "info"}>
              {t(`log.${state.kind}`)}
            </Label>
          )}
          {state.kind === "ended" && <span className="berth-quiet">{t("log.ended")}</span>}
        </span>
      </div>
      {(state.kind === "lost" || state.kind === "refused") && (
        <Alert
          component="h2"
          isInline
          variant="warning"
          title={t("log.lost")}
          actionLinks={
            <Button variant="link" isInline onClick={() => setAttempt(attempt + 1)}>
              {t("log.reconnect")}
            </Button>
          }
        >
          {state.kind === "refused" ? errorText(state.error) : undefined}
        </Alert>
      )}
      {empty && state.kind !== "connecting" && <p className="berth-quiet">{t("log.empty")}</p>}
      <div ref={place} className="berth-screen" role="group" aria-label={label} />
      <p className="berth-quiet">{t("log.kept", { lines: number(LINES) })}</p>
    </div>
  );
}
