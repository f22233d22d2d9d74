import "./sites.css";
import { Button, Card, CardBody, CardHeader, CardTitle } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { useCan } from "@/api/profile";
import {
  type EdgeDataCenter,
  edgeDataCenterDelete,
  type ResourcePool,
  resourcePoolDelete,
  useEdgeDataCenters,
  useResourcePools,
} from "@/api/sites";
import { Figure } from "@/pages/nodes/figures";
import { ActionMenu } from "@/parts/ActionMenu";
import { Confirm } from "@/parts/Confirm";
import { Answer, Empty, PageBody, PageHead } from "@/parts/page";
import { Status } from "@/parts/Status";
import { useAction } from "@/parts/useAction";
import { urls } from "@/urls";
import { PoolForm, SiteForm } from "./SiteForms";

export function Component() {
  const { t } = useTranslation("fleet");
  const can = useCan();
  const sites = useEdgeDataCenters();
  const [adding, setAdding] = useState(false);
  const add = can("edge_dc.create", "any") && <Button onClick={() => setAdding(true)}>{t("site.add")}</Button>;
  return (
    <>
      <PageHead title={t("site.title")} description={t("site.description")} actions={add} />
      <PageBody>
        <Answer query={sites}>
          {(data) =>
            data.length === 0 ? (
              <Empty title={t("site.empty_title")} body={t("site.empty_body")} action={add} />
            ) : (
              <div className="berth-sites">
                {data.map((site) => (
                  <SiteCard key={site.id} site={site} />
                ))}
              </div>
            )
          }
        </Answer>
      </PageBody>
      {adding && <SiteForm onClose={() => setAdding(false)} />}
    </>
  );
}

const kinds = ["cpu", "memory", "storage", "gpu"] as const;

function figures(of: EdgeDataCenter | ResourcePool, kind: (typeof kinds)[number]): { used: number; total: number } {
  switch (kind) {
    case "cpu":
      return { used: of.allocated_cpu_cores, total: of.total_cpu_cores };
    case "memory":
      return { used: of.allocated_memory_gb, total: of.total_memory_gb };
    case "storage":
      return { used: of.allocated_storage_gb, total: of.total_storage_gb };
    case "gpu":
      return { used: of.allocated_gpu_count, total: of.total_gpu_count };
  }
}

type Asked = { what: "edit" | "delete" | "add_pool" } | { what: "edit_pool" | "delete_pool"; pool: ResourcePool };

function SiteCard({ site }: { site: EdgeDataCenter }) {
  const { t } = useTranslation(["fleet", "enums"]);
  const can = useCan();
  const pools = useResourcePools();
  const [asked, setAsked] = useState<Asked>();
  const close = () => setAsked(undefined);
  const remove = useAction(() => edgeDataCenterDelete(site.id, site.generation), {
    wanted: t("site.delete_wanted"),
    done: t("site.deleted", { name: site.name }),
    changes: ["sites"],
  });
  const removePool = useAction((pool: ResourcePool) => resourcePoolDelete(pool.id, pool.generation), {
    wanted: t("pool.delete_wanted"),
    done: (_, pool) => t("site.deleted", { name: pool.name }),
    changes: ["sites"],
  });
  const mayChange = can("edge_dc.update", "any");
  const mayDelete = can("edge_dc.delete", "any");
  const actions = (
    <>
      {can("edge_dc.create", "any") && (
        <Button
          variant="secondary"
          size="sm"
          aria-label={t("site.add_pool_to", { name: site.name })}
          onClick={() => setAsked({ what: "add_pool" })}
        >
          {t("site.add_pool")}
        </Button>
      )}
      <ActionMenu
        label={t("site.actions", { name: site.name })}
        actions={[
          mayChange && { key: "edit", label: t("site.edit"), run: () => setAsked({ what: "edit" }) },
          mayDelete && { key: "delete", label: t("site.delete"), danger: true, run: () => setAsked({ what: "delete" }) },
        ]}
      />
    </>
  );
  return (
    <Card>
      <CardHeader actions={{ actions, hasNoOffset: true }}>
        <CardTitle component="h2">
          <span className="berth-site-title">
            {site.name}
            <Status kind="edge_data_center_status" value={site.status} />
          </span>
        </CardTitle>
        {site.location && <span className="berth-quiet">{site.location}</span>}
      </CardHeader>
      <CardBody>
        <div className="berth-site-totals">
          {kinds.map((kind) => (
            <Figure key={kind} kind={kind} label={t(`enums:resource_kind.${kind}`)} {...figures(site, kind)} large />
          ))}
        </div>
        <Answer query={pools}>
          {(all) => (
            <Pools
              site={site}
              pools={all.filter((pool) => pool.edge_data_center_id === site.id)}
              mayChange={mayChange}
              mayDelete={mayDelete}
              onEdit={(pool) => setAsked({ what: "edit_pool", pool })}
              onDelete={(pool) => setAsked({ what: "delete_pool", pool })}
            />
          )}
        </Answer>
      </CardBody>
      {asked?.what === "edit" && <SiteForm site={site} onClose={close} />}
      {asked?.what === "add_pool" && <PoolForm site={site} onClose={close} />}
      {asked?.what === "edit_pool" && <PoolForm site={site} pool={asked.pool} onClose={close} />}
      {asked?.what === "delete" && (
        <Confirm
          title={t("site.delete_title", { name: site.name })}
          action={t("site.delete")}
          onConfirm={() => remove.mutateAsync()}
          onClose={close}
        >
          {t("site.delete_body")}
        </Confirm>
      )}
      {asked?.what === "delete_pool" && (
        <Confirm
          title={t("pool.delete_title", { name: asked.pool.name })}
          action={t("site.delete")}
          onConfirm={() => removePool.mutateAsync(asked.pool)}
          onClose={close}
        >
          {t("pool.delete_body")}
        </Confirm>
      )}
    </Card>
  );
}

