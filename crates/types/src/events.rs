//! System events: what happened, how bad it is, who took care of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{NodeId, SessionId, StringMap, SystemEventId, TenantId, UserId};

text_enum! {
    EventSeverity = "event_severity" {
        Debug = "debug", Info = "info", Warning = "warning", Error = "error", Critical = "critical",
    }
}

text_enum! {
    SourceComponent = "source_component" {
        Api = "api", Scheduler = "scheduler", Operations = "operations", Reconciler = "reconciler", Monitor = "monitor",
        Store = "store", Driver = "driver",
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SystemEvent {
    pub id: SystemEventId,
    pub timestamp: DateTime<Utc>,
    /// Stable name, e.g. `session_running`, `node_offline`.
    pub event_type: String,
    pub severity: EventSeverity,
    pub source_component: SourceComponent,
    pub source_node_id: Option<NodeId>,
    pub tenant_id: Option<TenantId>,
    pub session_id: Option<SessionId>,
    pub user_id: Option<UserId>,
    pub message: String,
    pub details: StringMap,
    pub acknowledged_at: Option<DateTime<Utc>>,
    pub acknowledged_by: Option<UserId>,
    pub resolved_at: Option<DateTime<Utc>>,
    pub resolved_by: Option<UserId>,
}

/// Filters of `GET /events`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EventFilter {
    /// 1 to 500; default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// This one and worse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<EventSeverity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<NodeId>,
    /// Only those nobody has resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unresolved: Option<bool>,
    /// Part of the message, whatever its case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Happened at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Happened before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}
