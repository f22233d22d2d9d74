//! What can be allowed: a resource type and an action.

use berth_types::{
    PermissionId, Timestamp,
    identity::{PermissionAction, ResourceType},
};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "permissions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PermissionId,
    pub resource_type: ResourceType,
    pub action: PermissionAction,
    pub permission_name: String,
    pub description: Option<String>,
    pub created_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
