//! The nodes as a plan uses them up. What the inner loop reads lies together in one small record per node; names and
//! labels are looked at only once per shape of request.

use std::collections::HashMap;

use berth_types::{
    NodeId, ResourcePoolId, TenantId,
    sites::{ResourceKind, SchedulingPolicy},
};

use crate::{
    filter::{Filter, is_exclusive, least_gpu_memory, model_matches, within_workload_limit},
    model::{Amounts, GpuAssignment, NodeSnapshot, Request, Snapshot, WHOLE_GPU},
    quota::{stands_back, stronger},
};

/// What the plan knows of one node.
#[derive(Clone, Debug)]
pub struct NodeState {
    pub free: Amounts,
    /// Free when nothing is allocated.
    pub sellable: Amounts,
    per_workload: Amounts,
    /// In the order of the snapshot's list.
    pub devices: Vec<Device>,
    exclusive: bool,
    tenant: Option<TenantId>,
    held: Option<(i32, bool)>,
    pub policy: SchedulingPolicy,
    /// Index into [`Fleet::pools`].
    pub pool: usize,
    /// Position among the nodes of its pool in id order.
    pub rank: usize,
    pub sessions: i64,
    /// Orders nodes that are equally good; from the seed.
    pub tie: u64,
    /// Grows when the plan places something here.
    pub version: u32,
}

/// A GPU.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    /// Milli-GPUs.
    pub free: i64,
    /// MiB
    memory: i64,
    /// Index into [`Fleet::models`].
    pub model: usize,
}

#[derive(Clone, Debug)]
pub struct Pool {
    pub id: ResourcePoolId,
    pub size: usize,
    /// Rank that is next in the round.
    pub next: usize,
    last: Option<NodeId>,
}

#[derive(Debug)]
pub struct Fleet<'a> {
    pub nodes: &'a [NodeSnapshot],
    pub states: Vec<NodeState>,
    pub pools: Vec<Pool>,
    /// GPU models of the fleet, in lower case: compared by number in the inner loop.
    pub models: Vec<String>,
    /// Grows with every placement and hold; while it stands still, the same question has the same answer.
    pub version: u64,
}

/// GPUs as one request needs them.
#[derive(Clone, Debug)]
pub struct GpuNeed {
    /// Whole devices.
    pub whole: i64,
    /// Milli-GPUs of one more device.
    pub share: i64,
    /// Which of [`Fleet::models`] will do.
    models: Vec<bool>,
    /// MiB
    memory: i64,
}

impl GpuNeed {
    fn usable(&self, device: &Device) -> bool {
        device.memory >= self.memory && self.models[device.model]
    }

    /// Whether these devices can serve it, were `free` left of each.
    fn fits(&self, devices: &[Device], free: impl Fn(&Device) -> i64) -> bool {
        let (mut whole, mut partial) = (0, false);
        for device in devices.iter().filter(|device| self.usable(device)) {
            let free = free(device);
            if free >= WHOLE_GPU {
                whole += 1;
            } else if free >= self.share {
                partial = true;
            }
        }
        whole >= self.whole + i64::from(self.share > 0 && !partial)
    }

    /// Devices to use, by index and milli-GPUs; the share goes to `share_on`, else where the least is left over.
    pub fn choose(&self, devices: &[Device], share_on: Option<usize>) -> Option<Vec<(usize, i64)>> {
        let mut chosen = Vec::new();
        let usable = |index: &usize| self.usable(&devices[*index]);
        if self.share > 0 {
            let best = (0..devices.len())
                .filter(usable)
                .filter(|&index| devices[index].free >= self.share)
                .min_by_key(|&index| (Some(index) != share_on, devices[index].free, index))?;
            chosen.push((best, self.share));
        }
        let shared = chosen.first().map(|&(index, _)| index);
        let whole = (0..devices.len()).filter(usable).filter(|&i| devices[i].free >= WHOLE_GPU && Some(i) != shared);
        let wanted = usize::try_from(self.whole).ok()?;
        chosen.extend(whole.take(wanted).map(|index| (index, WHOLE_GPU)));
        (chosen.len() == wanted + usize::from(self.share > 0)).then_some(chosen)
    }
}

