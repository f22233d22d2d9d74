import "./fleet.css";
import { Button, Card, CardBody, CardTitle } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import type { SystemEvent } from "@/api/events";
import { type Fleet, type FleetShare, useFleet, useOpenWarnings } from "@/api/fleet";
import { useCan } from "@/api/profile";
import { EventPanel } from "@/pages/events/EventTable";
import { amountText, toPeople } from "@/pages/nodes/units";
import { CapacityBar } from "@/parts/CapacityBar";
import { number } from "@/parts/format";
import { Answer, Empty, PageBody, PageHead } from "@/parts/page";
import { Status } from "@/parts/Status";
import { Time } from "@/parts/Time";
import { urls } from "@/urls";
import { NodeMap } from "./NodeMap";

export function Component() {
  const { t } = useTranslation("fleet");
  const fleet = useFleet();
  const can = useCan();
  return (
    <>
      <PageHead title={t("fleet.title")} description={t("fleet.description")} />
      <PageBody>
        <Answer query={fleet}>
          {(data) =>
            data.nodes.length === 0 ? (
              <Empty title={t("fleet.empty_title")} body={t("fleet.empty_body")} />
            ) : (
              <div className={can("system_event.read") ? "berth-fleet-layout" : undefined}>
                <div className="berth-fleet-main">
                  <Capacity fleet={data} />
                  <States fleet={data} />
                  <Section title={t("fleet.map")}>
                    <NodeMap nodes={data.nodes} />
                  </Section>
                  <Shares title={t("fleet.tenants")} head={t("fleet.tenant")} shares={data.tenants} fleet={data} link={urls.tenant} may={can("tenant.read", "tenant")} />
                  <Shares title={t("fleet.users")} head={t("fleet.user")} shares={data.users} fleet={data} link={urls.user} may={can("user.read", "tenant")} />
                </div>
                {can("system_event.read") && <Warnings />}
              </div>
            )
          }
        </Answer>
      </PageBody>
    </>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Card>
      <CardTitle component="h2">{title}</CardTitle>
      <CardBody>{children}</CardBody>
    </Card>
  );
}

function Capacity({ fleet }: { fleet: Fleet }) {
  const { t } = useTranslation("fleet");
  const { t: word } = useTranslation("enums");
  return (
    <Section title={t("fleet.capacity")}>
      <div className="berth-fleet-capacity">
        {fleet.resources
          .filter((resource) => resource.total > 0)
          .map(({ resource_type: kind, allocated, reserved, sellable }) => {
            const amount = (base: number) => amountText(t, kind, toPeople(kind, base));
            return (
              <div key={kind}>
                <CapacityBar
                  large
                  label={word(`resource_kind.${kind}`)}
                  used={allocated}
                  reserved={reserved}
                  total={sellable + reserved}
                  text={amount(sellable + reserved)}
                />
                <div className="berth-fleet-figures">
                  <span>{t("figure.allocated", { amount: amount(allocated) })}</span>
                  <span>{t("figure.reserved", { amount: amount(reserved) })}</span>
                  <span>{t("figure.free", { amount: amount(Math.max(0, sellable - allocated)) })}</span>
                </div>
              </div>
            );
          })}
      </div>
    </Section>
  );
}

const nodeStatuses = ["active", "draining", "maintenance", "decommissioning", "late", "offline", "failed"];
const sessionStatuses = ["pending", "scheduled", "starting", "running", "paused", "stopping"];

