//! How good a node is for a request that fits it: the pool's policy gives 0 to 1, and preferences add to it, a weight of
//! 100 as much as the whole range of the policy. So nodes of pools with different policies can be compared.

use std::collections::HashMap;

use berth_types::sites::SchedulingPolicy;

use crate::{
    filter::model_matches,
    fleet::{Device, Fleet, GpuNeed, NodeState},
    model::{Amounts, GpuWorkload, NodeSnapshot, Request, WHOLE_GPU},
};

/// Range of a node's `priority` (`NodeUpdate::validate`).
const PRIORITY_RANGE: f64 = 1000.0;

/// A request, taken apart once for all nodes.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub request: &'a Request,
    pub amounts: &'a Amounts,
    pub gpu: &'a GpuNeed,
    /// Number of its shape; the same for requests that differ at most in their amounts.
    pub shape: usize,
}

/// What the policy gives. `share_on` is the device that fragmentation gradient descent chose for a share.
#[derive(Clone, Copy, Debug)]
pub struct Score {
    pub value: f64,
    pub share_on: Option<usize>,
}

/// The policy's score of a node that fits.
pub fn policy(fleet: &Fleet<'_>, index: usize, asked: &Asked<'_>, fragmentation: &mut Fragmentation) -> Score {
    let (state, amounts) = (&fleet.states[index], asked.amounts);
    let value = match state.policy {
        SchedulingPolicy::LoadBalance => 1.0 - load_after(state, amounts),
        SchedulingPolicy::BinPack => load_after(state, amounts),
        SchedulingPolicy::Priority => {
            (f64::from(fleet.nodes[index].priority) / PRIORITY_RANGE).clamp(-1.0, 1.0).mul_add(0.5, 0.5)
        }
        SchedulingPolicy::RoundRobin => {
            let pool = &fleet.pools[state.pool];
            let distance = (state.rank + pool.size - pool.next % pool.size) % pool.size;
            1.0 - distance as f64 / pool.size as f64
        }
        SchedulingPolicy::Affinity => affinity(asked.request, &fleet.nodes[index]),
        SchedulingPolicy::GpuFragmentation => return fragmentation.score(fleet, index, asked),
    };
    Score { value, share_on: None }
}

/// Share of the node's scarcest resource that is in use once the request is there, 0 to 1. Storage counts only where
/// it is asked for, so that an image-laden disk does not make an idle machine look busy.
pub fn load_after(state: &NodeState, amounts: &Amounts) -> f64 {
    let (free, sellable) = (&state.free, &state.sellable);
    let share = |free: i64, sellable: i64, needs: i64| {
        if sellable <= 0 { 0.0 } else { ((sellable - free + needs) as f64 / sellable as f64).clamp(0.0, 1.0) }
    };
    let mut load = share(free.cpu, sellable.cpu, amounts.cpu).max(share(free.memory, sellable.memory, amounts.memory));
    if amounts.storage > 0 {
        load = load.max(share(free.storage, sellable.storage, amounts.storage));
    }
    if amounts.gpu > 0 {
        load = load.max(share(free.gpu, sellable.gpu, amounts.gpu));
    }
    load
}

/// Half for where the user's things are, half for the preferred labels that the node has.
fn affinity(request: &Request, node: &NodeSnapshot) -> f64 {
    let near = request.affinity.iter().filter(|(id, _)| *id == node.id).map(|(_, weight)| *weight).max().unwrap_or(0);
    let labels = &request.preferences.preferred_labels;
    let total: i32 = labels.iter().map(|label| label.weight).sum();
    let has: i32 =
        labels.iter().filter(|label| node.labels.get(&label.key) == Some(&label.value)).map(|label| label.weight).sum();
    let labelled = if total > 0 { f64::from(has) / f64::from(total) } else { 0.0 };
    0.5 * f64::from(near.clamp(0, 100)) / 100.0 + 0.5 * labelled
}

