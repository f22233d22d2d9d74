//! Plans that a person has read and found right. A change of rules shows as a change of these files.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod common;

use berth_scheduler::{Quota, Snapshot, TenantSnapshot, check, plan};
use berth_types::{
    sessions::{PreferredLabel, PreferredNode, ResourceConstraints, SessionReason},
    sites::{EngineKind, NodeAdminState, NodeReachability, NodeType, RentalMode, ResourceKind, SchedulingPolicy},
};
use common::*;

/// Hostname per placed session, in queue order: shorter to compare than a plan.
fn hosts(snapshot: &Snapshot, requests: &[berth_scheduler::Request]) -> Vec<String> {
    let name = |id| snapshot.nodes.iter().find(|node| node.id == id).unwrap().hostname.clone();
    plan(snapshot, requests, at(60)).placements.iter().map(|placement| name(placement.node_id)).collect()
}

fn three() -> Vec<berth_scheduler::NodeSnapshot> {
    let mut nodes = vec![node(1), node(2), node(3)];
    allocate(&mut nodes[1], ResourceKind::Cpu, 3000);
    allocate(&mut nodes[2], ResourceKind::Memory, 20 * GIB);
    nodes
}

#[test]
fn load_balance_goes_to_the_least_loaded() {
    let requests: Vec<_> = (0..5).map(|number| sized(number, 2, 2)).collect();
    insta::assert_json_snapshot!(plan(&fleet(three()), &requests, at(60)));
}

#[test]
fn bin_pack_fills_one_node_after_the_other() {
    let requests: Vec<_> = (0..5).map(|number| sized(number, 2, 2)).collect();
    insta::assert_json_snapshot!(plan(&fleet(with_policy(three(), SchedulingPolicy::BinPack)), &requests, at(60)));
}

#[test]
fn priority_policy_follows_the_nodes_priority() {
    let mut nodes = with_policy(three(), SchedulingPolicy::Priority);
    nodes[2].priority = 10;
    nodes[0].priority = -10;
    let requests: Vec<_> = (0..4).map(|number| sized(number, 4, 4)).collect();
    // node-3 has 12 GB left, enough for two by its cores; node-2 five cores, enough for one.
    assert_eq!(hosts(&fleet(nodes), &requests), ["node-3", "node-3", "node-2", "node-1"]);
}

#[test]
fn round_robin_goes_on_after_the_last_node() {
    let mut snapshot = fleet(with_policy(three(), SchedulingPolicy::RoundRobin));
    let requests: Vec<_> = (0..4).map(request).collect();
    snapshot.round_robin.insert(pool_id(0), node_id(1));
    assert_eq!(hosts(&snapshot, &requests), ["node-2", "node-3", "node-1", "node-2"]);
    let cursor = plan(&snapshot, &requests, at(60)).round_robin;
    assert_eq!(cursor.get(&pool_id(0)), Some(&node_id(2)));
    // The node of the cursor is gone: its successor is next.
    snapshot.round_robin.insert(pool_id(0), node_id(2));
    snapshot.nodes.remove(1);
    assert_eq!(hosts(&snapshot, &requests[..2]), ["node-3", "node-1"]);
}

#[test]
fn affinity_goes_where_the_users_things_are() {
    let mut nodes = with_policy(three(), SchedulingPolicy::Affinity);
    nodes[0].labels.insert("room".into(), "b12".into());
    let mut near = request(0);
    near.affinity = vec![(node_id(3), 80), (node_id(2), 20)];
    let mut labelled = request(1);
    labelled.preferences.preferred_labels =
        vec![PreferredLabel { key: "room".into(), value: "b12".into(), weight: 10 }];
    assert_eq!(hosts(&fleet(nodes), &[near, labelled]), ["node-3", "node-1"]);
}

#[test]
fn fragmentation_descent_keeps_whole_gpus_whole() {
    let mut nodes =
        with_policy(vec![gpu_node(1, 2, "A100"), gpu_node(2, 2, "A100")], SchedulingPolicy::GpuFragmentation);
    nodes[1].gpus[1].allocated_milli = 500;
    allocate(&mut nodes[1], ResourceKind::Gpu, 500);
    let requests = [with_gpu(0, 500), with_gpu(1, 1000), with_gpu(2, 2000), with_gpu(3, 250)];
    insta::assert_json_snapshot!(plan(&fleet(nodes), &requests, at(60)));
}

