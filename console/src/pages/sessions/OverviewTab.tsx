import { Alert, Card, CardBody, CardTitle, Content } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { useCan } from "@/api/profile";
import { type Allocation, isOpen, type Session, useSessionAllocations } from "@/api/sessions";
import { Facts } from "@/parts/Facts";
import { bytes, dateTime, duration, number } from "@/parts/format";
import { Answer } from "@/parts/page";
import { Time, useNow } from "@/parts/Time";
import { urls } from "@/urls";

export function OverviewTab({ session }: { session: Session }) {
  const { t } = useTranslation(["sessions", "enums", "common"]);
  return (
    <div className="berth-stack">
      {session.reason && session.status !== "pending" && (
        <Alert
          component="h2"
          isInline
          variant={session.status === "failed" ? "danger" : session.status === "completed" ? "success" : "info"}
          title={t(`enums:session_reason.${session.reason}`)}
        >
          {session.message}
        </Alert>
      )}
      {session.placement && (
        <Alert component="h2" isInline isPlain variant="info" title={t("detail.placement_title")}>
          {session.placement}
        </Alert>
      )}
      <div className="berth-card-grid">
        <FactsCard session={session} />
        <Times session={session} />
        <Resources session={session} />
        <Environment session={session} />
        <Ledger id={session.id} />
      </div>
    </div>
  );
}

function FactsCard({ session }: { session: Session }) {
  const { t } = useTranslation(["sessions", "enums", "common"]);
  const can = useCan();
  const labels = Object.entries(session.resource_constraints.labels ?? {});
  const code = session.exit_code;
  const fact = (key: "id", value: React.ReactNode) => ({ name: t(`detail.fact.${key}`), value });
  const facts = {
    node: session.scheduled_node_id
      ? can("server.read", "any")
        ? <Link to={urls.node(session.scheduled_node_id)}>{session.scheduled_node ?? session.scheduled_node_id}</Link>
        : (session.scheduled_node ?? "–")
      : "–",
    user: can("user.read", "tenant") ? <Link to={urls.user(session.user_id)}>{session.username}</Link> : session.username,
  };
  return (
    <Card isCompact>
      <CardTitle component="h2">{t("detail.facts")}</CardTitle>
      <CardBody>
        <Facts
          facts={[
            { name: t("detail.fact.application"), value: session.application },
            { name: t("detail.fact.user"), value: facts.user },
            { name: t("detail.fact.node"), value: facts.node },
            { name: t("detail.fact.kind"), value: t(`enums:session_type.${session.session_type}`) },
            code !== null && code !== undefined && {
              name: t("detail.fact.exit_code"),
              value: t(code === 0 ? "detail.exit_ok" : "detail.exit_bad", { code }),
            },
            { name: t("detail.fact.priority"), value: number(session.priority) },
            { name: t("detail.fact.network"), value: t(`enums:network_policy.${session.network_policy}`) },
            session.preemptible && { name: t("detail.fact.preemptible"), value: t("common:state.yes") },
            session.attempt > 1 && { name: t("detail.fact.attempt"), value: number(session.attempt) },
            labels.length > 0 && {
              name: t("detail.fact.labels"),
              value: labels.map(([key, value]) => `${key}=${value}`).join(", "),
            },
            { name: t("detail.fact.image"), value: <span className="berth-word">{session.container_image}</span> },
            session.command.length > 0 && {
              name: t("detail.fact.command"),
              value: <span className="berth-word">{session.command.join(" ")}</span>,
            },
            fact("id", <span className="berth-word">{session.id}</span>),
          ]}
        />
      </CardBody>
    </Card>
  );
}

function Times({ session }: { session: Session }) {
  const { t } = useTranslation(["sessions", "common"]);
  const now = useNow();
  const start = session.start_time ? Date.parse(session.start_time) : undefined;
  const end = session.end_time ? Date.parse(session.end_time) : isOpen(session) ? now : undefined;
  const exact = (value: string | null | undefined) =>
    value ? (
      <>
        <Time value={value} /> <span className="berth-quiet">({dateTime(value)})</span>
      </>
    ) : (
      "–"
    );
  return (
    <Card isCompact>
      <CardTitle component="h2">{t("detail.times")}</CardTitle>
      <CardBody>
        <Facts
          facts={[
            { name: t("detail.fact.created"), value: exact(session.created_at) },
            { name: t("detail.fact.started"), value: exact(session.start_time) },
            isOpen(session) && { name: t("detail.fact.ends"), value: exact(session.ends_at) },
            !isOpen(session) && { name: t("detail.fact.ended"), value: exact(session.end_time) },
            start !== undefined && end !== undefined && {
              name: t("detail.fact.duration"),
              value: duration((end - start) / 1000),
            },
            {
              name: t("detail.fact.limit"),
              value: session.max_runtime_minutes > 0 ? duration(session.max_runtime_minutes * 60) : t("common:state.unlimited"),
            },
          ]}
        />
      </CardBody>
    </Card>
  );
}

