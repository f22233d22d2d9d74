//! Sites: data centres, pools, and what people decide about nodes. What a node *is* comes from the machine; what it may
//! take is decided here, and every decision leaves an event.

use berth_store::{self as store, StoreError, events::NewEvent, operations::NewOperation};
use berth_types::{
    EdgeDataCenterId, Error, ErrorCode, FieldError, NodeId, ResourcePoolId,
    events::EventSeverity,
    operations::{Operation, OperationKind, SubjectType},
    sites::{
        EdgeDataCenter, EdgeDataCenterCreate, EdgeDataCenterUpdate, NodeAdminState, NodeDetail, NodeDrain, NodeUpdate,
        ResourceKind, ResourcePool, ResourcePoolCreate, ResourcePoolType, ResourcePoolUpdate,
    },
};
use chrono::TimeDelta;

use super::{App, AppResult, LiveEvent, events, identity::platform_only};
use crate::{api::call::Write, ops};

/// Minutes a drain gives what runs, unless it says otherwise.
const DRAIN_MINUTES: i64 = 60;
/// The longest a drain may take: a week.
const MAX_DRAIN_MINUTES: i64 = 7 * 24 * 60;

// ---- data centres and pools

/// `POST /edge-data-centers`
///
/// # Errors
/// `invalid_value`, `already_exists`.
pub async fn edge_data_center_create(
    write: &mut Write<'_>,
    request: EdgeDataCenterCreate,
) -> AppResult<EdgeDataCenter> {
    platform_only(write.call, "Making a data centre")?;
    request.validate()?;
    let center = store::sites::edge_data_center_insert(&write.tx, &request, write.call.now).await?;
    write.subject(center.id);
    write.detail("name", &center.name);
    Ok(center)
}

/// `PATCH /edge-data-centers/{id}`
///
/// # Errors
/// `invalid_value`, `not_found`, `precondition_failed`, `already_exists`.
pub async fn edge_data_center_update(
    write: &mut Write<'_>,
    id: EdgeDataCenterId,
    request: EdgeDataCenterUpdate,
) -> AppResult<EdgeDataCenter> {
    let call = write.call;
    platform_only(call, "Changing a data centre")?;
    request.validate()?;
    let center = store::sites::edge_data_center_update(&write.tx, id, &request, call.if_match, call.now).await?;
    write.subject(id);
    write.detail("name", &center.name);
    write.detail("status", center.status);
    write.after.scheduler = true;
    Ok(center)
}

/// `DELETE /edge-data-centers/{id}`
///
/// # Errors
/// `not_found`, `in_use` while it has pools, `precondition_failed`.
pub async fn edge_data_center_delete(write: &mut Write<'_>, id: EdgeDataCenterId) -> AppResult<()> {
    let call = write.call;
    platform_only(call, "Deleting a data centre")?;
    store::sites::edge_data_center_delete(&write.tx, id, call.if_match, call.now).await?;
    write.subject(id);
    Ok(())
}

/// `POST /resource-pools`
///
/// # Errors
/// `invalid_value`, also for a data centre that does not exist; `already_exists`.
pub async fn resource_pool_create(write: &mut Write<'_>, request: ResourcePoolCreate) -> AppResult<ResourcePool> {
    platform_only(write.call, "Making a resource pool")?;
    request.validate()?;
    let pool = store::sites::resource_pool_insert(&write.tx, &request, write.call.now).await;
    let pool = pool.map_err(|error| missing(error, "edge_data_center_id", "there is no such data centre"))?;
    write.subject(pool.id);
    write.detail("name", &pool.name);
    Ok(pool)
}

/// A thing that a body names and that does not exist is a wrong value, not a wrong path.
fn missing(error: StoreError, field: &str, message: &str) -> super::AppError {
    match error {
        StoreError::NotFound(_) => Error::invalid(field, message).into(),
        other => other.into(),
    }
}

