//! Edge data centres, resource pools, nodes and what they are made of. Sums are derived from `node_resources`, whose
//! `allocated_capacity` moves only with the ledger: nothing here writes it. Deleted rows stay, because the ledger and old
//! sessions name them; they are out of every read here and their names are free again.

use std::collections::{BTreeMap, HashMap, HashSet};

use berth_types::{
    EdgeDataCenterId, GpuDeviceId, NetworkTopologyId, NodeId, NodeNetworkInterfaceId, NodeResourceId, ResourcePoolId,
    StringMap, Timestamp,
    facts::{HostFacts, InterfaceFacts},
    page::Page,
    quantities::{mib_to_gb, milli_to_gpus, millicores_to_cores},
    sessions::SessionStatus,
    sites::{
        CapacityTotals, EdgeDataCenter, EdgeDataCenterCreate, EdgeDataCenterStatus, EdgeDataCenterUpdate, EngineKind,
        GpuDevice, HealthStatus, InterfaceType, MachineType, NetworkTopology, NetworkType, Node, NodeAdminState,
        NodeDetail, NodeFilter, NodeNetworkInterface, NodeReachability, NodeResource, NodeStatus, NodeType, NodeUpdate,
        RentalMode, ResourceConstraintsConfig, ResourceKind, ResourcePool, ResourcePoolCreate, ResourcePoolStatus,
        ResourcePoolType, ResourcePoolUpdate,
    },
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, Iterable, JoinType, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, OnConflict, Value},
};

use crate::{
    Json, Result, StoreError, dialect,
    entities::{
        allocations, edge_data_centers, gpu_devices, network_topologies, node_network_interfaces, node_resources,
        nodes, resource_pools, sessions, user_networks,
    },
    page::{self, Direction, PageRequest},
    rows,
};

/// A node's row, with what the API does not show.
pub type NodeRecord = nodes::Model;

// ---- sums

#[derive(FromQueryResult)]
struct SumRow {
    owner: uuid::Uuid,
    resource_type: ResourceKind,
    total: i64,
    allocated: i64,
}

#[derive(FromQueryResult)]
struct CountRow {
    owner: uuid::Uuid,
    count: i64,
}

/// Sums over the living nodes of each data centre or pool, whichever `owner` is.
async fn totals(
    db: &impl ConnectionTrait,
    owner: nodes::Column,
    ids: &[uuid::Uuid],
) -> Result<HashMap<uuid::Uuid, CapacityTotals>> {
    let to_node = node_resources::Entity::belongs_to(nodes::Entity)
        .from(node_resources::Column::NodeId)
        .to(nodes::Column::Id)
        .into();
    let rows = node_resources::Entity::find()
        .join(JoinType::InnerJoin, to_node)
        .select_only()
        .column_as(owner, "owner")
        .column(node_resources::Column::ResourceType)
        .expr_as(dialect::sum_bigint(Expr::col(node_resources::Column::TotalCapacity)), "total")
        .expr_as(dialect::sum_bigint(Expr::col(node_resources::Column::AllocatedCapacity)), "allocated")
        .filter(nodes::Column::DeletedAt.is_null())
        .filter(owner.is_in(ids.iter().copied()))
        .group_by(owner)
        .group_by(node_resources::Column::ResourceType)
        .into_model::<SumRow>()
        .all(db)
        .await?;
    let mut sums: HashMap<uuid::Uuid, CapacityTotals> = HashMap::new();
    for row in rows {
        let sum = sums.entry(row.owner).or_default();
        match row.resource_type {
            ResourceKind::Cpu => {
                sum.total_cpu_cores = millicores_to_cores(row.total);
                sum.allocated_cpu_cores = millicores_to_cores(row.allocated);
            }
            ResourceKind::Memory => {
                sum.total_memory_gb = mib_to_gb(row.total);
                sum.allocated_memory_gb = mib_to_gb(row.allocated);
            }
            ResourceKind::Storage => {
                sum.total_storage_gb = mib_to_gb(row.total);
                sum.allocated_storage_gb = mib_to_gb(row.allocated);
            }
            ResourceKind::Gpu => {
                sum.total_gpu_count = milli_to_gpus(row.total);
                sum.allocated_gpu_count = milli_to_gpus(row.allocated);
            }
            ResourceKind::Network => {}
        }
    }
    Ok(sums)
}

// ---- edge data centres

async fn present_centers(
    db: &impl ConnectionTrait,
    rows: Vec<edge_data_centers::Model>,
) -> Result<Vec<EdgeDataCenter>> {
    let ids: Vec<_> = rows.iter().map(|row| row.id.0).collect();
    let mut totals = totals(db, nodes::Column::EdgeDataCenterId, &ids).await?;
    let present = |row: edge_data_centers::Model| EdgeDataCenter {
        totals: totals.remove(&row.id.0).unwrap_or_default(),
        id: row.id,
        name: row.name,
        location: row.location,
        status: row.status,
        network_config: row.network_config.0,
        generation: row.generation,
        created_at: row.created_at,
        updated_at: row.updated_at,
    };
    Ok(rows.into_iter().map(present).collect())
}

fn living_center(id: EdgeDataCenterId) -> Condition {
    Condition::all().add(edge_data_centers::Column::Id.eq(id)).add(edge_data_centers::Column::DeletedAt.is_null())
}

async fn first<T>(list: Vec<T>, noun: &'static str) -> Result<T> {
    list.into_iter().next().ok_or(StoreError::NotFound(noun))
}

/// # Errors
/// `InvalidFilter` for a wrong cursor.
pub async fn edge_data_center_list(db: &impl ConnectionTrait, request: &PageRequest) -> Result<Page<EdgeDataCenter>> {
    let select = edge_data_centers::Entity::find().filter(edge_data_centers::Column::DeletedAt.is_null());
    let key = (edge_data_centers::Column::Id, edge_data_centers::Column::Id);
    let page = page::fetch(db, select, request, key, Direction::Ascending, |row| (row.id.0, row.id.0)).await?;
    Ok(Page { items: present_centers(db, page.items).await?, next_cursor: page.next_cursor })
}

