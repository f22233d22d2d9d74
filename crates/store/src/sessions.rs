//! Sessions: what the API reads of them, and every move of their state machine as a guarded statement. A move that the
//! row's present state does not allow changes nothing and says so.

use std::collections::{BTreeMap, HashMap};

use berth_types::{
    NodeId, SessionId, TenantId, Timestamp, UserId,
    identity::Scope,
    page::Page,
    quantities::{mib_to_gb, milli_to_gpus, millicores_to_cores},
    sessions::{Session, SessionDesiredState, SessionFilter, SessionReason, SessionStatus, Waiting},
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, TryIntoModel,
    prelude::Expr,
    sea_query::{ExprTrait, LockType, OnConflict},
};

use crate::{
    StoreError,
    entities::{nodes, session_nodes, sessions, users},
    json::Json,
    page::{self, Direction, PageRequest},
};

/// A session as the database holds it, amounts in base units. For rules, tasks and operations; people get [`Session`].
pub type SessionRecord = sessions::Model;
/// A new session.
pub type NewSession = sessions::ActiveModel;

const ALLOCATED: [SessionStatus; 5] = [
    SessionStatus::Scheduled,
    SessionStatus::Starting,
    SessionStatus::Running,
    SessionStatus::Paused,
    SessionStatus::Stopping,
];

fn scoped(scope: Scope) -> Condition {
    let mut condition = Condition::all();
    if let Some(tenant) = scope.tenant() {
        condition = condition.add(sessions::Column::TenantId.eq(tenant));
    }
    if let Some(owner) = scope.owner() {
        condition = condition.add(sessions::Column::UserId.eq(owner));
    }
    condition
}

/// The row, whoever's it is: for Berth's own tasks.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn record(db: &impl ConnectionTrait, id: SessionId) -> Result<SessionRecord, StoreError> {
    sessions::Entity::find_by_id(id).one(db).await?.ok_or(StoreError::NotFound("session"))
}

/// Locks the row until the end of the transaction. Whoever changes a session and its operation takes the session first:
/// a wish and the end of an operation may come at the same moment, and in different orders each would wait for the other.
/// SQLite has one writer, who needs no lock.
pub async fn lock(db: &impl ConnectionTrait, id: SessionId) -> Result<(), StoreError> {
    if db.get_database_backend() == sea_orm::DbBackend::Postgres {
        let row =
            sessions::Entity::find_by_id(id).select_only().column(sessions::Column::Id).lock(LockType::NoKeyUpdate);
        row.into_tuple::<SessionId>().one(db).await?;
    }
    Ok(())
}

/// The row, if it is in scope.
///
/// # Errors
/// [`StoreError::NotFound`], also for what lies outside of the scope.
pub async fn record_in(db: &impl ConnectionTrait, scope: Scope, id: SessionId) -> Result<SessionRecord, StoreError> {
    sessions::Entity::find_by_id(id).filter(scoped(scope)).one(db).await?.ok_or(StoreError::NotFound("session"))
}

/// A session with its open operation.
///
/// # Errors
/// [`StoreError::NotFound`], also for what lies outside of the scope.
pub async fn get(db: &impl ConnectionTrait, scope: Scope, id: SessionId) -> Result<Session, StoreError> {
    let row = record_in(db, scope, id).await?;
    let mut session = present(db, vec![row]).await?.remove(0);
    session.operation = crate::operations::open_of(db, id.0).await?;
    Ok(session)
}