impl<'a> Fleet<'a> {
    pub fn new(snapshot: &'a Snapshot) -> Self {
        let nodes = &snapshot.nodes;
        let mut by_id: Vec<usize> = (0..nodes.len()).collect();
        by_id.sort_by_key(|&index| nodes[index].id);
        let mut pools: Vec<Pool> = Vec::new();
        let mut pool_index: HashMap<ResourcePoolId, usize> = HashMap::new();
        let mut place = vec![(0, 0); nodes.len()];
        for index in by_id {
            let node = &nodes[index];
            let pool = *pool_index.entry(node.resource_pool_id).or_insert_with(|| {
                let last = snapshot.round_robin.get(&node.resource_pool_id).copied();
                pools.push(Pool { id: node.resource_pool_id, size: 0, next: 0, last });
                pools.len() - 1
            });
            place[index] = (pool, pools[pool].size);
            pools[pool].size += 1;
            // Ids ascend, so the last one that is not beyond the cursor decides; the cursor's node itself may be gone.
            if pools[pool].last.is_some_and(|last| node.id <= last) {
                pools[pool].next = pools[pool].size;
            }
        }
        let (mut models, mut numbers) = (Vec::new(), HashMap::new());
        let mut number = |model: &str| {
            *numbers.entry(model.to_lowercase()).or_insert_with_key(|model| {
                models.push(model.clone());
                models.len() - 1
            })
        };
        let states =
            nodes.iter().zip(place).map(|(node, place)| state(node, place, snapshot.seed, &mut number)).collect();
        Self { nodes, states, pools, models, version: 0 }
    }

    pub fn gpu_need(&self, request: &Request) -> GpuNeed {
        let gpu = request.claims().gpu;
        let wanted = request.gpu_type.as_deref().map(str::to_lowercase);
        GpuNeed {
            whole: gpu / WHOLE_GPU,
            share: gpu % WHOLE_GPU,
            models: self.models.iter().map(|model| model_matches(model, wanted.as_deref())).collect(),
            memory: least_gpu_memory(request),
        }
    }

    /// The first filter of those that depend on amounts or on what is in use.
    pub fn changing(&self, index: usize, request: &Request, amounts: &Amounts, gpu: &GpuNeed) -> Option<Filter> {
        let state = &self.states[index];
        if !within_workload_limit(&state.per_workload, amounts) {
            return Some(Filter::MaxPerWorkload);
        }
        if state.exclusive && state.tenant.is_some_and(|tenant| tenant != request.tenant_id) {
            return Some(Filter::Exclusive);
        }
        let free = &state.free;
        // A resource that is not asked for may be oversold without harm to this request.
        let lacks = |free: i64, needs: i64| needs > 0 && free < needs;
        if amounts.gpu > 0 && (lacks(free.gpu, amounts.gpu) || !gpu.fits(&state.devices, |device| device.free)) {
            Some(Filter::Gpu)
        } else if lacks(free.cpu, amounts.cpu) {
            Some(Filter::Cpu)
        } else if lacks(free.memory, amounts.memory) {
            Some(Filter::Memory)
        } else if lacks(free.storage, amounts.storage) {
            Some(Filter::Storage)
        } else if stands_back(state.held, request.priority) {
            Some(Filter::Held)
        } else {
            None
        }
    }

