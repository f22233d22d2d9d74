//! Sessions: a bounded run of an application, its states and moves, and what the API says about it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApplicationId, NodeId, OperationId, ResourcePoolId, SessionId, StringMap, TenantId, UserId,
    identity::Scope,
    operations::Operation,
    quantities,
    sites::{NodeType, ResourceKind},
    validate::Checker,
};

text_enum! {
    SessionType = "session_type" {
        Interactive = "interactive",
        Batch = "batch",
        Streaming = "streaming",
        AiTraining = "ai_training",
        Rendering = "rendering",
    }
}

text_enum! {
    SessionStatus = "session_status" {
        /// Waiting in the queue.
        Pending = "pending",
        /// Placed and charged; its engine has not been asked yet.
        Scheduled = "scheduled",
        Starting = "starting",
        /// The engine's own inspect says so.
        Running = "running",
        /// Frozen; keeps and pays its allocation.
        Paused = "paused",
        Stopping = "stopping",
        Completed = "completed",
        Failed = "failed",
        Cancelled = "cancelled",
    }
}

impl SessionStatus {
    /// States that end a session for good.
    pub const TERMINAL: &'static [Self] = &[Self::Completed, Self::Failed, Self::Cancelled];
    /// States in which a session holds an allocation.
    pub const ALLOCATED: &'static [Self] =
        &[Self::Scheduled, Self::Starting, Self::Running, Self::Paused, Self::Stopping];

    pub fn is_terminal(self) -> bool {
        Self::TERMINAL.contains(&self)
    }

    pub fn is_allocated(self) -> bool {
        Self::ALLOCATED.contains(&self)
    }

    /// The moves of the state machine; a store update that would make another one is refused.
    pub fn may_become(self, next: Self) -> bool {
        use SessionStatus::{Cancelled, Completed, Failed, Paused, Pending, Running, Scheduled, Starting, Stopping};
        match self {
            Pending => matches!(next, Scheduled | Cancelled | Failed),
            // Back to pending: the node was lost before anything ran, or a requeue.
            Scheduled => matches!(next, Starting | Running | Stopping | Pending | Cancelled | Failed),
            Starting => matches!(next, Running | Stopping | Pending | Completed | Failed | Cancelled),
            Running => matches!(next, Paused | Stopping | Completed | Failed | Cancelled),
            Paused => matches!(next, Running | Stopping | Completed | Failed | Cancelled),
            Stopping => matches!(next, Completed | Failed | Cancelled),
            Completed | Failed | Cancelled => false,
        }
    }
}

text_enum! {
    /// What the owner (or a rule) wants; reconcilers and operations bring the engine there.
    SessionDesiredState = "session_desired_state" { Running = "running", Paused = "paused", Stopped = "stopped" }
}

text_enum! {
    /// Why a session is in its state, where the state alone does not say.
    SessionReason = "session_reason" {
        /// Waiting: no node fits now.
        NoCapacity = "no_capacity",
        /// Waiting: user's or tenant's quota is used up.
        Quota = "quota",
        /// Waiting: no engine or node is there at all.
        NoNode = "no_node",
        /// The application ended by itself with exit code 0.
        Exited = "exited",
        /// The application ended by itself with another exit code.
        ExitCode = "exit_code",
        StoppedByUser = "stopped_by_user",
        StoppedByAdmin = "stopped_by_admin",
        MaxRuntime = "max_runtime",
        Oom = "oom",
        ImagePull = "image_pull",
        /// The container could not be created or started.
        StartFailed = "start_failed",
        StartTimeout = "start_timeout",
        StorageExceeded = "storage_exceeded",
        /// Somebody removed or stopped the container outside Berth.
        RemovedOutside = "removed_outside",
        NodeLost = "node_lost",
        NodeDrained = "node_drained",
        TenantSuspended = "tenant_suspended",
        SecretMissing = "secret_missing",
        EngineError = "engine_error",
    }
}

text_enum! {
    NetworkPolicyKind = "network_policy" {
        /// The user's own network, with a way out to the internet.
        Default = "default",
        /// Alone: no other session, no way out; its application port still works through Berth.
        Isolated = "isolated",
        /// No network device at all.
        None = "none",
    }
}

/// A value of the environment: given, or a reference to a secret that only the container ever sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum EnvironmentValue {
    Value(String),
    Secret(SecretReference),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretReference {
    /// Name of a secret of the user, else of the tenant.
    pub secret: String,
}

/// What a node must have. Every key narrows; absent keys do not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceConstraints {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_type: Option<NodeType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Labels the node must carry with exactly these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: StringMap,
    /// GB of memory of each GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_memory_gb: Option<f64>,
    /// Milli-GPU of one device, 1 to 999, instead of whole devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_share: Option<i64>,
    /// Mbit/s
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_bandwidth_mbps: Option<i64>,
}

