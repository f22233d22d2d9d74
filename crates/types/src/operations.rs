//! Operations: every long action as a durable row with steps. Nothing else changes an engine.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{OperationId, TenantId, UserId};

text_enum! {
    OperationKind = "operation_kind" {
        SessionStart = "session_start",
        SessionStop = "session_stop",
        SessionPause = "session_pause",
        SessionResume = "session_resume",
        NodeDrain = "node_drain",
    }
}

text_enum! {
    OperationStatus = "operation_status" {
        /// Waits for a worker, or for `next_attempt_at`.
        Pending = "pending",
        Running = "running",
        Succeeded = "succeeded",
        Failed = "failed",
        /// A newer wish for the same subject took its place.
        Superseded = "superseded",
    }
}

impl OperationStatus {
    pub const OPEN: &'static [Self] = &[Self::Pending, Self::Running];

    pub fn is_open(self) -> bool {
        Self::OPEN.contains(&self)
    }
}

text_enum! {
    SubjectType = "operation_subject_type" { Session = "session", Node = "node" }
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Operation {
    pub id: OperationId,
    pub kind: OperationKind,
    pub status: OperationStatus,
    pub subject_type: SubjectType,
    pub subject_id: Uuid,
    pub tenant_id: Option<TenantId>,
    /// Absent: Berth itself.
    pub requested_by: Option<UserId>,
    /// The names of its steps, in order.
    pub steps: Vec<String>,
    /// Index of the step it stands at; equal to the number of steps when all are done.
    pub step_index: i32,
    /// 0 to 100 over all steps.
    pub progress: i32,
    /// What is happening, e.g. "pulling image: 43 %".
    pub message: Option<String>,
    /// Tries of the present step.
    pub attempts: i32,
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub deadline_at: Option<DateTime<Utc>>,
    pub error: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// Filters of `GET /operations`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct OperationFilter {
    /// 1 to 500; default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<OperationKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<OperationStatus>,
    /// Id of a session or node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_id: Option<Uuid>,
}
