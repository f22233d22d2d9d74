//! What holds for every fleet and every queue.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod common;

use std::collections::BTreeMap;

use berth_scheduler::{Amounts, NodeSnapshot, Plan, Quota, Request, Snapshot, TenantSnapshot, check, plan};
use berth_types::{
    sessions::PreferredLabel,
    sites::{NodeAdminState, NodeReachability, RentalMode, ResourceKind, SchedulingPolicy},
};
use common::*;
use proptest::{collection::vec, option, prelude::*, sample::select};

fn a_node(number: u128, policies: [SchedulingPolicy; 3]) -> impl Strategy<Value = NodeSnapshot> {
    (
        (0..3_u128, 0..5_usize, select(vec!["A100", "T4"]), 0..=1000_i64),
        (0..=10_000_i64, 0..=40_i64, 0..=2000_i64, select(vec![1000, 1500, 2000_i64])),
        (0..10_u8, 0..10_u8, option::weighted(0.2, 0..3_u128), option::weighted(0.2, 500..4000_i64)),
        (any::<bool>(), -1000..=1000_i32),
    )
        .prop_map(
            move |(
                (pool, gpus, model, used_gpu),
                (cpu, memory, reservation, overcommit),
                (admin, reach, renter, most),
                (label, priority),
            )| {
                let mut node = gpu_node(number, gpus, model);
                node.resource_pool_id = pool_id(pool);
                // A pool has one policy.
                node.scheduling_policy = policies[pool as usize];
                node.priority = priority;
                for gpu in node.gpus.iter_mut().take(1) {
                    gpu.allocated_milli = used_gpu;
                }
                if gpus > 0 {
                    allocate(&mut node, ResourceKind::Gpu, used_gpu);
                    // Held back although the device is free.
                    node.capacity.get_mut(&ResourceKind::Gpu).unwrap().reservation = reservation / 2;
                }
                allocate(&mut node, ResourceKind::Cpu, cpu);
                allocate(&mut node, ResourceKind::Memory, memory * GIB);
                let cpu = node.capacity.get_mut(&ResourceKind::Cpu).unwrap();
                (cpu.reservation, cpu.overcommit_permille, cpu.max_per_workload) = (reservation, overcommit, most);
                if admin == 0 {
                    node.admin_state = NodeAdminState::Draining;
                }
                if reach == 0 {
                    node.reachability = NodeReachability::Late;
                }
                if let Some(renter) = renter {
                    node.rental_mode = RentalMode::Exclusive;
                    node.exclusive_tenant_id = (renter < 2).then(|| tenant_id(renter));
                }
                if label {
                    node.labels.insert("zone".into(), "north".into());
                }
                node
            },
        )
}

fn a_request(number: u128) -> impl Strategy<Value = Request> {
    (
        (0..2_u128, 0..4_u128, 4..8_i32, 0..4000_i64),
        (
            select(vec![250, 500, 1000, 3000, 8000, 20_000_i64]),
            0..34_i64,
            select(vec![0, 0, 0, 250, 500, 1000, 1500, 3000_i64]),
        ),
        (option::weighted(0.2, 0..3_u128), option::weighted(0.3, select(vec!["a100", "t4"])), 0..6_u8),
    )
        .prop_map(move |((tenant, user, priority, queued), (cpu, memory, gpu), (pool, gpu_type, kind))| {
            let mut request = request(number);
            request.tenant_id = tenant_id(tenant);
            request.user_id = user_id(tenant * 10 + user);
            request.priority = priority;
            request.queued_at = at(-queued);
            request.amounts = Amounts { cpu, memory: memory * GIB, storage: i64::from(kind) * GIB, gpu };
            request.resource_pool_id = pool.map(pool_id);
            request.gpu_type = gpu_type.map(Into::into);
            if kind == 0 {
                request.constraints.labels.insert("zone".into(), "north".into());
            }
            if kind == 1 {
                request.preferences.preferred_labels =
                    vec![PreferredLabel { key: "zone".into(), value: "north".into(), weight: 30 }];
                request.affinity = vec![(node_id(number % 4), 50)];
            }
            if kind == 2 && gpu == 0 {
                request.constraints.gpu_share = Some(300);
            }
            request
        })
}

