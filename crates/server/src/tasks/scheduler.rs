//! Places what waits: a snapshot of the fleet, the pure planner, and the ledger's authoritative commit.

use std::{collections::BTreeMap, sync::Arc};

use berth_scheduler::{Amounts, Capacity, Gpu, Limit, NodeSnapshot, Plan, Quota, Request, Snapshot, TenantSnapshot};
use berth_store::{
    self as store,
    allocations::{Claim, Held},
    operations::NewOperation,
    sessions::SessionRecord,
};
use berth_types::{
    TenantId, UserId,
    identity::QuotaConfig,
    operations::{OperationKind, SubjectType},
    quantities::{cores_to_millicores, gb_to_mib, gpus_to_milli},
    sessions::{SessionCheck, SessionStatus},
};

use crate::{
    app::{After, App, AppResult},
    ops,
};

/// Sessions looked at in one round; the rest of a longer queue keeps its last explanation.
const QUEUE: u64 = 2_000;
/// Placements committed in one transaction; small enough that other writers get their turn.
const BATCH: usize = 50;

/// One round: plan, commit, explain.
pub async fn round(app: Arc<App>) -> AppResult<()> {
    let pending = store::sessions::pending(app.store.reader(), QUEUE).await?;
    if pending.is_empty() || !super::leads(&app, "scheduler").await? {
        return Ok(());
    }
    let snapshot = snapshot(&app, &pending).await?;
    let requests: Vec<Request> = pending.iter().map(request).collect();
    let now = app.now();
    // The planner is pure and may take a while on a large fleet.
    let (plan, requests) = tokio::task::spawn_blocking(move || {
        let plan = berth_scheduler::plan(&snapshot, &requests, now);
        (plan, requests)
    })
    .await
    .map_err(|error| berth_types::Error::internal(error.to_string()))?;
    drop(requests);
    let records: BTreeMap<_, _> = pending.iter().map(|record| (record.id, record)).collect();
    let mut conflict = false;
    for batch in plan.placements.chunks(BATCH) {
        conflict |= !commit(&app, &records, batch).await?;
    }
    explain(&app, &records, &plan).await?;
    if conflict {
        // Somebody claimed or freed something meanwhile: look again at once, with fresh eyes.
        app.nudges.scheduler.notify_one();
    }
    Ok(())
}

/// What a launch would meet now.
pub async fn check(app: &App, draft: SessionRecord) -> AppResult<SessionCheck> {
    let snapshot = snapshot(app, std::slice::from_ref(&draft)).await?;
    Ok(berth_scheduler::check(&snapshot, &request(&draft)))
}

/// Claims what the plan wants. `false` when part of it was not to be had any more.
async fn commit(
    app: &App,
    records: &BTreeMap<berth_types::SessionId, &SessionRecord>,
    placements: &[berth_scheduler::Placement],
) -> AppResult<bool> {
    let mut complete = true;
    // One transaction for all; where a claim fails the rest is committed one by one.
    match try_commit(app, records, placements).await? {
        Some(after) => after.run(app),
        None if placements.len() == 1 => complete = false,
        None => {
            for placement in placements {
                match try_commit(app, records, std::slice::from_ref(placement)).await? {
                    Some(after) => after.run(app),
                    None => complete = false,
                }
            }
        }
    }
    Ok(complete)
}

