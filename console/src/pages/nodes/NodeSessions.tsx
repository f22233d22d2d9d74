import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import type { NodeDetail } from "@/api/nodes";
import { type Session, sessionList } from "@/api/sessions";
import { number } from "@/parts/format";
import { type Column, ListPage } from "@/parts/ListPage";
import { SessionStatus, statusText } from "@/parts/Status";
import { Time } from "@/parts/Time";
import { urls } from "@/urls";

const statuses = ["scheduled", "starting", "running", "paused", "stopping", "completed", "failed", "cancelled"];

export function NodeSessions({ node }: { node: NodeDetail }) {
  const { t } = useTranslation(["fleet", "sessions", "enums"]);
  const columns: Column<Session>[] = [
    {
      key: "name",
      title: t("tab_list.name"),
      render: (row) => <Link to={urls.session(row.id)}>{row.session_name}</Link>,
      csv: (row) => row.session_name,
    },
    {
      key: "status",
      title: t("tab_list.status"),
      render: (row) => (
        <>
          <SessionStatus value={row.status} />{" "}
          {row.reason && <span className="berth-quiet">{t(`enums:session_reason.${row.reason}`)}</span>}
        </>
      ),
      csv: (row) => row.status,
    },
    { key: "application", title: t("tab_list.application"), render: (row) => row.application, csv: (row) => row.application },
    { key: "user", title: t("tab_list.user"), render: (row) => row.username, csv: (row) => row.username },
    {
      key: "resources",
      title: t("tab_list.resources"),
      render: (row) => (
        <>
          {t("sessions:resources.text", { cpu: number(row.cpu_request), memory: number(row.memory_request_gb) })}
          {row.gpu_request > 0 && `, ${t("sessions:resources.gpu", { gpu: number(row.gpu_request) })}`}
        </>
      ),
    },
    {
      key: "created",
      title: t("tab_list.created"),
      sort: "created_at",
      render: (row) => <Time value={row.created_at} />,
      csv: (row) => row.created_at,
    },
  ];
  return (
    <ListPage
      embedded
      title={t("tab_list.sessions")}
      domain="sessions"
      query={{ node_id: node.id }}
      load={sessionList}
      columns={columns}
      filters={[
        { kind: "search", name: "search", label: t("tab_list.search") },
        {
          kind: "choice",
          name: "status",
          label: t("tab_list.status"),
          options: statuses.map((value) => ({ value, label: statusText("session_status", value) })),
        },
      ]}
      rowId={(row) => row.id}
      rowName={(row) => row.session_name}
      empty={{ title: t("tab_list.sessions_empty_title"), body: t("tab_list.sessions_empty_body") }}
      csv={`sessions-${node.name}`}
    />
  );
}
