//! Every long action with its steps; at most one is open per subject.

use berth_types::{
    OperationId, TenantId, Timestamp, UserId,
    operations::{OperationKind, OperationStatus, SubjectType},
};
use sea_orm::entity::prelude::*;

use crate::json::Json;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "operations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OperationId,
    pub kind: OperationKind,
    pub status: OperationStatus,
    pub subject_type: SubjectType,
    pub subject_id: Uuid,
    pub tenant_id: Option<TenantId>,
    pub requested_by: Option<UserId>,
    pub steps: Json<Vec<String>>,
    pub step_index: i32,
    pub progress: i32,
    pub message: Option<String>,
    pub attempts: i32,
    pub next_attempt_at: Option<Timestamp>,
    pub deadline_at: Option<Timestamp>,
    pub error: Option<String>,
    pub generation: i64,
    pub worker: Option<String>,
    pub lease_until: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
