//! The ledger. Capacity is claimed by guarded statements and the `allocated` columns move only together with ledger rows,
//! so whatever the scheduler believed, a node is never sold twice. Times are whole seconds.

use std::collections::HashMap;

use berth_types::{
    AllocationId, GpuDeviceId, NodeId, SessionId, TenantId, Timestamp, UsageRecordId, UserId,
    allocations::{Allocation, AllocationStatus, UsageRecord},
    identity::{QuotaConfig, Scope},
    page::Page,
    sessions::SessionStatus,
    sites::ResourceKind,
};
use chrono::{DurationRound, SubsecRound, TimeDelta};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
    prelude::Expr,
    sea_query::{LockType, OnConflict},
};

use crate::{
    StoreError,
    entities::{allocations, gpu_devices, node_resources, sessions, tenants, usage_records, users},
    page::{self, Direction, PageRequest},
};

/// What one workload claims on one node, base units.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    pub cpu_millicores: i64,
    pub memory_mib: i64,
    pub storage_mib: i64,
    /// (device, milli-GPU)
    pub gpus: Vec<(GpuDeviceId, i64)>,
}

impl Claim {
    fn amounts(&self) -> [(ResourceKind, i64); 4] {
        [
            (ResourceKind::Cpu, self.cpu_millicores),
            (ResourceKind::Memory, self.memory_mib),
            (ResourceKind::Storage, self.storage_mib),
            (ResourceKind::Gpu, self.gpus.iter().map(|(_, milli)| milli).sum()),
        ]
    }
}

/// What somebody holds, base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub sessions: i64,
    pub cpu_millicores: i64,
    pub memory_mib: i64,
    pub storage_mib: i64,
    pub gpu_milli: i64,
}

/// Defines the sums by one column of the ledger: by tenant or by user.
macro_rules! held_by {
    ($name:ident, $id:ty, $column:ident) => {
        /// What each of them holds, counted from the ledger.
        pub async fn $name(
            db: &impl ConnectionTrait,
            ids: impl IntoIterator<Item = $id>,
        ) -> Result<HashMap<$id, Held>, StoreError> {
            let ids: Vec<$id> = ids.into_iter().collect();
            let mut held: HashMap<$id, Held> = ids.iter().map(|id| (*id, Held::default())).collect();
            for chunk in ids.chunks(500) {
                let sums = allocations::Entity::find()
                    .select_only()
                    .column_as(allocations::Column::$column, "id")
                    .column(allocations::Column::ResourceType)
                    .expr_as(crate::dialect::sum_bigint(Expr::col(allocations::Column::AllocatedAmount)), "amount")
                    .filter(allocations::Column::$column.is_in(chunk.iter().copied()))
                    .filter(allocations::Column::DeallocationTime.is_null())
                    .group_by(allocations::Column::$column)
                    .group_by(allocations::Column::ResourceType)
                    .into_tuple::<($id, ResourceKind, i64)>()
                    .all(db)
                    .await?;
                for (id, kind, amount) in sums {
                    let entry = held.entry(id).or_default();
                    match kind {
                        ResourceKind::Cpu => entry.cpu_millicores = amount,
                        ResourceKind::Memory => entry.memory_mib = amount,
                        ResourceKind::Storage => entry.storage_mib = amount,
                        ResourceKind::Gpu => entry.gpu_milli = amount,
                        ResourceKind::Network => {}
                    }
                }
                let counts = sessions::Entity::find()
                    .select_only()
                    .column_as(sessions::Column::$column, "id")
                    .column_as(sessions::Column::Id.count(), "count")
                    .filter(sessions::Column::$column.is_in(chunk.iter().copied()))
                    .filter(sessions::Column::Status.is_in(SessionStatus::ALLOCATED.iter().copied()))
                    .group_by(sessions::Column::$column)
                    .into_tuple::<($id, i64)>()
                    .all(db)
                    .await?;
                for (id, count) in counts {
                    held.entry(id).or_default().sessions = count;
                }
            }
            Ok(held)
        }
    };
}

held_by!(held_by_tenants, TenantId, TenantId);
held_by!(held_by_users, UserId, UserId);

/// The quotas of tenants.
pub async fn tenant_quotas(
    db: &impl ConnectionTrait,
    ids: &[TenantId],
) -> Result<HashMap<TenantId, QuotaConfig>, StoreError> {
    let rows = tenants::Entity::find().filter(tenants::Column::Id.is_in(ids.iter().copied())).all(db).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.quota_config.0)).collect())
}

