//! The audit log. Rows are written in the transaction of the change; a sealer then chains them: each hash is SHA-256 over
//! the hash before it and the row. The database refuses any other change of a row, so tampering needs more than SQL, and
//! [`verify`] finds it.

use berth_types::{
    AuditLogId, StringMap, TenantId, Timestamp, UserId,
    audit::{AuditFilter, AuditLog, AuditStatus},
    identity::Scope,
    page::Page,
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    Json, Result, StoreError,
    entities::audit_logs,
    page::{self, Direction, PageRequest},
    rows,
};

/// A row to be written. Details never hold a secret.
#[derive(Clone, Debug)]
pub struct NewAudit {
    pub tenant_id: Option<TenantId>,
    pub user_id: Option<UserId>,
    pub username: String,
    pub action: String,
    pub resource_type: String,
    pub resource_id: Option<Uuid>,
    pub details: StringMap,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
    pub status: AuditStatus,
}

fn audit_of(row: audit_logs::Model) -> AuditLog {
    AuditLog {
        id: row.id,
        tenant_id: row.tenant_id,
        user_id: row.user_id,
        username: row.username,
        action: row.action,
        resource_type: row.resource_type,
        resource_id: row.resource_id,
        details: row.details.0,
        ip_address: row.ip_address,
        user_agent: row.user_agent,
        request_id: row.request_id,
        status: row.status,
        created_at: row.created_at,
        hash: row.hash,
    }
}

/// # Errors
/// `Unavailable`.
pub async fn insert(db: &impl ConnectionTrait, audit: NewAudit, now: Timestamp) -> Result<AuditLogId> {
    let id = AuditLogId::new();
    let row = audit_logs::ActiveModel {
        id: Set(id),
        tenant_id: Set(audit.tenant_id),
        user_id: Set(audit.user_id),
        username: Set(audit.username),
        action: Set(audit.action),
        resource_type: Set(audit.resource_type),
        resource_id: Set(audit.resource_id),
        details: Set(Json(audit.details)),
        ip_address: Set(audit.ip_address),
        user_agent: Set(audit.user_agent),
        request_id: Set(audit.request_id),
        status: Set(audit.status),
        created_at: Set(now),
        sequence: Set(None),
        hash: Set(None),
    };
    audit_logs::Entity::insert(row).exec_without_returning(db).await?;
    Ok(id)
}

/// Newest first.
///
/// # Errors
/// `InvalidFilter` for a wrong cursor.
pub async fn list(db: &impl ConnectionTrait, scope: Scope, filter: &AuditFilter) -> Result<Page<AuditLog>> {
    let mut condition = Condition::all();
    if let Some(tenant) = scope.tenant() {
        condition = condition.add(audit_logs::Column::TenantId.eq(tenant));
    }
    if let Some(user) = scope.owner() {
        condition = condition.add(audit_logs::Column::UserId.eq(user));
    }
    if let Some(user) = filter.user_id {
        condition = condition.add(audit_logs::Column::UserId.eq(user));
    }
    if let Some(action) = &filter.action {
        condition = condition.add(audit_logs::Column::Action.eq(action.as_str()));
    }
    if let Some(id) = filter.resource_id {
        condition = condition.add(audit_logs::Column::ResourceId.eq(id));
    }
    if let Some(resource_type) = &filter.resource_type {
        condition = condition.add(audit_logs::Column::ResourceType.eq(resource_type.as_str()));
    }
    if let Some(status) = filter.status {
        condition = condition.add(audit_logs::Column::Status.eq(status));
    }
    if let Some(search) = &filter.search {
        let columns = [audit_logs::Column::Action, audit_logs::Column::Username];
        condition = condition.add(rows::containing(&columns, search));
    }
    if let Some(since) = filter.since {
        condition = condition.add(audit_logs::Column::CreatedAt.gte(since));
    }
    if let Some(until) = filter.until {
        condition = condition.add(audit_logs::Column::CreatedAt.lt(until));
    }
    let request = PageRequest::new(filter.limit, filter.cursor.clone());
    let select = audit_logs::Entity::find().filter(condition);
    let key = (audit_logs::Column::Id, audit_logs::Column::Id);
    let page = page::fetch(db, select, &request, key, Direction::Descending, |row| (row.id.0, row.id.0)).await?;
    Ok(page.map(audit_of))
}

