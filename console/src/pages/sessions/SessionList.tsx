import { Button } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link, useNavigate } from "react-router";
import { useApplications } from "@/api/applications";
import { api, type Schemas, take } from "@/api/client";
import { useCan, useProfile } from "@/api/profile";
import { keys, loadAll } from "@/api/queries";
import {
  isOpen,
  type Session,
  sessionList,
  sessionPause,
  sessionResume,
  sessionStatuses,
  sessionStop,
} from "@/api/sessions";
import { type BulkAction, type Column, type Filter, ListPage } from "@/parts/ListPage";
import { SessionStatus, statusText } from "@/parts/Status";
import { Time } from "@/parts/Time";
import { urls } from "@/urls";
import { resourcesText } from "./parts";
import "./sessions.css";

export function Component() {
  const { t } = useTranslation(["sessions", "enums"]);
  const can = useCan();
  const navigate = useNavigate();
  const launch = can("session.create") && (
    <Button onClick={() => void navigate(urls.applications())}>{t("list.launch")}</Button>
  );
  // Own sessions only: whose they are needs no telling.
  const seesOthers = can("session.read", "tenant");
  const filters = useSessionFilters(seesOthers);
  const readsNodes = can("server.read", "any");
  const columns: Column<Session>[] = [
    {
      key: "name",
      title: t("column.name"),
      width: "19%",
      render: (row) => (
        <Link className="berth-row-name" to={urls.session(row.id)}>
          {row.session_name}
        </Link>
      ),
      csv: (row) => row.session_name,
    },
    {
      key: "status",
      title: t("column.status"),
      width: "16%",
      render: (row) => (
        <>
          <SessionStatus value={row.status} />{" "}
          {row.reason && <span className="berth-quiet">{t(`enums:session_reason.${row.reason}`)}</span>}
        </>
      ),
      csv: (row) => row.status,
    },
    { key: "application", title: t("column.application"), width: "12%", render: (row) => row.application, csv: (row) => row.application },
    ...(seesOthers
      ? [{ key: "user", title: t("column.user"), width: "9%", render: (row: Session) => row.username, csv: (row: Session) => row.username }]
      : []),
    {
      key: "node",
      title: t("column.node"),
      width: "9%",
      render: (row) =>
        readsNodes && row.scheduled_node_id ? (
          <Link to={urls.node(row.scheduled_node_id)}>{row.scheduled_node ?? row.scheduled_node_id}</Link>
        ) : (
          (row.scheduled_node ?? "–")
        ),
      csv: (row) => row.scheduled_node,
    },
    {
      key: "resources",
      title: t("column.resources"),
      width: "18%",
      render: (row) => resourcesText(row),
      csv: (row) => resourcesText(row),
    },
    {
      key: "created",
      title: t("column.created"),
      width: "13%",
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
      filters={filters}
      rowId={(row) => row.id}
      rowName={(row) => row.session_name}
      empty={{ title: t("list.empty_title"), body: t("list.empty_body"), action: launch }}
      csv="sessions"
    />
  );
}

/** What the list can be narrowed by; whose sessions only for those who see more than their own. */
function useSessionFilters(seesOthers: boolean): Filter[] {
  const { t } = useTranslation("sessions");
  const can = useCan();
  const { user } = useProfile();
  const applications = useApplications();
  const users = useQuery({
    queryKey: keys.list("users", { choice: "all" }),
    queryFn: () =>
      loadAll<Schemas["User"], object>(
        {},
        (query) => take(api.GET("/api/v1/users", { params: { query } })) as Promise<{ items: Schemas["User"][] }>,
        () => undefined,
      ),
    enabled: seesOthers && can("user.read", "tenant"),
    retry: false,
  });
  const others = (users.data ?? []).filter(({ id }) => id !== user.id);
  return [
    { kind: "search", name: "search", label: t("list.search") },
    {
      kind: "choice",
      name: "status",
      label: t("list.status"),
      options: sessionStatuses.map((value) => ({ value, label: statusText("session_status", value) })),
    },
    {
      kind: "choice",
      name: "application",
      label: t("list.application"),
      options: (applications.data ?? []).map(({ name, title }) => ({ value: name, label: title })),
    },
    ...(seesOthers
      ? [
          {
            kind: "choice" as const,
            name: "user_id",
            label: t("list.user"),
            options: [
              { value: user.id, label: t("list.mine") },
              ...others.map(({ id, username }) => ({ value: id, label: username })),
            ],
          },
        ]
      : []),
  ];
}