/// What the request's preferences add, for each node; empty without preferences.
pub fn preferences(request: &Request, nodes: &[NodeSnapshot]) -> Vec<f64> {
    let preferences = &request.preferences;
    if preferences.preferred_nodes.is_empty() && preferences.preferred_labels.is_empty() {
        return Vec::new();
    }
    nodes.iter().map(|node| f64::from(preference(request, node)) / 100.0).collect()
}

fn preference(request: &Request, node: &NodeSnapshot) -> i32 {
    let preferences = &request.preferences;
    let of_node: i32 =
        preferences.preferred_nodes.iter().filter(|wanted| wanted.node_id == node.id).map(|wanted| wanted.weight).sum();
    let of_labels: i32 = preferences
        .preferred_labels
        .iter()
        .filter(|label| node.labels.get(&label.key) == Some(&label.value))
        .map(|label| label.weight)
        .sum();
    of_node + of_labels
}

/// Why there, for people.
pub fn explain(fleet: &Fleet<'_>, index: usize, request: &Request, amounts: &Amounts, fitting: usize) -> String {
    let (node, state) = (&fleet.nodes[index], &fleet.states[index]);
    let load = (load_after(state, amounts) * 100.0).round();
    let policy = state.policy;
    let why = match policy {
        SchedulingPolicy::LoadBalance => format!("least loaded, {load} % in use with this session"),
        SchedulingPolicy::BinPack => format!("fullest that fits, {load} % in use with this session"),
        SchedulingPolicy::Priority => format!("node priority {}", node.priority),
        SchedulingPolicy::RoundRobin => "its turn".to_owned(),
        SchedulingPolicy::Affinity if affinity(request, node) > 0.0 => {
            "nearest to your earlier work and labels".to_owned()
        }
        SchedulingPolicy::Affinity => "nothing of yours is anywhere yet".to_owned(),
        SchedulingPolicy::GpuFragmentation => "leaves the most usable GPUs".to_owned(),
    };
    let mut text = match fitting {
        1 => format!("{} is the only node that fits ({policy})", node.hostname),
        _ => format!("{} of {fitting} nodes that fit: {why} ({policy})", node.hostname),
    };
    let preferred = preference(request, node);
    if preferred > 0 {
        text.push_str(&format!("; preferences add {preferred}"));
    }
    text
}

/// Bits of [`Fragmentation::runnable`].
const MAX_KINDS: usize = 16;
/// Bounds the memory of [`Fragmentation::cached`]: 5,000 nodes take 200 KB for each.
const MAX_CACHED: usize = 64;

/// Fragmentation gradient descent (Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with
/// Fragmentation Gradient Descent", USENIX ATC'23): a node's fragmentation is the free GPU that typical work cannot use,
/// and a request goes where it raises that least.
#[derive(Debug)]
pub struct Fragmentation {
    kinds: Vec<(Amounts, f64)>,
    /// Per node: which kinds its GPU models can run.
    runnable: Vec<u16>,
    /// By shape and amounts: per node its version and score, as most nodes do not change between requests.
    cached: HashMap<(usize, Amounts), Scores>,
}

/// Per node; absent until it is asked for.
type Scores = Vec<Option<(u32, Score)>>;

