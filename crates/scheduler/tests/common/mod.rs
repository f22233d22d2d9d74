//! A fleet in few words. Ids are small numbers, so that golden plans can be read.

#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::BTreeMap;

use berth_scheduler::{Amounts, Capacity, Gpu, Limit, NodeSnapshot, Request, Snapshot, WHOLE_GPU};
use berth_types::{
    GpuDeviceId, NodeId, ResourcePoolId, SessionId, TenantId, Timestamp, UserId,
    sessions::{PlacementPreferences, ResourceConstraints},
    sites::{EngineKind, NodeAdminState, NodeReachability, NodeType, RentalMode, ResourceKind, SchedulingPolicy},
};
use uuid::Uuid;

pub const GIB: i64 = 1024;

pub fn node_id(number: u128) -> NodeId {
    NodeId(Uuid::from_u128(0x1000 + number))
}

pub fn pool_id(number: u128) -> ResourcePoolId {
    ResourcePoolId(Uuid::from_u128(0x2000 + number))
}

pub fn tenant_id(number: u128) -> TenantId {
    TenantId(Uuid::from_u128(0x3000 + number))
}

pub fn user_id(number: u128) -> UserId {
    UserId(Uuid::from_u128(0x4000 + number))
}

pub fn session_id(number: u128) -> SessionId {
    SessionId(Uuid::from_u128(0x5000 + number))
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(1_750_000_000 + seconds, 0).unwrap()
}

/// Eight cores, 32 GB of memory, 100 GB of storage, no GPU; in pool 0.
pub fn node(number: u128) -> NodeSnapshot {
    let capacity = [(ResourceKind::Cpu, 8000), (ResourceKind::Memory, 32 * GIB), (ResourceKind::Storage, 100 * GIB)];
    NodeSnapshot {
        id: node_id(number),
        hostname: format!("node-{number}"),
        resource_pool_id: pool_id(0),
        scheduling_policy: SchedulingPolicy::LoadBalance,
        pool_active: true,
        edge_data_center_active: true,
        admin_state: NodeAdminState::Active,
        reachability: NodeReachability::Online,
        rental_mode: RentalMode::Shared,
        exclusive_tenant_id: None,
        node_type: NodeType::Compute,
        architecture: "x86_64".into(),
        labels: BTreeMap::new(),
        engine: EngineKind::Docker,
        allows_privileged: true,
        priority: 0,
        network_bandwidth_mbps: Some(1000),
        capacity: capacity.into_iter().map(|(kind, total)| (kind, Capacity::of(total))).collect(),
        gpus: Vec::new(),
        session_count: 0,
    }
}

/// With that many GPUs of 40 GB.
pub fn gpu_node(number: u128, gpus: usize, model: &str) -> NodeSnapshot {
    let mut node = node(number);
    node.node_type = NodeType::Gpu;
    node.capacity.insert(ResourceKind::Gpu, Capacity::of(gpus as i64 * WHOLE_GPU));
    node.gpus = (0..gpus)
        .map(|index| Gpu {
            id: GpuDeviceId(Uuid::from_u128(0x6000 + number * 16 + index as u128)),
            index: index as i32,
            model: model.into(),
            memory_mib: 40 * GIB,
            allocated_milli: 0,
        })
        .collect();
    node
}

pub fn allocate(node: &mut NodeSnapshot, kind: ResourceKind, amount: i64) {
    node.capacity.get_mut(&kind).unwrap().allocated += amount;
}

pub fn with_policy(mut nodes: Vec<NodeSnapshot>, policy: SchedulingPolicy) -> Vec<NodeSnapshot> {
    for node in &mut nodes {
        node.scheduling_policy = policy;
    }
    nodes
}

pub fn fleet(nodes: Vec<NodeSnapshot>) -> Snapshot {
    Snapshot { nodes, ..Snapshot::default() }
}

/// Priority 5, queued `number` seconds after the first; one core, 1 GB; of user and tenant 0.
pub fn request(number: u128) -> Request {
    Request {
        session_id: session_id(number),
        tenant_id: tenant_id(0),
        user_id: user_id(0),
        priority: 5,
        queued_at: at(number as i64),
        amounts: Amounts { cpu: 1000, memory: GIB, ..Amounts::default() },
        gpu_type: None,
        constraints: ResourceConstraints::default(),
        preferences: PlacementPreferences::default(),
        affinity: Vec::new(),
        resource_pool_id: None,
        engine: None,
        privileged: false,
    }
}

pub fn sized(number: u128, cores: i64, gb: i64) -> Request {
    Request { amounts: Amounts { cpu: cores * 1000, memory: gb * GIB, ..Amounts::default() }, ..request(number) }
}

pub fn with_gpu(number: u128, milli: i64) -> Request {
    let mut request = request(number);
    request.amounts.gpu = milli;
    request
}

pub fn limit(limit: i64, used: i64) -> Option<Limit> {
    Some(Limit { limit, used })
}

/// The snapshot once a placement is committed.
pub fn commit(snapshot: &mut Snapshot, requests: &[Request], plan: &berth_scheduler::Plan) {
    for placement in &plan.placements {
        let request = requests.iter().find(|request| request.session_id == placement.session_id).unwrap();
        let node = snapshot.nodes.iter_mut().find(|node| node.id == placement.node_id).unwrap();
        let Amounts { cpu, memory, storage, gpu } = placement.amounts;
        for (kind, amount) in [
            (ResourceKind::Cpu, cpu),
            (ResourceKind::Memory, memory),
            (ResourceKind::Storage, storage),
            (ResourceKind::Gpu, gpu),
        ] {
            if amount > 0 {
                allocate(node, kind, amount);
            }
        }
        for assignment in &placement.gpus {
            node.gpus.iter_mut().find(|gpu| gpu.id == assignment.gpu_id).unwrap().allocated_milli += assignment.milli;
        }
        node.session_count += 1;
        if node.rental_mode == RentalMode::Exclusive {
            node.exclusive_tenant_id = Some(request.tenant_id);
        }
        let tenant = snapshot.tenants.get_mut(&request.tenant_id).map(|tenant| &mut tenant.quota);
        let user = snapshot.users.get_mut(&request.user_id);
        for quota in [tenant, user].into_iter().flatten() {
            for (limit, amount) in [
                (&mut quota.sessions, 1),
                (&mut quota.cpu, cpu),
                (&mut quota.memory, memory),
                (&mut quota.gpu, gpu),
                (&mut quota.storage, storage),
            ] {
                if let Some(limit) = limit {
                    limit.used += amount;
                }
            }
        }
    }
    snapshot.round_robin.clone_from(&plan.round_robin);
}
