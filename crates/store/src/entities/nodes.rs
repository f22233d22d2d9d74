//! Machines that run work.

use berth_types::{
    EdgeDataCenterId, NodeId, ResourcePoolId, StringMap, Timestamp,
    facts::HostFacts,
    sites::{
        EngineKind, HealthStatus, HypervisorType, MachineType, NodeAdminState, NodeReachability, NodeType, RentalMode,
    },
};
use sea_orm::entity::prelude::*;

use crate::json::Json;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "nodes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
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
    pub connection_config: Option<Vec<u8>>,
    pub machine_id: Option<String>,
    pub ip_address: Option<String>,
    pub business_ip: Option<String>,
    pub admin_state: NodeAdminState,
    pub reachability: NodeReachability,
    pub health_status: HealthStatus,
    pub status_reason: Option<String>,
    pub drain_deadline_at: Option<Timestamp>,
    pub priority: i32,
    pub network_bandwidth_mbps: Option<i64>,
    pub architecture: String,
    pub os_version: Option<String>,
    pub kernel_version: Option<String>,
    pub docker_version: Option<String>,
    pub libvirt_version: Option<String>,
    pub qemu_version: Option<String>,
    pub labels: Json<StringMap>,
    pub annotations: Json<StringMap>,
    pub tags: Json<StringMap>,
    pub capabilities: Json<StringMap>,
    pub facts: Option<Json<HostFacts>>,
    pub last_heartbeat: Option<Timestamp>,
    pub generation: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
