//! The fleet at a glance, on both databases: what it adds up, whose it shows, and how long it takes at 1,000 nodes.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]

mod common;

use std::time::{Duration, Instant};

use berth_store::{
    Store, bootstrap,
    entities::{allocations, node_metrics, node_resources, nodes, sessions as session_rows},
    identity, metrics, overview, sites,
};
use berth_types::{
    AllocationId, NodeId, TenantId, UserId,
    allocations::AllocationStatus,
    fleet::Fleet,
    identity::Scope,
    metrics::{MetricType, Sample},
    sessions::SessionStatus,
    sites::{HealthStatus, NodeReachability, NodeStatus, ResourceKind},
};
use common::{after, new_session, new_user, on_both, simulated_node, t0};
use sea_orm::{
    ActiveValue::{Set, Unchanged},
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter,
};

/// A session on a node with its rows of the ledger.
fn running(
    tenant: TenantId,
    user: UserId,
    node: NodeId,
    number: usize,
    millicores: i64,
) -> (session_rows::ActiveModel, Vec<allocations::ActiveModel>) {
    let mut session = new_session(tenant, user, &format!("s{number}"), millicores);
    session.status = Set(SessionStatus::Running);
    session.scheduled_node_id = Set(Some(node));
    let id = session.id.clone().unwrap();
    let amounts =
        [(ResourceKind::Cpu, millicores), (ResourceKind::Memory, 512), (ResourceKind::Storage, 1024)].into_iter();
    let row = |(kind, amount): (ResourceKind, i64)| allocations::ActiveModel {
        id: Set(AllocationId::new()),
        tenant_id: Set(tenant),
        user_id: Set(user),
        session_id: Set(Some(id)),
        node_id: Set(node),
        resource_type: Set(kind),
        gpu_device_id: Set(None),
        allocated_amount: Set(amount),
        unit: Set(kind.unit().to_owned()),
        allocation_time: Set(t0()),
        deallocation_time: Set(None),
        status: Set(AllocationStatus::Active),
        billed_until: Set(None),
    };
    (session, amounts.map(row).collect())
}

async fn add(db: &impl ConnectionTrait, made: (session_rows::ActiveModel, Vec<allocations::ActiveModel>)) {
    session_rows::Entity::insert(made.0).exec_without_returning(db).await.unwrap();
    allocations::Entity::insert_many(made.1).exec_without_returning(db).await.unwrap();
}

