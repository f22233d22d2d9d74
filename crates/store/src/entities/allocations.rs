//! The ledger: every claim of a workload on a node's resource. The only source of what is used where.

use berth_types::{
    AllocationId, GpuDeviceId, NodeId, SessionId, TenantId, Timestamp, UserId, allocations::AllocationStatus,
    sites::ResourceKind,
};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "allocations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AllocationId,
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub session_id: Option<SessionId>,
    pub node_id: NodeId,
    pub resource_type: ResourceKind,
    pub gpu_device_id: Option<GpuDeviceId>,
    pub allocated_amount: i64,
    pub unit: String,
    pub allocation_time: Timestamp,
    pub deallocation_time: Option<Timestamp>,
    pub status: AllocationStatus,
    pub billed_until: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
