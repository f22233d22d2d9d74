/** Ctrl-K: any page, session, node, person or application by a few letters. */
import { Modal, ModalBody, ModalHeader, TextInput } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, useDeferredValue, useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useNavigate } from "react-router";
import { api, take } from "@/api/client";
import { useCan } from "@/api/profile";
import { urls } from "@/urls";
import { navigation } from "./navigation";

interface Entry {
  key: string;
  kind: string;
  label: string;
  detail?: string | undefined;
  to: string;
}

/** Things of one kind that are shown at most. */
const EACH = 5;

export function CommandPalette({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation("frame");
  const can = useCan();
  const navigate = useNavigate();
  const [text, setText] = useState("");
  const [active, setActive] = useState(0);
  const search = useDeferredValue(text.trim());
  const list = useRef<HTMLUListElement>(null);

  const found = useQuery({
    queryKey: ["palette", search],
    enabled: search.length > 1,
    staleTime: 5_000,
    queryFn: async () => {
      const query = { search, limit: EACH };
      const [sessions, nodes, users] = await Promise.all([
        can("session.read") ? take(api.GET("/api/v1/sessions", { params: { query } })) : undefined,
        can("server.read", "any") ? take(api.GET("/api/v1/nodes", { params: { query } })) : undefined,
        can("user.read", "tenant") ? take(api.GET("/api/v1/users", { params: { query } })) : undefined,
      ]);
      const entries: Entry[] = [];
      for (const row of sessions?.items ?? []) {
        entries.push({ key: row.id, kind: t("palette.session"), label: row.session_name, detail: row.username, to: urls.session(row.id) });
      }
      for (const row of nodes?.items ?? []) {
        entries.push({ key: row.id, kind: t("palette.node"), label: row.name, to: urls.node(row.id) });
      }
      for (const row of users?.items ?? []) {
        entries.push({ key: row.id, kind: t("palette.user"), label: row.username, detail: row.full_name ?? undefined, to: urls.user(row.id) });
      }
      return entries;
    },
  });
  const applications = useQuery({
    queryKey: ["applications", "list", "palette"],
    enabled: can("template.read", "tenant") && can("session.create"),
    queryFn: () => take(api.GET("/api/v1/applications", { params: { query: { limit: 500 } } })),
  });

  const entries = useMemo(() => {
    const pages: Entry[] = navigation
      .flatMap((group) => group.entries)
      .filter((entry) => !entry.needs || can(entry.needs.permission, entry.needs.least))
      .map((entry) => ({ key: entry.key, kind: t("palette.page"), label: t(`nav.${entry.key}`), to: entry.to }));
    pages.push({ key: "profile", kind: t("palette.page"), label: t("nav.profile"), to: urls.profile() });
    const launches: Entry[] = (applications.data?.items ?? [])
      .filter((row) => row.enabled)
      .map((row) => ({ key: row.id, kind: t("palette.application"), label: row.title, to: urls.launch(row.name) }));
    const wanted = search.toLowerCase();
    const fits = [...pages, ...launches].filter((entry) => entry.label.toLowerCase().includes(wanted));
    return [...fits.slice(0, search ? 8 : 20), ...(search.length > 1 ? (found.data ?? []) : [])];
  }, [search, found.data, applications.data, can, t]);

  useEffect(() => setActive(0), [search]);
  useEffect(() => {
    list.current?.children[active]?.scrollIntoView({ block: "nearest" });
  }, [active]);

  const open = (entry: Entry | undefined) => {
    if (!entry) return;
    onClose();
    void navigate(entry.to);
  };
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && entries.length > 0) {
      event.preventDefault();
      setActive((before) => (before + step + entries.length) % entries.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      open(entries[active]);
    }
  };

  return (
    <Modal isOpen variant="small" position="top" onClose={onClose} aria-labelledby="palette-title" className="berth-palette">
      <ModalHeader title={t("palette.title")} labelId="palette-title" />
      <ModalBody>
        <TextInput
          autoFocus
          role="combobox"
          aria-expanded="true"
          aria-controls="palette-results"
          aria-activedescendant={entries[active] ? `palette-${active}` : undefined}
          aria-label={t("palette.placeholder")}
          placeholder={t("palette.placeholder")}
          value={text}
          onChange={(_, value) => setText(value)}
          onKeyDown={onKey}
        />
        {entries.length === 0 && !found.isFetching && <p className="berth-quiet berth-gap-above">{t("palette.none", { text: search })}</p>}
        <ul id="palette-results" role="listbox" aria-label={t("palette.results")} ref={list} className="berth-palette-list">
          {entries.map((entry, index) => (
            <li
              key={`${entry.kind}-${entry.key}`}
              id={`palette-${index}`}
              role="option"
              aria-selected={index === active}
              onMouseMove={() => setActive(index)}
              onClick={() => open(entry)}
            >
              <span>
                {entry.label} {entry.detail && <span className="berth-quiet">{entry.detail}</span>}
              </span>
              <span className="berth-quiet">{entry.kind}</span>
            </li>
          ))}
        </ul>
      </ModalBody>
    </Modal>
  );
}
