//! The fleet as the scheduler needs it, in a bounded number of queries.

use std::collections::HashMap;

use berth_types::{
    NodeId, TenantId,
    allocations::AllocationStatus,
    sessions::SessionStatus,
    sites::{EdgeDataCenterStatus, RentalMode, ResourcePoolStatus, SchedulingPolicy},
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::{
    StoreError,
    entities::{allocations, edge_data_centers, gpu_devices, node_resources, resource_pools, sessions},
    sites::{self, NodeRecord},
};

/// One node with all that placement depends on.
#[derive(Clone, Debug)]
pub struct FleetNode {
    pub node: NodeRecord,
    pub resources: Vec<node_resources::Model>,
    pub gpus: Vec<gpu_devices::Model>,
    pub scheduling_policy: SchedulingPolicy,
    pub pool_active: bool,
    pub edge_data_center_active: bool,
    /// Of an exclusive node: whose work runs there.
    pub exclusive_tenant_id: Option<TenantId>,
    pub session_count: i64,
}

/// Every living node.
pub async fn load(db: &impl ConnectionTrait) -> Result<Vec<FleetNode>, StoreError> {
    let pools: HashMap<_, _> =
        resource_pools::Entity::find().all(db).await?.into_iter().map(|pool| (pool.id, pool)).collect();
    let centers: HashMap<_, _> = edge_data_centers::Entity::find()
        .all(db)
        .await?
        .into_iter()
        .map(|center| (center.id, center.status == EdgeDataCenterStatus::Active))
        .collect();
    let counts: HashMap<NodeId, i64> = sessions::Entity::find()
        .select_only()
        .column(sessions::Column::ScheduledNodeId)
        .column_as(sessions::Column::Id.count(), "count")
        .filter(sessions::Column::Status.is_in(SessionStatus::ALLOCATED.iter().copied()))
        .group_by(sessions::Column::ScheduledNodeId)
        .into_tuple::<(Option<NodeId>, i64)>()
        .all(db)
        .await?
        .into_iter()
        .filter_map(|(node, count)| Some((node?, count)))
        .collect();
    let inventory = sites::inventory(db).await?;
    let exclusive: Vec<NodeId> = inventory
        .iter()
        .filter(|node| node.node.rental_mode == RentalMode::Exclusive)
        .map(|node| node.node.id)
        .collect();
    let mut tenants: HashMap<NodeId, TenantId> = HashMap::new();
    if !exclusive.is_empty() {
        let rows = allocations::Entity::find()
            .select_only()
            .column(allocations::Column::NodeId)
            .column(allocations::Column::TenantId)
            .distinct()
            .filter(allocations::Column::NodeId.is_in(exclusive))
            .filter(allocations::Column::Status.eq(AllocationStatus::Active))
            .into_tuple::<(NodeId, TenantId)>()
            .all(db)
            .await?;
        tenants.extend(rows);
    }
    Ok(inventory
        .into_iter()
        .map(|entry| {
            let pool = pools.get(&entry.node.resource_pool_id);
            FleetNode {
                scheduling_policy: pool.map_or(SchedulingPolicy::LoadBalance, |pool| pool.scheduling_policy),
                pool_active: pool.is_some_and(|pool| pool.status == ResourcePoolStatus::Active),
                edge_data_center_active: centers.get(&entry.node.edge_data_center_id).copied().unwrap_or(false),
                exclusive_tenant_id: tenants.get(&entry.node.id).copied(),
                session_count: counts.get(&entry.node.id).copied().unwrap_or(0),
                node: entry.node,
                resources: entry.resources,
                gpus: entry.gpus,
            }
        })
        .collect())
}
