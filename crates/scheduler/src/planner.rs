//! The queue, walked once from its head.

use std::collections::{BTreeSet, HashMap};

use berth_types::{
    ResourcePoolId, TenantId, Timestamp, UserId,
    sessions::{PlacementPreferences, ResourceConstraints, SessionCheck, SessionReason, Waiting},
    sites::EngineKind,
};

use crate::{
    filter::{self, Counts, Filter},
    fleet::{Fleet, GpuNeed},
    model::{Amounts, Placement, Plan, Quota, Request, Snapshot, WaitingRequest},
    quota::{Account, Exceeded, Owner},
    score::{self, Asked, Fragmentation},
};

/// Places what can be placed now and says of the rest why it waits. `now` decides only how long a request has waited.
pub fn plan(snapshot: &Snapshot, requests: &[Request], now: Timestamp) -> Plan {
    let mut queue: Vec<&Request> = requests.iter().collect();
    queue.sort_by_key(|request| (std::cmp::Reverse(request.priority), request.queued_at, request.session_id));
    let mut planner = Planner::new(snapshot);
    let mut plan = Plan::default();
    for request in queue {
        match planner.place(request, now) {
            Outcome::Placed(placement) => plan.placements.push(placement),
            Outcome::Waits { reason, explanation, counts } => plan.waiting.push(WaitingRequest {
                session_id: request.session_id,
                waiting: Waiting {
                    position: plan.waiting.len() as i64 + 1,
                    explanation,
                    filters: counts.to_filter_counts(),
                },
                reason,
            }),
        }
    }
    plan.round_robin = snapshot.round_robin.clone();
    plan.round_robin.extend(planner.fleet.cursors());
    plan
}

/// What the request would meet if it were alone in the queue.
pub fn check(snapshot: &Snapshot, request: &Request) -> SessionCheck {
    let mut planner = Planner::new(snapshot);
    let exceeds_quota = planner.quota(request).is_some_and(|(_, exceeded)| exceeded.never);
    // Alone in the queue its age does not matter.
    match planner.place(request, request.queued_at) {
        Outcome::Placed(placement) => SessionCheck {
            fits_now: true,
            exceeds_quota,
            explanation: format!("fits now: {}", placement.explanation),
            ..SessionCheck::default()
        },
        Outcome::Waits { explanation, counts, .. } => {
            SessionCheck { exceeds_quota, explanation, filters: counts.to_filter_counts(), ..SessionCheck::default() }
        }
    }
}

enum Outcome {
    Placed(Placement),
    Waits { reason: SessionReason, explanation: String, counts: Counts },
}

/// What the fixed filters and preferences look at; requests alike in it share one pass over labels and names.
#[derive(PartialEq)]
struct ShapeKey<'a> {
    tenant: TenantId,
    pool: Option<ResourcePoolId>,
    engine: Option<EngineKind>,
    privileged: bool,
    needs_gpu: bool,
    gpu_type: Option<&'a str>,
    constraints: &'a ResourceConstraints,
    preferences: &'a PlacementPreferences,
}

struct Shape<'a> {
    key: ShapeKey<'a>,
    /// Nodes that pass the fixed filters.
    open: Vec<u32>,
    /// The others, by filter.
    counts: Counts,
    /// Per node; empty without preferences.
    preference: Vec<f64>,
}

/// A failed search, as long as nothing changed.
struct Failed {
    version: u64,
    counts: Counts,
    /// Where it is nearest to fitting.
    nearest: Option<usize>,
}

struct Planner<'a> {
    snapshot: &'a Snapshot,
    fleet: Fleet<'a>,
    tenants: HashMap<TenantId, Account>,
    users: HashMap<UserId, Account>,
    shapes: Vec<Shape<'a>>,
    failed: HashMap<(usize, Amounts, i32), Failed>,
    fragmentation: Fragmentation,
}