/// What would be nice; weights 1 to 100.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlacementPreferences {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preferred_nodes: Vec<PreferredNode>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preferred_labels: Vec<PreferredLabel>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreferredNode {
    pub node_id: NodeId,
    pub weight: i32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreferredLabel {
    pub key: String,
    pub value: String,
    pub weight: i32,
}

/// `POST /sessions`. What is absent comes from the application.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionLaunch {
    /// Name of an application of the catalogue.
    pub application: String,
    /// Absent: the application's name and a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_type: Option<SessionType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// 1 to 10, 10 first; above 8 needs the permission session.manage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_runtime_minutes: Option<i64>,
    /// Cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_request: Option<f64>,
    /// Cores; not below the request. Absent: the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_limit: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_request_gb: Option<f64>,
    /// Not below the request. Absent: the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit_gb: Option<f64>,
    /// Whole GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_request: Option<i64>,
    /// Model, as nodes report it (a part of the name is enough).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_request_gb: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<NetworkPolicyKind>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment_variables: BTreeMap<String, EnvironmentValue>,
    #[serde(default)]
    pub resource_constraints: ResourceConstraints,
    #[serde(default)]
    pub placement_preferences: PlacementPreferences,
    /// May be stopped and queued again for a higher priority.
    #[serde(default)]
    pub preemptible: bool,
    /// All of the host's capabilities; needs the permission session.manage.
    #[serde(default)]
    pub privileged: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_pool_id: Option<ResourcePoolId>,
}

/// Longest run that can be asked for: a year of minutes.
pub const MAX_RUNTIME_MINUTES: i64 = 366 * 24 * 60;

impl SessionLaunch {
    /// Checks each value by itself; what depends on the application or the caller is checked at launch.
    ///
    /// # Errors
    /// `invalid_value`.
    pub fn validate(&self) -> crate::Result<()> {
        let mut checker = Checker::new();
        checker.slug("application", &self.application);
        if let Some(name) = &self.session_name {
            checker.name("session_name", name);
        }
        if let Some(command) = &self.command {
            let length: usize = command.iter().map(String::len).sum();
            checker.require(!command.is_empty() && command.len() <= 256, "command", "must have 1 to 256 words");
            checker.require(length <= 16_384, "command", "must have at most 16384 bytes in all");
            checker.require(!command.iter().any(|word| word.contains('\0')), "command", "must not contain NUL");
        }
        if let Some(priority) = self.priority {
            checker.range("priority", priority, 1, 10);
        }
        if let Some(minutes) = self.max_runtime_minutes {
            checker.range("max_runtime_minutes", minutes, 1, MAX_RUNTIME_MINUTES);
        }
        let cpu = self.cpu_request.map(|value| checker.cores("cpu_request", value));
        let cpu_limit = self.cpu_limit.map(|value| checker.cores("cpu_limit", value));
        if let Some(cpu) = cpu {
            checker.range("cpu_request", cpu as f64 / 1000.0, 0.01, 4096.0);
        }
        if let Some(limit) = cpu_limit {
            checker.range("cpu_limit", limit as f64 / 1000.0, 0.01, 4096.0);
            checker.require(cpu.is_none_or(|cpu| limit >= cpu), "cpu_limit", "must not be below cpu_request");
        }
        let memory = self.memory_request_gb.map(|value| checker.gb("memory_request_gb", value));
        let memory_limit = self.memory_limit_gb.map(|value| checker.gb("memory_limit_gb", value));
        // Docker refuses containers with less than 6 MiB; 8 MiB is the least that starts a shell.
        if let Some(memory) = memory {
            checker.range("memory_request_gb", quantities::mib_to_gb(memory), 8.0 / 1024.0, 65_536.0);
        }
        if let Some(limit) = memory_limit {
            checker.range("memory_limit_gb", quantities::mib_to_gb(limit), 8.0 / 1024.0, 65_536.0);
            checker.require(
                memory.is_none_or(|m| limit >= m),
                "memory_limit_gb",
                "must not be below memory_request_gb",
            );
        }
        if let Some(gpus) = self.gpu_request {
            checker.range("gpu_request", gpus, 0, 1024);
        }
        if let Some(model) = &self.gpu_type {
            checker.text("gpu_type", model, 100);
        }
        if let Some(gb) = self.storage_request_gb {
            let mib = checker.gb("storage_request_gb", gb);
            checker.range("storage_request_gb", quantities::mib_to_gb(mib), 0.0, 1_048_576.0);
        }
        if self.environment_variables.len() > 200 {
            checker.fault("environment_variables", "must have at most 200 entries");
        }
        for (name, value) in &self.environment_variables {
            let field = format!("environment_variables.{name}");
            let ok = (1..=128).contains(&name.len())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && !name.starts_with(|c: char| c.is_ascii_digit());
            checker.require(ok, &field, "a name must have letters, digits and '_' and not begin with a digit");
            match value {
                EnvironmentValue::Value(text) => {
                    checker.require(
                        text.len() <= 32_768 && !text.contains('\0'),
                        &field,
                        "must have at most 32768 bytes and no NUL",
                    );
                }
                EnvironmentValue::Secret(reference) => checker.slug(&format!("{field}.secret"), &reference.secret),
            }
        }
        let constraints = &self.resource_constraints;
        checker.string_map("resource_constraints.labels", &constraints.labels);
        if let Some(text) = &constraints.architecture {
            checker.slug("resource_constraints.architecture", text);
        }
        if let Some(gb) = constraints.gpu_memory_gb {
            checker.gb("resource_constraints.gpu_memory_gb", gb);
        }
        if let Some(share) = constraints.gpu_share {
            checker.range("resource_constraints.gpu_share", share, 1, 999);
            checker.require(
                self.gpu_request.unwrap_or(0) == 0,
                "resource_constraints.gpu_share",
                "cannot be combined with gpu_request: ask for whole GPUs or for a share of one",
            );
        }
        if let Some(mbps) = constraints.min_bandwidth_mbps {
            checker.range("resource_constraints.min_bandwidth_mbps", mbps, 0, 10_000_000);
        }
        let preferences = &self.placement_preferences;
        for (index, node) in preferences.preferred_nodes.iter().enumerate() {
            checker.range(&format!("placement_preferences.preferred_nodes.{index}.weight"), node.weight, 1, 100);
        }
        for (index, label) in preferences.preferred_labels.iter().enumerate() {
            checker.range(&format!("placement_preferences.preferred_labels.{index}.weight"), label.weight, 1, 100);
        }
        let count = preferences.preferred_nodes.len() + preferences.preferred_labels.len();
        checker.require(count <= 64, "placement_preferences", "must have at most 64 entries");
        checker.finish()
    }
}

