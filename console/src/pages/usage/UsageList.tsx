import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link, useParams } from "react-router";
import { type User, userList } from "@/api/identity";
import { useCan, useProfile } from "@/api/profile";
import { keys, loadAll } from "@/api/queries";
import {
  type Allocation,
  allocationList,
  amountOf,
  hoursOf,
  type ResourceKind,
  type UsageRecord,
  usageRecordList,
} from "@/api/usage";
import { dateTime, number } from "@/parts/format";
import { type Column, ListPage } from "@/parts/ListPage";
import { NodeName, SessionName } from "@/parts/names";
import { PageBody, PageHead, PageTabs } from "@/parts/page";
import { Time } from "@/parts/Time";
import { urls } from "@/urls";
import "./usage.css";

export function Component() {
  const { t } = useTranslation("account");
  const { tab = "records" } = useParams();
  return (
    <>
      <PageHead title={t("usage.title")} description={t("usage.description")} />
      <PageTabs
        label={t("usage.tabs")}
        active={tab}
        tabs={[
          { key: "records", title: t("usage.tab.records"), to: urls.usage() },
          { key: "held", title: t("usage.tab.held"), to: urls.usageTab("held") },
        ]}
      />
      <PageBody>{tab === "held" ? <Held /> : <Records />}</PageBody>
    </>
  );
}

/** Names of the users within reach; the ledger has their ids. */
function useUsers(): User[] {
  const can = useCan();
  const { data } = useQuery({
    queryKey: keys.list("users", { all: true }),
    queryFn: () => loadAll({}, userList, () => undefined),
    enabled: can("session.read", "tenant") && can("user.read", "tenant"),
  });
  return data ?? [];
}

/** Ids begin alike when they are of the same time. */
const shortId = (id: string) => `…${id.slice(-8)}`;

interface Row {
  session_id?: string | null;
  user_id: string;
  resource_type: ResourceKind;
}

/** Columns that both lists have. */
function useColumns() {
  const { t } = useTranslation(["account", "enums"]);
  const can = useCan();
  const me = useProfile().user;
  const users = useUsers();
  const userName = (id: string) =>
    users.find((user) => user.id === id)?.username ?? (id === me.id ? me.username : shortId(id));
  const linksUsers = can("user.read", "tenant");
  const session: Column<Row> = {
    key: "session",
    title: t("usage.session"),
    render: (row) => <SessionName id={row.session_id} />,
    csv: (row) => row.session_id,
  };
  const user: Column<Row> = {
    key: "user",
    title: t("usage.user"),
    render: (row) =>
      linksUsers ? <Link to={urls.user(row.user_id)}>{userName(row.user_id)}</Link> : userName(row.user_id),
    csv: (row) => userName(row.user_id),
  };
  const resource: Column<Row> = {
    key: "resource",
    title: t("usage.resource"),
    render: (row) => t(`enums:resource_kind.${row.resource_type}`),
    csv: (row) => row.resource_type,
  };
  return { session, user: can("session.read", "tenant") ? [user] : [], resource, users };
}

function Records() {
  const { t } = useTranslation("account");
  const { session, user, resource, users } = useColumns();
  const columns: Column<UsageRecord>[] = [
    {
      key: "period",
      title: t("usage.period"),
      render: (row) => <time dateTime={row.period_start}>{dateTime(row.period_start)}</time>,
      csv: (row) => row.period_start,
    },
    session,
    ...user,
    resource,
    {
      key: "used",
      title: t("usage.used"),
      render: (row) => number(hoursOf(row.resource_type, row.amount_seconds)),
      csv: (row) => hoursOf(row.resource_type, row.amount_seconds),
    },
    {
      key: "unit",
      title: t("usage.unit_column"),
      render: (row) => t(`usage.hours.${row.resource_type}`),
      csv: (row) => t(`usage.hours.${row.resource_type}`),
    },
  ];
  return (
    <ListPage<UsageRecord>
      embedded
      title={t("usage.tab.records")}
      domain="usage"
      load={usageRecordList}
      columns={columns}
      filters={
        users.length > 1
          ? [
              {
                kind: "choice",
                name: "user_id",
                label: t("usage.user"),
                options: users.map(({ id, username }) => ({ value: id, label: username })),
              },
            ]
          : []
      }
      rowId={(row) => row.id}
      rowName={(row) => row.id}
      empty={{ title: t("usage.records_empty_title"), body: t("usage.records_empty_body") }}
      csv="usage"
    >
      <p className="berth-usage-note">{t("usage.records_body")}</p>
    </ListPage>
  );
}

function Held() {
  const { t } = useTranslation("account");
  const can = useCan();
  const { session, user, resource } = useColumns();
  const columns: Column<Allocation>[] = [
    session,
    ...user,
    ...(can("server.read", "any")
      ? [
          {
            key: "node",
            title: t("usage.node"),
            render: (row: Allocation) => <NodeName id={row.node_id} />,
            csv: (row: Allocation) => row.node_id,
          },
        ]
      : []),
    resource,
    {
      key: "held",
      title: t("usage.held"),
      render: (row) => number(amountOf(row.resource_type, row.allocated_amount)),
      csv: (row) => amountOf(row.resource_type, row.allocated_amount),
    },
    {
      key: "unit",
      title: t("usage.unit_column"),
      render: (row) => t(`usage.unit.${row.resource_type}`),
      csv: (row) => t(`usage.unit.${row.resource_type}`),
    },
    {
      key: "since",
      title: t("usage.since"),
      render: (row) => <Time value={row.allocation_time} />,
      csv: (row) => row.allocation_time,
    },
  ];
  return (
    <ListPage<Allocation, { status: "active" }>
      embedded
      title={t("usage.tab.held")}
      domain="usage"
      query={{ status: "active" }}
      load={({ status, limit, cursor }) =>
        allocationList({ status, ...(limit ? { limit } : {}), ...(cursor ? { cursor } : {}) })
      }
      columns={columns}
      rowId={(row) => row.id}
      rowName={(row) => row.id}
      empty={{ title: t("usage.held_empty_title"), body: t("usage.held_empty_body") }}
      csv="allocations"
    >
      <p className="berth-usage-note">{t("usage.held_body")}</p>
    </ListPage>
  );
}
