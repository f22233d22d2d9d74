//! Operations as durable rows. A worker writes only while the row names it and is open; whatever returns `false` here
//! means that somebody else has the row, or that a newer wish has superseded it.

use std::collections::HashSet;

use berth_types::{
    NodeId, OperationId, SessionId, TenantId, Timestamp, UserId,
    identity::Scope,
    operations::{Operation, OperationFilter, OperationKind, OperationStatus, SubjectType},
    page::Page,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, prelude::Expr,
};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    entities::{operations, sessions},
    json::Json,
    page::{self, Direction, PageRequest},
};

/// An operation as the database holds it.
pub type OperationRecord = operations::Model;

impl OperationRecord {
    /// The session it is about.
    pub fn session_id(&self) -> Option<SessionId> {
        (self.subject_type == SubjectType::Session).then_some(SessionId(self.subject_id))
    }

    /// The node it is about.
    pub fn node_id(&self) -> Option<NodeId> {
        (self.subject_type == SubjectType::Node).then_some(NodeId(self.subject_id))
    }
}

/// A new operation.
#[derive(Clone, Debug)]
pub struct NewOperation {
    pub kind: OperationKind,
    pub subject_type: SubjectType,
    pub subject_id: Uuid,
    pub tenant_id: Option<TenantId>,
    pub requested_by: Option<UserId>,
    pub steps: Vec<String>,
    pub generation: i64,
    pub deadline_at: Timestamp,
    /// This worker takes it at once, under a lease until then.
    pub claimed_by: Option<(String, Timestamp)>,
}

/// Writes an operation down. An open one of the same subject is superseded first: its worker ends at the next step, and
/// only then does this one begin.
pub async fn enqueue(
    db: &impl ConnectionTrait,
    new: NewOperation,
    now: Timestamp,
) -> Result<OperationRecord, StoreError> {
    operations::Entity::update_many()
        .col_expr(
            operations::Column::Status,
            operations::Column::Status.save_as(Expr::value(OperationStatus::Superseded)),
        )
        .col_expr(operations::Column::FinishedAt, Expr::value(now))
        .col_expr(operations::Column::UpdatedAt, Expr::value(now))
        .filter(operations::Column::SubjectType.eq(new.subject_type))
        .filter(operations::Column::SubjectId.eq(new.subject_id))
        .filter(operations::Column::FinishedAt.is_null())
        .exec(db)
        .await?;
    let (worker, lease_until) = new.claimed_by.unzip();
    let row = operations::ActiveModel {
        id: Set(OperationId::new()),
        kind: Set(new.kind),
        status: Set(if worker.is_some() { OperationStatus::Running } else { OperationStatus::Pending }),
        subject_type: Set(new.subject_type),
        subject_id: Set(new.subject_id),
        tenant_id: Set(new.tenant_id),
        requested_by: Set(new.requested_by),
        steps: Set(Json(new.steps)),
        step_index: Set(0),
        progress: Set(0),
        message: Set(None),
        attempts: Set(0),
        next_attempt_at: Set(None),
        deadline_at: Set(Some(new.deadline_at)),
        error: Set(None),
        generation: Set(new.generation),
        worker: Set(worker),
        lease_until: Set(lease_until),
        created_at: Set(now),
        updated_at: Set(now),
        finished_at: Set(None),
    };
    Ok(operations::Entity::insert(row).exec_with_returning(db).await?)
}

/// Closes the open operation of a subject because something else is wanted now.
pub async fn supersede(db: &impl ConnectionTrait, subject: Uuid, now: Timestamp) -> Result<(), StoreError> {
    operations::Entity::update_many()
        .col_expr(
            operations::Column::Status,
            operations::Column::Status.save_as(Expr::value(OperationStatus::Superseded)),
        )
        .col_expr(operations::Column::FinishedAt, Expr::value(now))
        .col_expr(operations::Column::UpdatedAt, Expr::value(now))
        .filter(operations::Column::SubjectId.eq(subject))
        .filter(operations::Column::FinishedAt.is_null())
        .exec(db)
        .await?;
    Ok(())
}

fn due(worker: &str, now: Timestamp) -> Condition {
    let free = Condition::any()
        .add(operations::Column::Worker.is_null())
        .add(operations::Column::LeaseUntil.lt(now))
        // What this worker's former life left behind, or what it postponed itself.
        .add(Condition::all().add(operations::Column::Worker.eq(worker)).add(operations::Column::LeaseUntil.is_null()));
    Condition::all()
        .add(operations::Column::FinishedAt.is_null())
        .add(
            Condition::any()
                .add(operations::Column::NextAttemptAt.is_null())
                .add(operations::Column::NextAttemptAt.lte(now)),
        )
        .add(free)
}