/// Why a session waits: so many nodes fell out by that filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FilterCount {
    /// e.g. `memory`, `draining`, `gpu_type`
    pub filter: String,
    pub nodes: i64,
}

/// Where a waiting session stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Waiting {
    /// 1 is next.
    pub position: i64,
    /// For people: "12 nodes: not enough memory; 3: draining".
    pub explanation: String,
    pub filters: Vec<FilterCount>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Session {
    pub id: SessionId,
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub username: String,
    pub session_name: String,
    pub session_type: SessionType,
    pub application: String,
    pub application_id: Option<ApplicationId>,
    pub container_image: String,
    pub command: Vec<String>,
    pub status: SessionStatus,
    pub desired_state: SessionDesiredState,
    pub reason: Option<SessionReason>,
    /// The reason in words, with what to do about it.
    pub message: Option<String>,
    pub generation: i64,
    pub attempt: i32,
    pub exit_code: Option<i64>,
    /// When the present transient state gives up.
    pub deadline_at: Option<DateTime<Utc>>,
    pub priority: i32,
    pub preemptible: bool,
    pub privileged: bool,
    pub max_runtime_minutes: i64,
    /// When `max_runtime_minutes` are over; absent until it runs.
    pub ends_at: Option<DateTime<Utc>>,
    pub cpu_request: f64,
    pub cpu_limit: f64,
    pub memory_request_gb: f64,
    pub memory_limit_gb: f64,
    pub gpu_request: f64,
    pub gpu_type: Option<String>,
    pub storage_request_gb: f64,
    pub network_policy: NetworkPolicyKind,
    pub environment_variables: BTreeMap<String, EnvironmentValue>,
    pub resource_constraints: ResourceConstraints,
    pub placement_preferences: PlacementPreferences,
    pub resource_pool_id: Option<ResourcePoolId>,
    pub scheduled_node_id: Option<NodeId>,
    pub scheduled_node: Option<String>,
    pub actual_node_ids: Vec<NodeId>,
    /// Why it was placed there.
    pub placement: Option<String>,
    pub waiting: Option<Waiting>,
    /// The port its application speaks HTTP on, when it does.
    pub application_port: Option<i32>,
    pub start_time: Option<DateTime<Utc>>,
    pub end_time: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// What Berth is doing to it right now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
}

/// Filters of `GET /sessions`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SessionFilter {
    /// 1 to 500; default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// One status, or several separated by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<TenantId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<NodeId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// Part of the session's name, whatever its case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// `-created_at` (default: newest first) or `created_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<String>,
}

text_enum! {
    /// Whose limit it is.
    QuotaOwner = "quota_owner" { User = "user", Tenant = "tenant" }
}

/// One limit that a launch counts against, in people's units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QuotaCheck {
    pub scope: QuotaOwner,
    /// sessions, waiting_sessions, cpu, memory_gb, gpu, storage_gb
    pub resource: String,
    /// sessions, cores, GB or GPUs.
    pub unit: String,
    /// Held now.
    pub used: f64,
    /// What the launch would add.
    pub requested: f64,
    /// Null: unlimited.
    pub limit: Option<f64>,
}