/// Newest first unless `sort` says `created_at`. Ids are UUIDv7, so their order is the order of creation.
///
/// # Errors
/// [`StoreError::InvalidFilter`] for an unknown status, sort or cursor.
pub async fn list(
    db: &impl ConnectionTrait,
    scope: Scope,
    filter: &SessionFilter,
) -> Result<Page<Session>, StoreError> {
    let ascending = match filter.sort.as_deref() {
        None | Some("-created_at") => false,
        Some("created_at") => true,
        Some(_) => {
            return Err(StoreError::InvalidFilter {
                field: "sort",
                message: "must be created_at or -created_at".to_owned(),
            });
        }
    };
    let mut condition = scoped(scope);
    if let Some(statuses) = &filter.status {
        let parsed =
            statuses.split(',').map(|text| text.trim().parse::<SessionStatus>()).collect::<Result<Vec<_>, _>>();
        let parsed = parsed.map_err(|message| StoreError::InvalidFilter { field: "status", message })?;
        condition = condition.add(sessions::Column::Status.is_in(parsed));
    }
    if let Some(user) = filter.user_id {
        condition = condition.add(sessions::Column::UserId.eq(user));
    }
    if let Some(tenant) = filter.tenant_id {
        condition = condition.add(sessions::Column::TenantId.eq(tenant));
    }
    if let Some(node) = filter.node_id {
        condition = condition.add(sessions::Column::ScheduledNodeId.eq(node));
    }
    if let Some(application) = &filter.application {
        condition = condition.add(sessions::Column::Application.eq(application.as_str()));
    }
    if let Some(search) = &filter.search {
        condition = condition.add(crate::rows::containing(&[sessions::Column::SessionName], search));
    }
    let direction = if ascending { Direction::Ascending } else { Direction::Descending };
    let request = PageRequest::new(filter.limit, filter.cursor.clone());
    let key = (sessions::Column::Id, sessions::Column::Id);
    let select = sessions::Entity::find().filter(condition);
    let page = page::fetch(db, select, &request, key, direction, |row| (row.id.0, row.id.0)).await?;
    Ok(Page { items: present(db, page.items).await?, next_cursor: page.next_cursor })
}

