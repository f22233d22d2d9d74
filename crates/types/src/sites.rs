//! Edge data centres, resource pools, nodes and what they are made of.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    EdgeDataCenterId, GpuDeviceId, NetworkTopologyId, NodeId, NodeNetworkInterfaceId, ResourcePoolId, StringMap,
    validate::Checker,
};

text_enum! {
    EdgeDataCenterStatus = "edge_data_center_status" {
        Active = "active",
        Offline = "offline",
        /// No new placements.
        Maintenance = "maintenance",
    }
}

text_enum! {
    ResourcePoolType = "resource_pool_type" { Compute = "compute", Storage = "storage", IpAddress = "ip_address" }
}

text_enum! {
    ResourcePoolStatus = "resource_pool_status" {
        Active = "active",
        /// No new placements; what runs stays.
        Maintenance = "maintenance",
        Disabled = "disabled",
    }
}

text_enum! {
    /// How a pool ranks the nodes that fit.
    SchedulingPolicy = "scheduling_policy" {
        /// Least loaded first.
        LoadBalance = "load_balance",
        /// Fullest that fits first.
        BinPack = "bin_pack",
        /// By the node's `priority`, highest first.
        Priority = "priority",
        Affinity = "affinity",
        RoundRobin = "round_robin",
        GpuFragmentation = "gpu_fragmentation",
    }
}

text_enum! {
    NodeType = "node_type" {
        Control = "control", Compute = "compute", Storage = "storage", Gpu = "gpu", Hybrid = "hybrid",
    }
}

text_enum! {
    MachineType = "machine_type" { CpuServer = "cpu_server", PcFarm = "pc_farm", GpuServer = "gpu_server" }
}

text_enum! {
    RentalMode = "rental_mode" { Exclusive = "exclusive", Shared = "shared" }
}

text_enum! {
    HypervisorType = "hypervisor_type" { Kvm = "kvm", Vmware = "vmware", HyperV = "hyper_v" }
}

text_enum! {
    /// Set by people.
    NodeAdminState = "node_admin_state" {
        Active = "active",
        /// Takes nothing new; what runs may finish until the drain deadline, then it is stopped.
        Draining = "draining",
        Maintenance = "maintenance",
        /// On its way out; may be deleted once empty.
        Decommissioning = "decommissioning",
    }
}

text_enum! {
    /// Set by the monitor.
    NodeReachability = "node_reachability" { Online = "online", Late = "late", Offline = "offline", Failed = "failed" }
}

text_enum! {
    /// What the seeds call a node's status, derived from `admin_state` and `reachability`.
    NodeStatus = "node_status" {
        Active = "active", Draining = "draining", Maintenance = "maintenance", Decommissioning = "decommissioning",
        Late = "late", Offline = "offline", Failed = "failed",
    }
}

impl NodeStatus {
    /// A node that cannot be reached shows that; otherwise what people decided.
    pub fn derive(admin: NodeAdminState, reachability: NodeReachability) -> Self {
        match (reachability, admin) {
            (NodeReachability::Failed, _) => Self::Failed,
            (NodeReachability::Offline, _) => Self::Offline,
            (_, NodeAdminState::Decommissioning) => Self::Decommissioning,
            (_, NodeAdminState::Maintenance) => Self::Maintenance,
            (_, NodeAdminState::Draining) => Self::Draining,
            (NodeReachability::Late, NodeAdminState::Active) => Self::Late,
            (NodeReachability::Online, NodeAdminState::Active) => Self::Active,
        }
    }
}

text_enum! {
    HealthStatus = "health_status" { Healthy = "healthy", Warning = "warning", Critical = "critical" }
}

text_enum! {
    /// What a node offers and a workload claims; base unit in brackets: cpu (millicores), memory (MiB), storage (MiB),
    /// gpu (milli-GPUs), network (Mbit/s).
    ResourceKind = "resource_kind" {
        Cpu = "cpu", Memory = "memory", Storage = "storage", Gpu = "gpu", Network = "network",
    }
}

impl ResourceKind {
    /// The base unit's name.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Cpu => "millicores",
            Self::Memory | Self::Storage => "MiB",
            Self::Gpu => "milli-GPU",
            Self::Network => "Mbit/s",
        }
    }
}

text_enum! {
    NetworkType = "network_type" {
        Ethernet = "ethernet", Infiniband = "infiniband", Roce = "roce", OmniPath = "omni_path",
    }
}

text_enum! {
    InterfaceType = "interface_type" {
        Management = "management", Data = "data", Storage = "storage", Cluster = "cluster",
    }
}

text_enum! {
    /// The engine that runs a node's containers; `sim` marks simulated nodes.
    EngineKind = "engine_kind" { Docker = "docker", Sim = "sim" }
}

