import { Button } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import { Link, useNavigate } from "react-router";
import { useCan } from "@/api/profile";
import { isOpen, type Session, sessionList, sessionPause, sessionResume, sessionStop } from "@/api/sessions";
import { number } from "@/parts/format";
import { type BulkAction, type Column, ListPage } from "@/parts/ListPage";
import { SessionStatus, statusText } from "@/parts/Status";
import { Time } from "@/parts/Time";
import { urls } from "@/urls";

const statuses = ["pending", "scheduled", "starting", "running", "paused", "stopping", "completed", "failed", "cancelled"];

export function Component() {
  const { t } = useTranslation(["sessions", "enums"]);
  const can = useCan();
  const navigate = useNavigate();
  const launch = can("session.create") && (
    <Button onClick={() => void navigate(urls.applications())}>{t("list.launch")}</Button>
  );
  const columns: Column<Session>[] = [
    {
      key: "name",
      title: t("column.name"),
      width: "22%",
      render: (row) => <Link to={urls.session(row.id)}>{row.session_name}</Link>,
      csv: (row) => row.session_name,
    },
    {
      key: "status",
      title: t("column.status"),
      width: "18%",
      render: (row) => (
        <>
          <SessionStatus value={row.status} />{" "}
          {row.reason && <span className="berth-quiet">{t(`enums:session_reason.${row.reason}`)}</span>}
        </>
      ),
      csv: (row) => row.status,
    },
    { key: "application", title: t("column.application"), render: (row) => row.application, csv: (row) => row.application },
    { key: "user", title: t("column.user"), render: (row) => row.username, csv: (row) => row.username },
    { key: "node", title: t("column.node"), render: (row) => row.scheduled_node ?? "–", csv: (row) => row.scheduled_node },
    {
      key: "resources",
      title: t("column.resources"),
      render: (row) => (
        <>
          {t("resources.text", { cpu: number(row.cpu_request), memory: number(row.memory_request_gb) })}
          {row.gpu_request > 0 && `, ${t("resources.gpu", { gpu: number(row.gpu_request) })}`}
        </>
      ),
      csv: (row) => `${row.cpu_request} CPU ${row.memory_request_gb} GB ${row.gpu_request} GPU`,
    },
    {
      key: "created",
      title: t("column.created"),
      sort: "created_at",
      render: (row) => <Time value={row.created_at} />,
      csv: (row) => row.created_at,
    },
  ];
  const bulk: BulkAction<Session>[] = [
    {
      key: "stop",
      label: t("list.stop"),
      danger: true,
      fits: isOpen,
      question: (rows) => ({
        title: t("list.stop_title", { count: rows.length }),
        body: t("list.stop_body", { names: rows.map((row) => row.session_name).join(", ") }),
      }),
      run: (row) => sessionStop(row.id),
    },
    { key: "pause", label: t("list.pause"), fits: (row) => row.status === "running", run: (row) => sessionPause(row.id) },
    { key: "resume", label: t("list.resume"), fits: (row) => row.status === "paused", run: (row) => sessionResume(row.id) },
  ];
  return (
    <ListPage
      title={t("list.title")}
      description={t("list.description")}
      actions={launch}
      domain="sessions"
      load={sessionList}
      columns={columns}
      bulk={can("session.update") ? bulk : []}
      filters={[
        { kind: "search", name: "search", label: t("list.search") },
        {
          kind: "choice",
          name: "status",
          label: t("list.status"),
          options: statuses.map((value) => ({ value, label: statusText("session_status", value) })),
        },
      ]}
      rowId={(row) => row.id}
      rowName={(row) => row.session_name}
      empty={{ title: t("list.empty_title"), body: t("list.empty_body"), action: launch }}
      csv="sessions"
    />
  );
}