/// `PATCH /resource-pools/{id}`
///
/// # Errors
/// `invalid_value`, `not_found`, `precondition_failed`, `already_exists`.
pub async fn resource_pool_update(
    write: &mut Write<'_>,
    id: ResourcePoolId,
    request: ResourcePoolUpdate,
) -> AppResult<ResourcePool> {
    let call = write.call;
    platform_only(call, "Changing a resource pool")?;
    request.validate()?;
    let pool = store::sites::resource_pool_update(&write.tx, id, &request, call.if_match, call.now).await?;
    write.subject(id);
    write.detail("name", &pool.name);
    write.detail("status", pool.status);
    write.detail("scheduling_policy", pool.scheduling_policy);
    write.after.scheduler = true;
    Ok(pool)
}

/// `DELETE /resource-pools/{id}`
///
/// # Errors
/// `not_found`, `in_use` while it has nodes or sessions wait for it, `precondition_failed`.
pub async fn resource_pool_delete(write: &mut Write<'_>, id: ResourcePoolId) -> AppResult<()> {
    let call = write.call;
    platform_only(call, "Deleting a resource pool")?;
    store::sites::resource_pool_delete(&write.tx, id, call.if_match, call.now).await?;
    write.subject(id);
    Ok(())
}

// ---- nodes

/// Faults of the resources of an update, against what the node has.
fn resource_faults(node: &NodeDetail, request: &NodeUpdate) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let mut seen: Vec<ResourceKind> = Vec::new();
    for (index, change) in request.resources.iter().flatten().enumerate() {
        let mut fault = |field: &str, message: String| {
            faults.push(FieldError { field: format!("resources[{index}].{field}"), message });
        };
        let kind = change.resource_type;
        if seen.contains(&kind) {
            fault("resource_type", format!("{kind} stands twice"));
        }
        seen.push(kind);
        let Some(has) = node.resources.iter().find(|has| has.resource_type == kind) else {
            fault("resource_type", format!("the node has no {kind}"));
            continue;
        };
        if change.reservation_capacity.is_some_and(|held_back| held_back > has.total_capacity) {
            let (total, unit) = (has.total_capacity, &has.unit);
            fault("reservation_capacity", format!("must not exceed the {total} {unit} that the node has"));
        }
        if kind == ResourceKind::Gpu && change.overcommit_ratio.is_some_and(|ratio| ratio > 1.0) {
            fault(
                "overcommit_ratio",
                "must be 1 for GPUs: a device is shared by gpu_share, never sold twice".to_owned(),
            );
        }
    }
    faults
}

/// `PATCH /nodes/{id}`
///
/// # Errors
/// `invalid_value`, `not_found`, `in_use` for what only an empty node may do, `precondition_failed`, `already_exists`.
pub async fn node_update(write: &mut Write<'_>, id: NodeId, request: NodeUpdate) -> AppResult<NodeDetail> {
    let call = write.call;
    platform_only(call, "Changing a node")?;
    request.validate()?;
    let before = store::sites::node_detail(&write.tx, id).await?;
    let faults = resource_faults(&before, &request);
    if !faults.is_empty() {
        return Err(Error::invalid_fields(faults).into());
    }
    let moves = request.resource_pool_id.filter(|pool| *pool != before.node.resource_pool_id);
    if let Some(pool) = moves {
        let pool = store::sites::resource_pool_get(&write.tx, pool).await;
        let pool = pool.map_err(|error| missing(error, "resource_pool_id", "there is no such resource pool"))?;
        if pool.pool_type != ResourcePoolType::Compute {
            return Err(Error::invalid("resource_pool_id", "must be a pool of the type compute").into());
        }
    }
    let changes_mode = request.rental_mode.is_some_and(|mode| mode != before.node.rental_mode);
    // The change comes first: it locks the row, so the look at the ledger after it is the last word.
    let after = store::sites::node_update(&write.tx, id, &request, call.if_match, call.now).await?;
    if (moves.is_some() || changes_mode) && store::allocations::any_on(&write.tx, id).await? {
        let text = "Only an empty node may move to another pool or change its rental mode. Drain it first.";
        return Err(Error::new(ErrorCode::InUse, text).into());
    }
    write.subject(id);
    write.detail("name", &after.node.name);
    if moves.is_some() {
        write.detail("resource_pool_id", after.node.resource_pool_id);
    }
    if changes_mode {
        write.detail("rental_mode", after.node.rental_mode);
    }
    write.after.scheduler = true;
    if moves.is_some() || changes_mode {
        let text = format!("{} moved to another pool or changed its rental mode.", after.node.name);
        tell(write, &after, "node_moved", EventSeverity::Info, text).await?;
    } else {
        write.after.live.push(live(&after));
    }
    Ok(after)
}

