//! Which role has which permission, and how far it reaches.

use berth_types::{
    PermissionId, RolePermissionId,
    identity::{PermissionScope, Role},
};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "role_permissions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RolePermissionId,
    pub role: Role,
    pub permission_id: PermissionId,
    pub scope: PermissionScope,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
