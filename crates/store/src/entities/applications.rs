//! The catalogue of what a session can run.

use berth_types::{
    ApplicationId, StringMap, TenantId, Timestamp,
    applications::ApplicationProtocol,
    sessions::{NetworkPolicyKind, SessionType},
};
use sea_orm::entity::prelude::*;

use crate::json::Json;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "applications")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ApplicationId,
    pub tenant_id: Option<TenantId>,
    pub name: String,
    pub title: String,
    pub description: Option<String>,
    pub icon: Option<String>,
    pub container_image: String,
    pub command: Json<Vec<String>>,
    pub session_type: SessionType,
    pub protocol: ApplicationProtocol,
    pub port: Option<i32>,
    pub shell: Json<Vec<String>>,
    pub environment_variables: Json<StringMap>,
    pub default_cpu_millicores: i64,
    pub default_memory_mib: i64,
    pub default_storage_mib: i64,
    pub default_gpu_milli: i64,
    pub default_max_runtime_minutes: i64,
    pub default_network_policy: NetworkPolicyKind,
    pub builtin: bool,
    pub untested: bool,
    pub enabled: bool,
    pub generation: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