function States({ fleet }: { fleet: Fleet }) {
  const { t } = useTranslation("fleet");
  const shown = (order: string[], counts: Record<string, number>) => order.filter((status) => (counts[status] ?? 0) > 0);
  const nodes = fleet.nodes_by_status as Record<string, number>;
  const sessions = fleet.sessions_by_status as Record<string, number>;
  const running = shown(sessionStatuses, sessions);
  return (
    <div className="berth-fleet-pair">
      <Section title={t("fleet.nodes")}>
        <ul className="berth-fleet-states">
          {shown(nodeStatuses, nodes).map((status) => (
            <li key={status}>
              <Link to={urls.nodes({ status })}>
                {number(nodes[status] ?? 0)} <Status kind="node_status" value={status} />
              </Link>
            </li>
          ))}
        </ul>
      </Section>
      <Section title={t("fleet.sessions")}>
        {running.length === 0 ? (
          <p className="berth-quiet">{t("fleet.no_sessions")}</p>
        ) : (
          <ul className="berth-fleet-states">
            {running.map((status) => (
              <li key={status}>
                <Link to={urls.sessions({ status })}>
                  {number(sessions[status] ?? 0)} <Status kind="session_status" value={status} />
                </Link>
              </li>
            ))}
          </ul>
        )}
      </Section>
    </div>
  );
}

interface SharesProps {
  title: string;
  head: string;
  shares: FleetShare[];
  fleet: Fleet;
  link: (id: string) => string;
  may: boolean;
}

function Shares({ title, head, shares, fleet, link, may }: SharesProps) {
  const { t } = useTranslation("fleet");
  // Of what everybody together holds: of the whole fleet, most would be too little to be seen.
  const held = (kind: "cpu" | "memory" | "gpu" | "storage") => {
    const resource = fleet.resources.find(({ resource_type }) => resource_type === kind);
    return resource ? toPeople(kind, resource.allocated) : 0;
  };
  const gpus = held("gpu") > 0;
  const columns = ["cpu", "memory", "storage", ...(gpus ? (["gpu"] as const) : [])] as const;
  const used = (share: FleetShare, kind: (typeof columns)[number]) =>
    ({ cpu: share.cpu, memory: share.memory_gb, storage: share.storage_gb, gpu: share.gpu })[kind];
  return (
    <Section title={title}>
      {shares.length === 0 ? (
        <p className="berth-quiet">{t("fleet.no_use")}</p>
      ) : (
        <Table variant="compact" aria-label={title} gridBreakPoint="grid-lg">
          <Thead>
            <Tr>
              <Th>{head}</Th>
              <Th modifier="nowrap">{t("fleet.sessions")}</Th>
              {columns.map((kind) => (
                <Th key={kind}>{t(`pool.${kind}`)}</Th>
              ))}
            </Tr>
          </Thead>
          <Tbody>
            {shares.map((share) => (
              <Tr key={share.id}>
                <Td dataLabel={head}>{may ? <Link to={link(share.id)}>{share.name}</Link> : share.name}</Td>
                <Td dataLabel={t("fleet.sessions")}>{number(share.sessions)}</Td>
                {columns.map((kind) => (
                  <Td key={kind} dataLabel={t(`pool.${kind}`)}>
                    <CapacityBar used={used(share, kind)} total={held(kind)} text={amountText(t, kind, used(share, kind))} calm />
                  </Td>
                ))}
              </Tr>
            ))}
          </Tbody>
        </Table>
      )}
    </Section>
  );
}

/** Rows beside the map; the rest is on the page of events. */
const WARNINGS = 8;

function Warnings() {
  const { t } = useTranslation("fleet");
  const [shown, setShown] = useState<SystemEvent>();
  return (
    <Section title={t("fleet.warnings")}>
      <Answer query={useOpenWarnings(WARNINGS, true)}>
        {(events) =>
          events.length === 0 ? (
            <p className="berth-quiet">{t("fleet.no_warnings")}</p>
          ) : (
            <ul className="berth-fleet-warnings">
              {events.map((event) => (
                <li key={event.id}>
                  <Status kind="event_severity" value={event.severity} />{" "}
                  <span className="berth-quiet">
                    <Time value={event.timestamp} />
                  </span>
                  <div>
                    <Button variant="link" isInline className="berth-event-open" onClick={() => setShown(event)}>
                      {event.message}
                    </Button>
                  </div>
                </li>
              ))}
            </ul>
          )
        }
      </Answer>
      <p className="berth-gap-above">
        <Link to={urls.events({ unresolved: true, severity: "warning" })}>{t("fleet.all_events")}</Link>
      </p>
      {shown && <EventPanel event={shown} onClose={() => setShown(undefined)} />}
    </Section>
  );
}
