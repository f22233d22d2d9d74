//! What the scheduler is told and what it answers. Plain data, so that the server can keep a snapshot in memory, a test
//! can write one down, and a plan can be replayed from a file.

use std::collections::{BTreeMap, BTreeSet};

use berth_types::{
    GpuDeviceId, NodeId, ResourcePoolId, SessionId, StringMap, TenantId, Timestamp, UserId,
    sessions::{PlacementPreferences, ResourceConstraints, SessionReason, Waiting},
    sites::{EngineKind, NodeAdminState, NodeReachability, NodeType, RentalMode, ResourceKind, SchedulingPolicy},
};
use serde::{Deserialize, Serialize};

/// Milli-GPUs of one whole device.
pub const WHOLE_GPU: i64 = 1000;

/// Half an hour: long enough that small sessions fill gaps, short enough that a large one starts the same morning.
const HOLD_AFTER_SECONDS: i64 = 1800;

/// Everything a plan depends on besides the requests and the moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    pub nodes: Vec<NodeSnapshot>,
    /// A tenant that is absent has no limits here; the store checks again when it commits.
    pub tenants: BTreeMap<TenantId, TenantSnapshot>,
    /// A user who is absent has no limits of their own.
    pub users: BTreeMap<UserId, Quota>,
    /// Which node of each pool was used last, for the policy round_robin; [`Plan::round_robin`] is the next value.
    pub round_robin: BTreeMap<ResourcePoolId, NodeId>,
    /// Sizes of GPU work that is typical here, for the policy gpu_fragmentation. Empty: an even mix of common sizes.
    pub gpu_workload: Vec<GpuWorkload>,
    /// A request that has waited this long (seconds) keeps its node also from later requests of its own priority.
    pub hold_after_seconds: i64,
    /// Decides between nodes that are equally good.
    pub seed: u64,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            tenants: BTreeMap::new(),
            users: BTreeMap::new(),
            round_robin: BTreeMap::new(),
            gpu_workload: Vec::new(),
            hold_after_seconds: HOLD_AFTER_SECONDS,
            seed: 0,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeSnapshot {
    pub id: NodeId,
    pub hostname: String,
    pub resource_pool_id: ResourcePoolId,
    pub scheduling_policy: SchedulingPolicy,
    pub pool_active: bool,
    pub edge_data_center_active: bool,
    pub admin_state: NodeAdminState,
    pub reachability: NodeReachability,
    pub rental_mode: RentalMode,
    /// Of an exclusive node: whose work runs there now.
    pub exclusive_tenant_id: Option<TenantId>,
    pub node_type: NodeType,
    pub architecture: String,
    pub labels: StringMap,
    pub engine: EngineKind,
    /// Its engine runs privileged containers (rootless engines do not).
    pub allows_privileged: bool,
    /// For the pool policy `priority`; higher first.
    pub priority: i32,
    /// Mbit/s; absent: not known, which fails any demand for bandwidth.
    pub network_bandwidth_mbps: Option<i64>,
    /// A resource that is absent is not there.
    pub capacity: BTreeMap<ResourceKind, Capacity>,
    pub gpus: Vec<Gpu>,
    /// Sessions that hold an allocation here.
    pub session_count: i64,
}

/// One resource of one node, in base units (`berth_types::quantities`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    pub total: i64,
    pub allocated: i64,
    pub reservation: i64,
    /// 1000 sells what is there.
    pub overcommit_permille: i64,
    pub max_per_workload: Option<i64>,
}

impl Capacity {
    /// `total` of it, nothing used, held back or oversold.
    pub const fn of(total: i64) -> Self {
        Self { total, allocated: 0, reservation: 0, overcommit_permille: 1000, max_per_workload: None }
    }

    /// What may be allocated in all: the bound of the ledger's guarded update.
    pub fn sellable(&self) -> i64 {
        let total = i128::from(self.total) * i128::from(self.overcommit_permille) / 1000;
        i64::try_from(total).unwrap_or(i64::MAX).saturating_sub(self.reservation)
    }

    /// What is left of it; negative when it was lowered below what is allocated.
    pub fn free(&self) -> i64 {
        self.sellable().saturating_sub(self.allocated)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gpu {
    pub id: GpuDeviceId,
    pub index: i32,
    pub model: String,
    pub memory_mib: i64,
    /// Of [`WHOLE_GPU`].
    pub allocated_milli: i64,
}

/// A kind of work that comes to this fleet, and how often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GpuWorkload {
    pub amounts: Amounts,
    pub gpu_type: Option<String>,
    /// Relative frequency.
    pub weight: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TenantSnapshot {
    pub quota: Quota,
    /// Resource pools the tenant may use; absent: all.
    pub pools: Option<BTreeSet<ResourcePoolId>>,
}

/// What someone may hold at once, and holds. An absent limit is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quota {
    pub sessions: Option<Limit>,
    /// Millicores.
    pub cpu: Option<Limit>,
    /// MiB
    pub memory: Option<Limit>,
    /// Milli-GPUs.
    pub gpu: Option<Limit>,
    /// MiB
    pub storage: Option<Limit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    pub limit: i64,
    pub used: i64,
}

/// What a session claims, in base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Amounts {
    /// Millicores.
    pub cpu: i64,
    /// MiB
    pub memory: i64,
    /// MiB
    pub storage: i64,
    /// Milli-GPUs: whole devices, and what is below 1000 a share of one further device.
    pub gpu: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub session_id: SessionId,
    pub tenant_id: TenantId,
    pub user_id: UserId,
    /// 1 to 10, 10 first.
    pub priority: i32,
    pub queued_at: Timestamp,
    /// A `gpu_share` among the constraints counts when `amounts.gpu` is 0.
    pub amounts: Amounts,
    /// A part of the model's name, without case.
    pub gpu_type: Option<String>,
    #[serde(default)]
    pub constraints: ResourceConstraints,
    #[serde(default)]
    pub preferences: PlacementPreferences,
    /// Nodes where the user's earlier sessions, volumes or the image are, with a weight of 1 to 100; for the policy affinity.
    #[serde(default)]
    pub affinity: Vec<(NodeId, i32)>,
    pub resource_pool_id: Option<ResourcePoolId>,
    /// Absent: any engine.
    pub engine: Option<EngineKind>,
    #[serde(default)]
    pub privileged: bool,
}

impl Request {
    /// What is claimed, with a share from the constraints filled in.
    pub fn claims(&self) -> Amounts {
        let gpu = if self.amounts.gpu == 0 { self.constraints.gpu_share.unwrap_or(0) } else { self.amounts.gpu };
        Amounts { gpu, ..self.amounts }
    }
}

/// Every request is in exactly one of the two lists.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// In queue order, which is the order in which to commit them.
    pub placements: Vec<Placement>,
    /// In queue order.
    pub waiting: Vec<WaitingRequest>,
    /// [`Snapshot::round_robin`] after the placements.
    pub round_robin: BTreeMap<ResourcePoolId, NodeId>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    pub session_id: SessionId,
    pub node_id: NodeId,
    pub amounts: Amounts,
    pub gpus: Vec<GpuAssignment>,
    /// Why there, for people.
    pub explanation: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuAssignment {
    pub gpu_id: GpuDeviceId,
    pub milli: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaitingRequest {
    pub session_id: SessionId,
    pub waiting: Waiting,
    /// `no_capacity`, `quota` or `no_node`.
    pub reason: SessionReason,
}
