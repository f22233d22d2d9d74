//! What happened, how bad it is, and who took care of it.

use berth_types::{
    NodeId, SessionId, StringMap, SystemEventId, TenantId, Timestamp, UserId,
    events::{EventSeverity, SourceComponent},
};
use sea_orm::entity::prelude::*;

use crate::json::Json;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "system_events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SystemEventId,
    pub timestamp: Timestamp,
    pub event_type: String,
    pub severity: EventSeverity,
    pub source_component: SourceComponent,
    pub source_node_id: Option<NodeId>,
    pub tenant_id: Option<TenantId>,
    pub session_id: Option<SessionId>,
    pub user_id: Option<UserId>,
    pub message: String,
    pub details: Json<StringMap>,
    pub acknowledged_at: Option<Timestamp>,
    pub acknowledged_by: Option<UserId>,
    pub resolved_at: Option<Timestamp>,
    pub resolved_by: Option<UserId>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