/// Whether anything could be claimed now.
pub async fn any_due(db: &impl ConnectionTrait, worker: &str, now: Timestamp) -> Result<bool, StoreError> {
    Ok(operations::Entity::find().filter(due(worker, now)).limit(1).one(db).await?.is_some())
}

/// Takes up to `limit` due operations, oldest first, each under a lease. One whose predecessor is still being carried
/// out somewhere is left for later.
pub async fn claim_due(
    db: &impl ConnectionTrait,
    worker: &str,
    lease_until: Timestamp,
    limit: u64,
    now: Timestamp,
) -> Result<Vec<OperationRecord>, StoreError> {
    let candidates = operations::Entity::find()
        .filter(due(worker, now))
        .order_by_asc(operations::Column::Id)
        .limit(limit.saturating_mul(2))
        .all(db)
        .await?;
    let busy: HashSet<Uuid> = operations::Entity::find()
        .filter(operations::Column::SubjectId.is_in(candidates.iter().map(|row| row.subject_id)))
        .filter(operations::Column::Status.eq(OperationStatus::Superseded))
        .filter(operations::Column::Worker.is_not_null())
        .filter(operations::Column::LeaseUntil.gte(now))
        .all(db)
        .await?
        .into_iter()
        .map(|row| row.subject_id)
        .collect();
    let mut claimed = Vec::new();
    for mut row in candidates.into_iter().filter(|row| !busy.contains(&row.subject_id)).take(limit as usize) {
        let won = operations::Entity::update_many()
            .col_expr(
                operations::Column::Status,
                operations::Column::Status.save_as(Expr::value(OperationStatus::Running)),
            )
            .col_expr(operations::Column::Worker, Expr::value(worker))
            .col_expr(operations::Column::LeaseUntil, Expr::value(lease_until))
            .col_expr(operations::Column::UpdatedAt, Expr::value(now))
            .filter(operations::Column::Id.eq(row.id))
            .filter(due(worker, now))
            .exec(db)
            .await?;
        if won.rows_affected == 1 {
            row.status = OperationStatus::Running;
            row.worker = Some(worker.to_owned());
            row.lease_until = Some(lease_until);
            claimed.push(row);
        }
    }
    Ok(claimed)
}

/// Frees what a former life of this machine's only server left under lease.
pub async fn reclaim_all(db: &impl ConnectionTrait) -> Result<u64, StoreError> {
    let done = operations::Entity::update_many()
        .col_expr(operations::Column::Worker, Expr::value(None::<String>))
        .col_expr(operations::Column::LeaseUntil, Expr::value(None::<Timestamp>))
        .filter(operations::Column::Worker.is_not_null())
        .exec(db)
        .await?;
    Ok(done.rows_affected)
}

/// Frees what a worker holds, at its orderly end, so that another need not wait for the leases.
pub async fn release_all(db: &impl ConnectionTrait, worker: &str) -> Result<u64, StoreError> {
    let done = operations::Entity::update_many()
        .col_expr(operations::Column::Worker, Expr::value(None::<String>))
        .col_expr(operations::Column::LeaseUntil, Expr::value(None::<Timestamp>))
        .filter(operations::Column::Worker.eq(worker))
        .exec(db)
        .await?;
    Ok(done.rows_affected)
}

fn ours(id: OperationId, worker: &str) -> sea_orm::UpdateMany<operations::Entity> {
    operations::Entity::update_many()
        .filter(operations::Column::Id.eq(id))
        .filter(operations::Column::Worker.eq(worker))
        .filter(operations::Column::Status.eq(OperationStatus::Running))
}

/// Whether the row is still open and this worker's.
pub async fn is_ours(db: &impl ConnectionTrait, id: OperationId, worker: &str) -> Result<bool, StoreError> {
    let count = operations::Entity::find_by_id(id)
        .filter(operations::Column::Worker.eq(worker))
        .filter(operations::Column::Status.eq(OperationStatus::Running))
        .count(db)
        .await?;
    Ok(count == 1)
}

/// Extends the lease.
pub async fn renew(
    store: &Store,
    id: OperationId,
    worker: &str,
    lease_until: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let update = ours(id, worker)
        .col_expr(operations::Column::LeaseUntil, Expr::value(lease_until))
        .col_expr(operations::Column::UpdatedAt, Expr::value(now));
    Ok(update.exec(store.writer()).await?.rows_affected == 1)
}

/// How far it has come.
pub async fn note_step(
    store: &Store,
    id: OperationId,
    worker: &str,
    step_index: i32,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let update = ours(id, worker)
        .col_expr(operations::Column::StepIndex, Expr::value(step_index))
        .col_expr(operations::Column::Attempts, Expr::value(0))
        .col_expr(operations::Column::UpdatedAt, Expr::value(now));
    Ok(update.exec(store.writer()).await?.rows_affected == 1)
}