/// The quotas of users, with the storage column of their own (MiB).
pub async fn user_quotas(
    db: &impl ConnectionTrait,
    ids: &[UserId],
) -> Result<HashMap<UserId, (QuotaConfig, Option<i64>)>, StoreError> {
    let mut quotas = HashMap::new();
    for chunk in ids.chunks(500) {
        let rows = users::Entity::find().filter(users::Column::Id.is_in(chunk.iter().copied())).all(db).await?;
        quotas.extend(rows.into_iter().map(|row| (row.id, (row.quota_config.0, row.quota_storage_mib))));
    }
    Ok(quotas)
}

/// Locks the rows that a quota is counted under, in id order, so that two transactions cannot both see the last slot.
/// The lock leaves foreign keys free: every event and audit row refers to a tenant, and would wait for the scheduler here
/// while the scheduler waits for what its writer holds. SQLite has one writer and needs no lock.
pub async fn lock_quotas(db: &impl ConnectionTrait, tenants: &[TenantId], users: &[UserId]) -> Result<(), StoreError> {
    if db.get_database_backend() != sea_orm::DbBackend::Postgres {
        return Ok(());
    }
    tenants::Entity::find()
        .filter(tenants::Column::Id.is_in(tenants.iter().copied()))
        .order_by_asc(tenants::Column::Id)
        .lock(LockType::NoKeyUpdate)
        .all(db)
        .await?;
    users::Entity::find()
        .filter(users::Column::Id.is_in(users.iter().copied()))
        .order_by_asc(users::Column::Id)
        .lock(LockType::NoKeyUpdate)
        .all(db)
        .await?;
    Ok(())
}

/// Claims capacity for a session. `Ok(false)` when a node has not enough any more; the caller rolls back.
pub async fn claim(
    db: &impl ConnectionTrait,
    session: SessionId,
    tenant: TenantId,
    user: UserId,
    node: NodeId,
    claim: &Claim,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let time = now.trunc_subsecs(0);
    for (kind, amount) in claim.amounts() {
        if amount == 0 {
            continue;
        }
        let total = Expr::col(node_resources::Column::AllocatedCapacity).add(amount);
        // Whole division on both engines: floor(total × overcommit) for amounts that are not negative.
        let sellable = Expr::col(node_resources::Column::TotalCapacity)
            .mul(Expr::col(node_resources::Column::OvercommitPermille))
            .div(1000)
            .sub(Expr::col(node_resources::Column::ReservationCapacity));
        let claimed = node_resources::Entity::update_many()
            .col_expr(node_resources::Column::AllocatedCapacity, total.clone())
            .col_expr(node_resources::Column::UpdatedAt, Expr::value(now))
            .filter(node_resources::Column::NodeId.eq(node))
            .filter(node_resources::Column::ResourceType.eq(kind))
            .filter(total.lte(sellable))
            .filter(
                Condition::any()
                    .add(node_resources::Column::MaxPerWorkload.is_null())
                    .add(node_resources::Column::MaxPerWorkload.gte(amount)),
            )
            .exec(db)
            .await?;
        if claimed.rows_affected != 1 {
            return Ok(false);
        }
        if kind == ResourceKind::Gpu {
            for (device, milli) in &claim.gpus {
                if !claim_gpu(db, *device, *milli, now).await? {
                    return Ok(false);
                }
                insert(db, session, tenant, user, node, kind, *milli, Some(*device), time).await?;
            }
        } else {
            insert(db, session, tenant, user, node, kind, amount, None, time).await?;
        }
    }
    Ok(true)
}

async fn claim_gpu(
    db: &impl ConnectionTrait,
    device: GpuDeviceId,
    milli: i64,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let total = Expr::col(gpu_devices::Column::AllocatedMilli).add(milli);
    let claimed = gpu_devices::Entity::update_many()
        .col_expr(gpu_devices::Column::AllocatedMilli, total.clone())
        .col_expr(gpu_devices::Column::UpdatedAt, Expr::value(now))
        .filter(gpu_devices::Column::Id.eq(device))
        .filter(total.lte(1000))
        .exec(db)
        .await?;
    Ok(claimed.rows_affected == 1)
}