/// The rows as people see them; three queries however many there are.
async fn present(db: &impl ConnectionTrait, rows: Vec<SessionRecord>) -> Result<Vec<Session>, StoreError> {
    let distinct = |mut ids: Vec<uuid::Uuid>| {
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let user_ids = distinct(rows.iter().map(|row| row.user_id.0).collect());
    let users: HashMap<UserId, String> = users::Entity::find()
        .select_only()
        .column(users::Column::Id)
        .column_as(users::Column::Username, "name")
        .filter(users::Column::Id.is_in(user_ids.into_iter().map(UserId)))
        .into_tuple::<(UserId, String)>()
        .all(db)
        .await?
        .into_iter()
        .collect();
    let node_ids = distinct(rows.iter().filter_map(|row| row.scheduled_node_id).map(|id| id.0).collect());
    let mut hostnames: HashMap<NodeId, String> = HashMap::new();
    let mut members: HashMap<SessionId, Vec<NodeId>> = HashMap::new();
    if !node_ids.is_empty() {
        let named = nodes::Entity::find()
            .select_only()
            .column(nodes::Column::Id)
            .column_as(nodes::Column::Name, "name")
            .filter(nodes::Column::Id.is_in(node_ids.into_iter().map(NodeId)))
            .into_tuple::<(NodeId, String)>()
            .all(db)
            .await?;
        hostnames.extend(named);
        let placed = rows.iter().filter(|row| row.scheduled_node_id.is_some()).map(|row| row.id);
        let joined =
            session_nodes::Entity::find().filter(session_nodes::Column::SessionId.is_in(placed)).all(db).await?;
        for row in joined {
            members.entry(row.session_id).or_default().push(row.node_id);
        }
    }
    Ok(rows
        .into_iter()
        .map(|row| {
            let username = users.get(&row.user_id).cloned().unwrap_or_default();
            let hostname = row.scheduled_node_id.and_then(|id| hostnames.get(&id).cloned());
            let nodes = members.remove(&row.id).unwrap_or_default();
            to_session(row, username, hostname, nodes)
        })
        .collect())
}

fn to_session(
    row: SessionRecord,
    username: String,
    scheduled_node: Option<String>,
    actual_node_ids: Vec<NodeId>,
) -> Session {
    let waiting = (row.status == SessionStatus::Pending).then_some(()).and(row.waiting).map(|waiting| waiting.0);
    Session {
        id: row.id,
        tenant_id: row.tenant_id,
        user_id: row.user_id,
        username,
        session_name: row.session_name,
        session_type: row.session_type,
        application: row.application,
        application_id: row.application_id,
        container_image: row.container_image,
        command: row.command.0,
        status: row.status,
        desired_state: row.desired_state,
        reason: row.reason,
        message: row.message,
        generation: row.generation,
        attempt: row.attempt,
        exit_code: row.exit_code,
        deadline_at: row.deadline_at,
        priority: row.priority,
        preemptible: row.preemptible,
        privileged: row.privileged,
        max_runtime_minutes: row.max_runtime_minutes,
        ends_at: row.ends_at,
        cpu_request: millicores_to_cores(row.cpu_request_millicores),
        cpu_limit: millicores_to_cores(row.cpu_limit_millicores),
        memory_request_gb: mib_to_gb(row.memory_request_mib),
        memory_limit_gb: mib_to_gb(row.memory_limit_mib),
        gpu_request: milli_to_gpus(row.gpu_request_milli),
        gpu_type: row.gpu_type,
        storage_request_gb: mib_to_gb(row.storage_request_mib),
        network_policy: row.network_policy,
        environment_variables: row.environment_variables.0,
        resource_constraints: row.resource_constraints.0,
        placement_preferences: row.placement_preferences.0,
        resource_pool_id: row.resource_pool_id,
        scheduled_node_id: row.scheduled_node_id,
        scheduled_node,
        actual_node_ids,
        placement: row.placement,
        waiting,
        application_port: row.application_port,
        start_time: row.start_time,
        end_time: row.end_time,
        created_at: row.created_at,
        updated_at: row.updated_at,
        operation: None,
    }
}

/// A session that was written just now, as people see it.
pub fn present_one(row: SessionRecord, username: String) -> Session {
    to_session(row, username, None, Vec::new())
}

/// What a new session would be, without writing it.
///
/// # Errors
/// [`StoreError::Internal`] when a column was left out.
pub fn draft(session: NewSession) -> Result<SessionRecord, StoreError> {
    session.try_into_model().map_err(StoreError::internal)
}

/// Writes a new session down.
pub async fn insert(db: &impl ConnectionTrait, session: NewSession) -> Result<SessionRecord, StoreError> {
    Ok(session.insert(db).await?)
}

/// How many sessions of that user wait in the queue.
pub async fn count_waiting(db: &impl ConnectionTrait, user: UserId) -> Result<u64, StoreError> {
    let waiting = sessions::Entity::find()
        .filter(sessions::Column::UserId.eq(user))
        .filter(sessions::Column::Status.eq(SessionStatus::Pending));
    Ok(waiting.count(db).await?)
}

/// The queue: what waits, in the scheduler's order, at most `limit`.
pub async fn pending(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<SessionRecord>, StoreError> {
    Ok(sessions::Entity::find()
        .filter(sessions::Column::Status.eq(SessionStatus::Pending))
        .filter(sessions::Column::DesiredState.ne(SessionDesiredState::Stopped))
        .order_by_desc(sessions::Column::Priority)
        .order_by_asc(sessions::Column::QueuedAt)
        .order_by_asc(sessions::Column::Id)
        .limit(limit)
        .all(db)
        .await?)
}

/// Why and where a pending session waits; writes only what changed, and leaves `updated_at` alone since nothing moved.
pub async fn note_waiting(
    db: &impl ConnectionTrait,
    id: SessionId,
    reason: SessionReason,
    waiting: &Waiting,
) -> Result<(), StoreError> {
    sessions::Entity::update_many()
        .col_expr(sessions::Column::Reason, sessions::Column::Reason.save_as(Expr::value(reason)))
        .col_expr(sessions::Column::Message, Expr::value(waiting.explanation.clone()))
        .col_expr(sessions::Column::WaitingPosition, Expr::value(waiting.position))
        .col_expr(sessions::Column::Waiting, Expr::value(Some(Json(waiting.clone()))))
        .filter(sessions::Column::Id.eq(id))
        .filter(sessions::Column::Status.eq(SessionStatus::Pending))
        .exec(db)
        .await?;
    Ok(())
}

/// Sessions that hold an allocation on a node.
pub async fn allocated_on(db: &impl ConnectionTrait, node: NodeId) -> Result<Vec<SessionRecord>, StoreError> {
    Ok(sessions::Entity::find()
        .filter(sessions::Column::ScheduledNodeId.eq(node))
        .filter(sessions::Column::Status.is_in(ALLOCATED))
        .all(db)
        .await?)
}

/// Sessions whose time is over and which nobody has stopped yet.
pub async fn overdue(db: &impl ConnectionTrait, now: Timestamp) -> Result<Vec<SessionRecord>, StoreError> {
    Ok(sessions::Entity::find()
        .filter(sessions::Column::Status.is_in([SessionStatus::Running, SessionStatus::Paused]))
        .filter(sessions::Column::DesiredState.ne(SessionDesiredState::Stopped))
        .filter(sessions::Column::EndsAt.lte(now))
        .all(db)
        .await?)
}

/// Sessions of suspended tenants that are not being stopped yet.
pub async fn of_suspended_tenants(db: &impl ConnectionTrait) -> Result<Vec<SessionRecord>, StoreError> {
    let suspended = crate::entities::tenants::Entity::find()
        .filter(crate::entities::tenants::Column::Status.eq(berth_types::identity::TenantStatus::Suspended))
        .all(db)
        .await?;
    if suspended.is_empty() {
        return Ok(Vec::new());
    }
    Ok(sessions::Entity::find()
        .filter(sessions::Column::TenantId.is_in(suspended.iter().map(|tenant| tenant.id)))
        .filter(sessions::Column::DesiredState.ne(SessionDesiredState::Stopped))
        .filter(sessions::Column::Status.is_not_in(SessionStatus::TERMINAL.iter().copied()))
        .all(db)
        .await?)
}

/// Sessions in a state that only an open operation can end, but without one: what a reconciler takes up again.
pub async fn without_operation(db: &impl ConnectionTrait) -> Result<Vec<SessionRecord>, StoreError> {
    let moving = sessions::Entity::find()
        .filter(sessions::Column::Status.is_in([
            SessionStatus::Scheduled,
            SessionStatus::Starting,
            SessionStatus::Stopping,
            SessionStatus::Running,
            SessionStatus::Paused,
        ]))
        .filter(
            Condition::any()
                .add(sessions::Column::Status.is_in([
                    SessionStatus::Scheduled,
                    SessionStatus::Starting,
                    SessionStatus::Stopping,
                ]))
                .add(sessions::Column::DesiredState.eq(SessionDesiredState::Stopped)),
        )
        .all(db)
        .await?;
    let open = crate::operations::open_subjects(db, moving.iter().map(|row| row.id.0)).await?;
    Ok(moving.into_iter().filter(|row| !open.contains(&row.id.0)).collect())
}

/// Those of `ids` that exist, with their state; for comparing an engine's list with the rows.
pub async fn states(
    db: &impl ConnectionTrait,
    ids: Vec<SessionId>,
) -> Result<BTreeMap<SessionId, SessionRecord>, StoreError> {
    let mut found = BTreeMap::new();
    for chunk in ids.chunks(500) {
        let rows = sessions::Entity::find().filter(sessions::Column::Id.is_in(chunk.iter().copied())).all(db).await?;
        found.extend(rows.into_iter().map(|row| (row.id, row)));
    }
    Ok(found)
}

/// Count of living sessions by status.
pub async fn population(db: &impl ConnectionTrait) -> Result<Vec<(String, i64)>, StoreError> {
    #[derive(FromQueryResult)]
    struct Row {
        status: SessionStatus,
        count: i64,
    }
    let rows = sessions::Entity::find()
        .select_only()
        .column(sessions::Column::Status)
        .column_as(sessions::Column::Id.count(), "count")
        .filter(sessions::Column::Status.is_not_in(SessionStatus::TERMINAL.iter().copied()))
        .group_by(sessions::Column::Status)
        .into_model::<Row>()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.status.to_string(), row.count)).collect())
}