function Resources({ session }: { session: Session }) {
  const { t } = useTranslation("sessions");
  const upTo = (value: string, limit: string) => (value === limit ? value : t("detail.up_to", { value, limit }));
  const share = session.resource_constraints.gpu_share;
  return (
    <Card isCompact>
      <CardTitle component="h2">{t("detail.resources")}</CardTitle>
      <CardBody>
        <Facts
          facts={[
            {
              name: t("detail.fact.cpu"),
              value: upTo(
                t("resources.cpu", { value: number(session.cpu_request) }),
                t("resources.cpu", { value: number(session.cpu_limit) }),
              ),
            },
            {
              name: t("detail.fact.memory"),
              value: upTo(
                t("resources.memory", { value: number(session.memory_request_gb) }),
                t("resources.memory", { value: number(session.memory_limit_gb) }),
              ),
            },
            {
              name: t("detail.fact.storage"),
              value: t("resources.storage", { value: number(session.storage_request_gb) }),
            },
            session.gpu_request > 0 && {
              name: t("detail.fact.gpu"),
              value: share ? t("resources.share", { value: number(share / 1000) }) : t("resources.gpus", { count: session.gpu_request }),
            },
            Boolean(session.gpu_type) && { name: t("detail.fact.gpu_type"), value: session.gpu_type },
          ]}
        />
      </CardBody>
    </Card>
  );
}

function Environment({ session }: { session: Session }) {
  const { t } = useTranslation("sessions");
  const entries = Object.entries(session.environment_variables);
  return (
    <Card isCompact>
      <CardTitle component="h2">{t("detail.environment")}</CardTitle>
      <CardBody>
        {entries.length === 0 ? (
          <Content component="p" className="berth-quiet">
            {t("detail.environment_empty")}
          </Content>
        ) : (
          <Facts
            facts={entries.map(([name, value]) => ({
              name,
              value:
                typeof value === "string" ? (
                  <span className="berth-word">{value}</span>
                ) : (
                  <span className="berth-quiet">{t("detail.secret", { name: value.secret })}</span>
                ),
            }))}
          />
        )}
      </CardBody>
    </Card>
  );
}

/** An amount of the ledger in people's units. */
export function amountText(allocation: Pick<Allocation, "resource_type" | "allocated_amount" | "unit">): string {
  const { allocated_amount: amount, unit } = allocation;
  if (unit === "MiB") return bytes(amount * 1024 * 1024);
  if (unit.startsWith("milli")) return number(amount / 1000);
  return `${number(amount)} ${unit}`;
}

function Ledger({ id }: { id: string }) {
  const { t } = useTranslation(["sessions", "enums"]);
  const query = useSessionAllocations(id);
  return (
    <Card isCompact className="berth-wide">
      <CardTitle component="h2">{t("detail.ledger")}</CardTitle>
      <CardBody>
        <Answer query={query}>
          {(allocations) =>
            allocations.length === 0 ? (
              <Content component="p" className="berth-quiet">
                {t("detail.ledger_empty")}
              </Content>
            ) : (
              <>
                <Content component="p" className="berth-quiet">
                  {t("detail.ledger_hint")}
                </Content>
                <Table aria-label={t("detail.ledger")} variant="compact" gridBreakPoint="grid-md">
                  <Thead>
                    <Tr>
                      <Th>{t("detail.resource")}</Th>
                      <Th>{t("detail.amount")}</Th>
                      <Th>{t("detail.from")}</Th>
                      <Th>{t("detail.until")}</Th>
                    </Tr>
                  </Thead>
                  <Tbody>
                    {allocations.map((allocation) => (
                      <Tr key={allocation.id}>
                        <Td dataLabel={t("detail.resource")}>{t(`enums:resource_kind.${allocation.resource_type}`)}</Td>
                        <Td dataLabel={t("detail.amount")}>{amountText(allocation)}</Td>
                        <Td dataLabel={t("detail.from")}>{dateTime(allocation.allocation_time)}</Td>
                        <Td dataLabel={t("detail.until")}>
                          {allocation.deallocation_time ? dateTime(allocation.deallocation_time) : t("detail.holds")}
                        </Td>
                      </Tr>
                    ))}
                  </Tbody>
                </Table>
              </>
            )
          }
        </Answer>
      </CardBody>
    </Card>
  );
}