impl Fragmentation {
    pub fn new(workload: &[GpuWorkload], fleet: &Fleet<'_>) -> Self {
        let cached = HashMap::new();
        if !fleet.states.iter().any(|state| state.policy == SchedulingPolicy::GpuFragmentation) {
            return Self { kinds: Vec::new(), runnable: Vec::new(), cached };
        }
        let common = [250, 500, 1000, 2000, 4000, 8000].map(|gpu| GpuWorkload {
            amounts: Amounts { gpu, ..Amounts::default() },
            gpu_type: None,
            weight: 1,
        });
        let mut kinds: Vec<&GpuWorkload> =
            workload.iter().filter(|kind| kind.amounts.gpu > 0 && kind.weight > 0).collect();
        if kinds.is_empty() {
            kinds = common.iter().collect();
        }
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.weight));
        kinds.truncate(MAX_KINDS);
        let total: f64 = kinds.iter().map(|kind| f64::from(kind.weight)).sum();
        let models: Vec<Option<String>> =
            kinds.iter().map(|kind| kind.gpu_type.as_deref().map(str::to_lowercase)).collect();
        let matching: Vec<Vec<bool>> = models
            .iter()
            .map(|wanted| fleet.models.iter().map(|model| model_matches(model, wanted.as_deref())).collect())
            .collect();
        let can = |state: &NodeState, kind: usize| state.devices.iter().any(|device| matching[kind][device.model]);
        let runnable = fleet
            .states
            .iter()
            .map(|state| (0..models.len()).fold(0, |bits, kind| bits | (u16::from(can(state, kind)) << kind)))
            .collect();
        let kinds = kinds.iter().map(|kind| (kind.amounts, f64::from(kind.weight) / total)).collect();
        Self { kinds, runnable, cached }
    }

    fn score(&mut self, fleet: &Fleet<'_>, index: usize, asked: &Asked<'_>) -> Score {
        let (amounts, gpu, state) = (asked.amounts, asked.gpu, &fleet.states[index]);
        let key = (asked.shape, *amounts);
        if let Some(Some((version, score))) = self.cached.get(&key).map(|scores| scores[index])
            && version == state.version
        {
            return score;
        }
        let before = self.amount(index, &state.free, &state.devices);
        let mut free = state.free;
        free.cpu -= amounts.cpu;
        free.memory -= amounts.memory;
        // Shares may go to any device that has room; which one is part of the choice.
        let candidates: Vec<Option<usize>> = if gpu.share > 0 {
            (0..state.devices.len()).filter(|&device| state.devices[device].free >= gpu.share).map(Some).collect()
        } else {
            vec![None]
        };
        let mut best: Option<(f64, Option<usize>)> = None;
        for share_on in candidates {
            let Some(chosen) = gpu.choose(&state.devices, share_on) else {
                continue;
            };
            let mut devices = state.devices.clone();
            for (device, milli) in chosen {
                devices[device].free -= milli;
            }
            let growth = self.amount(index, &free, &devices) - before;
            if best.is_none_or(|(least, _)| growth < least) {
                best = Some((growth, share_on));
            }
        }
        let (growth, share_on) = best.unwrap_or((f64::INFINITY, None));
        // The sigmoid of the authors' scheduler plugin keeps the order and brings it to 0..1.
        let value = 1.0 / (1.0 + (growth / WHOLE_GPU as f64).exp());
        let score = Score { value, share_on };
        if self.cached.len() >= MAX_CACHED && !self.cached.contains_key(&key) {
            self.cached.clear();
        }
        self.cached.entry(key).or_insert_with(|| vec![None; fleet.states.len()])[index] = Some((state.version, score));
        score
    }

    /// Expected free milli-GPUs that the workload cannot use here: all of them for a kind that cannot run, else those on
    /// devices too full for it.
    fn amount(&self, index: usize, free: &Amounts, devices: &[Device]) -> f64 {
        let frees = || devices.iter().map(|device| device.free);
        let total: i64 = frees().sum();
        let mut expected = 0.0;
        for (kind, (needs, weight)) in self.kinds.iter().enumerate() {
            let (whole, share) = (needs.gpu / WHOLE_GPU, needs.gpu % WHOLE_GPU);
            let least = if whole > 0 { WHOLE_GPU } else { share };
            let free_whole = frees().filter(|&free| free >= WHOLE_GPU).count() as i64;
            let partial = share > 0 && frees().any(|free| free < WHOLE_GPU && free >= share);
            let runs = self.runnable[index] & (1 << kind) != 0
                && free.cpu >= needs.cpu
                && free.memory >= needs.memory
                && free_whole >= whole + i64::from(share > 0 && !partial);
            let lost = if runs { frees().filter(|&free| free < least).sum() } else { total };
            expected += weight * lost as f64;
        }
        expected
    }
}