/// # Errors
/// `NotFound`.
pub async fn edge_data_center_get(db: &impl ConnectionTrait, id: EdgeDataCenterId) -> Result<EdgeDataCenter> {
    let rows = edge_data_centers::Entity::find().filter(living_center(id)).all(db).await?;
    first(present_centers(db, rows).await?, "edge data center").await
}

/// # Errors
/// `AlreadyExists`.
pub async fn edge_data_center_insert(
    db: &impl ConnectionTrait,
    center: &EdgeDataCenterCreate,
    now: Timestamp,
) -> Result<EdgeDataCenter> {
    let row = edge_data_centers::ActiveModel {
        id: Set(EdgeDataCenterId::new()),
        name: Set(center.name.clone()),
        location: Set(center.location.clone()),
        status: Set(EdgeDataCenterStatus::Active),
        network_config: Set(Json(StringMap::new())),
        generation: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        deleted_at: Set(None),
    };
    first(present_centers(db, vec![row.insert(db).await?]).await?, "edge data center").await
}

/// Absent fields stay.
///
/// # Errors
/// `NotFound`, `Stale`, `AlreadyExists`.
pub async fn edge_data_center_update(
    db: &impl ConnectionTrait,
    id: EdgeDataCenterId,
    update: &EdgeDataCenterUpdate,
    generation: Option<i64>,
    now: Timestamp,
) -> Result<EdgeDataCenter> {
    let mut change = edge_data_centers::ActiveModel { updated_at: Set(now), ..Default::default() };
    if let Some(name) = &update.name {
        change.name = Set(name.clone());
    }
    if let Some(location) = &update.location {
        change.location = Set(Some(location.clone()));
    }
    if let Some(status) = update.status {
        change.status = Set(status);
    }
    let generation = (edge_data_centers::Column::Generation, generation);
    let row = rows::update(db, "edge data center", change, living_center(id), generation).await?;
    first(present_centers(db, vec![row]).await?, "edge data center").await
}

/// # Errors
/// `NotFound`, `Stale`, `InUse` while it has pools or nodes.
pub async fn edge_data_center_delete(
    db: &impl ConnectionTrait,
    id: EdgeDataCenterId,
    generation: Option<i64>,
    now: Timestamp,
) -> Result<()> {
    let pools = resource_pools::Entity::find()
        .filter(resource_pools::Column::EdgeDataCenterId.eq(id))
        .filter(resource_pools::Column::DeletedAt.is_null())
        .count(db)
        .await?;
    if pools > 0 {
        return Err(StoreError::InUse(format!("It still has {pools} resource pools. Delete them first.")));
    }
    let change =
        edge_data_centers::ActiveModel { deleted_at: Set(Some(now)), updated_at: Set(now), ..Default::default() };
    let generation = (edge_data_centers::Column::Generation, generation);
    rows::update(db, "edge data center", change, living_center(id), generation).await?;
    Ok(())
}

// ---- resource pools

async fn present_pools(db: &impl ConnectionTrait, rows: Vec<resource_pools::Model>) -> Result<Vec<ResourcePool>> {
    let ids: Vec<_> = rows.iter().map(|row| row.id.0).collect();
    let mut totals = totals(db, nodes::Column::ResourcePoolId, &ids).await?;
    let counts = nodes::Entity::find()
        .select_only()
        .column_as(nodes::Column::ResourcePoolId, "owner")
        .column_as(nodes::Column::Id.count(), "count")
        .filter(nodes::Column::DeletedAt.is_null())
        .filter(nodes::Column::ResourcePoolId.is_in(ids))
        .group_by(nodes::Column::ResourcePoolId)
        .into_model::<CountRow>()
        .all(db)
        .await?;
    let counts: HashMap<_, _> = counts.into_iter().map(|row| (row.owner, row.count)).collect();
    let present = |row: resource_pools::Model| ResourcePool {
        totals: totals.remove(&row.id.0).unwrap_or_default(),
        node_count: counts.get(&row.id.0).copied().unwrap_or_default(),
        id: row.id,
        name: row.name,
        description: row.description,
        edge_data_center_id: row.edge_data_center_id,
        pool_type: row.pool_type,
        scheduling_policy: row.scheduling_policy,
        status: row.status,
        generation: row.generation,
        created_at: row.created_at,
        updated_at: row.updated_at,
    };
    Ok(rows.into_iter().map(present).collect())
}

fn living_pool(id: ResourcePoolId) -> Condition {
    Condition::all().add(resource_pools::Column::Id.eq(id)).add(resource_pools::Column::DeletedAt.is_null())
}

/// # Errors
/// `InvalidFilter` for a wrong cursor.
pub async fn resource_pool_list(db: &impl ConnectionTrait, request: &PageRequest) -> Result<Page<ResourcePool>> {
    let select = resource_pools::Entity::find().filter(resource_pools::Column::DeletedAt.is_null());
    let key = (resource_pools::Column::Id, resource_pools::Column::Id);
    let page = page::fetch(db, select, request, key, Direction::Ascending, |row| (row.id.0, row.id.0)).await?;
    Ok(Page { items: present_pools(db, page.items).await?, next_cursor: page.next_cursor })
}

/// # Errors
/// `NotFound`.
pub async fn resource_pool_get(db: &impl ConnectionTrait, id: ResourcePoolId) -> Result<ResourcePool> {
    let rows = resource_pools::Entity::find().filter(living_pool(id)).all(db).await?;
    first(present_pools(db, rows).await?, "resource pool").await
}