/// What is happening, for people: percent over all steps and words.
pub async fn note_progress(
    store: &Store,
    id: OperationId,
    progress: i32,
    message: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    operations::Entity::update_many()
        .col_expr(operations::Column::Progress, Expr::value(progress))
        .col_expr(operations::Column::Message, Expr::value(message))
        .col_expr(operations::Column::UpdatedAt, Expr::value(now))
        .filter(operations::Column::Id.eq(id))
        .filter(operations::Column::Status.eq(OperationStatus::Running))
        .exec(store.writer())
        .await?;
    Ok(())
}

/// Puts it back until `next`.
#[expect(clippy::too_many_arguments, reason = "a postponed operation is all of these")]
pub async fn postpone(
    store: &Store,
    id: OperationId,
    worker: &str,
    step_index: i32,
    attempts: i32,
    next: Timestamp,
    message: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let update = ours(id, worker)
        .col_expr(operations::Column::Status, operations::Column::Status.save_as(Expr::value(OperationStatus::Pending)))
        .col_expr(operations::Column::Worker, Expr::value(None::<String>))
        .col_expr(operations::Column::LeaseUntil, Expr::value(None::<Timestamp>))
        .col_expr(operations::Column::StepIndex, Expr::value(step_index))
        .col_expr(operations::Column::Attempts, Expr::value(attempts))
        .col_expr(operations::Column::NextAttemptAt, Expr::value(next))
        .col_expr(operations::Column::Message, Expr::value(message))
        .col_expr(operations::Column::UpdatedAt, Expr::value(now));
    Ok(update.exec(store.writer()).await?.rows_affected == 1)
}

/// Lets go of a superseded operation, so that its successor may begin. One that is open all the same is about something
/// that has moved on without it: it is closed, or it would be taken up again for ever.
pub async fn release(store: &Store, id: OperationId, worker: &str, now: Timestamp) -> Result<(), StoreError> {
    close(id, worker, OperationStatus::Superseded, now).exec(store.writer()).await?;
    operations::Entity::update_many()
        .col_expr(operations::Column::Worker, Expr::value(None::<String>))
        .col_expr(operations::Column::LeaseUntil, Expr::value(None::<Timestamp>))
        .filter(operations::Column::Id.eq(id))
        .filter(operations::Column::Worker.eq(worker))
        .exec(store.writer())
        .await?;
    Ok(())
}

/// Closes it as done.
pub async fn finish_succeeded(
    db: &impl ConnectionTrait,
    id: OperationId,
    worker: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let update = close(id, worker, OperationStatus::Succeeded, now)
        .col_expr(operations::Column::Progress, Expr::value(100))
        .col_expr(operations::Column::Message, Expr::value(None::<String>))
        .col_expr(
            operations::Column::StepIndex,
            crate::dialect::json_array_length(operations::Column::Steps, db.get_database_backend()),
        );
    Ok(update.exec(db).await?.rows_affected == 1)
}

/// Closes it as failed; `public` is what people may read.
pub async fn finish_failed(
    db: &impl ConnectionTrait,
    id: OperationId,
    worker: &str,
    public: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let update =
        close(id, worker, OperationStatus::Failed, now).col_expr(operations::Column::Error, Expr::value(public));
    Ok(update.exec(db).await?.rows_affected == 1)
}

fn close(
    id: OperationId,
    worker: &str,
    status: OperationStatus,
    now: Timestamp,
) -> sea_orm::UpdateMany<operations::Entity> {
    ours(id, worker)
        .col_expr(operations::Column::Status, operations::Column::Status.save_as(Expr::value(status)))
        .col_expr(operations::Column::Worker, Expr::value(None::<String>))
        .col_expr(operations::Column::LeaseUntil, Expr::value(None::<Timestamp>))
        .col_expr(operations::Column::FinishedAt, Expr::value(now))
        .col_expr(operations::Column::UpdatedAt, Expr::value(now))
}

/// Makes an open operation due at once, or opens a failed one again. `false`: it has ended well or was superseded.
pub async fn retry(
    db: &impl ConnectionTrait,
    id: OperationId,
    deadline: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let update = operations::Entity::update_many()
        .col_expr(operations::Column::Status, operations::Column::Status.save_as(Expr::value(OperationStatus::Pending)))
        .col_expr(operations::Column::NextAttemptAt, Expr::value(None::<Timestamp>))
        .col_expr(operations::Column::Attempts, Expr::value(0))
        .col_expr(operations::Column::Error, Expr::value(None::<String>))
        .col_expr(operations::Column::FinishedAt, Expr::value(None::<Timestamp>))
        .col_expr(operations::Column::DeadlineAt, Expr::value(deadline))
        .col_expr(operations::Column::UpdatedAt, Expr::value(now))
        .filter(operations::Column::Id.eq(id))
        .filter(operations::Column::Status.is_in([OperationStatus::Pending, OperationStatus::Failed]));
    Ok(update.exec(db).await?.rows_affected == 1)
}