fn live(node: &NodeDetail) -> LiveEvent {
    LiveEvent {
        kind: "node",
        id: node.node.id.0,
        tenant_id: None,
        owner: None,
        status: Some(node.node.status.to_string()),
    }
}

async fn tell(
    write: &mut Write<'_>,
    node: &NodeDetail,
    event_type: &str,
    severity: EventSeverity,
    text: String,
) -> AppResult<()> {
    let call = write.call;
    let event = NewEvent { severity, source_node_id: Some(node.node.id), ..NewEvent::new(event_type, text) };
    events::note(&write.tx, &mut write.after, event, call.now).await?;
    write.after.live.push(live(node));
    Ok(())
}

/// `POST /nodes/{id}/drain`: takes nothing new; what runs may finish until the deadline and is stopped then.
///
/// # Errors
/// `invalid_value`, `not_found`, `state_conflict` for a node on its way out, `precondition_failed`.
pub async fn node_drain(write: &mut Write<'_>, id: NodeId, request: NodeDrain) -> AppResult<Operation> {
    let call = write.call;
    platform_only(call, "Draining a node")?;
    let minutes = request.deadline_minutes.unwrap_or(DRAIN_MINUTES);
    if !(0..=MAX_DRAIN_MINUTES).contains(&minutes) {
        return Err(Error::invalid("deadline_minutes", format!("must be from 0 to {MAX_DRAIN_MINUTES}")).into());
    }
    let before = store::sites::node(&write.tx, id).await?;
    if before.admin_state == NodeAdminState::Decommissioning {
        return Err(Error::conflict("It is empty and on its way out already. Activate it to use it again.").into());
    }
    let deadline = call.now + TimeDelta::minutes(minutes);
    let node =
        store::sites::set_admin_state(&write.tx, id, NodeAdminState::Draining, Some(deadline), call.if_match, call.now)
            .await?;
    interrupt(write, id).await?;
    let new = NewOperation {
        kind: OperationKind::NodeDrain,
        subject_type: SubjectType::Node,
        subject_id: id.0,
        tenant_id: None,
        requested_by: Some(call.caller.user),
        steps: ops::steps(OperationKind::NodeDrain).iter().map(|step| (*step).to_owned()).collect(),
        generation: node.generation,
        deadline_at: deadline + TimeDelta::minutes(ops::deadline_minutes(&call.app, OperationKind::NodeDrain)),
        claimed_by: None,
    };
    let operation = store::operations::enqueue(&write.tx, new, call.now).await?;
    write.subject(id);
    write.detail("name", &node.name);
    write.detail("deadline_minutes", minutes);
    write.after.operations = true;
    let detail = store::sites::node_detail(&write.tx, id).await?;
    let text = format!(
        "{} is being drained: it takes nothing new, and what still runs in {minutes} minutes is stopped.",
        node.name
    );
    tell(write, &detail, "node_draining", EventSeverity::Info, text).await?;
    Ok(store::operations::to_operation(operation))
}

/// Makes the worker of the node's open operation look again at once.
async fn interrupt(write: &mut Write<'_>, id: NodeId) -> AppResult<()> {
    let open = store::operations::open_of(&write.tx, id.0).await?;
    write.after.interrupt.extend(open.map(|operation| operation.id));
    Ok(())
}