#[test]
fn preferences_weigh_against_the_policy() {
    let mut nodes = three();
    nodes[1].labels.insert("zone".into(), "north".into());
    let (mut mild, mut strong) = (request(0), request(1));
    // node-2 is 37.5 points more loaded than node-1.
    mild.preferences.preferred_labels = vec![PreferredLabel { key: "zone".into(), value: "north".into(), weight: 20 }];
    strong.preferences.preferred_nodes = vec![PreferredNode { node_id: node_id(2), weight: 90 }];
    assert_eq!(hosts(&fleet(nodes.clone()), &[mild]), ["node-1"]);
    let plan = plan(&fleet(nodes), &[strong], at(60));
    assert_eq!(
        plan.placements[0].explanation,
        "node-2 of 3 nodes that fit: least loaded, 50 % in use with this session (load_balance); preferences add 90"
    );
}

/// One node for every filter, and a request that only the last would take, were it not full.
#[test]
fn every_filter_is_counted() {
    let mut nodes: Vec<_> = (0..24).map(|number| gpu_node(number, 1, "NVIDIA A100-SXM4-40GB")).collect();
    for node in &mut nodes {
        node.labels.insert("room".into(), "b12".into());
    }
    nodes[0].edge_data_center_active = false;
    nodes[1].resource_pool_id = pool_id(1);
    nodes[2].pool_active = false;
    nodes[3].reachability = NodeReachability::Failed;
    nodes[4].reachability = NodeReachability::Offline;
    nodes[5].admin_state = NodeAdminState::Decommissioning;
    nodes[6].admin_state = NodeAdminState::Maintenance;
    nodes[7].admin_state = NodeAdminState::Draining;
    nodes[8].reachability = NodeReachability::Late;
    nodes[9].engine = EngineKind::Sim;
    nodes[10].allows_privileged = false;
    nodes[11].node_type = NodeType::Compute;
    nodes[12].architecture = "aarch64".into();
    nodes[13].labels.clear();
    nodes[14].network_bandwidth_mbps = None;
    nodes[15].gpus[0].model = "Tesla T4".into();
    nodes[16].gpus[0].memory_mib = 16 * GIB;
    nodes[17].capacity.get_mut(&ResourceKind::Cpu).unwrap().max_per_workload = Some(999);
    nodes[18].rental_mode = RentalMode::Exclusive;
    nodes[18].exclusive_tenant_id = Some(tenant_id(7));
    nodes[19].gpus[0].allocated_milli = 1;
    allocate(&mut nodes[20], ResourceKind::Cpu, 7500);
    allocate(&mut nodes[21], ResourceKind::Memory, 32 * GIB - 1);
    nodes[22].capacity.get_mut(&ResourceKind::Storage).unwrap().reservation = 100 * GIB;
    allocate(&mut nodes[23], ResourceKind::Memory, 32 * GIB);
    let mut request = with_gpu(0, 1000);
    request.amounts.storage = GIB;
    request.resource_pool_id = Some(pool_id(0));
    request.engine = Some(EngineKind::Docker);
    request.privileged = true;
    request.gpu_type = Some("a100".into());
    request.constraints = ResourceConstraints {
        node_type: Some(NodeType::Gpu),
        architecture: Some("x86_64".into()),
        labels: [("room".into(), "b12".into())].into(),
        gpu_memory_gb: Some(40.0),
        min_bandwidth_mbps: Some(1000),
        ..ResourceConstraints::default()
    };
    let mut snapshot = fleet(nodes);
    insta::assert_json_snapshot!(plan(&snapshot, std::slice::from_ref(&request), at(60)));
    // Proof that nothing else was in the way.
    snapshot.nodes[23].capacity.get_mut(&ResourceKind::Memory).unwrap().allocated = 0;
    assert!(check(&snapshot, &request).fits_now);
    // The tenant may not use the only pool.
    snapshot
        .tenants
        .insert(tenant_id(0), TenantSnapshot { pools: Some([pool_id(9)].into()), ..TenantSnapshot::default() });
    let closed = check(&snapshot, &request);
    assert!(closed.filters.iter().any(|count| count.filter == "pool_access" && count.nodes == 22), "{closed:?}");
}

#[test]
fn overcommit_and_reservation_bound_like_the_ledger() {
    let mut nodes = vec![node(1)];
    let cpu = nodes[0].capacity.get_mut(&ResourceKind::Cpu).unwrap();
    (cpu.overcommit_permille, cpu.reservation) = (1250, 1000);
    // floor(8000 × 1.25) − 1000 = 9000 millicores.
    let requests: Vec<_> = (0..10).map(request).collect();
    let plan = plan(&fleet(nodes), &requests, at(60));
    assert_eq!((plan.placements.len(), plan.waiting.len()), (9, 1));
    assert_eq!(plan.waiting[0].waiting.explanation, "1 node: not enough CPU");
}

