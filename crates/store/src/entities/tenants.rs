//! An organisation whose rows are kept apart from every other's.

use berth_types::{
    TenantId, Timestamp, UserId,
    identity::{QuotaConfig, TenantStatus},
};
use sea_orm::entity::prelude::*;

use crate::json::Json;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "tenants")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TenantId,
    pub name: String,
    pub description: Option<String>,
    pub status: TenantStatus,
    pub admin_user_id: Option<UserId>,
    pub vlan_id: Option<i32>,
    pub quota_config: Json<QuotaConfig>,
    pub generation: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub created_by: Option<UserId>,
    pub deleted_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