async fn enter(write: &mut Write<'_>, id: NodeId, state: NodeAdminState) -> AppResult<NodeDetail> {
    let call = write.call;
    store::sites::set_admin_state(&write.tx, id, state, None, call.if_match, call.now).await?;
    interrupt(write, id).await?;
    let node = store::sites::node_detail(&write.tx, id).await?;
    write.subject(id);
    write.detail("name", &node.node.name);
    write.after.operations = true;
    write.after.scheduler = true;
    Ok(node)
}

/// `POST /nodes/{id}/activate`: takes work again, whatever it was set to before.
///
/// # Errors
/// `not_found`, `precondition_failed`.
pub async fn node_activate(write: &mut Write<'_>, id: NodeId) -> AppResult<NodeDetail> {
    platform_only(write.call, "Activating a node")?;
    let node = enter(write, id, NodeAdminState::Active).await?;
    let text = format!("{} takes work again.", node.node.name);
    tell(write, &node, "node_activated", EventSeverity::Info, text).await?;
    Ok(node)
}

/// `POST /nodes/{id}/maintenance`: takes nothing new; what runs stays. Ends a drain.
///
/// # Errors
/// `not_found`, `state_conflict` for a node on its way out, `precondition_failed`.
pub async fn node_maintenance(write: &mut Write<'_>, id: NodeId) -> AppResult<NodeDetail> {
    platform_only(write.call, "Maintaining a node")?;
    let before = store::sites::node(&write.tx, id).await?;
    if before.admin_state == NodeAdminState::Decommissioning {
        return Err(Error::conflict("It is empty and on its way out already. Activate it to use it again.").into());
    }
    let node = enter(write, id, NodeAdminState::Maintenance).await?;
    let text = format!("{} is in maintenance: it takes nothing new, what runs stays.", node.node.name);
    tell(write, &node, "node_maintenance", EventSeverity::Info, text).await?;
    Ok(node)
}

/// `POST /nodes/{id}/decommission`: the empty node is on its way out, and may be deleted.
///
/// # Errors
/// `not_found`, `in_use` while anything is allocated on it, `precondition_failed`.
pub async fn node_decommission(write: &mut Write<'_>, id: NodeId) -> AppResult<NodeDetail> {
    platform_only(write.call, "Decommissioning a node")?;
    let node = enter(write, id, NodeAdminState::Decommissioning).await?;
    // After the row is locked and takes nothing new.
    if store::allocations::any_on(&write.tx, id).await? {
        return Err(Error::new(ErrorCode::InUse, "Workloads still hold allocations on it. Drain it first.").into());
    }
    let text = format!("{} is on its way out: it is empty and takes nothing new.", node.node.name);
    tell(write, &node, "node_decommissioned", EventSeverity::Warning, text).await?;
    Ok(node)
}

/// `DELETE /nodes/{id}`
///
/// # Errors
/// `not_found`, `state_conflict` unless it is decommissioned, `in_use`, `precondition_failed`.
pub async fn node_delete(write: &mut Write<'_>, id: NodeId) -> AppResult<()> {
    let call = write.call;
    platform_only(call, "Deleting a node")?;
    let node = store::sites::node(&write.tx, id).await?;
    if node.admin_state != NodeAdminState::Decommissioning {
        return Err(
            Error::conflict("Only a decommissioned node can be deleted: drain it, then decommission it.").into()
        );
    }
    if store::operations::open_of(&write.tx, id.0).await?.is_some() {
        return Err(Error::conflict("Its drain is just ending. Try again in a moment.").into());
    }
    store::sites::node_delete(&write.tx, id, call.if_match, call.now).await?;
    write.subject(id);
    write.detail("name", &node.name);
    let text = format!("{} was deleted.", node.name);
    let event =
        NewEvent { severity: EventSeverity::Warning, source_node_id: Some(id), ..NewEvent::new("node_deleted", text) };
    events::note(&write.tx, &mut write.after, event, call.now).await?;
    write.after.live.push(LiveEvent {
        kind: "node",
        id: id.0,
        tenant_id: None,
        owner: None,
        status: Some("deleted".to_owned()),
    });
    Ok(())
}

/// What this process keeps about a node that is gone.
pub fn forget_node(app: &App, id: NodeId) {
    app.engines.remove(id);
    app.memory.forget_node(id);
}

