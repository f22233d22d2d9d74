import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { type Session, sessionEvents, type SystemEvent } from "@/api/sessions";
import { type Column, ListPage } from "@/parts/ListPage";
import { Status } from "@/parts/Status";
import { Time } from "@/parts/Time";

export function EventsTab({ session }: { session: Session }) {
  const { t } = useTranslation(["sessions", "enums"]);
  const load = useMemo(() => {
    const events = sessionEvents(session.id);
    return ({ limit, cursor }: { limit?: number; cursor?: string }) =>
      events({ ...(limit ? { limit } : {}), ...(cursor ? { cursor } : {}) });
  }, [session.id]);
  const columns: Column<SystemEvent>[] = [
    {
      key: "time",
      title: t("events.time"),
      width: "20%",
      render: (row) => <Time value={row.timestamp} />,
      csv: (row) => row.timestamp,
    },
    {
      key: "severity",
      title: t("events.severity"),
      width: "14%",
      render: (row) => <Status kind="event_severity" value={row.severity} />,
      csv: (row) => row.severity,
    },
    { key: "message", title: t("events.message"), render: (row) => row.message, csv: (row) => row.message },
    {
      key: "component",
      title: t("events.component"),
      width: "16%",
      render: (row) => t(`enums:source_component.${row.source_component}`),
      csv: (row) => row.source_component,
    },
  ];
  return (
    <ListPage<SystemEvent, { of_session: string }>
      embedded
      title={t("events.title")}
      domain="events"
      query={{ of_session: session.id }}
      load={load}
      columns={columns}
      rowId={(row) => row.id}
      rowName={(row) => row.message}
      empty={{ title: t("events.empty_title"), body: t("events.empty_body") }}
      csv={`events-${session.session_name}`}
    />
  );
}