/// Sums over nodes, derived from the ledger. CPU in cores, memory and storage in GB, GPUs as devices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CapacityTotals {
    pub total_cpu_cores: f64,
    pub total_memory_gb: f64,
    pub total_storage_gb: f64,
    pub total_gpu_count: f64,
    pub allocated_cpu_cores: f64,
    pub allocated_memory_gb: f64,
    pub allocated_storage_gb: f64,
    pub allocated_gpu_count: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EdgeDataCenter {
    pub id: EdgeDataCenterId,
    pub name: String,
    pub location: Option<String>,
    pub status: EdgeDataCenterStatus,
    pub network_config: StringMap,
    #[serde(flatten)]
    pub totals: CapacityTotals,
    pub generation: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EdgeDataCenterCreate {
    pub name: String,
    #[serde(default)]
    pub location: Option<String>,
}

impl EdgeDataCenterCreate {
    /// # Errors
    /// `invalid_value`.
    pub fn validate(&self) -> crate::Result<()> {
        let mut checker = Checker::new();
        checker.name("name", &self.name);
        if let Some(text) = &self.location {
            checker.text("location", text, 200);
        }
        checker.finish()
    }
}

/// Absent fields stay as they are.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EdgeDataCenterUpdate {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<EdgeDataCenterStatus>,
}

