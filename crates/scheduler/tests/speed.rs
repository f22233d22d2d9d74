//! How long a plan takes; printed, not judged, as machines differ. `cargo test --release -p berth-scheduler --test speed
//! -- --nocapture` gives the figures that mean something.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod common;

use std::time::Instant;

use berth_scheduler::{Request, Snapshot, plan};
use berth_types::{
    sessions::PreferredLabel,
    sites::{ResourceKind, SchedulingPolicy},
};
use common::*;

fn measure(what: &str, snapshot: &Snapshot, requests: &[Request]) -> usize {
    let begun = Instant::now();
    let plan = plan(snapshot, requests, at(60));
    let (nodes, requests) = (snapshot.nodes.len(), requests.len());
    println!("{what}: {nodes} nodes x {requests} requests: {:?}, {} placed", begun.elapsed(), plan.placements.len());
    assert_eq!(plan.placements.len() + plan.waiting.len(), requests);
    plan.placements.len()
}

#[test]
fn large_fleets() {
    let (nodes, requests) = if cfg!(debug_assertions) { (500, 100) } else { (5000, 1000) };
    for &policy in SchedulingPolicy::ALL {
        let nodes: Vec<_> =
            (0..nodes).map(|n| if n % 4 == 0 { gpu_node(n, 8, "NVIDIA A100") } else { node(n) }).collect();
        let snapshot = fleet(with_policy(nodes, policy));
        let mut queue: Vec<_> = (0..requests).map(|n| sized(n, 1 + (n % 4) as i64, 2)).collect();
        for (number, request) in queue.iter_mut().enumerate() {
            request.user_id = user_id(number as u128 % 50);
            if number % 3 == 0 {
                request.amounts.gpu = [250, 500, 1000, 2000][number / 3 % 4];
                request.gpu_type = Some("a100".into());
            }
            if number % 7 == 0 {
                request.preferences.preferred_labels =
                    vec![PreferredLabel { key: "zone".into(), value: format!("{number}"), weight: 5 }];
            }
        }
        assert_eq!(measure(policy.as_str(), &snapshot, &queue), queue.len());
        let mut full = snapshot;
        for node in &mut full.nodes {
            allocate(node, ResourceKind::Memory, 32 * GIB);
        }
        assert_eq!(measure("  the same, full", &full, &queue), 0);
    }
}
