//! A bounded run of an application: what is wanted, what is, and what Berth is doing about it.

use std::collections::BTreeMap;

use berth_types::{
    ApplicationId, NodeId, ResourcePoolId, SessionId, TenantId, Timestamp, UserGroupId, UserId,
    applications::ApplicationProtocol,
    sessions::{
        EnvironmentValue, NetworkPolicyKind, PlacementPreferences, ResourceConstraints, SessionDesiredState,
        SessionReason, SessionStatus, SessionType, Waiting,
    },
};
use sea_orm::entity::prelude::*;

use crate::json::Json;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SessionId,
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub account_group_id: Option<UserGroupId>,
    pub session_name: String,
    pub session_type: SessionType,
    pub application: String,
    pub application_id: Option<ApplicationId>,
    pub application_protocol: ApplicationProtocol,
    pub application_port: Option<i32>,
    pub container_image: String,
    pub container_id: Option<String>,
    pub command: Json<Vec<String>>,
    pub shell: Json<Vec<String>>,
    pub status: SessionStatus,
    pub desired_state: SessionDesiredState,
    pub generation: i64,
    pub observed_generation: i64,
    pub attempt: i32,
    pub reason: Option<SessionReason>,
    pub message: Option<String>,
    pub exit_code: Option<i64>,
    pub deadline_at: Option<Timestamp>,
    pub priority: i32,
    pub preemptible: bool,
    pub privileged: bool,
    pub max_runtime_minutes: i64,
    pub ends_at: Option<Timestamp>,
    pub stop_grace_seconds: Option<i64>,
    pub cpu_request_millicores: i64,
    pub cpu_limit_millicores: i64,
    pub memory_request_mib: i64,
    pub memory_limit_mib: i64,
    pub gpu_request_milli: i64,
    pub gpu_type: Option<String>,
    pub storage_request_mib: i64,
    pub storage_used_mib: Option<i64>,
    pub network_policy: NetworkPolicyKind,
    pub network_subnet: Option<String>,
    pub environment_variables: Json<BTreeMap<String, EnvironmentValue>>,
    pub resource_constraints: Json<ResourceConstraints>,
    pub placement_preferences: Json<PlacementPreferences>,
    pub resource_pool_id: Option<ResourcePoolId>,
    pub scheduled_node_id: Option<NodeId>,
    pub placement: Option<String>,
    pub waiting_position: Option<i64>,
    pub waiting: Option<Json<Waiting>>,
    pub queued_at: Timestamp,
    pub start_time: Option<Timestamp>,
    pub end_time: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