#[test]
fn quotas_of_tenant_and_user_are_counted_down() {
    let mut snapshot = fleet(vec![node(1), node(2)]);
    let quota = Quota { sessions: limit(50, 47), cpu: limit(64_000, 0), ..Quota::default() };
    snapshot.tenants.insert(tenant_id(0), TenantSnapshot { quota, pools: None });
    snapshot.users.insert(user_id(1), Quota { memory: limit(4 * GIB, 2 * GIB), ..Quota::default() });
    let mut requests: Vec<_> = (0..6).map(|number| sized(number, 1, 2)).collect();
    requests[1].user_id = user_id(1);
    requests[2].user_id = user_id(1);
    requests[3].amounts.cpu = 65_000;
    insta::assert_json_snapshot!(plan(&snapshot, &requests, at(60)));
    assert!(check(&snapshot, &requests[3]).exceeds_quota);
    assert!(!check(&snapshot, &requests[2]).exceeds_quota);
}

#[test]
fn an_exclusive_node_is_one_tenants() {
    let mut nodes = vec![node(1)];
    nodes[0].rental_mode = RentalMode::Exclusive;
    let mut requests: Vec<_> = (0..3).map(request).collect();
    requests[1].tenant_id = tenant_id(1);
    let plan = plan(&fleet(nodes), &requests, at(60));
    assert_eq!(plan.placements.iter().map(|p| p.session_id).collect::<Vec<_>>(), [session_id(0), session_id(2)]);
    assert_eq!(plan.waiting[0].waiting.explanation, "1 node: rented by another tenant alone");
}

#[test]
fn no_node_and_no_capacity_are_told_apart() {
    let none = plan(&Snapshot::default(), &[request(0)], at(60));
    assert_eq!(none.waiting[0].reason, SessionReason::NoNode);
    assert_eq!(none.waiting[0].waiting.explanation, "there is no node yet");
    let mut nodes = vec![node(1), node(2)];
    for node in &mut nodes {
        node.admin_state = NodeAdminState::Draining;
    }
    let draining = plan(&fleet(nodes), &[request(0)], at(60));
    assert_eq!(draining.waiting[0].reason, SessionReason::NoNode);
    assert_eq!(draining.waiting[0].waiting.explanation, "2 nodes: draining");
    let huge = plan(&fleet(vec![node(1)]), &[sized(0, 9, 1)], at(60));
    assert_eq!(huge.waiting[0].reason, SessionReason::NoCapacity);
    assert_eq!(huge.waiting[0].waiting.explanation, "1 node: not enough CPU; no node could hold it even when empty");
}

#[test]
fn a_blocked_request_keeps_one_node() {
    let mut nodes = vec![node(1), node(2)];
    allocate(&mut nodes[0], ResourceKind::Cpu, 2000);
    allocate(&mut nodes[1], ResourceKind::Cpu, 4000);
    let big = berth_scheduler::Request { priority: 7, ..sized(0, 8, 8) };
    let requests: Vec<_> = std::iter::once(big).chain((1..8).map(request)).collect();
    // node-1 is nearer to eight free cores, so only node-2 is filled; the explanation names both reasons.
    insta::assert_json_snapshot!(plan(&fleet(nodes.clone()), &requests, at(60)));
    // Of the same priority, it is overtaken while it has not waited long.
    let equal: Vec<_> = requests.iter().map(|r| berth_scheduler::Request { priority: 5, ..r.clone() }).collect();
    assert_eq!(plan(&fleet(nodes.clone()), &equal, at(60)).placements.len(), 7);
    assert_eq!(plan(&fleet(nodes), &equal, at(1800)).placements.len(), 4);
}

