/** The sessions of a user or a tenant, inside of their page. */
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { type Session, sessionList } from "@/api/sessions";
import { type Column, ListPage } from "@/parts/ListPage";
import { SessionStatus, statusText } from "@/parts/Status";
import { Time } from "@/parts/Time";
import { urls } from "@/urls";

const statuses = ["pending", "scheduled", "starting", "running", "paused", "stopping", "completed", "failed", "cancelled"];

interface Props {
  query: { user_id: string } | { tenant_id: string };
  /** Whose, for the name of the exported file. */
  name: string;
  empty: string;
}

export function SessionsOf({ query, name, empty }: Props) {
  const { t } = useTranslation(["identity", "enums"]);
  const columns: Column<Session>[] = [
    {
      key: "name",
      title: t("sessions.name"),
      render: (row) => <Link to={urls.session(row.id)}>{row.session_name}</Link>,
      csv: (row) => row.session_name,
    },
    {
      key: "status",
      title: t("sessions.status"),
      render: (row) => (
        <>
          <SessionStatus value={row.status} />{" "}
          {row.reason && <span className="berth-quiet">{t(`enums:session_reason.${row.reason}`)}</span>}
        </>
      ),
      csv: (row) => row.status,
    },
    { key: "application", title: t("sessions.application"), render: (row) => row.application, csv: (row) => row.application },
    ...("tenant_id" in query
      ? [
          {
            key: "user",
            title: t("sessions.user"),
            render: (row: Session) => <Link to={urls.user(row.user_id)}>{row.username}</Link>,
            csv: (row: Session) => row.username,
          },
        ]
      : []),
    { key: "node", title: t("sessions.node"), render: (row) => row.scheduled_node ?? "–", csv: (row) => row.scheduled_node },
    {
      key: "created",
      title: t("sessions.created"),
      sort: "created_at",
      render: (row) => <Time value={row.created_at} />,
      csv: (row) => row.created_at,
    },
  ];
  return (
    <ListPage<Session, Props["query"]>
      embedded
      title={t("sessions.title")}
      domain="sessions"
      query={query}
      load={sessionList}
      columns={columns}
      filters={[
        { kind: "search", name: "search", label: t("sessions.search") },
        {
          kind: "choice",
          name: "status",
          label: t("sessions.status"),
          options: statuses.map((value) => ({ value, label: statusText("session_status", value) })),
        },
      ]}
      rowId={(row) => row.id}
      rowName={(row) => row.session_name}
      empty={{ title: t("sessions.empty_title"), body: empty }}
      csv={`sessions-${name}`}
    />
  );
}