interface PoolsProps {
  site: EdgeDataCenter;
  pools: ResourcePool[];
  mayChange: boolean;
  mayDelete: boolean;
  onEdit: (pool: ResourcePool) => void;
  onDelete: (pool: ResourcePool) => void;
}

function Pools({ site, pools, mayChange, mayDelete, onEdit, onDelete }: PoolsProps) {
  const { t } = useTranslation(["fleet", "enums"]);
  const seesNodes = useCan()("server.read", "any");
  if (pools.length === 0) return <p className="berth-quiet">{t("site.no_pools")}</p>;
  const label = t("site.pools_of", { name: site.name });
  const policyText = (pool: ResourcePool) => t(`enums:scheduling_policy.${pool.scheduling_policy}`);
  return (
    <div className="berth-site-pools" role="region" aria-label={label} tabIndex={0}>
      <Table variant="compact" aria-label={label} gridBreakPoint="grid-lg">
        <Thead>
          <Tr>
            <Th modifier="nowrap">{t("pool.name")}</Th>
            <Th modifier="nowrap">{t("pool.status")}</Th>
            <Th modifier="nowrap">{t("pool.policy")}</Th>
            <Th modifier="nowrap">{t("pool.nodes")}</Th>
            {kinds.map((kind) => (
              <Th key={kind}>{t(`pool.${kind}`)}</Th>
            ))}
            <Th screenReaderText={t("site.actions", { name: site.name })} />
          </Tr>
        </Thead>
        <Tbody>
          {pools.map((pool) => (
            <Tr key={pool.id}>
              <Td dataLabel={t("pool.name")}>
                {pool.name}
                {pool.description && <div className="berth-quiet">{pool.description}</div>}
              </Td>
              <Td dataLabel={t("pool.status")}>
                <Status kind="resource_pool_status" value={pool.status} />
              </Td>
              <Td dataLabel={t("pool.policy")}>{policyText(pool)}</Td>
              <Td dataLabel={t("pool.nodes")}>
                {pool.node_count > 0 && seesNodes ? (
                  <Link to={urls.nodes({ resource_pool_id: pool.id })}>{t("pool.nodes_link", { count: pool.node_count })}</Link>
                ) : (
                  pool.node_count
                )}
              </Td>
              {kinds.map((kind) => (
                <Td key={kind} dataLabel={t(`pool.${kind}`)}>
                  <Figure kind={kind} {...figures(pool, kind)} />
                </Td>
              ))}
              <Td isActionCell>
                <ActionMenu
                  label={t("site.actions", { name: pool.name })}
                  actions={[
                    mayChange && { key: "edit", label: t("site.edit"), run: () => onEdit(pool) },
                    mayDelete && { key: "delete", label: t("site.delete"), danger: true, run: () => onDelete(pool) },
                  ]}
                />
              </Td>
            </Tr>
          ))}
        </Tbody>
      </Table>
    </div>
  );
}