/// One node, one large session at the head, a stream of small ones of the same priority behind it, one of which ends
/// in every round: without aging the large one would wait for ever.
#[test]
fn a_large_request_is_not_starved() {
    let mut snapshot = fleet(vec![node(1)]);
    // Comes when the first small ones fill the node.
    let big = berth_scheduler::Request { queued_at: at(30), ..sized(0, 8, 8) };
    let mut running = Vec::new();
    let mut started = None;
    for round in 0..200_i64 {
        let now = at(round * 60);
        let small = |n| berth_scheduler::Request { queued_at: now, ..sized(1000 * (round as u128 + 1) + n, 2, 2) };
        let mut queue: Vec<_> = (0..4).map(small).collect();
        if round > 0 {
            queue.push(big.clone());
        }
        let plan = plan(&snapshot, &queue, now);
        commit(&mut snapshot, &queue, &plan);
        if plan.placements.iter().any(|placement| placement.session_id == big.session_id) {
            started = Some(round);
            break;
        }
        running.extend(plan.placements);
        if !running.is_empty() {
            let ended = running.remove(0);
            allocate(&mut snapshot.nodes[0], ResourceKind::Cpu, -ended.amounts.cpu);
            allocate(&mut snapshot.nodes[0], ResourceKind::Memory, -ended.amounts.memory);
        }
    }
    // Aged after 30 rounds; then the four small ones end one after the other.
    let started = started.expect("never started");
    assert!((31..=36).contains(&started), "started in round {started}");
}

#[test]
fn the_seed_decides_between_equals() {
    let mut snapshot = fleet((0..20).map(node).collect());
    let chosen: std::collections::BTreeSet<_> = (0..20)
        .map(|seed| {
            snapshot.seed = seed;
            plan(&snapshot, &[request(0)], at(60)).placements[0].node_id
        })
        .collect();
    assert!(chosen.len() > 5, "always the same few nodes: {chosen:?}");
}

#[test]
fn fragmentation_descent_fills_a_device_that_is_begun() {
    let nodes = vec![gpu_node(1, 2, "A100"), gpu_node(2, 2, "A100")];
    let requests: Vec<_> = (0..4).map(|number| with_gpu(number, 500)).collect();
    let plan = plan(&fleet(with_policy(nodes, SchedulingPolicy::GpuFragmentation)), &requests, at(60));
    let devices: Vec<_> = plan.placements.iter().map(|placement| placement.gpus[0].gpu_id).collect();
    assert_eq!(devices[0], devices[1]);
    assert_eq!(devices[2], devices[3]);
    assert_ne!(devices[0], devices[2]);
    // Opening the other device of the same node leaves two whole ones together.
    assert_eq!(plan.placements[0].node_id, plan.placements[2].node_id);
}

/// The second of two equal requests is told how things stand after what was placed between them.
#[test]
fn the_reasons_are_those_of_the_moment() {
    let mut nodes = vec![node(1), node(2)];
    allocate(&mut nodes[0], ResourceKind::Cpu, 5000);
    allocate(&mut nodes[1], ResourceKind::Memory, 30 * GIB);
    let plan = plan(&fleet(nodes), &[sized(0, 4, 4), sized(1, 6, 1), sized(2, 4, 4)], at(60));
    assert_eq!(plan.placements.len(), 1);
    let told: Vec<_> = plan.waiting.iter().map(|waiting| waiting.waiting.explanation.as_str()).collect();
    assert_eq!(told, ["1 node: not enough CPU; 1: not enough memory", "2 nodes: not enough CPU"]);
}

#[test]
fn the_quota_a_request_waits_for_is_kept_from_lower_priorities() {
    let mut snapshot = fleet(vec![node(1), node(2)]);
    let quota = Quota { cpu: limit(8000, 4000), ..Quota::default() };
    snapshot.tenants.insert(tenant_id(0), TenantSnapshot { quota, pools: None });
    let mut requests = [sized(0, 6, 1), sized(1, 2, 1), sized(2, 2, 1)];
    requests[2].tenant_id = tenant_id(1);
    requests[0].priority = 6;
    let lower = plan(&snapshot, &requests, at(60));
    let placed = |plan: &berth_scheduler::Plan| plan.placements.iter().map(|p| p.session_id).collect::<Vec<_>>();
    // Another tenant's quota is another matter.
    assert_eq!(placed(&lower), [session_id(2)]);
    let told: Vec<_> = lower.waiting.iter().map(|waiting| waiting.waiting.explanation.as_str()).collect();
    assert_eq!(
        told,
        [
            "your quota of 8 cores has 4 cores left, 6 cores asked for (tenant)",
            "the rest of your quota of 8 cores is kept for a request ahead (tenant)"
        ]
    );
    // Equals overtake until the one ahead has waited long.
    requests[0].priority = 5;
    assert_eq!(placed(&plan(&snapshot, &requests, at(60))), [session_id(1), session_id(2)]);
    assert_eq!(placed(&plan(&snapshot, &requests, at(1800))), [session_id(2)]);
    // One that its quota never admits keeps nothing.
    requests[0].priority = 6;
    requests[0].amounts.cpu = 8001;
    assert_eq!(placed(&plan(&snapshot, &requests, at(1800))), [session_id(1), session_id(2)]);
}
