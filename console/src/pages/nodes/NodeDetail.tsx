import "./nodes.css";
import { Alert, AlertActionLink, Button, Label } from "@patternfly/react-core";
import { Trans, useTranslation } from "react-i18next";
import { useNavigate, useParams } from "react-router";
import { type NodeDetail, useNode } from "@/api/nodes";
import { useLatestOperation } from "@/api/operations";
import { useCan } from "@/api/profile";
import { Answer, Empty, PageBody, PageHead, PageTabs } from "@/parts/page";
import { Status } from "@/parts/Status";
import { Time } from "@/parts/Time";
import { EventTable } from "@/pages/events/EventTable";
import { OperationTable } from "@/pages/operations/OperationTable";
import { OperationProgress } from "@/pages/operations/OperationProgress";
import { urls } from "@/urls";
import { NodeActions, useActivate } from "./NodeActions";
import { NodeHardware } from "./NodeHardware";
import { NodeMetrics } from "./NodeMetrics";
import { NodeOverview } from "./NodeOverview";
import { NodeSessions } from "./NodeSessions";

const tabs = ["overview", "hardware", "metrics", "sessions", "events", "operations"] as const;
type TabKey = (typeof tabs)[number];

export function Component() {
  const { id = "" } = useParams();
  const node = useNode(id);
  const { t } = useTranslation("fleet");
  return (
    <>
      {!node.data && <PageHead title={t("node.one")} trail={[{ to: urls.nodes(), label: t("node.trail") }]} />}
      <Answer query={node}>{(data) => <Detail key={data.id} node={data} />}</Answer>
    </>
  );
}

function Detail({ node }: { node: NodeDetail }) {
  const { t } = useTranslation("fleet");
  const can = useCan();
  const { tab = "overview" } = useParams();
  const shown = tabs.filter((key) => key !== "events" || can("system_event.read"));
  return (
    <>
      <PageHead
        title={node.name}
        trail={[{ to: urls.nodes(), label: t("node.trail") }]}
        beside={
          <>
            <Status kind="node_status" value={node.status} />
            {node.health_status !== "healthy" && <Status kind="health_status" value={node.health_status} />}
            {node.engine === "sim" && (
              <Label isCompact variant="outline">
                {t("node.simulated")}
              </Label>
            )}
          </>
        }
        description={node.status_reason}
        actions={<NodeActions node={node} />}
      />
      {node.admin_state === "draining" && (
        <PageBody>
          <Draining node={node} />
        </PageBody>
      )}
      <PageTabs
        label={t("node.tabs_label")}
        active={tab}
        tabs={shown.map((key) => ({
          key,
          title: t(`node.tab.${key}`),
          to: urls.node(node.id, key === "overview" ? undefined : key),
        }))}
      />
      <PageBody>
        <TabBody node={node} tab={tab as TabKey} />
      </PageBody>
    </>
  );
}

function TabBody({ node, tab }: { node: NodeDetail; tab: TabKey }) {
  const { t } = useTranslation(["fleet", "common"]);
  switch (tab) {
    case "overview":
      return <NodeOverview node={node} />;
    case "hardware":
      return <NodeHardware node={node} />;
    case "metrics":
      return <NodeMetrics node={node} />;
    case "sessions":
      return <NodeSessions node={node} />;
    case "events":
      return <EventTable embedded query={{ node_id: node.id }} name={node.name} />;
    case "operations":
      return <OperationTable embedded query={{ subject_id: node.id }} name={node.name} />;
    default:
      return <Empty title={t("common:error.not_found_title")} body={t("node.no_tab")} />;
  }
}

/** How far a drain is, and the way back. */
function Draining({ node }: { node: NodeDetail }) {
  const { t } = useTranslation("fleet");
  const can = useCan();
  const navigate = useNavigate();
  const operation = useLatestOperation(node.id).data;
  const activate = useActivate(node);
  const drain = operation?.kind === "node_drain" ? operation : undefined;
  const under = drain?.status === "pending" || drain?.status === "running";
  const show = drain && (
    <AlertActionLink onClick={() => void navigate(urls.operation(drain.id))}>{t("drain.operation")}</AlertActionLink>
  );
  if (drain?.status === "failed") {
    return (
      <Alert isInline variant="danger" component="h2" title={t("drain.failed")} actionLinks={show}>
        {drain.error}
      </Alert>
    );
  }
  if (!under && node.session_count === 0) {
    return (
      <Alert isInline variant="success" component="h2" title={t("drain.drained")} actionLinks={show}>
        {t("drain.drained_body")}
      </Alert>
    );
  }
  const left = node.session_count;
  return (
    <Alert
      isInline
      variant="info"
      component="h2"
      title={t("drain.running")}
      actionLinks={
        <>
          {show}
          {can("server.manage", "any") && (
            <Button variant="link" isInline isLoading={activate.isPending} onClick={() => activate.mutate()}>
              {t("drain.cancel")}
            </Button>
          )}
        </>
      }
    >
      <p>
        {left === 0 ? t("drain.left_none") : t("drain.left", { count: left })}{" "}
        {left > 0 && node.drain_deadline_at && (
          <Trans t={t} i18nKey="drain.until" components={{ time: <Time value={node.drain_deadline_at} /> }} />
        )}
      </p>
      {drain && <OperationProgress operation={drain} stepOnly />}
    </Alert>
  );
}