impl EdgeDataCenterUpdate {
    /// # Errors
    /// `invalid_value`.
    pub fn validate(&self) -> crate::Result<()> {
        let mut checker = Checker::new();
        if let Some(name) = &self.name {
            checker.name("name", name);
        }
        if let Some(text) = &self.location {
            checker.text("location", text, 200);
        }
        checker.finish()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ResourcePool {
    pub id: ResourcePoolId,
    pub name: String,
    pub description: Option<String>,
    pub edge_data_center_id: EdgeDataCenterId,
    pub pool_type: ResourcePoolType,
    pub scheduling_policy: SchedulingPolicy,
    pub status: ResourcePoolStatus,
    #[serde(flatten)]
    pub totals: CapacityTotals,
    pub node_count: i64,
    pub generation: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourcePoolCreate {
    pub name: String,
    #[serde(default)]
    pub description: Option<String>,
    pub edge_data_center_id: EdgeDataCenterId,
    #[serde(default = "default_policy")]
    pub scheduling_policy: SchedulingPolicy,
}

fn default_policy() -> SchedulingPolicy {
    SchedulingPolicy::LoadBalance
}

impl ResourcePoolCreate {
    /// # Errors
    /// `invalid_value`.
    pub fn validate(&self) -> crate::Result<()> {
        let mut checker = Checker::new();
        checker.name("name", &self.name);
        if let Some(text) = &self.description {
            checker.text("description", text, 1000);
        }
        checker.finish()
    }
}

/// Absent fields stay as they are.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourcePoolUpdate {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling_policy: Option<SchedulingPolicy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ResourcePoolStatus>,
}

impl ResourcePoolUpdate {
    /// # Errors
    /// `invalid_value`.
    pub fn validate(&self) -> crate::Result<()> {
        let mut checker = Checker::new();
        if let Some(name) = &self.name {
            checker.name("name", name);
        }
        if let Some(text) = &self.description {
            checker.text("description", text, 1000);
        }
        checker.finish()
    }
}

/// One resource of one node, in base units: available = floor(total × overcommit) − allocated − reservation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeResource {
    pub resource_type: ResourceKind,
    pub total_capacity: i64,
    pub allocated_capacity: i64,
    pub available_capacity: i64,
    pub reservation_capacity: i64,
    pub unit: String,
    pub constraints: ResourceConstraintsConfig,
}

/// `node_resources.constraints`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceConstraintsConfig {
    /// 1.0 sells what is there.
    pub overcommit_ratio: f64,
    /// Base units; absent: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_per_workload: Option<i64>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GpuDevice {
    pub id: GpuDeviceId,
    pub device_index: i32,
    pub uuid: String,
    pub model: String,
    pub memory_gb: f64,
    /// 1000 = the whole device.
    pub allocated_milli: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NodeNetworkInterface {
    pub id: NodeNetworkInterfaceId,
    pub topology_id: Option<NetworkTopologyId>,
    pub interface_name: String,
    pub mac_address: Option<String>,
    pub ip_address: Option<String>,
    pub interface_type: InterfaceType,
    pub speed_mbps: Option<i64>,
    pub duplex: Option<String>,
    pub status: String,
    pub driver: Option<String>,
    pub firmware_version: Option<String>,
    pub pci_slot: Option<String>,
    pub numa_node: Option<i32>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Node {
    pub id: NodeId,
    pub hostname: String,
    pub name: String,
    pub edge_data_center_id: EdgeDataCenterId,
    pub resource_pool_id: ResourcePoolId,
    pub node_type: NodeType,
    pub machine_type: MachineType,
    pub rental_mode: RentalMode,
    pub hypervisor_type: Option<HypervisorType>,
    pub engine: EngineKind,
    pub ip_address: Option<String>,
    pub business_ip: Option<String>,
    pub status: NodeStatus,
    pub admin_state: NodeAdminState,
    pub reachability: NodeReachability,
    pub health_status: HealthStatus,
    /// Why health or state is what it is.
    pub status_reason: Option<String>,
    pub drain_deadline_at: Option<DateTime<Utc>>,
    /// For the pool policy `priority`; higher first.
    pub priority: i32,
    pub total_cpu_cores: f64,
    pub total_memory_gb: f64,
    pub total_storage_gb: f64,
    pub allocated_cpu_cores: f64,
    pub allocated_memory_gb: f64,
    pub allocated_storage_gb: f64,
    pub gpu_count: i64,
    pub gpu_model: Option<String>,
    pub gpu_memory_gb: f64,
    pub allocated_gpu_count: f64,
    pub network_bandwidth_mbps: Option<i64>,
    pub architecture: String,
    pub os_version: Option<String>,
    pub kernel_version: Option<String>,
    pub docker_version: Option<String>,
    pub libvirt_version: Option<String>,
    pub qemu_version: Option<String>,
    pub labels: StringMap,
    pub annotations: StringMap,
    pub tags: StringMap,
    /// What was found out about the machine and its engine, e.g. `storage_limit=false`.
    pub capabilities: StringMap,
    /// Sessions that hold an allocation here.
    pub session_count: i64,
    pub last_heartbeat: Option<DateTime<Utc>>,
    pub generation: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A node with everything it is made of.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NodeDetail {
    #[serde(flatten)]
    pub node: Node,
    pub resources: Vec<NodeResource>,
    pub gpu_devices: Vec<GpuDevice>,
    pub network_interfaces: Vec<NodeNetworkInterface>,
    /// As last read from the machine; absent for simulated nodes.
    pub facts: Option<crate::facts::HostFacts>,
}

/// Absent fields stay as they are.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeUpdate {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_type: Option<NodeType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_type: Option<MachineType>,
    /// Only an empty node may move or change its rental mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rental_mode: Option<RentalMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_pool_id: Option<ResourcePoolId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_ip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<StringMap>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<StringMap>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<StringMap>,
    /// Held back for the machine itself and overcommit, per resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Vec<NodeResourceUpdate>>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeResourceUpdate {
    pub resource_type: ResourceKind,
    /// Base units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_capacity: Option<i64>,
    /// 1.0 to 16.0
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overcommit_ratio: Option<f64>,
    /// Base units; 0 takes the bound away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_per_workload: Option<i64>,
}

impl NodeUpdate {
    /// # Errors
    /// `invalid_value`.
    pub fn validate(&self) -> crate::Result<()> {
        let mut checker = Checker::new();
        if let Some(name) = &self.name {
            checker.name("name", name);
        }
        if let Some(ip) = &self.business_ip {
            checker.require(ip.parse::<std::net::IpAddr>().is_ok(), "business_ip", "must be an IP address");
        }
        if let Some(priority) = self.priority {
            checker.range("priority", priority, -1000, 1000);
        }
        for (field, map) in [("labels", &self.labels), ("annotations", &self.annotations), ("tags", &self.tags)] {
            if let Some(map) = map {
                checker.string_map(field, map);
            }
        }
        for (index, resource) in self.resources.iter().flatten().enumerate() {
            let max = crate::quantities::MAX_AMOUNT;
            if let Some(value) = resource.reservation_capacity {
                checker.range(&format!("resources.{index}.reservation_capacity"), value, 0, max);
            }
            if let Some(value) = resource.overcommit_ratio {
                checker.range(&format!("resources.{index}.overcommit_ratio"), value, 1.0, 16.0);
            }
            if let Some(value) = resource.max_per_workload {
                checker.range(&format!("resources.{index}.max_per_workload"), value, 0, max);
            }
        }
        checker.finish()
    }
}

/// `POST /nodes/{id}/drain`
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeDrain {
    /// Minutes until what still runs is stopped; 0 stops at once. Default 60, at most 10080 (a week).
    #[serde(default)]
    pub deadline_minutes: Option<i64>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NetworkTopology {
    pub id: NetworkTopologyId,
    pub topology_name: String,
    pub network_type: NetworkType,
    pub subnet: Option<String>,
    pub vlan_id: Option<i32>,
    pub bandwidth_mbps: Option<i64>,
    pub latency_ms: Option<f64>,
    pub mtu: Option<i32>,
    pub qos_policies: StringMap,
    pub security_policies: StringMap,
    pub created_at: DateTime<Utc>,
}

/// Filters of `GET /nodes`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct NodeFilter {
    /// 1 to 500; default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_pool_id: Option<ResourcePoolId>,
    /// Part of the name, the hostname or an address, whatever its case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<NodeStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineKind>,
}