#[expect(clippy::too_many_arguments, reason = "one ledger row is all of these")]
async fn insert(
    db: &impl ConnectionTrait,
    session: SessionId,
    tenant: TenantId,
    user: UserId,
    node: NodeId,
    kind: ResourceKind,
    amount: i64,
    device: Option<GpuDeviceId>,
    time: Timestamp,
) -> Result<(), StoreError> {
    let row = allocations::ActiveModel {
        id: Set(AllocationId::new()),
        tenant_id: Set(tenant),
        user_id: Set(user),
        session_id: Set(Some(session)),
        node_id: Set(node),
        resource_type: Set(kind),
        gpu_device_id: Set(device),
        allocated_amount: Set(amount),
        unit: Set(kind.unit().to_owned()),
        allocation_time: Set(time),
        deallocation_time: Set(None),
        status: Set(AllocationStatus::Active),
        billed_until: Set(None),
    };
    allocations::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

/// Gives back all that a session holds, and bills it up to `until`; `ran` tells released claims from failed ones.
pub async fn release(
    db: &impl ConnectionTrait,
    session: SessionId,
    ran: bool,
    until: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let active = active_of(db, session).await?;
    for row in active {
        // The ledger's time never goes backwards, even when the machine's clock does.
        let end = Ord::max(until.trunc_subsecs(0), row.billed_until.unwrap_or(row.allocation_time));
        bill(db, &row, end).await?;
        let mut update: allocations::ActiveModel = row.clone().into();
        update.status = Set(if ran { AllocationStatus::Released } else { AllocationStatus::Failed });
        update.deallocation_time = Set(Some(end));
        update.billed_until = Set(Some(end));
        update.update(db).await?;
        node_resources::Entity::update_many()
            .col_expr(
                node_resources::Column::AllocatedCapacity,
                Expr::col(node_resources::Column::AllocatedCapacity).sub(row.allocated_amount),
            )
            .col_expr(node_resources::Column::UpdatedAt, Expr::value(now))
            .filter(node_resources::Column::NodeId.eq(row.node_id))
            .filter(node_resources::Column::ResourceType.eq(row.resource_type))
            .exec(db)
            .await?;
        if let Some(device) = row.gpu_device_id {
            gpu_devices::Entity::update_many()
                .col_expr(
                    gpu_devices::Column::AllocatedMilli,
                    Expr::col(gpu_devices::Column::AllocatedMilli).sub(row.allocated_amount),
                )
                .filter(gpu_devices::Column::Id.eq(device))
                .exec(db)
                .await?;
        }
    }
    Ok(())
}

async fn active_of(db: &impl ConnectionTrait, session: SessionId) -> Result<Vec<allocations::Model>, StoreError> {
    Ok(allocations::Entity::find()
        .filter(allocations::Column::SessionId.eq(session))
        .filter(allocations::Column::DeallocationTime.is_null())
        .order_by_asc(allocations::Column::Id)
        .all(db)
        .await?)
}

/// Bills all running claims whose hour has ended; `hour` is the start of the hour that is still open. Returns how many.
pub async fn bill_hours(db: &impl ConnectionTrait, hour: Timestamp) -> Result<u64, StoreError> {
    let due = allocations::Entity::find()
        .filter(allocations::Column::DeallocationTime.is_null())
        .filter(allocations::Column::AllocationTime.lt(hour))
        .filter(
            Condition::any()
                .add(allocations::Column::BilledUntil.is_null())
                .add(allocations::Column::BilledUntil.lt(hour)),
        )
        .order_by_asc(allocations::Column::Id)
        .limit(1000)
        .all(db)
        .await?;
    let count = due.len() as u64;
    for row in due {
        bill(db, &row, hour).await?;
        let mut update: allocations::ActiveModel = row.into();
        update.billed_until = Set(Some(hour));
        update.update(db).await?;
    }
    Ok(count)
}

/// Adds amount × seconds to the usage record of every hour between what is billed and `until`.
async fn bill(db: &impl ConnectionTrait, row: &allocations::Model, until: Timestamp) -> Result<(), StoreError> {
    let hour = TimeDelta::hours(1);
    let mut from = row.billed_until.unwrap_or(row.allocation_time);
    while from < until {
        let start = from.duration_trunc(hour).map_err(|e| StoreError::Internal(e.to_string()))?;
        let end = Ord::min(start + hour, until);
        let record = usage_records::ActiveModel {
            id: Set(UsageRecordId::new()),
            tenant_id: Set(row.tenant_id),
            user_id: Set(row.user_id),
            session_id: Set(row.session_id),
            resource_type: Set(row.resource_type),
            period_start: Set(start),
            amount_seconds: Set(row.allocated_amount * (end - from).num_seconds()),
            unit: Set(row.unit.clone()),
        };
        let add = Expr::col((usage_records::Entity, usage_records::Column::AmountSeconds))
            .add(Expr::col(("excluded", usage_records::Column::AmountSeconds)));
        let conflict = OnConflict::columns([
            usage_records::Column::SessionId,
            usage_records::Column::ResourceType,
            usage_records::Column::PeriodStart,
        ])
        .value(usage_records::Column::AmountSeconds, add)
        .to_owned();
        usage_records::Entity::insert(record).on_conflict(conflict).exec_without_returning(db).await?;
        from = end;
    }
    Ok(())
}

/// UUIDs of the GPUs that a session holds.
pub async fn gpu_uuids(db: &impl ConnectionTrait, session: SessionId) -> Result<Vec<String>, StoreError> {
    let devices: Vec<_> = active_of(db, session).await?.into_iter().filter_map(|row| row.gpu_device_id).collect();
    if devices.is_empty() {
        return Ok(Vec::new());
    }
    let rows = gpu_devices::Entity::find().filter(gpu_devices::Column::Id.is_in(devices)).all(db).await?;
    Ok(rows.into_iter().map(|row| row.uuid).collect())
}

/// Ledger rows of one session, oldest first.
pub async fn of_session(db: &impl ConnectionTrait, session: SessionId) -> Result<Vec<Allocation>, StoreError> {
    let rows = allocations::Entity::find()
        .filter(allocations::Column::SessionId.eq(session))
        .order_by_asc(allocations::Column::Id)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(to_allocation).collect())
}

