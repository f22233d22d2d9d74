//! System events: written by every part of Berth, read by people, kept for a while.

use berth_types::{
    NodeId, SessionId, StringMap, SystemEventId, TenantId, Timestamp, UserId,
    events::{EventFilter, EventSeverity, SourceComponent, SystemEvent},
    identity::Scope,
    page::Page,
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
};

use crate::{
    Json, Result, StoreError,
    entities::system_events,
    page::{self, Direction, PageRequest},
    rows,
};

/// An event to be written. `new` gives an `info` event of the API; set what differs.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub event_type: String,
    pub severity: EventSeverity,
    pub source_component: SourceComponent,
    pub source_node_id: Option<NodeId>,
    pub tenant_id: Option<TenantId>,
    pub session_id: Option<SessionId>,
    /// Whose doing or whose thing it is; events of a user's own scope are found by it.
    pub user_id: Option<UserId>,
    pub message: String,
    pub details: StringMap,
}

impl NewEvent {
    pub fn new(event_type: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            event_type: event_type.into(),
            severity: EventSeverity::Info,
            source_component: SourceComponent::Api,
            source_node_id: None,
            tenant_id: None,
            session_id: None,
            user_id: None,
            message: message.into(),
            details: StringMap::new(),
        }
    }
}

fn event_of(row: system_events::Model) -> SystemEvent {
    SystemEvent {
        id: row.id,
        timestamp: row.timestamp,
        event_type: row.event_type,
        severity: row.severity,
        source_component: row.source_component,
        source_node_id: row.source_node_id,
        tenant_id: row.tenant_id,
        session_id: row.session_id,
        user_id: row.user_id,
        message: row.message,
        details: row.details.0,
        acknowledged_at: row.acknowledged_at,
        acknowledged_by: row.acknowledged_by,
        resolved_at: row.resolved_at,
        resolved_by: row.resolved_by,
    }
}

fn in_scope(scope: Scope) -> Condition {
    let mut condition = Condition::all();
    if let Some(tenant) = scope.tenant() {
        condition = condition.add(system_events::Column::TenantId.eq(tenant));
    }
    if let Some(user) = scope.owner() {
        condition = condition.add(system_events::Column::UserId.eq(user));
    }
    condition
}

/// # Errors
/// `InUse` when something it names does not exist.
pub async fn insert(db: &impl ConnectionTrait, event: NewEvent, now: Timestamp) -> Result<SystemEvent> {
    let row = system_events::ActiveModel {
        id: Set(SystemEventId::new()),
        timestamp: Set(now),
        event_type: Set(event.event_type),
        severity: Set(event.severity),
        source_component: Set(event.source_component),
        source_node_id: Set(event.source_node_id),
        tenant_id: Set(event.tenant_id),
        session_id: Set(event.session_id),
        user_id: Set(event.user_id),
        message: Set(event.message),
        details: Set(Json(event.details)),
        acknowledged_at: Set(None),
        acknowledged_by: Set(None),
        resolved_at: Set(None),
        resolved_by: Set(None),
    };
    Ok(event_of(row.insert(db).await?))
}

/// Newest first.
///
/// # Errors
/// `InvalidFilter` for a wrong cursor.
pub async fn list(db: &impl ConnectionTrait, scope: Scope, filter: &EventFilter) -> Result<Page<SystemEvent>> {
    let mut condition = in_scope(scope);
    if let Some(least) = filter.severity {
        let worse = EventSeverity::ALL.iter().copied().filter(|severity| *severity >= least);
        condition = condition.add(system_events::Column::Severity.is_in(worse));
    }
    if let Some(event_type) = &filter.event_type {
        condition = condition.add(system_events::Column::EventType.eq(event_type.as_str()));
    }
    if let Some(session) = filter.session_id {
        condition = condition.add(system_events::Column::SessionId.eq(session));
    }
    if let Some(node) = filter.node_id {
        condition = condition.add(system_events::Column::SourceNodeId.eq(node));
    }
    if let Some(unresolved) = filter.unresolved {
        let column = system_events::Column::ResolvedAt;
        condition = condition.add(if unresolved { column.is_null() } else { column.is_not_null() });
    }
    if let Some(search) = &filter.search {
        condition = condition.add(rows::containing(&[system_events::Column::Message], search));
    }
    if let Some(since) = filter.since {
        condition = condition.add(system_events::Column::Timestamp.gte(since));
    }
    if let Some(until) = filter.until {
        condition = condition.add(system_events::Column::Timestamp.lt(until));
    }
    let request = PageRequest::new(filter.limit, filter.cursor.clone());
    let select = system_events::Entity::find().filter(condition);
    let key = (system_events::Column::Id, system_events::Column::Id);
    let page = page::fetch(db, select, &request, key, Direction::Descending, |row| (row.id.0, row.id.0)).await?;
    Ok(page.map(event_of))
}

/// # Errors
/// `NotFound`.
pub async fn get(db: &impl ConnectionTrait, scope: Scope, id: SystemEventId) -> Result<SystemEvent> {
    let condition = in_scope(scope).add(system_events::Column::Id.eq(id));
    let row = system_events::Entity::find().filter(condition).one(db).await?;
    row.map(event_of).ok_or(StoreError::NotFound("event"))
}

/// Somebody has seen it; the first one stays on record.
///
/// # Errors
/// `NotFound`.
pub async fn acknowledge(
    db: &impl ConnectionTrait,
    scope: Scope,
    id: SystemEventId,
    by: UserId,
    now: Timestamp,
) -> Result<SystemEvent> {
    system_events::Entity::update_many()
        .set(system_events::ActiveModel {
            acknowledged_at: Set(Some(now)),
            acknowledged_by: Set(Some(by)),
            ..Default::default()
        })
        .filter(in_scope(scope).add(system_events::Column::Id.eq(id)))
        .filter(system_events::Column::AcknowledgedAt.is_null())
        .exec(db)
        .await?;
    get(db, scope, id).await
}

/// Somebody has mended it; the first one stays on record.
///
/// # Errors
/// `NotFound`.
pub async fn resolve(
    db: &impl ConnectionTrait,
    scope: Scope,
    id: SystemEventId,
    by: UserId,
    now: Timestamp,
) -> Result<SystemEvent> {
    system_events::Entity::update_many()
        .set(system_events::ActiveModel {
            resolved_at: Set(Some(now)),
            resolved_by: Set(Some(by)),
            ..Default::default()
        })
        .filter(in_scope(scope).add(system_events::Column::Id.eq(id)))
        .filter(system_events::Column::ResolvedAt.is_null())
        .exec(db)
        .await?;
    get(db, scope, id).await
}

/// Removes up to 1000 events older than `before`; the caller repeats until none is left, so that no transaction is long.
///
/// # Errors
/// `Unavailable`.
pub async fn expire(db: &impl ConnectionTrait, before: Timestamp) -> Result<u64> {
    let old = system_events::Entity::find()
        .select_only()
        .column(system_events::Column::Id)
        .filter(system_events::Column::Timestamp.lt(before))
        .order_by_asc(system_events::Column::Timestamp)
        .limit(1000)
        .into_query();
    let delete = system_events::Entity::delete_many().filter(system_events::Column::Id.in_subquery(old));
    Ok(delete.exec(db).await?.rows_affected)
}