/// # Errors
/// `AlreadyExists`, `NotFound` when the data centre is gone.
pub async fn resource_pool_insert(
    db: &impl ConnectionTrait,
    pool: &ResourcePoolCreate,
    now: Timestamp,
) -> Result<ResourcePool> {
    let center = edge_data_centers::Entity::find().filter(living_center(pool.edge_data_center_id)).one(db).await?;
    if center.is_none() {
        return Err(StoreError::NotFound("edge data center"));
    }
    let row = resource_pools::ActiveModel {
        id: Set(ResourcePoolId::new()),
        name: Set(pool.name.clone()),
        description: Set(pool.description.clone()),
        edge_data_center_id: Set(pool.edge_data_center_id),
        pool_type: Set(ResourcePoolType::Compute),
        scheduling_policy: Set(pool.scheduling_policy),
        status: Set(ResourcePoolStatus::Active),
        generation: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        deleted_at: Set(None),
    };
    first(present_pools(db, vec![row.insert(db).await?]).await?, "resource pool").await
}

/// Absent fields stay.
///
/// # Errors
/// `NotFound`, `Stale`, `AlreadyExists`.
pub async fn resource_pool_update(
    db: &impl ConnectionTrait,
    id: ResourcePoolId,
    update: &ResourcePoolUpdate,
    generation: Option<i64>,
    now: Timestamp,
) -> Result<ResourcePool> {
    let mut change = resource_pools::ActiveModel { updated_at: Set(now), ..Default::default() };
    if let Some(name) = &update.name {
        change.name = Set(name.clone());
    }
    if let Some(text) = &update.description {
        change.description = Set(Some(text.clone()));
    }
    if let Some(policy) = update.scheduling_policy {
        change.scheduling_policy = Set(policy);
    }
    if let Some(status) = update.status {
        change.status = Set(status);
    }
    let generation = (resource_pools::Column::Generation, generation);
    let row = rows::update(db, "resource pool", change, living_pool(id), generation).await?;
    first(present_pools(db, vec![row]).await?, "resource pool").await
}

/// # Errors
/// `NotFound`, `Stale`, `InUse` while it has nodes or sessions wait for it.
pub async fn resource_pool_delete(
    db: &impl ConnectionTrait,
    id: ResourcePoolId,
    generation: Option<i64>,
    now: Timestamp,
) -> Result<()> {
    let members = nodes::Entity::find()
        .filter(nodes::Column::ResourcePoolId.eq(id))
        .filter(nodes::Column::DeletedAt.is_null())
        .count(db)
        .await?;
    if members > 0 {
        return Err(StoreError::InUse(format!("It still has {members} nodes. Move or delete them first.")));
    }
    let waiting = sessions::Entity::find()
        .filter(sessions::Column::ResourcePoolId.eq(id))
        .filter(sessions::Column::Status.eq(SessionStatus::Pending))
        .count(db)
        .await?;
    if waiting > 0 {
        return Err(StoreError::InUse(format!("{waiting} sessions wait for a node of it. Stop them first.")));
    }
    let change = resource_pools::ActiveModel { deleted_at: Set(Some(now)), updated_at: Set(now), ..Default::default() };
    rows::update(db, "resource pool", change, living_pool(id), (resource_pools::Column::Generation, generation))
        .await?;
    Ok(())
}

// ---- nodes: reading

fn living_node(id: NodeId) -> Condition {
    Condition::all().add(nodes::Column::Id.eq(id)).add(nodes::Column::DeletedAt.is_null())
}

/// Living nodes without their facts and sealed configuration: long texts that lists do not show.
fn slim() -> Select<nodes::Entity> {
    nodes::Entity::find()
        .select_only()
        .columns(
            nodes::Column::iter()
                .filter(|column| !matches!(column, nodes::Column::Facts | nodes::Column::ConnectionConfig)),
        )
        .expr_as(Expr::val(Value::Json(None)), "facts")
        .expr_as(Expr::val(Value::Bytes(None)), "connection_config")
        .filter(nodes::Column::DeletedAt.is_null())
}

/// The living node's row.
///
/// # Errors
/// `NotFound`.
pub async fn node(db: &impl ConnectionTrait, id: NodeId) -> Result<NodeRecord> {
    nodes::Entity::find().filter(living_node(id)).one(db).await?.ok_or(StoreError::NotFound("node"))
}

/// Rows of all living nodes, without facts and sealed configuration, in the order of their registration.
///
/// # Errors
/// `Unavailable`.
pub async fn nodes(db: &impl ConnectionTrait) -> Result<Vec<NodeRecord>> {
    Ok(slim().order_by_asc(nodes::Column::Id).all(db).await?)
}

/// What one node offers, for the scheduler.
#[derive(Clone, Debug)]
pub struct NodeInventory {
    /// Without facts and sealed configuration.
    pub node: NodeRecord,
    pub resources: Vec<node_resources::Model>,
    pub gpus: Vec<gpu_devices::Model>,
}

/// Every living node with what it has and what of it is sold; three queries however many there are.
///
/// # Errors
/// `Unavailable`.
pub async fn inventory(db: &impl ConnectionTrait) -> Result<Vec<NodeInventory>> {
    let nodes = nodes(db).await?;
    let mut resources: HashMap<NodeId, Vec<node_resources::Model>> = HashMap::new();
    for row in node_resources::Entity::find().all(db).await? {
        resources.entry(row.node_id).or_default().push(row);
    }
    let mut gpus: HashMap<NodeId, Vec<gpu_devices::Model>> = HashMap::new();
    for row in gpu_devices::Entity::find().order_by_asc(gpu_devices::Column::DeviceIndex).all(db).await? {
        gpus.entry(row.node_id).or_default().push(row);
    }
    let with = |node: NodeRecord| NodeInventory {
        resources: resources.remove(&node.id).unwrap_or_default(),
        gpus: gpus.remove(&node.id).unwrap_or_default(),
        node,
    };
    Ok(nodes.into_iter().map(with).collect())
}

