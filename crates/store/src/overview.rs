//! The whole installation at a glance, in eight statements however large it is. Amounts come from the ledger.

use std::collections::{BTreeMap, HashMap};

use berth_types::{
    NodeId, ResourcePoolId, TenantId, Timestamp, UserId,
    fleet::{Fleet, FleetNode, FleetResource, FleetShare},
    identity::Scope,
    metrics::MetricType,
    quantities::{mib_to_gb, milli_to_gpus, millicores_to_cores},
    sessions::SessionStatus,
    sites::{EngineKind, NodeAdminState, NodeReachability, NodeStatus, ResourceKind},
};
use chrono::TimeDelta;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    Result,
    dialect::sum_bigint,
    entities::{allocations, node_metrics, node_resources, nodes, sessions, tenants, users},
    metrics::RAW,
};

/// How old the last measurement may be: several rounds.
const RECENT_SECONDS: i64 = 60;
/// How many tenants and users are told.
const TOP: usize = 20;

/// Everything about nodes; sessions, tenants and users only as far as `people` reaches.
///
/// # Errors
/// `Unavailable`.
pub async fn fleet(db: &impl ConnectionTrait, people: Option<Scope>, now: Timestamp) -> Result<Fleet> {
    // Side by side: the readers are several, and one after the other these would take twice as long.
    let (resources, rows, counts, measured, by_status, shares) = tokio::try_join!(
        resources(db),
        node_rows(db),
        session_counts(db),
        measured(db, now),
        sessions_by_status(db, people),
        shares(db, people),
    )?;
    let nodes = present_nodes(rows, &resources, &counts, &measured);
    let mut nodes_by_status = BTreeMap::new();
    for node in &nodes {
        *nodes_by_status.entry(node.status.to_string()).or_default() += 1;
    }
    let living: std::collections::HashSet<NodeId> = nodes.iter().map(|node| node.id).collect();
    let (tenants, users) = shares;
    Ok(Fleet {
        resources: sums(resources.iter().filter(|row| living.contains(&row.node_id))),
        nodes_by_status,
        sessions_by_status: by_status,
        nodes,
        tenants,
        users,
    })
}

#[derive(FromQueryResult)]
struct ResourceRow {
    node_id: NodeId,
    resource_type: ResourceKind,
    total_capacity: i64,
    allocated_capacity: i64,
    reservation_capacity: i64,
    overcommit_permille: i32,
}

async fn resources(db: &impl ConnectionTrait) -> Result<Vec<ResourceRow>> {
    let rows = node_resources::Entity::find()
        .select_only()
        .columns([
            node_resources::Column::NodeId,
            node_resources::Column::ResourceType,
            node_resources::Column::TotalCapacity,
            node_resources::Column::AllocatedCapacity,
            node_resources::Column::ReservationCapacity,
            node_resources::Column::OvercommitPermille,
        ])
        .into_model()
        .all(db)
        .await?;
    Ok(rows)
}

fn sums<'a>(rows: impl Iterator<Item = &'a ResourceRow>) -> Vec<FleetResource> {
    let mut sums: BTreeMap<ResourceKind, FleetResource> = BTreeMap::new();
    for row in rows {
        let sum = sums.entry(row.resource_type).or_insert_with(|| FleetResource {
            resource_type: row.resource_type,
            unit: row.resource_type.unit().to_owned(),
            total: 0,
            reserved: 0,
            allocated: 0,
            sellable: 0,
        });
        let grown = i128::from(row.total_capacity) * i128::from(row.overcommit_permille) / 1000;
        sum.total += row.total_capacity;
        sum.reserved += row.reservation_capacity;
        sum.allocated += row.allocated_capacity;
        sum.sellable += i64::try_from(grown).unwrap_or(i64::MAX) - row.reservation_capacity;
    }
    sums.into_values().collect()
}

type NodeRow = (NodeId, String, NodeAdminState, NodeReachability, EngineKind, ResourcePoolId);

async fn node_rows(db: &impl ConnectionTrait) -> Result<Vec<NodeRow>> {
    let rows = nodes::Entity::find()
        .select_only()
        .columns([
            nodes::Column::Id,
            nodes::Column::Name,
            nodes::Column::AdminState,
            nodes::Column::Reachability,
            nodes::Column::Engine,
            nodes::Column::ResourcePoolId,
        ])
        .filter(nodes::Column::DeletedAt.is_null())
        .order_by_asc(nodes::Column::Id)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows)
}