async fn try_commit(
    app: &App,
    records: &BTreeMap<berth_types::SessionId, &SessionRecord>,
    placements: &[berth_scheduler::Placement],
) -> AppResult<Option<After>> {
    let now = app.now();
    let mut after = After { operations: true, ..After::default() };
    let tx = app.store.begin().await?;
    let (mut tenants, mut users): (Vec<TenantId>, Vec<UserId>) =
        placements.iter().filter_map(|p| records.get(&p.session_id)).map(|r| (r.tenant_id, r.user_id)).unzip();
    tenants.sort_unstable();
    tenants.dedup();
    users.sort_unstable();
    users.dedup();
    store::allocations::lock_quotas(&tx, &tenants, &users).await?;
    let quotas = quotas(app, &tx, &tenants, &users).await?;
    let mut held_tenants = store::allocations::held_by_tenants(&tx, tenants).await?;
    let mut held_users = store::allocations::held_by_users(&tx, users).await?;
    for placement in placements {
        let Some(record) = records.get(&placement.session_id) else { continue };
        // Stopped or suspended since it was read.
        let present = store::sessions::record(&tx, record.id).await?;
        if present.status != SessionStatus::Pending || present.generation != record.generation {
            continue;
        }
        let amounts = placement.amounts;
        let tenant = held_tenants.entry(record.tenant_id).or_default();
        let user = held_users.entry(record.user_id).or_default();
        let fits = admit(tenant, quotas.0.get(&record.tenant_id), amounts)
            && admit(user, quotas.1.get(&record.user_id), amounts);
        if !fits {
            return Ok(None);
        }
        let claim = Claim {
            cpu_millicores: amounts.cpu,
            memory_mib: amounts.memory,
            storage_mib: amounts.storage,
            gpus: placement.gpus.iter().map(|gpu| (gpu.gpu_id, gpu.milli)).collect(),
        };
        let claimed =
            store::allocations::claim(&tx, record.id, record.tenant_id, record.user_id, placement.node_id, &claim, now)
                .await?;
        if !claimed {
            return Ok(None);
        }
        let deadline = now + chrono::Duration::minutes(ops::deadline_minutes(app, OperationKind::SessionStart));
        store::sessions::place(&tx, record.id, placement.node_id, &placement.explanation, deadline, now).await?;
        let operation = NewOperation {
            kind: OperationKind::SessionStart,
            subject_type: SubjectType::Session,
            subject_id: record.id.0,
            tenant_id: Some(record.tenant_id),
            requested_by: Some(record.user_id),
            steps: ops::steps(OperationKind::SessionStart).iter().map(|step| (*step).to_owned()).collect(),
            generation: record.generation,
            deadline_at: deadline,
            claimed_by: None,
        };
        store::operations::enqueue(&tx, operation, now).await?;
        after.session(record.id, record.tenant_id, record.user_id, SessionStatus::Scheduled);
    }
    tx.commit().await?;
    Ok(Some(after))
}

/// Adds the amounts to what is held, if the quota allows.
fn admit(held: &mut Held, quota: Option<&Quota>, amounts: Amounts) -> bool {
    let next = Held {
        sessions: held.sessions + 1,
        cpu_millicores: held.cpu_millicores + amounts.cpu,
        memory_mib: held.memory_mib + amounts.memory,
        storage_mib: held.storage_mib + amounts.storage,
        gpu_milli: held.gpu_milli + amounts.gpu,
    };
    let within = |limit: Option<Limit>, used: i64| limit.is_none_or(|limit| used <= limit.limit);
    let fits = quota.is_none_or(|quota| {
        within(quota.sessions, next.sessions)
            && within(quota.cpu, next.cpu_millicores)
            && within(quota.memory, next.memory_mib)
            && within(quota.storage, next.storage_mib)
            && within(quota.gpu, next.gpu_milli)
    });
    if fits {
        *held = next;
    }
    fits
}

/// Writes down why the rest waits; only what has changed, so that a long queue costs nothing while nothing moves.
async fn explain(app: &App, records: &BTreeMap<berth_types::SessionId, &SessionRecord>, plan: &Plan) -> AppResult<()> {
    let changed: Vec<_> = plan
        .waiting
        .iter()
        .filter(|entry| {
            records.get(&entry.session_id).is_some_and(|record| {
                record.reason != Some(entry.reason)
                    || record.waiting.as_ref().map(|waiting| &waiting.0) != Some(&entry.waiting)
            })
        })
        .collect();
    for batch in changed.chunks(200) {
        let tx = app.store.begin().await?;
        let mut after = After::default();
        for entry in batch {
            store::sessions::note_waiting(&tx, entry.session_id, entry.reason, &entry.waiting).await?;
            if let Some(record) = records.get(&entry.session_id) {
                after.session(record.id, record.tenant_id, record.user_id, SessionStatus::Pending);
            }
        }
        tx.commit().await?;
        after.run(app);
    }
    Ok(())
}

type Quotas = (BTreeMap<TenantId, Quota>, BTreeMap<UserId, Quota>);

