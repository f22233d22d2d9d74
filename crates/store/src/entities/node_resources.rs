//! What a node has of each resource, and what is sold of it; `allocated_capacity` moves only together with a ledger row.

use berth_types::{NodeId, NodeResourceId, Timestamp, sites::ResourceKind};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "node_resources")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: NodeResourceId,
    pub node_id: NodeId,
    pub resource_type: ResourceKind,
    pub total_capacity: i64,
    pub allocated_capacity: i64,
    pub reservation_capacity: i64,
    pub overcommit_permille: i32,
    pub max_per_workload: Option<i64>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