/// Hash of the row before the first.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// SHA-256, in hex, over the hash before and the row as a JSON array; times as microseconds, which both databases keep.
fn chained(previous: &str, sequence: i64, row: &audit_logs::Model) -> Result<String> {
    let fields = serde_json::json!([
        previous,
        sequence,
        row.id,
        row.tenant_id,
        row.user_id,
        row.username,
        row.action,
        row.resource_type,
        row.resource_id,
        row.details,
        row.ip_address,
        row.user_agent,
        row.request_id,
        row.status,
        row.created_at.timestamp_micros(),
    ]);
    let text = serde_json::to_vec(&fields).map_err(StoreError::internal)?;
    Ok(Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect())
}

async fn last_sealed(db: &impl ConnectionTrait) -> Result<(i64, String)> {
    let last = audit_logs::Entity::find()
        .filter(audit_logs::Column::Sequence.is_not_null())
        .order_by_desc(audit_logs::Column::Sequence)
        .limit(1)
        .one(db)
        .await?;
    Ok(last.map_or((0, GENESIS.to_owned()), |row| (row.sequence.unwrap_or(0), row.hash.unwrap_or_default())))
}

/// Chains up to `limit` rows that are not yet, oldest first; returns how many. One sealer at a time: a second one fails on
/// the unique sequence.
///
/// # Errors
/// `AlreadyExists` when another sealer was faster.
pub async fn seal(db: &impl ConnectionTrait, limit: u64) -> Result<u64> {
    let rows = audit_logs::Entity::find()
        .filter(audit_logs::Column::Hash.is_null())
        .order_by_asc(audit_logs::Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let (mut sequence, mut previous) = last_sealed(db).await?;
    let count = rows.len() as u64;
    for row in rows {
        sequence += 1;
        previous = chained(&previous, sequence, &row)?;
        let change = audit_logs::ActiveModel {
            id: Unchanged(row.id),
            sequence: Set(Some(sequence)),
            hash: Set(Some(previous.clone())),
            ..Default::default()
        };
        change.update(db).await?;
    }
    Ok(count)
}

/// What a walk over the chain found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Rows whose hash is right, counted from the first.
    pub sealed: u64,
    /// The first row that does not follow from those before it.
    pub broken_at: Option<AuditLogId>,
}

/// Walks the chain from its first row.
///
/// # Errors
/// `Unavailable`.
pub async fn verify(db: &impl ConnectionTrait) -> Result<Verification> {
    let mut found = Verification::default();
    let (mut sequence, mut previous) = (0, GENESIS.to_owned());
    loop {
        let rows = audit_logs::Entity::find()
            .filter(audit_logs::Column::Sequence.gt(sequence))
            .order_by_asc(audit_logs::Column::Sequence)
            .limit(1000)
            .all(db)
            .await?;
        if rows.is_empty() {
            return Ok(found);
        }
        for row in rows {
            sequence += 1;
            let expected = chained(&previous, sequence, &row)?;
            if row.sequence != Some(sequence) || row.hash.as_deref() != Some(expected.as_str()) {
                found.broken_at = Some(row.id);
                return Ok(found);
            }
            previous = expected;
            found.sealed += 1;
        }
    }
}

/// Whether rows wait for the sealer.
///
/// # Errors
/// `Unavailable`.
pub async fn any_unsealed(db: &impl ConnectionTrait) -> Result<bool> {
    Ok(audit_logs::Entity::find().filter(audit_logs::Column::Hash.is_null()).limit(1).one(db).await?.is_some())
}
