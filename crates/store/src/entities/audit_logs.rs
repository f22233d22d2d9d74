//! Every change and login; immutable, hash-chained by the sealer. No foreign keys: an actor is kept even when it goes.

use berth_types::{AuditLogId, StringMap, TenantId, Timestamp, UserId, audit::AuditStatus};
use sea_orm::entity::prelude::*;

use crate::json::Json;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_logs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AuditLogId,
    pub tenant_id: Option<TenantId>,
    pub user_id: Option<UserId>,
    pub username: String,
    pub action: String,
    pub resource_type: String,
    pub resource_id: Option<Uuid>,
    pub details: Json<StringMap>,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
    pub status: AuditStatus,
    pub created_at: Timestamp,
    pub sequence: Option<i64>,
    pub hash: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