/// Sessions that hold an allocation, by node.
async fn session_counts(db: &impl ConnectionTrait) -> Result<HashMap<NodeId, i64>> {
    let counts: Vec<(Option<NodeId>, i64)> = sessions::Entity::find()
        .select_only()
        .column(sessions::Column::ScheduledNodeId)
        .column_as(sessions::Column::Id.count(), "count")
        .filter(sessions::Column::ScheduledNodeId.is_not_null())
        .filter(sessions::Column::Status.is_in(SessionStatus::ALLOCATED.iter().copied()))
        .group_by(sessions::Column::ScheduledNodeId)
        .into_tuple()
        .all(db)
        .await?;
    Ok(counts.into_iter().filter_map(|(node, count)| Some((node?, count))).collect())
}

fn present_nodes(
    rows: Vec<NodeRow>,
    resources: &[ResourceRow],
    counts: &HashMap<NodeId, i64>,
    measured: &HashMap<(NodeId, MetricType), f64>,
) -> Vec<FleetNode> {
    let mut amounts: HashMap<(NodeId, ResourceKind), (i64, i64)> = HashMap::new();
    for row in resources {
        amounts.insert((row.node_id, row.resource_type), (row.total_capacity, row.allocated_capacity));
    }
    let present = |(id, name, admin, reachability, engine, resource_pool_id): NodeRow| {
        let of = |kind| amounts.get(&(id, kind)).copied().unwrap_or_default();
        let (cpu, memory, gpu) = (of(ResourceKind::Cpu), of(ResourceKind::Memory), of(ResourceKind::Gpu));
        FleetNode {
            id,
            name,
            status: NodeStatus::derive(admin, reachability),
            engine,
            resource_pool_id,
            session_count: counts.get(&id).copied().unwrap_or_default(),
            total_cpu_cores: millicores_to_cores(cpu.0),
            allocated_cpu_cores: millicores_to_cores(cpu.1),
            total_memory_gb: mib_to_gb(memory.0),
            allocated_memory_gb: mib_to_gb(memory.1),
            total_gpu_count: milli_to_gpus(gpu.0),
            allocated_gpu_count: milli_to_gpus(gpu.1),
            cpu_percent: measured.get(&(id, MetricType::CpuPercent)).copied(),
            memory_percent: measured.get(&(id, MetricType::MemoryPercent)).copied(),
        }
    };
    rows.into_iter().map(present).collect()
}

/// The last value of each node.
async fn measured(db: &impl ConnectionTrait, now: Timestamp) -> Result<HashMap<(NodeId, MetricType), f64>> {
    let rows: Vec<(NodeId, MetricType, f64)> = node_metrics::Entity::find()
        .select_only()
        .columns([node_metrics::Column::NodeId, node_metrics::Column::MetricType, node_metrics::Column::Value])
        .filter(node_metrics::Column::ResolutionSeconds.eq(RAW))
        .filter(node_metrics::Column::Time.gte(now - TimeDelta::seconds(RECENT_SECONDS)))
        .filter(node_metrics::Column::MetricType.is_in([MetricType::CpuPercent, MetricType::MemoryPercent]))
        .order_by_asc(node_metrics::Column::Time)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|(node, metric, value)| ((node, metric), value)).collect())
}

async fn sessions_by_status(db: &impl ConnectionTrait, people: Option<Scope>) -> Result<BTreeMap<String, i64>> {
    let Some(scope) = people else { return Ok(BTreeMap::new()) };
    let rows: Vec<(SessionStatus, i64)> = sessions::Entity::find()
        .select_only()
        .column(sessions::Column::Status)
        .column_as(sessions::Column::Id.count(), "count")
        .filter(within(scope, sessions::Column::TenantId, sessions::Column::UserId))
        .filter(
            sessions::Column::Status.is_in(SessionStatus::ALL.iter().copied().filter(|status| !status.is_terminal())),
        )
        .group_by(sessions::Column::Status)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|(status, count)| (status.to_string(), count)).collect())
}