/// A guarded move: only from the states that the state machine allows.
fn moving(id: SessionId, to: SessionStatus) -> sea_orm::UpdateMany<sessions::Entity> {
    let from: Vec<_> = SessionStatus::ALL.iter().copied().filter(|from| from.may_become(to) || *from == to).collect();
    sessions::Entity::update_many()
        .col_expr(sessions::Column::Status, sessions::Column::Status.save_as(Expr::value(to)))
        .filter(sessions::Column::Id.eq(id))
        .filter(sessions::Column::Status.is_in(from))
}

/// Pending → scheduled, on a node whose capacity was claimed in the same transaction.
pub async fn place(
    db: &impl ConnectionTrait,
    id: SessionId,
    node: NodeId,
    explanation: &str,
    deadline: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let done = moving(id, SessionStatus::Scheduled)
        .col_expr(sessions::Column::ScheduledNodeId, Expr::value(node))
        .col_expr(sessions::Column::Placement, Expr::value(explanation))
        .col_expr(sessions::Column::Reason, sessions::Column::Reason.save_as(Expr::value(None::<SessionReason>)))
        .col_expr(sessions::Column::Message, Expr::value(None::<String>))
        .col_expr(sessions::Column::WaitingPosition, Expr::value(None::<i64>))
        .col_expr(sessions::Column::Waiting, Expr::value(None::<Json<Waiting>>))
        .col_expr(sessions::Column::DeadlineAt, Expr::value(deadline))
        .col_expr(sessions::Column::UpdatedAt, Expr::value(now))
        .exec(db)
        .await?;
    if done.rows_affected != 1 {
        return Err(StoreError::Conflict("the session does not wait any more".to_owned()));
    }
    let attempt = record(db, id).await?.attempt;
    let joined = session_nodes::ActiveModel { session_id: Set(id), node_id: Set(node), attempt: Set(attempt) };
    let again = OnConflict::columns([session_nodes::Column::SessionId, session_nodes::Column::NodeId])
        .update_column(session_nodes::Column::Attempt)
        .to_owned();
    session_nodes::Entity::insert(joined).on_conflict(again).exec_without_returning(db).await?;
    Ok(())
}

