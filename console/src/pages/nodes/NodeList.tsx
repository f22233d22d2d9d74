import "./nodes.css";
import { Label } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { type Node, nodeActivate, nodeDrain, nodeList } from "@/api/nodes";
import { useCan } from "@/api/profile";
import { useResourcePools } from "@/api/sites";
import { type BulkAction, type Column, type Filter, ListPage } from "@/parts/ListPage";
import { Status, statusText } from "@/parts/Status";
import { Time } from "@/parts/Time";
import { urls } from "@/urls";
import { Figure } from "./figures";

const statuses = ["active", "draining", "maintenance", "decommissioning", "late", "offline", "failed"];

export function Component() {
  const { t } = useTranslation(["fleet", "enums"]);
  const can = useCan();
  const pools = useResourcePools(can("edge_dc.read", "any")).data;
  const poolName = (id: string) => pools?.find((pool) => pool.id === id)?.name ?? "–";
  const columns: Column<Node>[] = [
    {
      key: "name",
      title: t("node.column.name"),
      width: "16%",
      render: (row) => (
        <Link to={urls.node(row.id)} className="berth-node-name">
          {row.name}
        </Link>
      ),
      csv: (row) => row.name,
    },
    {
      key: "status",
      title: t("node.column.status"),
      width: "16%",
      render: (row) => (
        <>
          <Status kind="node_status" value={row.status} />{" "}
          {row.health_status !== "healthy" && <Status kind="health_status" value={row.health_status} />}{" "}
          {row.status_reason && <span className="berth-quiet">{row.status_reason}</span>}
        </>
      ),
      csv: (row) => `${row.status}, ${row.health_status}`,
    },
    {
      key: "engine",
      title: t("node.column.engine"),
      render: (row) =>
        row.engine === "sim" ? (
          <Label isCompact variant="outline">
            {t("node.simulated")}
          </Label>
        ) : (
          t(`enums:engine_kind.${row.engine}`)
        ),
      csv: (row) => row.engine,
    },
    {
      key: "pool",
      title: t("node.column.pool"),
      render: (row) => poolName(row.resource_pool_id),
      csv: (row) => poolName(row.resource_pool_id),
    },
    {
      key: "sessions",
      title: t("node.column.sessions"),
      render: (row) => (row.session_count > 0 ? <Link to={urls.node(row.id, "sessions")}>{row.session_count}</Link> : 0),
      csv: (row) => row.session_count,
    },
    {
      key: "cpu",
      title: t("node.column.cpu"),
      render: (row) => <Figure kind="cpu" used={row.allocated_cpu_cores} total={row.total_cpu_cores} />,
      csv: (row) => `${row.allocated_cpu_cores}/${row.total_cpu_cores}`,
    },
    {
      key: "memory",
      title: t("node.column.memory"),
      render: (row) => <Figure kind="memory" used={row.allocated_memory_gb} total={row.total_memory_gb} />,
      csv: (row) => `${row.allocated_memory_gb}/${row.total_memory_gb}`,
    },
    {
      key: "gpu",
      title: t("node.column.gpu"),
      render: (row) => <Figure kind="gpu" used={row.allocated_gpu_count} total={row.gpu_count} />,
      csv: (row) => `${row.allocated_gpu_count}/${row.gpu_count}`,
    },
    {
      key: "heartbeat",
      title: t("node.column.heartbeat"),
      render: (row) => <Time value={row.last_heartbeat} />,
      csv: (row) => row.last_heartbeat,
    },
  ];
  const names = (rows: Node[]) => rows.map((row) => row.name).join(", ");
  const bulk: BulkAction<Node>[] = [
    {
      key: "drain",
      label: t("node.drain"),
      danger: true,
      fits: (row) => row.admin_state === "active" || row.admin_state === "maintenance",
      question: (rows) => {
        const count = rows.reduce((sum, row) => sum + row.session_count, 0);
        return {
          title: t("node.drain_many_title", { count: rows.length }),
          body:
            count > 0
              ? t("node.drain_many_body", { count, names: names(rows) })
              : t("node.drain_many_none", { names: names(rows) }),
        };
      },
      run: (row) => nodeDrain(row.id, null),
    },
    {
      key: "activate",
      label: t("node.activate"),
      fits: (row) => row.admin_state !== "active",
      question: (rows) => ({
        title: t("node.activate_many_title", { count: rows.length }),
        body: t("node.activate_many_body", { names: names(rows) }),
      }),
      run: (row) => nodeActivate(row.id),
    },
  ];
  const filters: Filter[] = [
    { kind: "search", name: "search", label: t("node.search") },
    {
      kind: "choice",
      name: "status",
      label: t("node.state"),
      options: statuses.map((value) => ({ value, label: statusText("node_status", value) })),
    },
    {
      kind: "choice",
      name: "engine",
      label: t("node.column.engine"),
      options: (["docker", "sim"] as const).map((value) => ({ value, label: t(`enums:engine_kind.${value}`) })),
    },
    {
      kind: "choice",
      name: "resource_pool_id",
      label: t("node.column.pool"),
      options: (pools ?? []).map((pool) => ({ value: pool.id, label: pool.name })),
    },
  ];
  return (
    <ListPage
      title={t("node.title")}
      description={t("node.description")}
      domain="nodes"
      load={nodeList}
      columns={columns}
      bulk={can("server.manage", "any") ? bulk : []}
      filters={filters}
      rowId={(row) => row.id}
      rowName={(row) => row.name}
      empty={{ title: t("node.empty_title"), body: t("node.empty_body") }}
      csv="nodes"
    />
  );
}
