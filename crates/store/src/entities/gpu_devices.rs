//! Single GPUs, so that shares of one device can be claimed.

use berth_types::{GpuDeviceId, NodeId, Timestamp};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "gpu_devices")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: GpuDeviceId,
    pub node_id: NodeId,
    pub device_index: i32,
    pub uuid: String,
    pub model: String,
    pub memory_mib: i64,
    pub driver_version: Option<String>,
    pub allocated_milli: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