/// Filters of the ledger's list.
#[derive(Clone, Debug, Default)]
pub struct AllocationQuery {
    pub limit: Option<u64>,
    pub cursor: Option<String>,
    pub session_id: Option<SessionId>,
    pub node_id: Option<NodeId>,
    pub status: Option<AllocationStatus>,
}

/// Newest first.
pub async fn list(
    db: &impl ConnectionTrait,
    scope: Scope,
    query: &AllocationQuery,
) -> Result<Page<Allocation>, StoreError> {
    let mut condition = Condition::all();
    if let Some(tenant) = scope.tenant() {
        condition = condition.add(allocations::Column::TenantId.eq(tenant));
    }
    if let Some(owner) = scope.owner() {
        condition = condition.add(allocations::Column::UserId.eq(owner));
    }
    if let Some(session) = query.session_id {
        condition = condition.add(allocations::Column::SessionId.eq(session));
    }
    if let Some(node) = query.node_id {
        condition = condition.add(allocations::Column::NodeId.eq(node));
    }
    if let Some(status) = query.status {
        condition = condition.add(allocations::Column::Status.eq(status));
    }
    let request = PageRequest::new(query.limit, query.cursor.clone());
    let key = (allocations::Column::Id, allocations::Column::Id);
    let select = allocations::Entity::find().filter(condition);
    let page = page::fetch(db, select, &request, key, Direction::Descending, |row| (row.id.0, row.id.0)).await?;
    Ok(page.map(to_allocation))
}

fn to_allocation(row: allocations::Model) -> Allocation {
    Allocation {
        id: row.id,
        tenant_id: row.tenant_id,
        user_id: row.user_id,
        session_id: row.session_id,
        node_id: row.node_id,
        resource_type: row.resource_type,
        allocated_amount: row.allocated_amount,
        unit: row.unit,
        allocation_time: row.allocation_time,
        deallocation_time: row.deallocation_time,
        status: row.status,
    }
}

/// Filters of the usage records' list.
#[derive(Clone, Debug, Default)]
pub struct UsageQuery {
    pub limit: Option<u64>,
    pub cursor: Option<String>,
    pub session_id: Option<SessionId>,
    pub user_id: Option<UserId>,
}

/// Newest first.
pub async fn list_usage(
    db: &impl ConnectionTrait,
    scope: Scope,
    query: &UsageQuery,
) -> Result<Page<UsageRecord>, StoreError> {
    let mut condition = Condition::all();
    if let Some(tenant) = scope.tenant() {
        condition = condition.add(usage_records::Column::TenantId.eq(tenant));
    }
    if let Some(owner) = scope.owner() {
        condition = condition.add(usage_records::Column::UserId.eq(owner));
    }
    if let Some(session) = query.session_id {
        condition = condition.add(usage_records::Column::SessionId.eq(session));
    }
    if let Some(user) = query.user_id {
        condition = condition.add(usage_records::Column::UserId.eq(user));
    }
    let request = PageRequest::new(query.limit, query.cursor.clone());
    let key = (usage_records::Column::Id, usage_records::Column::Id);
    let select = usage_records::Entity::find().filter(condition);
    let page = page::fetch(db, select, &request, key, Direction::Descending, |row| (row.id.0, row.id.0)).await?;
    Ok(page.map(|row| UsageRecord {
        id: row.id,
        tenant_id: row.tenant_id,
        user_id: row.user_id,
        session_id: row.session_id,
        resource_type: row.resource_type,
        period_start: row.period_start,
        amount_seconds: row.amount_seconds,
        unit: row.unit,
    }))
}

