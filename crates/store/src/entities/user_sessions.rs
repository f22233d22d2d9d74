//! Logins and API tokens; only hashes of tokens are kept.

use berth_types::{TenantId, Timestamp, UserId, UserSessionId, identity::LoginKind};
use sea_orm::entity::prelude::*;

use crate::json::Json;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "user_sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserSessionId,
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub kind: LoginKind,
    pub name: Option<String>,
    pub session_token_hash: String,
    pub refresh_token_hash: Option<String>,
    pub previous_refresh_hash: Option<String>,
    pub csrf_hash: Option<String>,
    pub permissions: Json<Vec<String>>,
    pub access_expires_at: Timestamp,
    pub expires_at: Timestamp,
    pub last_used_at: Timestamp,
    pub client_ip: Option<String>,
    pub user_agent: Option<String>,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
