//! People and programs that log in.

use berth_types::{
    StringMap, TenantId, Timestamp, UserId,
    identity::{QuotaConfig, Role, UserStatus},
};
use sea_orm::entity::prelude::*;

use crate::json::Json;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    pub tenant_id: TenantId,
    pub username: String,
    pub email: Option<String>,
    pub full_name: Option<String>,
    pub password_hash: String,
    pub role: Role,
    pub status: UserStatus,
    pub must_change_password: bool,
    pub last_login_at: Option<Timestamp>,
    pub failed_login_attempts: i32,
    pub account_locked_until: Option<Timestamp>,
    pub preferences: Json<StringMap>,
    pub quota_cpu_millicore_seconds: Option<i64>,
    pub quota_memory_mib_seconds: Option<i64>,
    pub quota_storage_mib: Option<i64>,
    pub quota_config: Json<QuotaConfig>,
    pub generation: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