    /// How much would have to be given back for the request to fit, as a share of the node; `None` when it is too big
    /// for the node even when empty.
    pub fn shortfall(&self, index: usize, amounts: &Amounts, gpu: &GpuNeed) -> Option<f64> {
        let state = &self.states[index];
        let (free, sellable) = (&state.free, &state.sellable);
        let mut missing = 0.0;
        for (needs, free, sellable) in [
            (amounts.cpu, free.cpu, sellable.cpu),
            (amounts.memory, free.memory, sellable.memory),
            (amounts.storage, free.storage, sellable.storage),
            (amounts.gpu, free.gpu, sellable.gpu),
        ] {
            if needs > sellable {
                return None;
            }
            missing += (needs - free).max(0) as f64 / sellable.max(1) as f64;
        }
        if amounts.gpu > 0 {
            if !gpu.fits(&state.devices, |_| WHOLE_GPU) {
                return None;
            }
            // Free shares on several devices do not add up to a device.
            if !gpu.fits(&state.devices, |device| device.free) {
                missing += 1.0 / state.devices.len() as f64;
            }
        }
        Some(missing)
    }

    /// Keeps the node for a request that waits for it.
    pub fn hold(&mut self, index: usize, priority: i32, aged: bool) {
        let held = &mut self.states[index].held;
        let new = Some(stronger(*held, (priority, aged)));
        if *held != new {
            *held = new;
            self.version += 1;
        }
    }

    /// Claims the amounts; `devices` are indices and milli-GPUs.
    pub fn claim(
        &mut self,
        index: usize,
        tenant: TenantId,
        amounts: &Amounts,
        devices: &[(usize, i64)],
    ) -> Vec<GpuAssignment> {
        let (node, state) = (&self.nodes[index], &mut self.states[index]);
        state.free.cpu -= amounts.cpu;
        state.free.memory -= amounts.memory;
        state.free.storage -= amounts.storage;
        state.free.gpu -= amounts.gpu;
        state.sessions += 1;
        state.version += 1;
        if state.exclusive {
            state.tenant = Some(tenant);
        }
        let pool = &mut self.pools[state.pool];
        pool.next = state.rank + 1;
        pool.last = Some(node.id);
        self.version += 1;
        devices
            .iter()
            .map(|&(device, milli)| {
                state.devices[device].free -= milli;
                GpuAssignment { gpu_id: node.gpus[device].id, milli }
            })
            .collect()
    }

    /// The cursors for the next plan; pools without nodes drop out.
    pub fn cursors(&self) -> impl Iterator<Item = (ResourcePoolId, NodeId)> + '_ {
        self.pools.iter().filter_map(|pool| pool.last.map(|last| (pool.id, last)))
    }
}

fn state(
    node: &NodeSnapshot,
    (pool, rank): (usize, usize),
    seed: u64,
    number: &mut impl FnMut(&str) -> usize,
) -> NodeState {
    let of = |kind| node.capacity.get(&kind).copied();
    let each = |read: &dyn Fn(ResourceKind) -> i64| Amounts {
        cpu: read(ResourceKind::Cpu),
        memory: read(ResourceKind::Memory),
        storage: read(ResourceKind::Storage),
        gpu: read(ResourceKind::Gpu),
    };
    NodeState {
        free: each(&|kind| of(kind).map_or(0, |capacity| capacity.free())),
        sellable: each(&|kind| of(kind).map_or(0, |capacity| capacity.sellable())),
        per_workload: each(&|kind| of(kind).and_then(|capacity| capacity.max_per_workload).unwrap_or(i64::MAX)),
        devices: node
            .gpus
            .iter()
            .map(|gpu| Device {
                free: WHOLE_GPU - gpu.allocated_milli,
                memory: gpu.memory_mib,
                model: number(&gpu.model),
            })
            .collect(),
        exclusive: is_exclusive(node),
        tenant: node.exclusive_tenant_id,
        held: None,
        policy: node.scheduling_policy,
        pool,
        rank,
        sessions: node.session_count,
        tie: mix(seed, node.id),
        version: 0,
    }
}

/// SplitMix64's finaliser (Steele, Lea, Flood 2014) over the id: an order that looks random and is the same every time.
fn mix(seed: u64, id: NodeId) -> u64 {
    let (high, low) = uuid::Uuid::from(id).as_u64_pair();
    let mut value = seed ^ high.rotate_left(32) ^ low;
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
