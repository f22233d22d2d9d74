import {
  Card,
  CardBody,
  CardTitle,
  DescriptionList,
  DescriptionListDescription,
  DescriptionListGroup,
  DescriptionListTerm,
  Label,
} from "@patternfly/react-core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import type { NodeDetail, NodeResource } from "@/api/nodes";
import { useCan } from "@/api/profile";
import { useEdgeDataCenters, useResourcePools } from "@/api/sites";
import { CapacityBar } from "@/parts/CapacityBar";
import { bytes, number } from "@/parts/format";
import { Time } from "@/parts/Time";
import { urls } from "@/urls";
import { amountText, toPeople } from "./units";

const order = ["cpu", "memory", "storage", "gpu", "network"] as const;

export function NodeOverview({ node }: { node: NodeDetail }) {
  const { t } = useTranslation("fleet");
  const resources = order
    .map((kind) => node.resources.find((resource) => resource.resource_type === kind))
    .filter((resource): resource is NodeResource => resource !== undefined && resource.total_capacity > 0);
  return (
    <div className="berth-node-stack">
      <Card>
        <CardTitle component="h2">{t("overview.capacity")}</CardTitle>
        <CardBody className="berth-node-capacity">
          {resources.map((resource) => (
            <Capacity key={resource.resource_type} resource={resource} />
          ))}
        </CardBody>
      </Card>
      <Card>
        <CardTitle component="h2">{t("overview.facts")}</CardTitle>
        <CardBody>
          <Facts node={node} />
        </CardBody>
      </Card>
    </div>
  );
}

function Capacity({ resource }: { resource: NodeResource }) {
  const { t } = useTranslation("fleet");
  const { t: word } = useTranslation("enums");
  const kind = resource.resource_type;
  const ratio = resource.constraints.overcommit_ratio;
  const amount = (base: number) => amountText(t, kind, toPeople(kind, base));
  const sold = Math.floor(resource.total_capacity * ratio);
  const total = amount(resource.total_capacity);
  return (
    <div>
      <CapacityBar
        large
        label={word(`resource_kind.${kind}`)}
        used={resource.allocated_capacity}
        reserved={resource.reservation_capacity}
        total={sold}
        text={ratio > 1 ? t("overview.overcommitted", { amount: total, ratio: number(ratio) }) : t("overview.total", { amount: total })}
      />
      <div className="berth-node-legend">
        <span>{t("figure.allocated", { amount: amount(resource.allocated_capacity) })}</span>
        <span>{t("figure.reserved", { amount: amount(resource.reservation_capacity) })}</span>
        <span>{t("figure.free", { amount: amount(resource.available_capacity) })}</span>
      </div>
    </div>
  );
}

export function Pairs({ pairs }: { pairs: Record<string, string> }) {
  const { t } = useTranslation();
  const entries = Object.entries(pairs);
  if (entries.length === 0) return <>{t("state.none")}</>;
  return (
    <span className="berth-node-pairs">
      {entries.map(([name, value]) => (
        <Label key={name} isCompact variant="outline">
          {`${name}=${value}`}
        </Label>
      ))}
    </span>
  );
}

function Facts({ node }: { node: NodeDetail }) {
  const { t } = useTranslation(["fleet", "enums", "common"]);
  const can = useCan();
  const sees = can("edge_dc.read", "any");
  const pool = useResourcePools(sees).data?.find(({ id }) => id === node.resource_pool_id);
  const site = useEdgeDataCenters(sees).data?.find(({ id }) => id === node.edge_data_center_id);
  const { facts } = node;
  const rows: [string, ReactNode][] = [
    [t("overview.site"), site && <Link to={urls.sites()}>{site.name}</Link>],
    [t("overview.pool"), pool && <Link to={urls.nodes({ resource_pool_id: pool.id })}>{pool.name}</Link>],
    [t("overview.engine"), t(`enums:engine_kind.${node.engine}`)],
    [t("overview.hostname"), node.hostname],
    [t("overview.address"), node.ip_address],
    [t("overview.os"), node.os_version],
    [t("overview.kernel"), node.kernel_version],
    [t("overview.docker"), node.docker_version],
    [t("overview.architecture"), node.architecture],
    [t("overview.cpu_model"), facts?.cpu_model],
    [t("overview.threads"), facts && number(facts.cpu_threads)],
    [t("overview.numa"), facts && number(facts.numa_nodes)],
    [t("overview.swap"), facts && bytes(facts.swap_mib * 1_048_576)],
    [t("overview.kvm"), facts && (facts.kvm ? t("common:state.yes") : t("common:state.no"))],
    [t("overview.node_type"), t(`enums:node_type.${node.node_type}`)],
    [t("overview.rental"), t(`enums:rental_mode.${node.rental_mode}`)],
    [t("overview.priority"), number(node.priority)],
    [t("overview.labels"), <Pairs key="labels" pairs={node.labels} />],
    [t("overview.tags"), <Pairs key="tags" pairs={node.tags} />],
    [t("overview.capabilities"), <Pairs key="capabilities" pairs={node.capabilities} />],
    [t("overview.registered"), <Time key="registered" value={node.created_at} />],
    [t("overview.heartbeat"), <Time key="heartbeat" value={node.last_heartbeat} />],
  ];
  return (
    <DescriptionList isCompact isHorizontal columnModifier={{ default: "1Col", xl: "2Col" }} horizontalTermWidthModifier={{ default: "11rem" }}>
      {rows
        .filter(([, value]) => value !== undefined && value !== null && value !== "")
        .map(([term, value]) => (
          <DescriptionListGroup key={term}>
            <DescriptionListTerm>{term}</DescriptionListTerm>
            <DescriptionListDescription>{value}</DescriptionListDescription>
          </DescriptionListGroup>
        ))}
    </DescriptionList>
  );
}