/// The pairs of columns that a status is made of.
fn that_is(status: NodeStatus) -> Condition {
    let pairs = NodeAdminState::ALL.iter().flat_map(|admin| NodeReachability::ALL.iter().map(|reach| (*admin, *reach)));
    pairs.filter(|(admin, reach)| NodeStatus::derive(*admin, *reach) == status).fold(
        Condition::any(),
        |any, (admin, reach)| {
            let both = Condition::all().add(nodes::Column::AdminState.eq(admin));
            any.add(both.add(nodes::Column::Reachability.eq(reach)))
        },
    )
}

/// Nodes in the order of their registration.
///
/// # Errors
/// `InvalidFilter` for a wrong cursor.
pub async fn node_list(db: &impl ConnectionTrait, filter: &NodeFilter) -> Result<Page<Node>> {
    let mut select = slim();
    if let Some(pool) = filter.resource_pool_id {
        select = select.filter(nodes::Column::ResourcePoolId.eq(pool));
    }
    if let Some(search) = &filter.search {
        let columns =
            [nodes::Column::Name, nodes::Column::Hostname, nodes::Column::IpAddress, nodes::Column::BusinessIp];
        select = select.filter(rows::containing(&columns, search));
    }
    if let Some(status) = filter.status {
        select = select.filter(that_is(status));
    }
    if let Some(engine) = filter.engine {
        select = select.filter(nodes::Column::Engine.eq(engine));
    }
    let request = PageRequest::new(filter.limit, filter.cursor.clone());
    let key = (nodes::Column::Id, nodes::Column::Id);
    let page = page::fetch(db, select, &request, key, Direction::Ascending, |row| (row.id.0, row.id.0)).await?;
    let parts = parts_of(db, page.items.iter().map(|row| row.id).collect()).await?;
    let present = |row: NodeRecord| {
        let parts = parts.get(&row.id);
        present_node(row, parts)
    };
    Ok(Page { items: page.items.into_iter().map(present).collect(), next_cursor: page.next_cursor })
}

/// # Errors
/// `NotFound`.
pub async fn node_detail(db: &impl ConnectionTrait, id: NodeId) -> Result<NodeDetail> {
    let mut row = node(db, id).await?;
    let facts = row.facts.take().map(|facts| facts.0);
    let parts = parts_of(db, vec![id]).await?.remove(&id).unwrap_or_default();
    let interfaces = node_network_interfaces::Entity::find()
        .filter(node_network_interfaces::Column::NodeId.eq(id))
        .order_by_asc(node_network_interfaces::Column::InterfaceName)
        .all(db)
        .await?;
    Ok(NodeDetail {
        node: present_node(row, Some(&parts)),
        resources: parts.resources.iter().map(resource_of).collect(),
        gpu_devices: parts.gpus.iter().map(gpu_of).collect(),
        network_interfaces: interfaces.into_iter().map(interface_of).collect(),
        facts,
    })
}

/// Names of nodes, also of deleted ones: old sessions show them.
///
/// # Errors
/// `Unavailable`.
pub async fn node_names(db: &impl ConnectionTrait, ids: &[NodeId]) -> Result<HashMap<NodeId, String>> {
    let rows: Vec<(NodeId, String)> = nodes::Entity::find()
        .select_only()
        .columns([nodes::Column::Id, nodes::Column::Name])
        .filter(nodes::Column::Id.is_in(ids.iter().copied()))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}

#[derive(Default)]
struct Parts {
    resources: Vec<node_resources::Model>,
    gpus: Vec<gpu_devices::Model>,
    sessions: i64,
}

async fn parts_of(db: &impl ConnectionTrait, ids: Vec<NodeId>) -> Result<HashMap<NodeId, Parts>> {
    let mut parts: HashMap<NodeId, Parts> = ids.iter().map(|id| (*id, Parts::default())).collect();
    let resources = node_resources::Entity::find()
        .filter(node_resources::Column::NodeId.is_in(ids.iter().copied()))
        .all(db)
        .await?;
    for row in resources {
        parts.entry(row.node_id).or_default().resources.push(row);
    }
    // Sorted here: the databases order enums differently, by declaration and by text.
    for part in parts.values_mut() {
        part.resources.sort_by_key(|row| row.resource_type);
    }
    let gpus = gpu_devices::Entity::find()
        .filter(gpu_devices::Column::NodeId.is_in(ids.iter().copied()))
        .order_by_asc(gpu_devices::Column::DeviceIndex)
        .all(db)
        .await?;
    for row in gpus {
        parts.entry(row.node_id).or_default().gpus.push(row);
    }
    let counts = sessions::Entity::find()
        .select_only()
        .column_as(sessions::Column::ScheduledNodeId, "owner")
        .column_as(sessions::Column::Id.count(), "count")
        .filter(sessions::Column::ScheduledNodeId.is_in(ids))
        .filter(sessions::Column::Status.is_in(SessionStatus::ALLOCATED.iter().copied()))
        .group_by(sessions::Column::ScheduledNodeId)
        .into_model::<CountRow>()
        .all(db)
        .await?;
    for row in counts {
        parts.entry(NodeId(row.owner)).or_default().sessions = row.count;
    }
    Ok(parts)
}

/// floor(total × overcommit) − allocated − reservation, in base units; negative when less is there than was sold.
pub fn available(row: &node_resources::Model) -> i64 {
    let sellable = i128::from(row.total_capacity) * i128::from(row.overcommit_permille) / 1000;
    i64::try_from(sellable).unwrap_or(i64::MAX) - row.allocated_capacity - row.reservation_capacity
}

fn resource_of(row: &node_resources::Model) -> NodeResource {
    NodeResource {
        resource_type: row.resource_type,
        total_capacity: row.total_capacity,
        allocated_capacity: row.allocated_capacity,
        available_capacity: available(row),
        reservation_capacity: row.reservation_capacity,
        unit: row.resource_type.unit().to_owned(),
        constraints: ResourceConstraintsConfig {
            overcommit_ratio: f64::from(row.overcommit_permille) / 1000.0,
            max_per_workload: row.max_per_workload,
        },
    }
}

