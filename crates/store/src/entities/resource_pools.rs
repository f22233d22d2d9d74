//! Groups of nodes that are scheduled by one policy.

use berth_types::{
    EdgeDataCenterId, ResourcePoolId, Timestamp,
    sites::{ResourcePoolStatus, ResourcePoolType, SchedulingPolicy},
};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "resource_pools")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ResourcePoolId,
    pub name: String,
    pub description: Option<String>,
    pub edge_data_center_id: EdgeDataCenterId,
    pub pool_type: ResourcePoolType,
    pub scheduling_policy: SchedulingPolicy,
    pub status: ResourcePoolStatus,
    pub generation: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