fn a_quota() -> impl Strategy<Value = Quota> {
    (
        option::of((0..12_i64, 0..6_i64)),
        option::of((0..40_000_i64, 0..9000_i64)),
        option::of((0..4000_i64, 0..1000_i64)),
    )
        .prop_map(|(sessions, cpu, gpu)| {
            let limit = |pair: Option<(i64, i64)>| pair.and_then(|(most, used)| limit(most, used));
            Quota { sessions: limit(sessions), cpu: limit(cpu), gpu: limit(gpu), ..Quota::default() }
        })
}

fn a_fleet() -> impl Strategy<Value = Snapshot> {
    let policy = || select(SchedulingPolicy::ALL.to_vec());
    let nodes = (0..10_u128, policy(), policy(), policy()).prop_flat_map(|(count, first, second, third)| {
        (0..count).map(|number| a_node(number, [first, second, third])).collect::<Vec<_>>()
    });
    (nodes, vec(a_quota(), 2), vec(a_quota(), 8), any::<u64>(), option::of(0..10_u128), any::<bool>()).prop_map(
        |(nodes, tenants, users, seed, cursor, closed)| {
            let tenants = tenants.into_iter().enumerate().map(|(number, quota)| {
                let pools = (closed && number == 1).then(|| [pool_id(0), pool_id(1)].into());
                (tenant_id(number as u128), TenantSnapshot { quota, pools })
            });
            let ids = (0..2).flat_map(|tenant| (0..4).map(move |user| user_id(tenant * 10 + user)));
            Snapshot {
                nodes,
                tenants: tenants.collect(),
                users: ids.zip(users).collect(),
                round_robin: cursor.map(|node| (pool_id(2), node_id(node))).into_iter().collect(),
                seed,
                ..Snapshot::default()
            }
        },
    )
}

fn a_queue() -> impl Strategy<Value = Vec<Request>> {
    (0..25_u128).prop_flat_map(|count| (0..count).map(a_request).collect::<Vec<_>>())
}

