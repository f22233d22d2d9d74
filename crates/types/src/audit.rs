//! The audit log: one row for every change and every login, written with the change itself.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{AuditLogId, StringMap, TenantId, UserId};

text_enum! {
    AuditStatus = "audit_status" {
        Success = "success",
        /// The caller may not.
        Denied = "denied",
        Failure = "failure",
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditLog {
    pub id: AuditLogId,
    pub tenant_id: Option<TenantId>,
    pub user_id: Option<UserId>,
    /// Kept even when the user goes.
    pub username: String,
    /// The operation's id in the API, e.g. `session_launch`.
    pub action: String,
    pub resource_type: String,
    pub resource_id: Option<Uuid>,
    pub details: StringMap,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
    pub status: AuditStatus,
    pub created_at: DateTime<Utc>,
    /// SHA-256 over this row and the hash before it; absent for at most a second, until the sealer has been by.
    pub hash: Option<String>,
}

/// Filters of `GET /audit-logs`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AuditFilter {
    /// 1 to 500; default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// What kind of thing was changed, e.g. `session`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<AuditStatus>,
    /// Part of the action or the username, whatever its case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Written at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Written before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}
