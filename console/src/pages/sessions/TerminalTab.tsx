/** A shell inside of the session. */
import { Alert, Button, Label, Switch } from "@patternfly/react-core";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useNavigate } from "react-router";
import { useCan } from "@/api/profile";
import { isOpen, type Session } from "@/api/sessions";
import { openStream } from "@/api/streams";
import { errorText } from "@/parts/error";
import { Empty } from "@/parts/page";
import { statusText } from "@/parts/Status";
import { urls } from "@/urls";
import { createScreen, readsAloud, type Screen, setReadsAloud } from "./screen";

type State =
  | { kind: "connecting" | "connected" | "lost" }
  | { kind: "ended"; code: number | null }
  | { kind: "refused"; error: unknown };

export default function TerminalTab({ session }: { session: Session }) {
  const { t } = useTranslation("sessions");
  const can = useCan();
  const navigate = useNavigate();
  if (!can("session.execute")) return <Empty title={t("terminal.not_running_title")} body={t("terminal.forbidden")} />;
  if (session.status !== "running") {
    const body =
      session.status === "paused"
        ? t("terminal.paused")
        : isOpen(session)
          ? t("terminal.not_running", { status: statusText("session_status", session.status) })
          : t("terminal.over");
    return (
      <Empty
        title={t("terminal.not_running_title")}
        body={body}
        action={
          !isOpen(session) && (
            <Button variant="link" onClick={() => void navigate(urls.session(session.id, "log"))}>
              {t("terminal.show_log")}
            </Button>
          )
        }
      />
    );
  }
  // A new attempt runs in a new container: the old terminal is of no use there.
  return <Shell key={session.attempt} session={session} />;
}

function Shell({ session }: { session: Session }) {
  const { t } = useTranslation("sessions");
  const place = useRef<HTMLDivElement>(null);
  const screen = useRef<Screen>(null);
  const [state, setState] = useState<State>({ kind: "connecting" });
  const [attempt, setAttempt] = useState(0);
  const [reader, setReader] = useState(readsAloud);
  const label = t("terminal.label", { name: session.session_name });

  useEffect(() => {
    if (!place.current) return undefined;
    const made = createScreen(place.current, label, { cursorBlink: true, scrollback: 10_000 });
    // Tab belongs to the shell; Shift-Tab is the way out for whoever has no mouse.
    made.terminal.attachCustomKeyEventHandler((event) => !(event.key === "Tab" && event.shiftKey));
    screen.current = made;
    return () => {
      made.dispose();
      screen.current = null;
    };
  }, [label]);

  useEffect(() => {
    const terminal = screen.current?.terminal;
    if (!terminal) return undefined;
    let ended = false;
    let socket: WebSocket | undefined;
    const disposables: { dispose: () => void }[] = [];
    const encoder = new TextEncoder();
    setState({ kind: "connecting" });
    openStream(session.id, "terminal")
      .then((opened) => {
        socket = opened;
        if (ended) {
          opened.close();
          return;
        }
        let last: State = { kind: "lost" };
        const size = ({ cols, rows }: { cols: number; rows: number }) => {
          if (opened.readyState === WebSocket.OPEN) opened.send(JSON.stringify({ resize: { cols, rows } }));
        };
        const send = (bytes: Uint8Array<ArrayBuffer>) => {
          if (opened.readyState === WebSocket.OPEN) opened.send(bytes);
        };
        opened.onopen = () => {
          setState({ kind: "connected" });
          terminal.reset();
          size(terminal);
          terminal.focus();
        };
        opened.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => {
          if (typeof data === "string") {
            last = { kind: "ended", code: (JSON.parse(data) as { exit_code: number | null }).exit_code };
          } else {
            terminal.write(new Uint8Array(data));
          }
        };
        opened.onclose = () => {
          if (!ended) setState(last);
        };
        disposables.push(
          terminal.onData((text) => send(encoder.encode(text))),
          terminal.onBinary((text) => send(Uint8Array.from(text, (letter) => letter.charCodeAt(0)))),
          terminal.onResize(size),
        );
      })
      .catch((error: unknown) => {
        if (!ended) setState({ kind: "refused", error });
      });
    return () => {
      ended = true;
      for (const disposable of disposables) disposable.dispose();
      socket?.close();
    };
  }, [session.id, attempt, label]);

  const over = state.kind === "ended" || state.kind === "lost" || state.kind === "refused";
  return (
    <div className="berth-screen-page">
      <div className="berth-screen-bar">
        <span role="status">
          {!over && (
            <Label isCompact variant="outline" status={state.kind === "connected" ? "success" : "info"}>
              {t(`terminal.${state.kind === "connected" ? "connected" : "connecting"}`)}
            </Label>
          )}
        </span>
        <Switch
          id="terminal-reader"
          label={t("terminal.reader")}
          isChecked={reader}
          onChange={(_, on) => {
            setReader(on);
            setReadsAloud(on);
            if (screen.current) screen.current.terminal.options.screenReaderMode = on;
          }}
        />
      </div>
      {over && (
        <Alert
          component="h2"
          isInline
          variant={state.kind === "ended" ? "info" : "warning"}
          title={
            state.kind === "ended"
              ? state.code === null
                ? t("terminal.ended")
                : t("terminal.ended_code", { code: state.code })
              : state.kind === "lost"
                ? t("terminal.lost")
                : t("terminal.wanted")
          }
          actionLinks={
            <Button variant="link" isInline onClick={() => setAttempt(attempt + 1)}>
              {t("terminal.reconnect")}
            </Button>
          }
        >
          {state.kind === "refused" ? errorText(state.error) : undefined}
        </Alert>
      )}
      <div ref={place} className="berth-screen" role="group" aria-label={label} />
    </div>
  );
}