/// Scheduled → starting, while it is still wanted and the operation is still this worker's.
pub async fn mark_starting(
    db: &impl ConnectionTrait,
    id: SessionId,
    operation: berth_types::OperationId,
    worker: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if !crate::operations::is_ours(db, operation, worker).await? {
        return Ok(false);
    }
    let done = moving(id, SessionStatus::Starting)
        .col_expr(sessions::Column::UpdatedAt, Expr::value(now))
        .filter(sessions::Column::DesiredState.ne(SessionDesiredState::Stopped))
        .exec(db)
        .await?;
    Ok(done.rows_affected == 1)
}

/// The engine says that it runs since `started`; its time counts from there.
pub async fn mark_running(
    db: &impl ConnectionTrait,
    id: SessionId,
    container_id: Option<String>,
    started: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    note_started(db, id, container_id, started, now).await?;
    moving(id, SessionStatus::Running)
        .col_expr(sessions::Column::Reason, sessions::Column::Reason.save_as(Expr::value(None::<SessionReason>)))
        .col_expr(sessions::Column::Message, Expr::value(None::<String>))
        .col_expr(sessions::Column::DeadlineAt, Expr::value(None::<Timestamp>))
        .exec(db)
        .await?;
    Ok(())
}

/// When its container started, and so when its time will be over.
pub async fn note_started(
    db: &impl ConnectionTrait,
    id: SessionId,
    container_id: Option<String>,
    started: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = record(db, id).await?;
    let ends_at = started + chrono::Duration::minutes(row.max_runtime_minutes);
    sessions::Entity::update_many()
        .col_expr(sessions::Column::StartTime, Expr::value(started))
        .col_expr(sessions::Column::EndsAt, Expr::value(ends_at))
        .col_expr(sessions::Column::ContainerId, Expr::value(container_id))
        .col_expr(sessions::Column::ObservedGeneration, Expr::value(row.generation))
        .col_expr(sessions::Column::UpdatedAt, Expr::value(now))
        .filter(sessions::Column::Id.eq(id))
        .exec(db)
        .await?;
    Ok(())
}