impl<'a> Planner<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        let fleet = Fleet::new(snapshot);
        let fragmentation = Fragmentation::new(&snapshot.gpu_workload, &fleet);
        Self {
            snapshot,
            fleet,
            tenants: HashMap::new(),
            users: HashMap::new(),
            shapes: Vec::new(),
            failed: HashMap::new(),
            fragmentation,
        }
    }

    fn place(&mut self, request: &'a Request, now: Timestamp) -> Outcome {
        let aged = (now - request.queued_at).num_seconds() >= self.snapshot.hold_after_seconds;
        let amounts = request.claims();
        if let Some((owner, exceeded)) = self.quota(request) {
            if !exceeded.never {
                self.account(owner, request).hold(exceeded.kind, request.priority, aged);
            }
            let explanation = exceeded.explain(owner);
            return Outcome::Waits { reason: SessionReason::Quota, explanation, counts: Counts::default() };
        }
        let shape = self.shape(request);
        let key = (shape, amounts, request.priority);
        if let Some(failed) = self.failed.get(&key)
            && failed.version == self.fleet.version
        {
            let (counts, nearest) = (failed.counts.clone(), failed.nearest);
            return self.wait(request, counts, nearest, aged);
        }
        let gpu = self.fleet.gpu_need(request);
        let asked = Asked { request, amounts: &amounts, gpu: &gpu, shape };
        let mut counts = self.shapes[shape].counts.clone();
        let mut best: Option<(f64, i64, u64, usize, Option<usize>)> = None;
        let mut fitting = 0;
        for &index in &self.shapes[shape].open {
            let index = index as usize;
            if let Some(filter) = self.fleet.changing(index, request, &amounts, &gpu) {
                counts.add(filter);
                continue;
            }
            fitting += 1;
            let score = score::policy(&self.fleet, index, &asked, &mut self.fragmentation);
            let value = score.value + self.shapes[shape].preference.get(index).copied().unwrap_or(0.0);
            let state = &self.fleet.states[index];
            let better = best.is_none_or(|(best, sessions, tie, _, _)| {
                value.total_cmp(&best).then(sessions.cmp(&state.sessions)).then(tie.cmp(&state.tie)).is_gt()
            });
            if better {
                best = Some((value, state.sessions, state.tie, index, score.share_on));
            }
        }
        if let Some((_, _, _, index, share_on)) = best {
            let devices = gpu.choose(&self.fleet.states[index].devices, share_on);
            if let Some(devices) = devices {
                let explanation = score::explain(&self.fleet, index, request, &amounts, fitting);
                let gpus = self.fleet.claim(index, request.tenant_id, &amounts, &devices);
                self.account(Owner::Tenant, request).claim(&amounts);
                self.account(Owner::User, request).claim(&amounts);
                let node_id = self.fleet.nodes[index].id;
                return Outcome::Placed(Placement {
                    session_id: request.session_id,
                    node_id,
                    amounts,
                    gpus,
                    explanation,
                });
            }
        }
        let nearest = self.nearest(shape, request, &amounts, &gpu);
        let failed = Failed { version: self.fleet.version, counts: counts.clone(), nearest };
        self.failed.insert(key, failed);
        self.wait(request, counts, nearest, aged)
    }

    fn wait(&mut self, request: &Request, counts: Counts, nearest: Option<usize>, aged: bool) -> Outcome {
        if let Some(index) = nearest {
            self.fleet.hold(index, request.priority, aged);
        }
        let mut explanation = counts.explain();
        let reason = if counts.any_capacity() { SessionReason::NoCapacity } else { SessionReason::NoNode };
        if nearest.is_none() && reason == SessionReason::NoCapacity {
            explanation.push_str("; no node could hold it even when empty");
        }
        Outcome::Waits { reason, explanation, counts }
    }

    /// The node that would have to give back least.
    fn nearest(&self, shape: usize, request: &Request, amounts: &Amounts, gpu: &GpuNeed) -> Option<usize> {
        let mut nearest: Option<(f64, u64, usize)> = None;
        for &index in &self.shapes[shape].open {
            let index = index as usize;
            let Some(filter) = self.fleet.changing(index, request, amounts, gpu) else {
                continue;
            };
            if !filter.is_capacity() {
                continue;
            }
            let Some(mut missing) = self.fleet.shortfall(index, amounts, gpu) else {
                continue;
            };
            if filter == Filter::Exclusive {
                // All of its tenant's work has to end first.
                missing += 1.0;
            }
            let tie = self.fleet.states[index].tie;
            if nearest.is_none_or(|(least, least_tie, _)| missing.total_cmp(&least).then(tie.cmp(&least_tie)).is_lt()) {
                nearest = Some((missing, tie, index));
            }
        }
        nearest.map(|(_, _, index)| index)
    }

    fn quota(&mut self, request: &Request) -> Option<(Owner, Exceeded)> {
        let amounts = request.claims();
        // A limit that is never enough says more than one that is used up now.
        let found: Vec<(Owner, Exceeded)> = [Owner::User, Owner::Tenant]
            .into_iter()
            .filter_map(|owner| {
                self.account(owner, request).admits(&amounts, request.priority).err().map(|exceeded| (owner, exceeded))
            })
            .collect();
        found.iter().find(|(_, exceeded)| exceeded.never).or(found.first()).copied()
    }

    fn account(&mut self, owner: Owner, request: &Request) -> &mut Account {
        let snapshot = self.snapshot;
        match owner {
            Owner::User => self
                .users
                .entry(request.user_id)
                .or_insert_with(|| Account::new(snapshot.users.get(&request.user_id).unwrap_or(&Quota::default()))),
            Owner::Tenant => self.tenants.entry(request.tenant_id).or_insert_with(|| {
                Account::new(&snapshot.tenants.get(&request.tenant_id).map(|tenant| tenant.quota).unwrap_or_default())
            }),
        }
    }

    fn shape(&mut self, request: &'a Request) -> usize {
        let key = ShapeKey {
            tenant: request.tenant_id,
            pool: request.resource_pool_id,
            engine: request.engine,
            privileged: request.privileged,
            needs_gpu: request.claims().gpu > 0,
            gpu_type: request.gpu_type.as_deref(),
            constraints: &request.constraints,
            preferences: &request.preferences,
        };
        if let Some(found) = self.shapes.iter().position(|shape| shape.key == key) {
            return found;
        }
        let pools: Option<&BTreeSet<ResourcePoolId>> =
            self.snapshot.tenants.get(&request.tenant_id).and_then(|tenant| tenant.pools.as_ref());
        let (mut open, mut counts) = (Vec::new(), Counts::default());
        for (index, node) in self.snapshot.nodes.iter().enumerate() {
            match filter::fixed(node, request, pools) {
                Some(filter) => counts.add(filter),
                None => open.push(u32::try_from(index).unwrap_or(u32::MAX)),
            }
        }
        let preference = score::preferences(request, &self.snapshot.nodes);
        self.shapes.push(Shape { key, open, counts, preference });
        self.shapes.len() - 1
    }
}
