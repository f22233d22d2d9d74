/** From the fields of the launch form to the request, and which fields the reader has left as they were. */
import type { Application } from "@/api/applications";
import type { Schemas } from "@/api/client";
import type { SessionLaunch } from "@/api/sessions";
import { numberOf } from "@/parts/numberOf";

export interface Variable {
  /** Of the row, not of the variable. */
  id: number;
  name: string;
  kind: "plain" | "secret";
  value: string;
}

export interface LaunchValues {
  session_name: string;
  cpu_request: string;
  cpu_limit: string;
  memory_request_gb: string;
  memory_limit_gb: string;
  gpu_request: string;
  gpu_type: string;
  gpu_share: string;
  gpu_memory_gb: string;
  storage_request_gb: string;
  max_runtime_minutes: string;
  priority: string;
  network_policy: string;
  command: string;
  environment_variables: readonly Variable[];
  resource_pool_id: string;
  preferred_node: string;
  node_type: string;
  architecture: string;
  labels: string;
  min_bandwidth_mbps: string;
  preemptible: boolean;
}

export function defaultsOf(application: Application): LaunchValues {
  return {
    session_name: "",
    cpu_request: String(application.default_cpu),
    cpu_limit: "",
    memory_request_gb: String(application.default_memory_gb),
    memory_limit_gb: "",
    gpu_request: String(application.default_gpu),
    gpu_type: "",
    gpu_share: "",
    gpu_memory_gb: "",
    storage_request_gb: String(application.default_storage_gb),
    max_runtime_minutes: String(application.default_max_runtime_minutes),
    priority: "5",
    network_policy: application.default_network_policy,
    command: "",
    environment_variables: [],
    resource_pool_id: "",
    preferred_node: "",
    node_type: "",
    architecture: "",
    labels: "",
    min_bandwidth_mbps: "",
    preemptible: false,
  };
}

/** The labels written as `name=value` lines; undefined when a line is none. */
export function labelsOf(text: string): Record<string, string> | undefined {
  const labels: Record<string, string> = {};
  for (const line of text.split("\n").map((part) => part.trim())) {
    if (line === "") continue;
    const at = line.indexOf("=");
    if (at < 1) return undefined;
    labels[line.slice(0, at).trim()] = line.slice(at + 1).trim();
  }
  return labels;
}

/** Drops what is null or undefined: the application's defaults stand for it. */
function given<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined)) as T;
}

export function requestOf(application: string, values: LaunchValues): SessionLaunch {
  const labels = labelsOf(values.labels) ?? {};
  const share = numberOf(values.gpu_share);
  const variables = values.environment_variables.filter((variable) => variable.name !== "");
  const command = values.command.split("\n").filter((line) => line !== "");
  const constraints = given({
    ...(Object.keys(labels).length ? { labels } : {}),
    architecture: values.architecture || null,
    node_type: (values.node_type || null) as Schemas["NodeType"] | null,
    gpu_share: share,
    gpu_memory_gb: numberOf(values.gpu_memory_gb),
    min_bandwidth_mbps: numberOf(values.min_bandwidth_mbps),
  });
  return given<SessionLaunch>({
    application,
    session_name: values.session_name || null,
    cpu_request: numberOf(values.cpu_request),
    cpu_limit: numberOf(values.cpu_limit),
    memory_request_gb: numberOf(values.memory_request_gb),
    memory_limit_gb: numberOf(values.memory_limit_gb),
    // A share stands instead of whole devices, also of those that the application asks for by default.
    gpu_request: share === null ? numberOf(values.gpu_request) : 0,
    gpu_type: values.gpu_type || null,
    storage_request_gb: numberOf(values.storage_request_gb),
    max_runtime_minutes: numberOf(values.max_runtime_minutes),
    priority: numberOf(values.priority),
    network_policy: (values.network_policy || null) as Schemas["NetworkPolicyKind"] | null,
    ...(command.length ? { command } : {}),
    ...(variables.length
      ? {
          environment_variables: Object.fromEntries(
            variables.map(({ name, kind, value }) => [name, kind === "secret" ? { secret: value } : value]),
          ),
        }
      : {}),
    resource_pool_id: values.resource_pool_id || null,
    ...(values.preferred_node
      ? { placement_preferences: { preferred_nodes: [{ node_id: values.preferred_node, weight: 100 }] } }
      : {}),
    ...(Object.keys(constraints).length ? { resource_constraints: constraints } : {}),
    ...(values.preemptible ? { preemptible: true } : {}),
  });
}