async fn quotas(_: &App, db: &impl store::Connection, tenants: &[TenantId], users: &[UserId]) -> AppResult<Quotas> {
    let held_tenants = store::allocations::held_by_tenants(db, tenants.iter().copied()).await?;
    let held_users = store::allocations::held_by_users(db, users.iter().copied()).await?;
    let of = |config: &QuotaConfig, storage_mib: Option<i64>, held: Held| quota(config, storage_mib, held);
    let tenants = store::allocations::tenant_quotas(db, tenants).await?;
    let users = store::allocations::user_quotas(db, users).await?;
    Ok((
        tenants
            .into_iter()
            .map(|(id, config)| (id, of(&config, None, held_tenants.get(&id).copied().unwrap_or_default())))
            .collect(),
        users
            .into_iter()
            .map(|(id, (config, storage))| (id, of(&config, storage, held_users.get(&id).copied().unwrap_or_default())))
            .collect(),
    ))
}

fn quota(config: &QuotaConfig, storage_mib: Option<i64>, held: Held) -> Quota {
    let limit = |limit: Option<i64>, used: i64| limit.map(|limit| Limit { limit, used });
    let storage = match (config.storage_gb.and_then(gb_to_mib), storage_mib) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    Quota {
        sessions: limit(config.sessions, held.sessions),
        cpu: limit(config.cpu.and_then(cores_to_millicores), held.cpu_millicores),
        memory: limit(config.memory_gb.and_then(gb_to_mib), held.memory_mib),
        gpu: limit(config.gpu.and_then(gpus_to_milli), held.gpu_milli),
        storage: limit(storage, held.storage_mib),
    }
}

async fn snapshot(app: &App, pending: &[SessionRecord]) -> AppResult<Snapshot> {
    let db = app.store.reader();
    let mut tenants: Vec<TenantId> = pending.iter().map(|record| record.tenant_id).collect();
    tenants.sort_unstable();
    tenants.dedup();
    let mut users: Vec<UserId> = pending.iter().map(|record| record.user_id).collect();
    users.sort_unstable();
    users.dedup();
    let (tenants, users) = quotas(app, db, &tenants, &users).await?;
    let fleet = store::fleet::load(db).await?;
    let nodes = fleet
        .into_iter()
        // A node whose engine this server does not hold cannot be started on.
        .filter(|node| app.engines.container(node.node.id).is_ok())
        .map(|node| NodeSnapshot {
            id: node.node.id,
            hostname: node.node.name,
            resource_pool_id: node.node.resource_pool_id,
            scheduling_policy: node.scheduling_policy,
            pool_active: node.pool_active,
            edge_data_center_active: node.edge_data_center_active,
            admin_state: node.node.admin_state,
            reachability: node.node.reachability,
            rental_mode: node.node.rental_mode,
            exclusive_tenant_id: node.exclusive_tenant_id,
            node_type: node.node.node_type,
            architecture: node.node.architecture,
            labels: node.node.labels.0,
            engine: node.node.engine,
            allows_privileged: true,
            priority: node.node.priority,
            network_bandwidth_mbps: node.node.network_bandwidth_mbps,
            capacity: node
                .resources
                .into_iter()
                .map(|row| {
                    let capacity = Capacity {
                        total: row.total_capacity,
                        allocated: row.allocated_capacity,
                        reservation: row.reservation_capacity,
                        overcommit_permille: i64::from(row.overcommit_permille),
                        max_per_workload: row.max_per_workload,
                    };
                    (row.resource_type, capacity)
                })
                .collect(),
            gpus: node
                .gpus
                .into_iter()
                .map(|gpu| Gpu {
                    id: gpu.id,
                    index: gpu.device_index,
                    model: gpu.model,
                    memory_mib: gpu.memory_mib,
                    allocated_milli: gpu.allocated_milli,
                })
                .collect(),
            session_count: node.session_count,
        })
        .collect();
    Ok(Snapshot {
        nodes,
        tenants: tenants.into_iter().map(|(id, quota)| (id, TenantSnapshot { quota, pools: None })).collect(),
        users,
        ..Snapshot::default()
    })
}

fn request(record: &SessionRecord) -> Request {
    Request {
        session_id: record.id,
        tenant_id: record.tenant_id,
        user_id: record.user_id,
        priority: record.priority,
        queued_at: record.queued_at,
        amounts: Amounts {
            cpu: record.cpu_request_millicores,
            memory: record.memory_request_mib,
            storage: record.storage_request_mib,
            gpu: record.gpu_request_milli,
        },
        gpu_type: record.gpu_type.clone(),
        constraints: record.resource_constraints.0.clone(),
        preferences: record.placement_preferences.0.clone(),
        affinity: Vec::new(),
        resource_pool_id: record.resource_pool_id,
        engine: None,
        privileged: record.privileged,
    }
}