#[cfg(test)]
mod tests {
    use berth_types::{
        StringMap, Timestamp,
        sites::{
            EngineKind, HealthStatus, MachineType, Node, NodeReachability, NodeResource, NodeResourceUpdate,
            NodeStatus, NodeType, RentalMode, ResourceConstraintsConfig,
        },
    };

    use super::*;

    fn node() -> NodeDetail {
        let resource = |resource_type: ResourceKind, total_capacity| NodeResource {
            resource_type,
            total_capacity,
            allocated_capacity: 0,
            available_capacity: total_capacity,
            reservation_capacity: 0,
            unit: resource_type.unit().to_owned(),
            constraints: ResourceConstraintsConfig { overcommit_ratio: 1.0, max_per_workload: None },
        };
        let now = Timestamp::UNIX_EPOCH;
        NodeDetail {
            node: Node {
                id: NodeId::new(),
                hostname: "n".to_owned(),
                name: "n".to_owned(),
                edge_data_center_id: EdgeDataCenterId::new(),
                resource_pool_id: ResourcePoolId::new(),
                node_type: NodeType::Compute,
                machine_type: MachineType::CpuServer,
                rental_mode: RentalMode::Shared,
                hypervisor_type: None,
                engine: EngineKind::Sim,
                ip_address: None,
                business_ip: None,
                status: NodeStatus::Active,
                admin_state: NodeAdminState::Active,
                reachability: NodeReachability::Online,
                health_status: HealthStatus::Healthy,
                status_reason: None,
                drain_deadline_at: None,
                priority: 0,
                total_cpu_cores: 8.0,
                total_memory_gb: 16.0,
                total_storage_gb: 0.0,
                allocated_cpu_cores: 0.0,
                allocated_memory_gb: 0.0,
                allocated_storage_gb: 0.0,
                gpu_count: 1,
                gpu_model: None,
                gpu_memory_gb: 0.0,
                allocated_gpu_count: 0.0,
                network_bandwidth_mbps: None,
                architecture: "x86_64".to_owned(),
                os_version: None,
                kernel_version: None,
                docker_version: None,
                libvirt_version: None,
                qemu_version: None,
                labels: StringMap::new(),
                annotations: StringMap::new(),
                tags: StringMap::new(),
                capabilities: StringMap::new(),
                session_count: 0,
                last_heartbeat: None,
                generation: 1,
                created_at: now,
                updated_at: now,
            },
            resources: vec![resource(ResourceKind::Cpu, 8000), resource(ResourceKind::Gpu, 1000)],
            gpu_devices: Vec::new(),
            network_interfaces: Vec::new(),
            facts: None,
        }
    }

    #[test]
    fn resources_are_checked_against_the_node() {
        let change = |resource_type, reservation_capacity, overcommit_ratio| NodeResourceUpdate {
            resource_type,
            reservation_capacity,
            overcommit_ratio,
            max_per_workload: None,
        };
        let faults = |resources| {
            let request = NodeUpdate { resources: Some(resources), ..NodeUpdate::default() };
            resource_faults(&node(), &request).into_iter().map(|fault| fault.field).collect::<Vec<_>>()
        };
        assert!(
            faults(vec![
                change(ResourceKind::Cpu, Some(8000), Some(2.0)),
                change(ResourceKind::Gpu, Some(0), Some(1.0))
            ])
            .is_empty()
        );
        assert_eq!(faults(vec![change(ResourceKind::Cpu, Some(8001), None)]), ["resources[0].reservation_capacity"]);
        assert_eq!(faults(vec![change(ResourceKind::Gpu, None, Some(1.5))]), ["resources[0].overcommit_ratio"]);
        assert_eq!(faults(vec![change(ResourceKind::Memory, None, None)]), ["resources[0].resource_type"]);
        let twice = vec![change(ResourceKind::Cpu, None, None), change(ResourceKind::Cpu, None, None)];
        assert_eq!(faults(twice), ["resources[1].resource_type"]);
    }
}