/// Placements of the given sessions, to compare plans of different queues.
fn places(plan: &Plan) -> BTreeMap<String, String> {
    plan.placements
        .iter()
        .map(|placement| (placement.session_id.to_string(), format!("{} {:?}", placement.node_id, placement.gpus)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_request_is_answered_once((snapshot, queue) in (a_fleet(), a_queue())) {
        let plan = plan(&snapshot, &queue, at(0));
        let mut answered: Vec<_> = plan.placements.iter().map(|placement| placement.session_id)
            .chain(plan.waiting.iter().map(|waiting| waiting.session_id)).collect();
        answered.sort();
        let mut asked: Vec<_> = queue.iter().map(|request| request.session_id).collect();
        asked.sort();
        prop_assert_eq!(answered, asked);
        for (index, waiting) in plan.waiting.iter().enumerate() {
            prop_assert_eq!(waiting.waiting.position, index as i64 + 1);
            prop_assert!(!waiting.waiting.explanation.is_empty());
        }
    }

    #[test]
    fn nothing_is_promised_twice((snapshot, queue) in (a_fleet(), a_queue())) {
        let plan = plan(&snapshot, &queue, at(0));
        let mut after = snapshot.clone();
        commit(&mut after, &queue, &plan);
        for (before, node) in snapshot.nodes.iter().zip(&after.nodes) {
            for (kind, capacity) in &node.capacity {
                // What was oversold before may stay so, but must not grow.
                let grown = capacity.allocated > before.capacity[kind].allocated;
                prop_assert!(!grown || capacity.free() >= 0, "{kind} of {} is oversold", node.hostname);
            }
            for gpu in &node.gpus {
                prop_assert!(gpu.allocated_milli <= 1000, "GPU {} of {} is oversold", gpu.index, node.hostname);
            }
        }
        let quotas = |s: &Snapshot| -> Vec<Quota> {
            s.tenants.values().map(|tenant| tenant.quota).chain(s.users.values().copied()).collect()
        };
        for (before, after) in quotas(&snapshot).into_iter().zip(quotas(&after)) {
            for (before, after) in [(before.sessions, after.sessions), (before.cpu, after.cpu), (before.gpu, after.gpu)] {
                if let (Some(before), Some(after)) = (before, after) {
                    prop_assert!(after.used == before.used || after.used <= after.limit, "quota {after:?}");
                }
            }
        }
    }

    #[test]
    fn placements_pass_the_filters((snapshot, queue) in (a_fleet(), a_queue())) {
        let plan = plan(&snapshot, &queue, at(0));
        let mut renters = BTreeMap::new();
        for placement in &plan.placements {
            let request = queue.iter().find(|request| request.session_id == placement.session_id).unwrap();
            let node = snapshot.nodes.iter().find(|node| node.id == placement.node_id).unwrap();
            prop_assert_eq!(node.admin_state, NodeAdminState::Active);
            prop_assert_eq!(node.reachability, NodeReachability::Online);
            prop_assert!(request.resource_pool_id.is_none_or(|pool| pool == node.resource_pool_id));
            let open = snapshot.tenants[&request.tenant_id].pools.as_ref();
            prop_assert!(open.is_none_or(|open| open.contains(&node.resource_pool_id)));
            prop_assert!(request.constraints.labels.iter().all(|(key, value)| node.labels.get(key) == Some(value)));
            if node.rental_mode == RentalMode::Exclusive {
                let renter = *renters.entry(node.id).or_insert(node.exclusive_tenant_id.unwrap_or(request.tenant_id));
                prop_assert_eq!(renter, request.tenant_id);
            }
            if let Some(most) = node.capacity[&ResourceKind::Cpu].max_per_workload {
                prop_assert!(request.amounts.cpu <= most);
            }
            let given: i64 = placement.gpus.iter().map(|gpu| gpu.milli).sum();
            prop_assert_eq!(given, request.claims().gpu);
            for assignment in &placement.gpus {
                let gpu = node.gpus.iter().find(|gpu| gpu.id == assignment.gpu_id).expect("a GPU of that node");
                prop_assert!(request.gpu_type.as_ref().is_none_or(|model| gpu.model.to_lowercase().contains(model)));
            }
        }
    }

    #[test]
    fn the_same_question_has_the_same_answer((snapshot, queue, shift) in (a_fleet(), a_queue(), any::<prop::sample::Index>())) {
        let first = plan(&snapshot, &queue, at(0));
        prop_assert_eq!(&first, &plan(&snapshot, &queue, at(0)));
        // Neither does the order in which nodes and requests happen to be listed matter.
        let (mut shuffled, mut requests) = (snapshot, queue);
        if !shuffled.nodes.is_empty() {
            let by = shift.index(shuffled.nodes.len());
            shuffled.nodes.rotate_left(by);
            shuffled.nodes.reverse();
        }
        requests.reverse();
        prop_assert_eq!(&first, &plan(&shuffled, &requests, at(0)));
    }

    /// What is behind in the queue changes nothing for what is ahead.
    #[test]
    fn lower_priorities_never_cost_higher_ones((snapshot, queue, least) in (a_fleet(), a_queue(), 4..8_i32)) {
        let all = plan(&snapshot, &queue, at(0));
        let ahead: Vec<Request> = queue.iter().filter(|request| request.priority >= least).cloned().collect();
        let alone = plan(&snapshot, &ahead, at(0));
        let mut of_all = places(&all);
        of_all.retain(|session, _| ahead.iter().any(|request| request.session_id.to_string() == *session));
        prop_assert_eq!(of_all, places(&alone));
    }

    /// Asking with a higher priority never turns a start into a wait.
    #[test]
    fn a_higher_priority_is_never_worse((snapshot, queue, which) in (a_fleet(), a_queue(), any::<prop::sample::Index>())) {
        let before = places(&plan(&snapshot, &queue, at(0)));
        if !queue.is_empty() {
            let mut raised = queue.clone();
            let index = which.index(queue.len());
            raised[index].priority = 10;
            let after = places(&plan(&snapshot, &raised, at(0)));
            let session = queue[index].session_id.to_string();
            prop_assert!(!before.contains_key(&session) || after.contains_key(&session));
        }
    }

    /// Who waits without anything being kept for others really does not fit into what is left.
    #[test]
    fn nobody_waits_for_nothing((snapshot, queue) in (a_fleet(), a_queue())) {
        let plan = plan(&snapshot, &queue, at(0));
        let mut after = snapshot.clone();
        commit(&mut after, &queue, &plan);
        for waiting in &plan.waiting {
            if !waiting.waiting.explanation.contains("kept for a request ahead") {
                let request = queue.iter().find(|request| request.session_id == waiting.session_id).unwrap();
                let check = check(&after, request);
                prop_assert!(!check.fits_now, "{}, but {}", waiting.waiting.explanation, check.explanation);
            }
        }
    }
}