/// What a launch would consume of one resource if it ran for the whole of its time limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResourceHours {
    pub resource_type: ResourceKind,
    /// core-hours, GB-hours or GPU-hours.
    pub unit: String,
    pub amount: f64,
}

/// `POST /sessions/check`: what a launch would meet now, without launching.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct SessionCheck {
    /// It would start at once.
    pub fits_now: bool,
    /// It exceeds a quota even with nothing else running; a launch is refused.
    pub exceeds_quota: bool,
    pub explanation: String,
    pub filters: Vec<FilterCount>,
    /// Every limit of the user and the tenant that the launch counts against, also where it is unlimited.
    #[serde(default)]
    pub quota: Vec<QuotaCheck>,
    /// What it would consume over its whole time limit; what it does not ask for is left out.
    #[serde(default)]
    pub hours: Vec<ResourceHours>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionStop {
    /// Seconds for the application to end by itself before it is killed; default 10, at most 600.
    #[serde(default)]
    pub grace_seconds: Option<i64>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionExtend {
    /// Minutes to add.
    pub minutes: i64,
}

/// `POST /sessions/{id}/exec`: runs to its end, without a terminal.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionExec {
    pub command: Vec<String>,
    /// Seconds; default 60, at most 600.
    #[serde(default)]
    pub timeout_seconds: Option<i64>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionExecResult {
    pub exit_code: Option<i64>,
    pub stdout: String,
    pub stderr: String,
    /// More was written than the 1 MiB per stream that is kept.
    pub truncated: bool,
}

text_enum! {
    /// What a one-time ticket opens.
    TicketPurpose = "ticket_purpose" {
        /// WebSocket: an interactive terminal.
        Terminal = "terminal",
        /// WebSocket: following the log.
        Logs = "logs",
        /// WebSocket: raw bytes to a port.
        PortForward = "port_forward",
        /// Browser: the application on its own origin.
        Application = "application",
    }
}

/// `POST /sessions/{id}/tickets`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TicketCreate {
    pub purpose: TicketPurpose,
    /// For port_forward: the container's port.
    #[serde(default)]
    pub port: Option<u16>,
    /// For terminal: what to run; absent: the image's shell.
    #[serde(default)]
    pub command: Option<Vec<String>>,
}

/// Works once, within a minute.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Ticket {
    /// Where to use it: a path for WebSockets, an absolute URL for applications.
    pub url: String,
    pub expires_at: DateTime<Utc>,
}

/// The id of an operation that will bring a change about.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    pub operation_id: Option<OperationId>,
    pub session: Session,
}

/// Whether that caller may see the session.
pub fn visible(scope: Scope, tenant: TenantId, owner: UserId) -> bool {
    scope.covers(tenant, Some(owner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_states_end() {
        for &from in SessionStatus::TERMINAL {
            for &to in SessionStatus::ALL {
                assert!(!from.may_become(to), "{from} -> {to}");
            }
        }
    }

    #[test]
    fn every_state_is_reached_and_left() {
        for &state in SessionStatus::ALL {
            let reached = SessionStatus::ALL.iter().any(|from| from.may_become(state));
            assert!(reached, "{state} is never reached");
            assert!(
                state.is_terminal() || SessionStatus::ALL.iter().any(|to| state.may_become(*to)),
                "{state} is never left"
            );
        }
    }

    #[test]
    fn launch_names_every_fault() {
        let launch: SessionLaunch = serde_json::from_value(serde_json::json!({
            "application": "Not A Slug", "priority": 11, "cpu_request": -1.0, "memory_request_gb": 1.0, "memory_limit_gb": 0.5,
            "environment_variables": {"1BAD": "x"}
        }))
        .unwrap();
        let error = launch.validate().unwrap_err();
        let fields: Vec<_> = error.fields.iter().map(|f| f.field.as_str()).collect();
        for field in ["application", "priority", "cpu_request", "memory_limit_gb", "environment_variables.1BAD"] {
            assert!(fields.contains(&field), "{field} missing in {fields:?}");
        }
    }

    #[test]
    fn bounds_are_told_in_the_unit_of_the_field() {
        let launch: SessionLaunch =
            serde_json::from_value(serde_json::json!({"application": "web", "memory_request_gb": 0.0001})).unwrap();
        let error = launch.validate().unwrap_err();
        assert_eq!(error.public, "memory_request_gb: must be from 0.0078125 to 65536");
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let error =
            serde_json::from_value::<SessionLaunch>(serde_json::json!({"application": "web", "cpus": 1})).unwrap_err();
        assert!(error.to_string().contains("cpus"), "{error}");
    }
}
