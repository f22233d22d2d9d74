import "../events/events.css";
import { Button, Label, Title } from "@patternfly/react-core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useSearchParams } from "react-router";
import { type AuditLog, auditLogList } from "@/api/audit_logs";
import { spans } from "@/api/events";
import { useCan } from "@/api/profile";
import { Facts } from "@/parts/Facts";
import { exactTime } from "@/parts/format";
import { type Column, ListPage } from "@/parts/ListPage";
import { SidePanel } from "@/parts/SidePanel";
import { Status, statusText } from "@/parts/Status";
import { Time } from "@/parts/Time";
import i18n, { en } from "@/text";
import { urls } from "@/urls";

const actions = Object.keys(en.observe.audit.act) as (keyof typeof en.observe.audit.act)[];
const things = Object.keys(en.observe.audit.thing) as (keyof typeof en.observe.audit.thing)[];

const actionText = (action: string): string =>
  i18n.t(`observe:audit.act.${action}` as "observe:audit.act.auth_login", { defaultValue: action });
const thingText = (thing: string): string =>
  i18n.t(`observe:audit.thing.${thing}` as "observe:audit.thing.auth", { defaultValue: thing });

export function Component() {
  const { t } = useTranslation("observe");
  const [shown, setShown] = useState<AuditLog>();
  const [params, setParams] = useSearchParams();
  // Reached by a link of a row or of another page.
  const user_id = params.get("user_id");
  const resource_id = params.get("resource_id");
  const columns: Column<AuditLog>[] = [
    {
      key: "time",
      title: t("audit.time"),
      width: "14%",
      render: (row) => <Time value={row.created_at} />,
      csv: (row) => row.created_at,
    },
    { key: "who", title: t("audit.who"), width: "14%", render: (row) => row.username || t("audit.nobody"), csv: (row) => row.username },
    {
      key: "action",
      title: t("audit.action"),
      width: "24%",
      render: (row) => (
        <Button variant="link" isInline className="berth-event-open" onClick={() => setShown(row)}>
          {actionText(row.action)}
        </Button>
      ),
      csv: (row) => row.action,
    },
    {
      key: "thing",
      title: t("audit.resource"),
      render: (row) => (
        <>
          {thingText(row.resource_type)} {row.details["name"] && <span className="berth-quiet">{row.details["name"]}</span>}
        </>
      ),
      csv: (row) => `${row.resource_type} ${row.resource_id ?? ""}`,
    },
    {
      key: "status",
      title: t("audit.status"),
      render: (row) => <Status kind="audit_status" value={row.status} />,
      csv: (row) => row.status,
    },
    { key: "from", title: t("audit.from"), render: (row) => row.ip_address ?? "–", csv: (row) => row.ip_address },
  ];
  return (
    <>
      <ListPage
        title={t("audit.title")}
        description={t("audit.description")}
        domain="audit_logs"
        query={{ ...(user_id ? { user_id } : {}), ...(resource_id ? { resource_id } : {}) }}
        load={auditLogList}
        columns={columns}
        filters={[
          { kind: "search", name: "search", label: t("audit.search") },
          {
            kind: "choice",
            name: "action",
            label: t("audit.action"),
            options: actions.map((value) => ({ value, label: actionText(value) })),
          },
          {
            kind: "choice",
            name: "resource_type",
            label: t("audit.resource"),
            options: things.map((value) => ({ value, label: thingText(value) })),
          },
          {
            kind: "choice",
            name: "status",
            label: t("audit.status"),
            options: ["success", "denied", "failure"].map((value) => ({ value, label: statusText("audit_status", value) })),
          },
          {
            kind: "choice",
            name: "since",
            label: t("audit.since"),
            options: Object.keys(spans).map((value) => ({ value, label: t(`event.span.${value as keyof typeof spans}`) })),
          },
        ]}
        rowId={(row) => row.id}
        rowName={(row) => actionText(row.action)}
        empty={{ title: t("audit.empty_title"), body: t("audit.empty_body") }}
        csv="audit-log"
      >
        {(user_id || resource_id) && (
          <Label variant="outline" onClose={() => setParams({})} closeBtnAriaLabel={t("audit.all_rows")}>
            {user_id ? t("audit.only_user") : t("audit.only_thing")}
          </Label>
        )}
      </ListPage>
      {shown && <Panel row={shown} onClose={() => setShown(undefined)} />}
    </>
  );
}

/** Where the thing of a row is shown, when it has a page. */
function pageOf(row: AuditLog): string | undefined {
  if (!row.resource_id) return undefined;
  switch (row.resource_type) {
    case "session":
      return urls.session(row.resource_id);
    case "node":
      return urls.node(row.resource_id);
    case "user":
      return urls.user(row.resource_id);
    case "tenant":
      return urls.tenant(row.resource_id);
    case "operation":
      return urls.operation(row.resource_id);
    default:
      return undefined;
  }
}

function Panel({ row, onClose }: { row: AuditLog; onClose: () => void }) {
  const { t } = useTranslation("observe");
  const can = useCan();
  const page = pageOf(row);
  const who = row.username || t("audit.nobody");
  return (
    <SidePanel title={actionText(row.action)} onClose={onClose}>
      <Facts
        facts={[
          { name: t("audit.status"), value: <Status kind="audit_status" value={row.status} /> },
          { name: t("audit.time"), value: exactTime(row.created_at) },
          {
            name: t("audit.who"),
            value: row.user_id && can("user.read", "tenant") ? <Link to={urls.user(row.user_id)}>{who}</Link> : who,
          },
          { name: t("audit.from"), value: row.ip_address ?? "–" },
          { name: t("audit.agent"), value: row.user_agent ?? "–" },
          { name: t("audit.request"), value: row.request_id ? <code>{row.request_id}</code> : "–" },
          { name: t("audit.resource"), value: page ? <Link to={page}>{thingText(row.resource_type)}</Link> : thingText(row.resource_type) },
          Boolean(row.resource_id) && { name: t("audit.resource_id"), value: <code>{row.resource_id}</code> },
        ]}
      />
      <Title headingLevel="h2" size="md" className="berth-gap-above">
        {t("audit.details")}
      </Title>
      {Object.keys(row.details).length === 0 ? (
        <p className="berth-quiet">{t("audit.no_details")}</p>
      ) : (
        <Facts facts={Object.entries(row.details).map(([name, value]) => ({ name, value }))} />
      )}
      <Title headingLevel="h2" size="md" className="berth-gap-above">
        {t("audit.hash")}
      </Title>
      {row.hash ? <code className="berth-audit-hash">{row.hash}</code> : <p>{t("audit.hash_pending")}</p>}
      <p className="berth-quiet">{t("audit.hash_hint")}</p>
      <div className="berth-event-actions">
        {row.user_id && (
          <Link to={urls.auditLogs({ user_id: row.user_id })} onClick={onClose}>
            {t("audit.all_of_user", { name: who })}
          </Link>
        )}
        {row.resource_id && (
          <Link to={urls.auditLogs({ resource_id: row.resource_id })} onClick={onClose}>
            {t("audit.all_of_thing")}
          </Link>
        )}
      </div>
    </SidePanel>
  );
}