#[tokio::test]
async fn it_adds_up_and_shows_only_whom_the_caller_may_see() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        let (physics, law) = (common::tenant(&tx, "physics").await, common::tenant(&tx, "law").await);
        let mut people = Vec::new();
        for (tenant, name) in [(physics, "ada"), (physics, "bob"), (law, "eve")] {
            people.push(identity::user_insert(&tx, new_user(tenant, name), t0()).await.unwrap().id);
        }
        let (ada, bob, eve) = (people[0], people[1], people[2]);
        let (one, two) = (simulated_node(&tx, "one").await, simulated_node(&tx, "two").await);
        let gone = simulated_node(&tx, "gone").await;
        let change = nodes::ActiveModel { id: Unchanged(gone), deleted_at: Set(Some(t0())), ..Default::default() };
        nodes::Entity::update(change).exec(&tx).await.unwrap();
        // 3.333 cores sold at 1.5: each node's product is rounded down by itself.
        let change = node_resources::ActiveModel {
            total_capacity: Set(3333),
            overcommit_permille: Set(1500),
            reservation_capacity: Set(1000),
            allocated_capacity: Set(1750),
            ..Default::default()
        };
        node_resources::Entity::update_many()
            .set(change)
            .filter(node_resources::Column::ResourceType.eq(ResourceKind::Cpu))
            .exec(&tx)
            .await
            .unwrap();
        sites::set_reachability(&tx, two, NodeReachability::Offline, HealthStatus::Critical, None, t0()).await.unwrap();
        add(&tx, running(physics, ada, one, 1, 1000)).await;
        add(&tx, running(physics, ada, one, 2, 500)).await;
        add(&tx, running(physics, bob, two, 3, 250)).await;
        add(&tx, running(law, eve, two, 4, 1750)).await;
        let mut over = running(law, eve, two, 5, 8000);
        over.0.status = Set(SessionStatus::Completed);
        for row in &mut over.1 {
            row.deallocation_time = Set(Some(after(1)));
            row.status = Set(AllocationStatus::Released);
        }
        add(&tx, over).await;
        let waiting = new_session(law, eve, "waits", 1000);
        session_rows::Entity::insert(waiting).exec_without_returning(&tx).await.unwrap();
        let sample = |metric_type, value| Sample { metric_type, value, labels: Default::default() };
        let measured = [
            (one, 0, sample(MetricType::CpuPercent, 70.0)),
            (one, 70, sample(MetricType::CpuPercent, 12.5)),
            (one, 85, sample(MetricType::CpuPercent, 50.0)),
            (one, 85, sample(MetricType::MemoryPercent, 25.0)),
            (one, 85, sample(MetricType::Load, 9.0)),
            (two, 0, sample(MetricType::CpuPercent, 99.0)),
        ];
        let measured =
            measured.map(|(id, at, sample)| metrics::Measured { id, time: after(at), samples: vec![sample] });
        metrics::nodes::insert(&tx, &measured).await.unwrap();

        let see = async |scope| overview::fleet(&tx, scope, after(90)).await.unwrap();
        let fleet: Fleet = see(Some(Scope::Platform)).await;
        let cpu = &fleet.resources[0];
        assert_eq!((cpu.resource_type, cpu.unit.as_str()), (ResourceKind::Cpu, "millicores"));
        assert_eq!((cpu.total, cpu.reserved, cpu.allocated, cpu.sellable), (6666, 2000, 3500, 2 * 4999 - 2000));
        assert!(fleet.resources.iter().any(|row| row.resource_type == ResourceKind::Memory && row.total == 2 * 16_384));
        let counts = |of: &std::collections::BTreeMap<String, i64>| {
            of.iter().map(|(status, count)| format!("{status} {count}")).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(counts(&fleet.nodes_by_status), "active 1, offline 1");
        assert_eq!(counts(&fleet.sessions_by_status), "pending 1, running 4");
        assert_eq!(fleet.nodes.iter().map(|node| node.id).collect::<Vec<_>>(), [one, two]);
        let (first, second) = (&fleet.nodes[0], &fleet.nodes[1]);
        assert_eq!((first.name.as_str(), first.status, first.session_count), ("one", NodeStatus::Active, 2));
        assert_eq!((first.total_cpu_cores, first.allocated_cpu_cores, first.total_memory_gb), (3.333, 1.75, 16.0));
        assert_eq!((first.cpu_percent, first.memory_percent), (Some(50.0), Some(25.0)));
        assert_eq!((second.cpu_percent, second.memory_percent), (None, None), "that was too long ago");
        let of = |shares: &[berth_types::fleet::FleetShare]| {
            shares
                .iter()
                .map(|share| {
                    format!("{} {} {} {} {}", share.name, share.sessions, share.cpu, share.memory_gb, share.storage_gb)
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(of(&fleet.tenants), ["physics 3 1.75 1.5 3", "law 1 1.75 0.5 1"]);
        assert_eq!(of(&fleet.users), ["eve 1 1.75 0.5 1", "ada 2 1.5 1 2", "bob 1 0.25 0.5 1"]);

        let fleet = see(Some(Scope::Tenant(physics))).await;
        assert_eq!(fleet.nodes[1].session_count, 2, "of nodes everything is seen");
        assert_eq!(counts(&fleet.sessions_by_status), "running 3");
        assert_eq!(of(&fleet.tenants), ["physics 3 1.75 1.5 3"]);
        assert_eq!(of(&fleet.users), ["ada 2 1.5 1 2", "bob 1 0.25 0.5 1"]);
        let fleet = see(Some(Scope::Own(physics, bob))).await;
        assert_eq!(of(&fleet.tenants), ["physics 1 0.25 0.5 1"]);
        assert_eq!(of(&fleet.users), ["bob 1 0.25 0.5 1"]);
        let fleet = see(None).await;
        assert_eq!((fleet.nodes.len(), fleet.tenants.len(), fleet.users.len()), (2, 0, 0));
        assert!(fleet.sessions_by_status.is_empty());
        tx.commit().await.unwrap();
    })
    .await;
}

const NODES: usize = 1000;
const SESSIONS: usize = 20_000;

/// 1,000 nodes that measure, 20,000 sessions that run, and as many that have ended.
async fn fill(store: &Store) {
    let tx = store.begin().await.unwrap();
    let home = bootstrap::run(&tx, t0()).await.unwrap();
    let mut owners = Vec::new();
    for number in 0..25 {
        let tenant = common::tenant(&tx, &format!("tenant{number}")).await;
        for user in 0..40 {
            let user = new_user(tenant, &format!("user{number}x{user}"));
            owners.push((tenant, identity::user_insert(&tx, user, t0()).await.unwrap().id));
        }
    }
    let first = simulated_node(&tx, "node0").await;
    let like = nodes::Entity::find_by_id(first).one(&tx).await.unwrap().unwrap();
    let has = node_resources::Entity::find().all(&tx).await.unwrap();
    assert_eq!(like.resource_pool_id, home.resource_pool_id);
    let mut ids = vec![first];
    for number in 1..NODES {
        let mut row: nodes::ActiveModel = like.clone().into();
        let id = NodeId::new();
        (row.id, row.name, row.hostname) = (Set(id), Set(format!("node{number}")), Set(format!("node{number}")));
        nodes::Entity::insert(row).exec_without_returning(&tx).await.unwrap();
        let rows = has.iter().map(|resource| {
            let mut row: node_resources::ActiveModel = resource.clone().into();
            (row.id, row.node_id) = (Set(berth_types::NodeResourceId::new()), Set(id));
            row
        });
        node_resources::Entity::insert_many(rows).exec_without_returning(&tx).await.unwrap();
        ids.push(id);
    }
    let kinds = [MetricType::CpuPercent, MetricType::MemoryPercent, MetricType::Load, MetricType::DiskRead];
    for round in 0..20 {
        let samples: Vec<_> = kinds
            .iter()
            .map(|kind| Sample { metric_type: *kind, value: round as f64, labels: Default::default() })
            .collect();
        let measured: Vec<_> = ids
            .iter()
            .map(|id| metrics::Measured { id: *id, time: after(round * 15), samples: samples.clone() })
            .collect();
        metrics::nodes::insert(&tx, &measured).await.unwrap();
    }
    let mut made = 0;
    while made < 2 * SESSIONS {
        let (mut batch, mut ledger) = (Vec::new(), Vec::new());
        for number in made..made + 200 {
            let (tenant, user) = owners[number % owners.len()];
            let (mut session, mut rows) = running(tenant, user, ids[number % ids.len()], number, 100);
            if number % 2 == 1 {
                session.status = Set(SessionStatus::Completed);
                for row in &mut rows {
                    row.deallocation_time = Set(Some(after(1)));
                    row.status = Set(AllocationStatus::Released);
                }
            }
            batch.push(session);
            ledger.extend(rows);
        }
        session_rows::Entity::insert_many(batch).exec_without_returning(&tx).await.unwrap();
        allocations::Entity::insert_many(ledger).exec_without_returning(&tx).await.unwrap();
        made += 200;
    }
    tx.commit().await.unwrap();
    if store.backend() == DbBackend::Postgres {
        let tx = store.begin().await.unwrap();
        tx.execute_unprepared("ANALYZE").await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// Run with `cargo test --release -p berth-store --test overview -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "writes 160,000 rows to measure with"]
async fn a_thousand_nodes() {
    on_both(|store, backend| async move {
        fill(&store).await;
        assert_eq!(node_metrics::Entity::find().all(store.reader()).await.unwrap().len(), 20 * 4 * NODES);
        let now = after(20 * 15);
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..20 {
            let begin = Instant::now();
            let fleet = overview::fleet(store.reader(), Some(Scope::Platform), now).await.unwrap();
            times.push(begin.elapsed());
            assert_eq!((fleet.nodes.len(), fleet.tenants.len(), fleet.users.len()), (NODES, 20, 20));
            assert_eq!(fleet.sessions_by_status["running"], SESSIONS as i64);
            assert_eq!(fleet.nodes[7].cpu_percent, Some(19.0));
        }
        times.sort_unstable();
        let median = times[times.len() / 2];
        println!("{backend}: {NODES} nodes, {SESSIONS} sessions: median {median:?}, slowest {:?}", times[19]);
        assert!(cfg!(debug_assertions) || median <= Duration::from_millis(100), "{median:?}");
    })
    .await;
}
