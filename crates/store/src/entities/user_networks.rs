//! One small container network per user, node and kind, each with an explicit subnet.

use berth_types::{NodeId, Timestamp, UserId, sessions::NetworkPolicyKind};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "user_networks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub node_id: NodeId,
    pub user_id: UserId,
    pub kind: NetworkPolicyKind,
    pub subnet: String,
    pub created_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