/// The open operation of a subject.
pub async fn open_of(db: &impl ConnectionTrait, subject: Uuid) -> Result<Option<Operation>, StoreError> {
    let row = operations::Entity::find()
        .filter(operations::Column::SubjectId.eq(subject))
        .filter(operations::Column::FinishedAt.is_null())
        .one(db)
        .await?;
    Ok(row.map(to_operation))
}

/// Which of the subjects have an open operation.
pub async fn open_subjects(
    db: &impl ConnectionTrait,
    subjects: impl Iterator<Item = Uuid>,
) -> Result<HashSet<Uuid>, StoreError> {
    let mut found = HashSet::new();
    for chunk in subjects.collect::<Vec<_>>().chunks(500) {
        let rows = operations::Entity::find()
            .select_only()
            .column(operations::Column::SubjectId)
            .filter(operations::Column::SubjectId.is_in(chunk.iter().copied()))
            .filter(operations::Column::FinishedAt.is_null())
            .into_tuple::<Uuid>()
            .all(db)
            .await?;
        found.extend(rows);
    }
    Ok(found)
}

/// What a caller may see of an operation: those of their sessions, or all when the scope is the platform.
fn in_scope(scope: Scope) -> Condition {
    let mut condition = Condition::all();
    if let Some(tenant) = scope.tenant() {
        condition = condition.add(operations::Column::TenantId.eq(tenant));
    }
    if let Some(owner) = scope.owner() {
        let own = sea_orm::sea_query::Query::select()
            .column(sessions::Column::Id)
            .from(sessions::Entity)
            .and_where(sessions::Column::UserId.eq(owner))
            .to_owned();
        condition = condition.add(operations::Column::SubjectId.in_subquery(own));
    }
    condition
}

/// # Errors
/// [`StoreError::NotFound`], also for what lies outside of the scope.
pub async fn get(db: &impl ConnectionTrait, scope: Scope, id: OperationId) -> Result<Operation, StoreError> {
    record_in(db, scope, id).await.map(to_operation)
}

/// # Errors
/// [`StoreError::NotFound`], also for what lies outside of the scope.
pub async fn record_in(
    db: &impl ConnectionTrait,
    scope: Scope,
    id: OperationId,
) -> Result<OperationRecord, StoreError> {
    let condition = in_scope(scope);
    operations::Entity::find_by_id(id).filter(condition).one(db).await?.ok_or(StoreError::NotFound("operation"))
}

/// Newest first.
pub async fn list(
    db: &impl ConnectionTrait,
    scope: Scope,
    query: &OperationFilter,
) -> Result<Page<Operation>, StoreError> {
    let mut condition = in_scope(scope);
    if let Some(kind) = query.kind {
        condition = condition.add(operations::Column::Kind.eq(kind));
    }
    if let Some(status) = query.status {
        condition = condition.add(operations::Column::Status.eq(status));
    }
    if let Some(subject) = query.subject_id {
        condition = condition.add(operations::Column::SubjectId.eq(subject));
    }
    let request = PageRequest::new(query.limit, query.cursor.clone());
    let key = (operations::Column::Id, operations::Column::Id);
    let select = operations::Entity::find().filter(condition);
    let page = page::fetch(db, select, &request, key, Direction::Descending, |row| (row.id.0, row.id.0)).await?;
    Ok(page.map(to_operation))
}

/// As people see it.
pub fn to_operation(row: OperationRecord) -> Operation {
    let steps = row.steps.0.len().max(1) as i32;
    let progress = if row.status == OperationStatus::Succeeded {
        100
    } else {
        Ord::max(row.progress, row.step_index * 100 / steps)
    };
    Operation {
        id: row.id,
        kind: row.kind,
        status: row.status,
        subject_type: row.subject_type,
        subject_id: row.subject_id,
        tenant_id: row.tenant_id,
        requested_by: row.requested_by,
        steps: row.steps.0,
        step_index: row.step_index,
        progress,
        message: row.message,
        attempts: row.attempts,
        next_attempt_at: row.next_attempt_at,
        deadline_at: row.deadline_at,
        error: row.error,
        created_at: row.created_at,
        updated_at: row.updated_at,
        finished_at: row.finished_at,
    }
}
