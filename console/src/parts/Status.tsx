/** Coloured words for states: the same colour means the same everywhere. */
import { Label, type LabelProps, Spinner } from "@patternfly/react-core";
import type { Schemas } from "@/api/client";
import i18n from "@/text";

type Kind =
  | "session_status"
  | "node_status"
  | "health_status"
  | "operation_status"
  | "event_severity"
  | "audit_status"
  | "user_status"
  | "tenant_status"
  | "edge_data_center_status"
  | "resource_pool_status"
  | "allocation_status";

type Tone = LabelProps["status"];

const tones: Record<string, Tone> = {
  running: "success",
  active: "success",
  healthy: "success",
  success: "success",
  succeeded: "success",
  pending: "warning",
  waiting: "warning",
  paused: "warning",
  draining: "warning",
  maintenance: "warning",
  late: "warning",
  warning: "warning",
  denied: "warning",
  inactive: "warning",
  scheduled: "info",
  starting: "info",
  stopping: "info",
  info: "info",
  failed: "danger",
  failure: "danger",
  offline: "danger",
  critical: "danger",
  error: "danger",
  locked: "danger",
  suspended: "danger",
  disabled: "danger",
};

const moving = new Set(["starting", "stopping", "scheduled"]);

/** The word for a state. */
export function statusText(kind: Kind, value: string): string {
  return i18n.t(`enums:${kind}.${value}` as "enums:session_status.running", { defaultValue: value });
}

export function Status({ kind, value }: { kind: Kind; value: string }) {
  const tone = kind === "operation_status" && value === "running" ? "info" : tones[value];
  const busy = moving.has(value) || (kind === "operation_status" && value === "running");
  const look: LabelProps = tone ? { status: tone } : { color: "grey" };
  return (
    <Label isCompact variant="outline" {...look} {...(busy ? { icon: <Spinner size="sm" aria-hidden="true" /> } : {})}>
      {statusText(kind, value)}
    </Label>
  );
}

export const SessionStatus = ({ value }: { value: Schemas["SessionStatus"] }) => (
  <Status kind="session_status" value={value} />
);