fn gpu_of(row: &gpu_devices::Model) -> GpuDevice {
    GpuDevice {
        id: row.id,
        device_index: row.device_index,
        uuid: row.uuid.clone(),
        model: row.model.clone(),
        memory_gb: mib_to_gb(row.memory_mib),
        allocated_milli: row.allocated_milli,
    }
}

fn interface_of(row: node_network_interfaces::Model) -> NodeNetworkInterface {
    NodeNetworkInterface {
        id: row.id,
        topology_id: row.topology_id,
        interface_name: row.interface_name,
        mac_address: row.mac_address,
        ip_address: row.ip_address,
        interface_type: row.interface_type,
        speed_mbps: row.speed_mbps,
        duplex: row.duplex,
        status: row.status,
        driver: row.driver,
        firmware_version: row.firmware_version,
        pci_slot: row.pci_slot,
        numa_node: row.numa_node,
    }
}

fn present_node(row: NodeRecord, parts: Option<&Parts>) -> Node {
    let resource = |kind: ResourceKind| {
        let row = parts.and_then(|parts| parts.resources.iter().find(|row| row.resource_type == kind));
        row.map_or((0, 0), |row| (row.total_capacity, row.allocated_capacity))
    };
    let (cpu, memory, storage) =
        (resource(ResourceKind::Cpu), resource(ResourceKind::Memory), resource(ResourceKind::Storage));
    let gpus = parts.map(|parts| parts.gpus.as_slice()).unwrap_or_default();
    let mut models: Vec<&str> = gpus.iter().map(|gpu| gpu.model.as_str()).collect();
    models.dedup();
    Node {
        status: NodeStatus::derive(row.admin_state, row.reachability),
        total_cpu_cores: millicores_to_cores(cpu.0),
        total_memory_gb: mib_to_gb(memory.0),
        total_storage_gb: mib_to_gb(storage.0),
        allocated_cpu_cores: millicores_to_cores(cpu.1),
        allocated_memory_gb: mib_to_gb(memory.1),
        allocated_storage_gb: mib_to_gb(storage.1),
        gpu_count: gpus.len() as i64,
        gpu_model: (!models.is_empty()).then(|| models.join(", ")),
        gpu_memory_gb: mib_to_gb(gpus.iter().map(|gpu| gpu.memory_mib).sum()),
        allocated_gpu_count: milli_to_gpus(gpus.iter().map(|gpu| gpu.allocated_milli).sum()),
        session_count: parts.map_or(0, |parts| parts.sessions),
        id: row.id,
        hostname: row.hostname,
        name: row.name,
        edge_data_center_id: row.edge_data_center_id,
        resource_pool_id: row.resource_pool_id,
        node_type: row.node_type,
        machine_type: row.machine_type,
        rental_mode: row.rental_mode,
        hypervisor_type: row.hypervisor_type,
        engine: row.engine,
        ip_address: row.ip_address,
        business_ip: row.business_ip,
        admin_state: row.admin_state,
        reachability: row.reachability,
        health_status: row.health_status,
        status_reason: row.status_reason,
        drain_deadline_at: row.drain_deadline_at,
        priority: row.priority,
        network_bandwidth_mbps: row.network_bandwidth_mbps,
        architecture: row.architecture,
        os_version: row.os_version,
        kernel_version: row.kernel_version,
        docker_version: row.docker_version,
        libvirt_version: row.libvirt_version,
        qemu_version: row.qemu_version,
        labels: row.labels.0,
        annotations: row.annotations.0,
        tags: row.tags.0,
        capabilities: row.capabilities.0,
        last_heartbeat: row.last_heartbeat,
        generation: row.generation,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

// ---- nodes: registering and reporting

/// A machine that reports itself.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Its name when it is new; a number is added when another machine has it.
    pub name: String,
    pub engine: EngineKind,
    /// Where it goes when it is new.
    pub edge_data_center_id: EdgeDataCenterId,
    pub resource_pool_id: ResourcePoolId,
    pub facts: HostFacts,
    /// Base units per resource. See [`Registration::totals_of`].
    pub totals: BTreeMap<ResourceKind, i64>,
    /// Held back for the machine itself, when it is new.
    pub reservations: BTreeMap<ResourceKind, i64>,
    pub capabilities: StringMap,
}

impl Registration {
    /// What the facts say a machine has; `storage_mib` is the file system that holds its containers.
    pub fn totals_of(facts: &HostFacts, storage_mib: i64) -> BTreeMap<ResourceKind, i64> {
        BTreeMap::from([
            (ResourceKind::Cpu, facts.cpu_threads * 1000),
            (ResourceKind::Memory, facts.memory_mib),
            (ResourceKind::Storage, storage_mib),
            (ResourceKind::Gpu, facts.gpus.len() as i64 * 1000),
            (ResourceKind::Network, bandwidth(facts).unwrap_or(0)),
        ])
    }
}

/// Mbit/s of the interface that holds the machine's address, else of its fastest physical one.
fn bandwidth(facts: &HostFacts) -> Option<i64> {
    let main = facts.interfaces.iter().find(|interface| is_main(interface, facts)).and_then(|i| i.speed_mbps);
    main.or_else(|| facts.interfaces.iter().filter(|i| i.physical).filter_map(|i| i.speed_mbps).max())
}

fn is_main(interface: &InterfaceFacts, facts: &HostFacts) -> bool {
    facts.primary_ip.as_ref().is_some_and(|ip| interface.ip_addresses.contains(ip))
}

/// Registers a machine, or brings the row of a known one up to date: the same machine is known by its machine id, a
/// simulated one by its name. What people set (name, pool, labels, states, reservations) stays, and so does every
/// `allocated` column. Tells whether the node is new.
///
/// # Errors
/// `AlreadyExists` when another living node has the same address.
pub async fn node_register(
    db: &impl ConnectionTrait,
    registration: &Registration,
    now: Timestamp,
) -> Result<(NodeRecord, bool)> {
    let facts = &registration.facts;
    let living = || nodes::Entity::find().filter(nodes::Column::DeletedAt.is_null());
    let known = match &facts.machine_id {
        Some(machine) => living().filter(nodes::Column::MachineId.eq(machine.as_str())).one(db).await?,
        None => {
            living()
                .filter(nodes::Column::EdgeDataCenterId.eq(registration.edge_data_center_id))
                .filter(nodes::Column::Name.eq(registration.name.as_str()))
                .filter(nodes::Column::MachineId.is_null())
                .one(db)
                .await?
        }
    };
    let simulated = registration.engine == EngineKind::Sim;
    let mut row = nodes::ActiveModel {
        hostname: Set(facts.hostname.clone()),
        engine: Set(registration.engine),
        machine_id: Set(facts.machine_id.clone()),
        ip_address: Set(facts.primary_ip.clone()),
        reachability: Set(NodeReachability::Online),
        network_bandwidth_mbps: Set(registration.totals.get(&ResourceKind::Network).copied().filter(|mbps| *mbps > 0)),
        architecture: Set(facts.architecture.clone()),
        os_version: Set(facts.os_version.clone()),
        kernel_version: Set(facts.kernel_version.clone()),
        docker_version: Set(facts.docker_version.clone()),
        libvirt_version: Set(facts.libvirt_version.clone()),
        qemu_version: Set(facts.qemu_version.clone()),
        capabilities: Set(Json(registration.capabilities.clone())),
        facts: Set((!simulated).then(|| Json(facts.clone()))),
        last_heartbeat: Set(Some(now)),
        updated_at: Set(now),
        ..Default::default()
    };
    let is_new = known.is_none();
    let record = if let Some(known) = known {
        row.id = Unchanged(known.id);
        row.update(db).await?
    } else {
        let has_gpu = !facts.gpus.is_empty();
        row.id = Set(NodeId::new());
        row.name = Set(free_name(db, registration).await?);
        row.edge_data_center_id = Set(registration.edge_data_center_id);
        row.resource_pool_id = Set(registration.resource_pool_id);
        row.node_type = Set(if has_gpu { NodeType::Gpu } else { NodeType::Compute });
        row.machine_type = Set(if has_gpu { MachineType::GpuServer } else { MachineType::CpuServer });
        row.rental_mode = Set(RentalMode::Shared);
        row.hypervisor_type = Set(None);
        row.connection_config = Set(None);
        row.business_ip = Set(None);
        row.admin_state = Set(NodeAdminState::Active);
        row.health_status = Set(HealthStatus::Healthy);
        row.status_reason = Set(None);
        row.drain_deadline_at = Set(None);
        row.priority = Set(0);
        row.labels = Set(Json(StringMap::new()));
        row.annotations = Set(Json(StringMap::new()));
        row.tags = Set(Json(StringMap::new()));
        row.generation = Set(1);
        row.created_at = Set(now);
        row.deleted_at = Set(None);
        row.insert(db).await?
    };
    write_resources(db, record.id, registration, now).await?;
    write_gpus(db, record.id, facts, now).await?;
    write_interfaces(db, record.id, facts, now).await?;
    Ok((record, is_new))
}

/// The registration's name, or that with the first free number.
async fn free_name(db: &impl ConnectionTrait, registration: &Registration) -> Result<String> {
    let taken: Vec<String> = nodes::Entity::find()
        .select_only()
        .column(nodes::Column::Name)
        .filter(nodes::Column::EdgeDataCenterId.eq(registration.edge_data_center_id))
        .filter(nodes::Column::DeletedAt.is_null())
        .filter(nodes::Column::Name.starts_with(registration.name.as_str()))
        .into_tuple()
        .all(db)
        .await?;
    let taken: HashSet<String> = taken.into_iter().collect();
    let numbered = (2..).map(|number| format!("{}-{number}", registration.name));
    let mut names = std::iter::once(registration.name.clone()).chain(numbered);
    names.find(|name| !taken.contains(name)).ok_or_else(|| StoreError::internal("no free node name"))
}

async fn write_resources(
    db: &impl ConnectionTrait,
    node: NodeId,
    registration: &Registration,
    now: Timestamp,
) -> Result<()> {
    let row = |(kind, total): (&ResourceKind, &i64)| node_resources::ActiveModel {
        id: Set(NodeResourceId::new()),
        node_id: Set(node),
        resource_type: Set(*kind),
        total_capacity: Set(*total),
        allocated_capacity: Set(0),
        reservation_capacity: Set(registration.reservations.get(kind).copied().unwrap_or(0)),
        overcommit_permille: Set(1000),
        max_per_workload: Set(None),
        created_at: Set(now),
        updated_at: Set(now),
    };
    if registration.totals.is_empty() {
        return Ok(());
    }
    node_resources::Entity::insert_many(registration.totals.iter().map(row))
        .on_conflict(
            OnConflict::columns([node_resources::Column::NodeId, node_resources::Column::ResourceType])
                .update_columns([node_resources::Column::TotalCapacity, node_resources::Column::UpdatedAt])
                .to_owned(),
        )
        .exec_without_returning(db)
        .await?;
    Ok(())
}

async fn write_gpus(db: &impl ConnectionTrait, node: NodeId, facts: &HostFacts, now: Timestamp) -> Result<()> {
    let present: Vec<&str> = facts.gpus.iter().map(|gpu| gpu.uuid.as_str()).collect();
    // A device that vanished under a running workload stays until its claim is given back.
    gpu_devices::Entity::delete_many()
        .filter(gpu_devices::Column::NodeId.eq(node))
        .filter(gpu_devices::Column::Uuid.is_not_in(present))
        .filter(gpu_devices::Column::AllocatedMilli.eq(0))
        .exec(db)
        .await?;
    if facts.gpus.is_empty() {
        return Ok(());
    }
    let rows = facts.gpus.iter().map(|gpu| gpu_devices::ActiveModel {
        id: Set(GpuDeviceId::new()),
        node_id: Set(node),
        device_index: Set(i32::try_from(gpu.index).unwrap_or(i32::MAX)),
        uuid: Set(gpu.uuid.clone()),
        model: Set(gpu.model.clone()),
        memory_mib: Set(gpu.memory_mib),
        driver_version: Set(gpu.driver_version.clone()),
        allocated_milli: Set(0),
        created_at: Set(now),
        updated_at: Set(now),
    });
    gpu_devices::Entity::insert_many(rows)
        .on_conflict(
            OnConflict::columns([gpu_devices::Column::NodeId, gpu_devices::Column::Uuid])
                .update_columns([
                    gpu_devices::Column::DeviceIndex,
                    gpu_devices::Column::Model,
                    gpu_devices::Column::MemoryMib,
                    gpu_devices::Column::DriverVersion,
                    gpu_devices::Column::UpdatedAt,
                ])
                .to_owned(),
        )
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// The network that joins the machines of one site until somebody describes better ones.
pub const LOCAL_TOPOLOGY: &str = "local";

async fn write_interfaces(db: &impl ConnectionTrait, node: NodeId, facts: &HostFacts, now: Timestamp) -> Result<()> {
    let present: Vec<&str> = facts.interfaces.iter().map(|interface| interface.interface_name.as_str()).collect();
    node_network_interfaces::Entity::delete_many()
        .filter(Column::NodeId.eq(node))
        .filter(Column::InterfaceName.is_not_in(present))
        .exec(db)
        .await?;
    let local = network_topologies::Entity::find()
        .filter(network_topologies::Column::TopologyName.eq(LOCAL_TOPOLOGY))
        .one(db)
        .await?;
    use node_network_interfaces::Column;
    for batch in facts.interfaces.chunks(rows::BATCH / 10) {
        let rows = batch.iter().map(|interface| {
            let main = is_main(interface, facts);
            node_network_interfaces::ActiveModel {
                id: Set(NodeNetworkInterfaceId::new()),
                node_id: Set(node),
                topology_id: Set(local.as_ref().filter(|_| main).map(|topology| topology.id)),
                interface_name: Set(interface.interface_name.clone()),
                mac_address: Set(interface.mac_address.clone()),
                ip_address: Set(interface.ip_addresses.first().cloned()),
                interface_type: Set(if main { InterfaceType::Management } else { InterfaceType::Data }),
                speed_mbps: Set(interface.speed_mbps),
                duplex: Set(interface.duplex.clone()),
                status: Set(interface.status.clone()),
                driver: Set(interface.driver.clone()),
                firmware_version: Set(interface.firmware_version.clone()),
                pci_slot: Set(interface.pci_slot.clone()),
                numa_node: Set(interface.numa_node.and_then(|numa| i32::try_from(numa).ok())),
                created_at: Set(now),
                updated_at: Set(now),
            }
        });
        node_network_interfaces::Entity::insert_many(rows)
            .on_conflict(
                OnConflict::columns([Column::NodeId, Column::InterfaceName])
                    .update_columns(Column::iter().filter(|column| {
                        !matches!(column, Column::Id | Column::NodeId | Column::InterfaceName | Column::CreatedAt)
                    }))
                    .to_owned(),
            )
            .exec_without_returning(db)
            .await?;
    }
    Ok(())
}

/// The node was heard of: it is online, and healthy or not for that reason.
///
/// # Errors
/// `NotFound`.
pub async fn note_heartbeat(
    db: &impl ConnectionTrait,
    id: NodeId,
    health: HealthStatus,
    reason: Option<String>,
    now: Timestamp,
) -> Result<()> {
    let change = nodes::ActiveModel {
        last_heartbeat: Set(Some(now)),
        reachability: Set(NodeReachability::Online),
        health_status: Set(health),
        status_reason: Set(reason),
        updated_at: Set(now),
        ..Default::default()
    };
    observe(db, id, change).await
}

/// What the monitor thinks of the way to the node.
///
/// # Errors
/// `NotFound`.
pub async fn set_reachability(
    db: &impl ConnectionTrait,
    id: NodeId,
    reachability: NodeReachability,
    health: HealthStatus,
    reason: Option<String>,
    now: Timestamp,
) -> Result<()> {
    let change = nodes::ActiveModel {
        reachability: Set(reachability),
        health_status: Set(health),
        status_reason: Set(reason),
        updated_at: Set(now),
        ..Default::default()
    };
    observe(db, id, change).await
}

/// Observed fields do not count as a change of the row: `generation` guards what people set.
async fn observe(db: &impl ConnectionTrait, id: NodeId, change: nodes::ActiveModel) -> Result<()> {
    let result = nodes::Entity::update_many().set(change).filter(living_node(id)).exec(db).await?;
    if result.rows_affected == 0 { Err(StoreError::NotFound("node")) } else { Ok(()) }
}

// ---- nodes: what people decide

/// Absent fields stay. A new pool takes the node to the pool's data centre.
///
/// # Errors
/// `NotFound` for the node or the pool, `Stale`, `AlreadyExists`.
pub async fn node_update(
    db: &impl ConnectionTrait,
    id: NodeId,
    update: &NodeUpdate,
    generation: Option<i64>,
    now: Timestamp,
) -> Result<NodeDetail> {
    let mut change = nodes::ActiveModel { updated_at: Set(now), ..Default::default() };
    if let Some(name) = &update.name {
        change.name = Set(name.clone());
    }
    if let Some(node_type) = update.node_type {
        change.node_type = Set(node_type);
    }
    if let Some(machine_type) = update.machine_type {
        change.machine_type = Set(machine_type);
    }
    if let Some(rental_mode) = update.rental_mode {
        change.rental_mode = Set(rental_mode);
    }
    if let Some(pool) = update.resource_pool_id {
        let pool = resource_pools::Entity::find().filter(living_pool(pool)).one(db).await?;
        let pool = pool.ok_or(StoreError::NotFound("resource pool"))?;
        change.resource_pool_id = Set(pool.id);
        change.edge_data_center_id = Set(pool.edge_data_center_id);
    }
    if let Some(ip) = &update.business_ip {
        change.business_ip = Set(Some(ip.clone()));
    }
    if let Some(priority) = update.priority {
        change.priority = Set(priority);
    }
    for (column, map) in [
        (&mut change.labels, &update.labels),
        (&mut change.annotations, &update.annotations),
        (&mut change.tags, &update.tags),
    ] {
        if let Some(map) = map {
            *column = Set(Json(map.clone()));
        }
    }
    rows::update(db, "node", change, living_node(id), (nodes::Column::Generation, generation)).await?;
    for resource in update.resources.iter().flatten() {
        let mut change = node_resources::ActiveModel { updated_at: Set(now), ..Default::default() };
        if let Some(reservation) = resource.reservation_capacity {
            change.reservation_capacity = Set(reservation);
        }
        if let Some(ratio) = resource.overcommit_ratio {
            change.overcommit_permille = Set((ratio * 1000.0).round() as i32);
        }
        if let Some(bound) = resource.max_per_workload {
            change.max_per_workload = Set((bound > 0).then_some(bound));
        }
        node_resources::Entity::update_many()
            .set(change)
            .filter(node_resources::Column::NodeId.eq(id))
            .filter(node_resources::Column::ResourceType.eq(resource.resource_type))
            .exec(db)
            .await?;
    }
    node_detail(db, id).await
}

/// `drain_deadline_at` is kept only while the node drains.
///
/// # Errors
/// `NotFound`, `Stale`.
pub async fn set_admin_state(
    db: &impl ConnectionTrait,
    id: NodeId,
    state: NodeAdminState,
    drain_deadline_at: Option<Timestamp>,
    generation: Option<i64>,
    now: Timestamp,
) -> Result<NodeRecord> {
    let change = nodes::ActiveModel {
        admin_state: Set(state),
        drain_deadline_at: Set(drain_deadline_at.filter(|_| state == NodeAdminState::Draining)),
        updated_at: Set(now),
        ..Default::default()
    };
    rows::update(db, "node", change, living_node(id), (nodes::Column::Generation, generation)).await
}

/// Sealed endpoints of the node's engines; `None` takes them away.
///
/// # Errors
/// `NotFound`.
pub async fn set_connection(
    db: &impl ConnectionTrait,
    id: NodeId,
    sealed: Option<Vec<u8>>,
    now: Timestamp,
) -> Result<NodeRecord> {
    let change = nodes::ActiveModel { connection_config: Set(sealed), updated_at: Set(now), ..Default::default() };
    rows::update(db, "node", change, living_node(id), (nodes::Column::Generation, None)).await
}

/// Takes a node away; what ran on it stays on record.
///
/// # Errors
/// `NotFound`, `Stale`, `InUse` while a workload holds an allocation on it.
pub async fn node_delete(db: &impl ConnectionTrait, id: NodeId, generation: Option<i64>, now: Timestamp) -> Result<()> {
    node(db, id).await?;
    let held = allocations::Entity::find()
        .filter(allocations::Column::NodeId.eq(id))
        .filter(allocations::Column::DeallocationTime.is_null())
        .count(db)
        .await?;
    if held > 0 {
        return Err(StoreError::InUse("Workloads still hold allocations on it. Drain it first.".to_owned()));
    }
    let change = nodes::ActiveModel { deleted_at: Set(Some(now)), updated_at: Set(now), ..Default::default() };
    rows::update(db, "node", change, living_node(id), (nodes::Column::Generation, generation)).await?;
    node_resources::Entity::delete_many().filter(node_resources::Column::NodeId.eq(id)).exec(db).await?;
    node_network_interfaces::Entity::delete_many()
        .filter(node_network_interfaces::Column::NodeId.eq(id))
        .exec(db)
        .await?;
    user_networks::Entity::delete_many().filter(user_networks::Column::NodeId.eq(id)).exec(db).await?;
    gpu_devices::Entity::delete_many().filter(gpu_devices::Column::NodeId.eq(id)).exec(db).await?;
    Ok(())
}

// ---- network topologies

/// # Errors
/// `InvalidFilter` for a wrong cursor.
pub async fn network_topology_list(db: &impl ConnectionTrait, request: &PageRequest) -> Result<Page<NetworkTopology>> {
    let key = (network_topologies::Column::Id, network_topologies::Column::Id);
    let select = network_topologies::Entity::find();
    let page = page::fetch(db, select, request, key, Direction::Ascending, |row| (row.id.0, row.id.0)).await?;
    Ok(page.map(|row| NetworkTopology {
        id: row.id,
        topology_name: row.topology_name,
        network_type: row.network_type,
        subnet: row.subnet,
        vlan_id: row.vlan_id,
        bandwidth_mbps: row.bandwidth_mbps,
        latency_ms: row.latency_ms,
        mtu: row.mtu,
        qos_policies: row.qos_policies.0,
        security_policies: row.security_policies.0,
        created_at: row.created_at,
    }))
}

/// The topology of that name, made when there is none.
///
/// # Errors
/// `Unavailable`.
pub async fn network_topology_ensure(
    db: &impl ConnectionTrait,
    name: &str,
    network_type: NetworkType,
    now: Timestamp,
) -> Result<NetworkTopologyId> {
    let known =
        network_topologies::Entity::find().filter(network_topologies::Column::TopologyName.eq(name)).one(db).await?;
    if let Some(known) = known {
        return Ok(known.id);
    }
    let row = network_topologies::ActiveModel {
        id: Set(NetworkTopologyId::new()),
        topology_name: Set(name.to_owned()),
        network_type: Set(network_type),
        subnet: Set(None),
        vlan_id: Set(None),
        bandwidth_mbps: Set(None),
        latency_ms: Set(None),
        mtu: Set(None),
        qos_policies: Set(Json(StringMap::new())),
        security_policies: Set(Json(StringMap::new())),
        created_at: Set(now),
    };
    Ok(row.insert(db).await?.id)
}