/// What the engine said about its end.
pub async fn note_exit(
    db: &impl ConnectionTrait,
    id: SessionId,
    exit_code: Option<i64>,
    ended: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sessions::Entity::update_many()
        .col_expr(sessions::Column::ExitCode, Expr::value(exit_code))
        .col_expr(sessions::Column::EndTime, Expr::value(ended.filter(|at| *at <= now).unwrap_or(now)))
        .col_expr(sessions::Column::UpdatedAt, Expr::value(now))
        .filter(sessions::Column::Id.eq(id))
        .exec(db)
        .await?;
    Ok(())
}

/// Running ⇄ paused as the engine says.
pub async fn observe_status(
    db: &impl ConnectionTrait,
    id: SessionId,
    status: SessionStatus,
    reason: Option<SessionReason>,
    message: Option<String>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = moving(id, status)
        .col_expr(sessions::Column::Reason, sessions::Column::Reason.save_as(Expr::value(reason)))
        .col_expr(sessions::Column::Message, Expr::value(message))
        .col_expr(sessions::Column::UpdatedAt, Expr::value(now))
        .exec(db)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Measured bytes in its own layer, MiB.
pub async fn note_storage(db: &impl ConnectionTrait, id: SessionId, used_mib: i64) -> Result<(), StoreError> {
    sessions::Entity::update_many()
        .col_expr(sessions::Column::StorageUsedMib, Expr::value(used_mib))
        .filter(sessions::Column::Id.eq(id))
        .exec(db)
        .await?;
    Ok(())
}

/// What somebody wants of a session.
#[derive(Clone, Debug)]
pub struct Wish {
    pub desired: SessionDesiredState,
    pub reason: Option<SessionReason>,
    pub message: Option<String>,
    /// Seconds to end by itself, when it is to stop.
    pub grace_seconds: Option<i64>,
}

/// Writes a wish down with a new generation; `None` when the session has ended already or is being stopped for good.
pub async fn wish(
    db: &impl ConnectionTrait,
    id: SessionId,
    wish: Wish,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    let mut update = sessions::Entity::update_many()
        .col_expr(sessions::Column::DesiredState, sessions::Column::DesiredState.save_as(Expr::value(wish.desired)))
        .col_expr(sessions::Column::Generation, Expr::col(sessions::Column::Generation).add(1))
        .col_expr(sessions::Column::UpdatedAt, Expr::value(now));
    if let Some(reason) = wish.reason {
        update = update
            .col_expr(sessions::Column::Reason, sessions::Column::Reason.save_as(Expr::value(reason)))
            .col_expr(sessions::Column::Message, Expr::value(wish.message));
    }
    if let Some(grace) = wish.grace_seconds {
        update = update.col_expr(sessions::Column::StopGraceSeconds, Expr::value(grace));
    }
    let done = update
        .filter(sessions::Column::Id.eq(id))
        .filter(sessions::Column::Status.is_not_in(SessionStatus::TERMINAL.iter().copied()))
        .filter(sessions::Column::DesiredState.ne(SessionDesiredState::Stopped))
        .exec(db)
        .await?;
    if done.rows_affected == 0 { Ok(None) } else { Ok(Some(record(db, id).await?.generation)) }
}

/// Into a state of transition with a deadline.
pub async fn enter(
    db: &impl ConnectionTrait,
    id: SessionId,
    status: SessionStatus,
    deadline: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = moving(id, status)
        .col_expr(sessions::Column::DeadlineAt, Expr::value(deadline))
        .col_expr(sessions::Column::UpdatedAt, Expr::value(now))
        .exec(db)
        .await?;
    Ok(done.rows_affected == 1)
}

/// The end. What it claimed must be released in the same transaction.
pub async fn finish(
    db: &impl ConnectionTrait,
    id: SessionId,
    status: SessionStatus,
    reason: Option<SessionReason>,
    message: Option<String>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let row = record(db, id).await?;
    let done = moving(id, status)
        .col_expr(
            sessions::Column::DesiredState,
            sessions::Column::DesiredState.save_as(Expr::value(SessionDesiredState::Stopped)),
        )
        .col_expr(sessions::Column::Reason, sessions::Column::Reason.save_as(Expr::value(reason)))
        .col_expr(sessions::Column::Message, Expr::value(message))
        .col_expr(sessions::Column::DeadlineAt, Expr::value(None::<Timestamp>))
        .col_expr(sessions::Column::WaitingPosition, Expr::value(None::<i64>))
        .col_expr(sessions::Column::Waiting, Expr::value(None::<Json<Waiting>>))
        .col_expr(sessions::Column::EndTime, Expr::value(row.end_time.or(Some(now))))
        .col_expr(sessions::Column::ObservedGeneration, Expr::value(row.generation))
        .col_expr(sessions::Column::UpdatedAt, Expr::value(now))
        .exec(db)
        .await?;
    Ok(done.rows_affected == 1)
}

/// A later end of a running session's time.
pub async fn extend(db: &impl ConnectionTrait, id: SessionId, minutes: i64, now: Timestamp) -> Result<(), StoreError> {
    let row = record(db, id).await?;
    let total = row.max_runtime_minutes + minutes;
    let ends_at = row.start_time.map(|start| start + chrono::Duration::minutes(total));
    sessions::Entity::update_many()
        .col_expr(sessions::Column::MaxRuntimeMinutes, Expr::value(total))
        .col_expr(sessions::Column::EndsAt, Expr::value(ends_at))
        .col_expr(sessions::Column::Generation, Expr::col(sessions::Column::Generation).add(1))
        .col_expr(sessions::Column::UpdatedAt, Expr::value(now))
        .filter(sessions::Column::Id.eq(id))
        .exec(db)
        .await?;
    Ok(())
}

/// Sessions that ended before `before` and whose kept log may go.
pub async fn ended_before(
    db: &impl ConnectionTrait,
    ids: Vec<SessionId>,
    before: Timestamp,
) -> Result<Vec<SessionId>, StoreError> {
    let rows = states(db, ids).await?;
    Ok(rows
        .into_values()
        .filter(|row| row.status.is_terminal() && row.end_time.is_some_and(|end| end < before))
        .map(|row| row.id)
        .collect())
}

/// Whether a name of that user is taken by a session that has not ended.
pub async fn name_taken(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    user: UserId,
    name: &str,
) -> Result<bool, StoreError> {
    let taken = sessions::Entity::find()
        .filter(sessions::Column::TenantId.eq(tenant))
        .filter(sessions::Column::UserId.eq(user))
        .filter(sessions::Column::SessionName.eq(name))
        .filter(sessions::Column::Status.is_not_in(SessionStatus::TERMINAL.iter().copied()))
        .count(db)
        .await?;
    Ok(taken > 0)
}
