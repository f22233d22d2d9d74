//! The ledger and what is billed from it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AllocationId, NodeId, SessionId, TenantId, UsageRecordId, UserId, sites::ResourceKind};

text_enum! {
    AllocationStatus = "allocation_status" {
        Active = "active",
        Released = "released",
        /// The claim was taken back before its workload ever ran.
        Failed = "failed",
    }
}

/// One claim of one workload on one resource of one node, charged from `allocation_time` to `deallocation_time`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Allocation {
    pub id: AllocationId,
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub session_id: Option<SessionId>,
    pub node_id: NodeId,
    pub resource_type: ResourceKind,
    /// In `unit`.
    pub allocated_amount: i64,
    pub unit: String,
    pub allocation_time: DateTime<Utc>,
    pub deallocation_time: Option<DateTime<Utc>>,
    pub status: AllocationStatus,
}

/// What one session consumed of one resource within one hour.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UsageRecord {
    pub id: UsageRecordId,
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub session_id: Option<SessionId>,
    pub resource_type: ResourceKind,
    /// Start of the hour, UTC.
    pub period_start: DateTime<Utc>,
    /// Base unit × seconds, e.g. millicore-seconds.
    pub amount_seconds: i64,
    pub unit: String,
}
