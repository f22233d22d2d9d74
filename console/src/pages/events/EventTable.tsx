import "./events.css";
import { Button, Label, Switch } from "@patternfly/react-core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useSearchParams } from "react-router";
import { eventAcknowledge, eventList, eventResolve, spans, type SystemEvent } from "@/api/events";
import { useCan } from "@/api/profile";
import { Facts } from "@/parts/Facts";
import { type BulkAction, type Column, ListPage } from "@/parts/ListPage";
import { NodeName, SessionName, UserName } from "@/parts/names";
import { SidePanel } from "@/parts/SidePanel";
import { Status, statusText } from "@/parts/Status";
import { Time } from "@/parts/Time";
import { useAction } from "@/parts/useAction";

const severities = ["debug", "info", "warning", "error", "critical"];

interface Props {
  embedded?: boolean;
  query?: { node_id: string };
  /** Of whom, for the exported file. */
  name?: string;
}

export function EventTable({ embedded = false, query, name }: Props) {
  const { t } = useTranslation("observe");
  const can = useCan();
  const [shown, setShown] = useState<SystemEvent>();
  const [params, setParams] = useSearchParams();
  const unresolved = params.get("unresolved") === "true";
  const columns: Column<SystemEvent>[] = [
    {
      key: "time",
      title: t("event.time"),
      width: "12%",
      render: (row) => <Time value={row.timestamp} />,
      csv: (row) => row.timestamp,
    },
    {
      key: "severity",
      title: t("event.severity"),
      width: "10%",
      render: (row) => <Status kind="event_severity" value={row.severity} />,
      csv: (row) => row.severity,
    },
    {
      key: "message",
      title: t("event.message"),
      width: "40%",
      render: (row) => (
        <Button variant="link" isInline className="berth-event-open" onClick={() => setShown(row)}>
          {row.message}
        </Button>
      ),
      csv: (row) => row.message,
    },
    {
      key: "source",
      title: t("event.source"),
      render: (row) =>
        row.session_id ? (
          <SessionName id={row.session_id} />
        ) : query ? (
          "–"
        ) : (
          <NodeName id={row.source_node_id} />
        ),
      csv: (row) => row.session_id ?? row.source_node_id,
    },
    { key: "state", title: t("event.state"), render: (row) => <EventState event={row} />, csv: (row) => row.resolved_at },
  ];
  const bulk: BulkAction<SystemEvent>[] = [
    {
      key: "acknowledge",
      label: t("event.acknowledge"),
      fits: (row) => !row.acknowledged_at && !row.resolved_at,
      run: (row) => eventAcknowledge(row.id),
    },
    {
      key: "resolve",
      label: t("event.resolve"),
      fits: (row) => !row.resolved_at,
      question: (rows) => ({ title: t("event.resolve_title", { count: rows.length }), body: t("event.resolve_body") }),
      run: (row) => eventResolve(row.id),
    },
  ];
  return (
    <>
      <ListPage
        embedded={embedded}
        title={t("event.title")}
        description={t("event.description")}
        domain="events"
        query={{ ...query, ...(unresolved ? { unresolved } : {}) }}
        load={eventList}
        columns={columns}
        bulk={can("system_event.update") ? bulk : []}
        filters={[
          { kind: "search", name: "search", label: t("event.search") },
          {
            kind: "choice",
            name: "severity",
            label: t("event.severity"),
            options: severities.map((value) => ({ value, label: statusText("event_severity", value) })),
          },
          {
            kind: "choice",
            name: "since",
            label: t("event.since"),
            options: Object.keys(spans).map((value) => ({ value, label: t(`event.span.${value as keyof typeof spans}`) })),
          },
        ]}
        rowId={(row) => row.id}
        rowName={(row) => row.message}
        empty={{ title: t("event.empty_title"), body: t("event.empty_body") }}
        csv={name ? `events-${name}` : "events"}
      >
        <Switch
          id="unresolved"
          label={t("event.only_unresolved")}
          isChecked={unresolved}
          onChange={(_, on) =>
            setParams(
              (before) => {
                const after = new URLSearchParams(before);
                if (on) after.set("unresolved", "true");
                else after.delete("unresolved");
                return after;
              },
              { replace: true },
            )
          }
        />
      </ListPage>
      {shown && <EventPanel event={shown} onClose={() => setShown(undefined)} />}
    </>
  );
}

export function EventState({ event }: { event: SystemEvent }) {
  const { t } = useTranslation("observe");
  if (event.resolved_at) {
    return (
      <Label isCompact variant="outline" status="success">
        {t("event.resolved")}
      </Label>
    );
  }
  // Good news is nothing to resolve.
  if (event.severity === "info" || event.severity === "debug") return <>–</>;
  return (
    <Label isCompact variant="outline" status={event.acknowledged_at ? "info" : "warning"}>
      {event.acknowledged_at ? t("event.acknowledged") : t("event.open")}
    </Label>
  );
}

export function EventPanel({ event, onClose }: { event: SystemEvent; onClose: () => void }) {
  const { t } = useTranslation(["observe", "enums"]);
  const can = useCan();
  const acknowledge = useAction(() => eventAcknowledge(event.id), {
    wanted: t("event.acknowledge_wanted"),
    done: t("event.acknowledge_done"),
    changes: ["events"],
    after: onClose,
  });
  const resolve = useAction(() => eventResolve(event.id), {
    wanted: t("event.resolve_wanted"),
    done: t("event.resolve_done"),
    changes: ["events"],
    after: onClose,
  });
  const who = (time: string | null | undefined, id: string | null | undefined) =>
    time ? (
      <>
        <Time value={time} /> · <UserName id={id} />
      </>
    ) : (
      "–"
    );
  return (
    <SidePanel title={t("event.panel")} onClose={onClose}>
      <p className="berth-event-message">{event.message}</p>
      <Facts
        facts={[
          { name: t("event.severity"), value: <Status kind="event_severity" value={event.severity} /> },
          { name: t("event.time"), value: <Time value={event.timestamp} /> },
          { name: t("event.type"), value: <code>{event.event_type}</code> },
          { name: t("event.component"), value: t(`enums:source_component.${event.source_component}`) },
          Boolean(event.source_node_id) && { name: t("event.node"), value: <NodeName id={event.source_node_id} /> },
          Boolean(event.session_id) && { name: t("event.session"), value: <SessionName id={event.session_id} /> },
          Boolean(event.user_id) && { name: t("event.user"), value: <UserName id={event.user_id} /> },
          { name: t("event.acknowledged"), value: who(event.acknowledged_at, event.acknowledged_by) },
          { name: t("event.resolved"), value: who(event.resolved_at, event.resolved_by) },
          ...Object.entries(event.details).map(([key, value]) => ({ name: key, value })),
        ]}
      />
      {can("system_event.update") && !event.resolved_at && (
        <div className="berth-event-actions">
          <Button isLoading={resolve.isPending} onClick={() => resolve.mutate()}>
            {t("event.resolve")}
          </Button>
          {!event.acknowledged_at && (
            <Button variant="secondary" isLoading={acknowledge.isPending} onClick={() => acknowledge.mutate()}>
              {t("event.acknowledge")}
            </Button>
          )}
        </div>
      )}
    </SidePanel>
  );
}