/// A node whose `allocated` differs from its ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imbalance {
    pub node_id: NodeId,
    pub resource_type: ResourceKind,
    /// What the column says.
    pub allocated: i64,
    /// What the active ledger rows add up to.
    pub ledger: i64,
}

/// Compares every node's columns with the ledger.
pub async fn imbalances(db: &impl ConnectionTrait) -> Result<Vec<Imbalance>, StoreError> {
    #[derive(FromQueryResult)]
    struct Row {
        node_id: NodeId,
        resource_type: ResourceKind,
        amount: i64,
    }
    let sums = allocations::Entity::find()
        .select_only()
        .column(allocations::Column::NodeId)
        .column(allocations::Column::ResourceType)
        .expr_as(crate::dialect::sum_bigint(Expr::col(allocations::Column::AllocatedAmount)), "amount")
        .filter(allocations::Column::DeallocationTime.is_null())
        .group_by(allocations::Column::NodeId)
        .group_by(allocations::Column::ResourceType)
        .into_model::<Row>()
        .all(db)
        .await?;
    let mut sums: HashMap<_, _> = sums.into_iter().map(|row| ((row.node_id, row.resource_type), row.amount)).collect();
    let mut found = Vec::new();
    for row in node_resources::Entity::find().all(db).await? {
        let ledger = sums.remove(&(row.node_id, row.resource_type)).unwrap_or(0);
        if ledger != row.allocated_capacity {
            found.push(Imbalance {
                node_id: row.node_id,
                resource_type: row.resource_type,
                allocated: row.allocated_capacity,
                ledger,
            });
        }
    }
    let orphans = sums.into_iter().filter(|(_, ledger)| *ledger != 0);
    found.extend(orphans.map(|((node_id, resource_type), ledger)| Imbalance {
        node_id,
        resource_type,
        allocated: 0,
        ledger,
    }));
    Ok(found)
}

/// Sets a node's column to what its ledger says.
pub async fn rebalance(db: &impl ConnectionTrait, imbalance: &Imbalance, now: Timestamp) -> Result<(), StoreError> {
    node_resources::Entity::update_many()
        .col_expr(node_resources::Column::AllocatedCapacity, Expr::value(imbalance.ledger))
        .col_expr(node_resources::Column::UpdatedAt, Expr::value(now))
        .filter(node_resources::Column::NodeId.eq(imbalance.node_id))
        .filter(node_resources::Column::ResourceType.eq(imbalance.resource_type))
        .exec(db)
        .await?;
    Ok(())
}

/// Sessions whose state and ledger contradict each other: ended but still charged, or placed but not charged.
pub async fn contradictions(db: &impl ConnectionTrait) -> Result<Vec<(SessionId, bool)>, StoreError> {
    let charged: std::collections::HashSet<SessionId> = allocations::Entity::find()
        .select_only()
        .column(allocations::Column::SessionId)
        .distinct()
        .filter(allocations::Column::DeallocationTime.is_null())
        .into_tuple::<Option<SessionId>>()
        .all(db)
        .await?
        .into_iter()
        .flatten()
        .collect();
    let placed: std::collections::HashSet<SessionId> = sessions::Entity::find()
        .select_only()
        .column(sessions::Column::Id)
        .filter(sessions::Column::Status.is_in(SessionStatus::ALLOCATED.iter().copied()))
        .into_tuple::<SessionId>()
        .all(db)
        .await?
        .into_iter()
        .collect();
    let mut found: Vec<_> = charged.difference(&placed).map(|id| (*id, true)).collect();
    found.extend(placed.difference(&charged).map(|id| (*id, false)));
    found.sort_unstable();
    Ok(found)
}

/// Whether anything is charged on a node.
pub async fn any_on(db: &impl ConnectionTrait, node: NodeId) -> Result<bool, StoreError> {
    let count = allocations::Entity::find()
        .filter(allocations::Column::NodeId.eq(node))
        .filter(allocations::Column::DeallocationTime.is_null())
        .count(db)
        .await?;
    Ok(count > 0)
}