fn within<C: ColumnTrait>(scope: Scope, tenant: C, user: C) -> Condition {
    let mut condition = Condition::all();
    if let Some(id) = scope.tenant() {
        condition = condition.add(tenant.eq(id));
    }
    if let Some(id) = scope.owner() {
        condition = condition.add(user.eq(id));
    }
    condition
}

#[derive(FromQueryResult)]
struct LedgerRow {
    tenant_id: TenantId,
    user_id: UserId,
    resource_type: ResourceKind,
    amount: i64,
    count: i64,
}

#[derive(Clone, Copy, Default)]
struct Holding {
    sessions: i64,
    millicores: i64,
    memory_mib: i64,
    gpu_milli: i64,
    storage_mib: i64,
}

impl Holding {
    fn add(&mut self, row: &LedgerRow) {
        match row.resource_type {
            // Each session holds one row of processors, and none without.
            ResourceKind::Cpu => {
                self.millicores += row.amount;
                self.sessions += row.count;
            }
            ResourceKind::Memory => self.memory_mib += row.amount,
            ResourceKind::Gpu => self.gpu_milli += row.amount,
            ResourceKind::Storage => self.storage_mib += row.amount,
            ResourceKind::Network => {}
        }
    }
}

/// Of tenants, and of users.
async fn shares(db: &impl ConnectionTrait, people: Option<Scope>) -> Result<(Vec<FleetShare>, Vec<FleetShare>)> {
    let Some(scope) = people else { return Ok(Default::default()) };
    let rows = allocations::Entity::find()
        .select_only()
        .column(allocations::Column::TenantId)
        .column(allocations::Column::UserId)
        .column(allocations::Column::ResourceType)
        .expr_as(sum_bigint(Expr::col(allocations::Column::AllocatedAmount)), "amount")
        .column_as(allocations::Column::Id.count(), "count")
        .filter(allocations::Column::DeallocationTime.is_null())
        .filter(within(scope, allocations::Column::TenantId, allocations::Column::UserId))
        .group_by(allocations::Column::TenantId)
        .group_by(allocations::Column::UserId)
        .group_by(allocations::Column::ResourceType)
        .into_model::<LedgerRow>()
        .all(db)
        .await?;
    let (mut of_tenants, mut of_users) = (HashMap::<Uuid, Holding>::new(), HashMap::<Uuid, Holding>::new());
    for row in &rows {
        of_tenants.entry(row.tenant_id.0).or_default().add(row);
        of_users.entry(row.user_id.0).or_default().add(row);
    }
    let (of_tenants, of_users) = (top(of_tenants), top(of_users));
    let names: Vec<(Uuid, String)> = tenants::Entity::find()
        .select_only()
        .columns([tenants::Column::Id, tenants::Column::Name])
        .filter(tenants::Column::Id.is_in(of_tenants.iter().map(|(id, _)| *id)))
        .into_tuple()
        .all(db)
        .await?;
    let tenants = named(of_tenants, names);
    let names: Vec<(Uuid, String)> = users::Entity::find()
        .select_only()
        .columns([users::Column::Id, users::Column::Username])
        .filter(users::Column::Id.is_in(of_users.iter().map(|(id, _)| *id)))
        .into_tuple()
        .all(db)
        .await?;
    Ok((tenants, named(of_users, names)))
}

/// The largest first; of equals the older one.
fn top(of: HashMap<Uuid, Holding>) -> Vec<(Uuid, Holding)> {
    let mut sorted: Vec<_> = of.into_iter().collect();
    sorted.sort_unstable_by_key(|(id, holding)| (std::cmp::Reverse(holding.millicores), *id));
    sorted.truncate(TOP);
    sorted
}

fn named(holdings: Vec<(Uuid, Holding)>, names: Vec<(Uuid, String)>) -> Vec<FleetShare> {
    let mut names: HashMap<Uuid, String> = names.into_iter().collect();
    let share = |(id, holding): (Uuid, Holding)| FleetShare {
        id,
        name: names.remove(&id).unwrap_or_default(),
        sessions: holding.sessions,
        cpu: millicores_to_cores(holding.millicores),
        memory_gb: mib_to_gb(holding.memory_mib),
        gpu: milli_to_gpus(holding.gpu_milli),
        storage_gb: mib_to_gb(holding.storage_mib),
    };
    holdings.into_iter().map(share).collect()
}
