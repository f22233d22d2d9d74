//! `edge-data-center`, `resource-pool` and `network-topology`.

use berth_client::{PageQuery, collect};
use berth_types::sites::{
    EdgeDataCenter, EdgeDataCenterCreate, EdgeDataCenterStatus, EdgeDataCenterUpdate, NetworkTopology, ResourcePool,
    ResourcePoolCreate, ResourcePoolStatus, ResourcePoolUpdate, SchedulingPolicy,
};
use clap::Subcommand;

use super::{Confirm, ListArgs, insist, require_change};
use crate::{
    context::Context,
    output::{Column, maybe, part},
    terminal,
};

#[derive(Subcommand)]
pub enum EdgeDataCenterCommand {
    /// All sites
    List(ListArgs),
    /// One site
    Show { edge_data_center: String },
    /// Make a site
    Create {
        name: String,
        #[arg(long)]
        location: Option<String>,
    },
    /// Change a site
    Update {
        edge_data_center: String,
        #[arg(long)]
        name: Option<String>,
        #[arg(long)]
        location: Option<String>,
        /// active, offline or maintenance (no new placements)
        #[arg(long)]
        status: Option<EdgeDataCenterStatus>,
    },
    /// Delete a site without pools
    Delete {
        edge_data_center: String,
        #[command(flatten)]
        confirm: Confirm,
    },
}

#[derive(Subcommand)]
pub enum ResourcePoolCommand {
    /// All pools
    List(ListArgs),
    /// One pool
    Show { resource_pool: String },
    /// Make a pool
    Create {
        name: String,
        /// The site it belongs to
        #[arg(long, value_name = "NAME")]
        edge_data_center: String,
        #[arg(long)]
        description: Option<String>,
        /// load_balance, bin_pack, priority, affinity, round_robin or gpu_fragmentation
        #[arg(long, default_value = "load_balance")]
        scheduling_policy: SchedulingPolicy,
    },
    /// Change a pool
    Update {
        resource_pool: String,
        #[arg(long)]
        name: Option<String>,
        #[arg(long)]
        description: Option<String>,
        #[arg(long)]
        scheduling_policy: Option<SchedulingPolicy>,
        /// active, maintenance (no new placements) or disabled
        #[arg(long)]
        status: Option<ResourcePoolStatus>,
    },
    /// Delete a pool without nodes
    Delete {
        resource_pool: String,
        #[command(flatten)]
        confirm: Confirm,
    },
}

#[derive(Subcommand)]
pub enum NetworkTopologyCommand {
    /// All networks
    List(ListArgs),
}

const EDGE_DATA_CENTERS: &[Column<EdgeDataCenter>] = &[
    ("NAME", |row| row.name.clone()),
    ("STATUS", |row| row.status.to_string()),
    ("CPU", |row| part(row.totals.allocated_cpu_cores, row.totals.total_cpu_cores)),
    ("MEMORY GB", |row| part(row.totals.allocated_memory_gb, row.totals.total_memory_gb)),
    ("GPU", |row| part(row.totals.allocated_gpu_count, row.totals.total_gpu_count)),
    ("LOCATION", |row| maybe(row.location.as_ref())),
    ("ID", |row| row.id.to_string()),
];

const RESOURCE_POOLS: &[Column<ResourcePool>] = &[
    ("NAME", |row| row.name.clone()),
    ("STATUS", |row| row.status.to_string()),
    ("POLICY", |row| row.scheduling_policy.to_string()),
    ("NODES", |row| row.node_count.to_string()),
    ("CPU", |row| part(row.totals.allocated_cpu_cores, row.totals.total_cpu_cores)),
    ("MEMORY GB", |row| part(row.totals.allocated_memory_gb, row.totals.total_memory_gb)),
    ("GPU", |row| part(row.totals.allocated_gpu_count, row.totals.total_gpu_count)),
    ("ID", |row| row.id.to_string()),
];

const NETWORK_TOPOLOGIES: &[Column<NetworkTopology>] = &[
    ("NAME", |row| row.topology_name.clone()),
    ("TYPE", |row| row.network_type.to_string()),
    ("SUBNET", |row| maybe(row.subnet.as_ref())),
    ("VLAN", |row| maybe(row.vlan_id)),
    ("MBIT/S", |row| maybe(row.bandwidth_mbps)),
    ("MTU", |row| maybe(row.mtu)),
    ("ID", |row| row.id.to_string()),
];

pub async fn edge_data_center(context: &Context, command: EdgeDataCenterCommand) -> anyhow::Result<()> {
    let (client, out) = (&context.client, context.out);
    match command {
        EdgeDataCenterCommand::List(list) => {
            let page = collect(list.limit, |limit, cursor| async move {
                client.edge_data_center_list(&PageQuery { limit: Some(limit), cursor }).await
            });
            out.list(&page.await?, EDGE_DATA_CENTERS)
        }
        EdgeDataCenterCommand::Show { edge_data_center } => {
            out.show(&context.edge_data_center(&edge_data_center).await?)
        }
        EdgeDataCenterCommand::Create { name, location } => {
            let created = client.edge_data_center_create(&EdgeDataCenterCreate { name, location }).await?;
            out.say(&created, &format!("Edge data center {} is made ({}).", created.name, created.id))
        }
        EdgeDataCenterCommand::Update { edge_data_center, name, location, status } => {
            let update = EdgeDataCenterUpdate { name, location, status };
            require_change(&update)?;
            let updated = insist(|| async {
                let now = context.edge_data_center(&edge_data_center).await?;
                Ok(client.edge_data_center_update(now.id, &update, Some(now.generation)).await?)
            });
            out.show(&updated.await?)
        }
        EdgeDataCenterCommand::Delete { edge_data_center, confirm } => {
            let site = context.edge_data_center(&edge_data_center).await?;
            terminal::confirm(confirm.yes, &format!("Delete edge data center {}?", site.name))?;
            client.edge_data_center_delete(site.id).await?;
            out.done(&format!("Edge data center {} is deleted.", site.name))
        }
    }
}

pub async fn resource_pool(context: &Context, command: ResourcePoolCommand) -> anyhow::Result<()> {
    let (client, out) = (&context.client, context.out);
    match command {
        ResourcePoolCommand::List(list) => {
            let page = collect(list.limit, |limit, cursor| async move {
                client.resource_pool_list(&PageQuery { limit: Some(limit), cursor }).await
            });
            out.list(&page.await?, RESOURCE_POOLS)
        }
        ResourcePoolCommand::Show { resource_pool } => out.show(&context.resource_pool(&resource_pool).await?),
        ResourcePoolCommand::Create { name, edge_data_center, description, scheduling_policy } => {
            let edge_data_center_id = context.edge_data_center(&edge_data_center).await?.id;
            let create = ResourcePoolCreate { name, description, edge_data_center_id, scheduling_policy };
            let created = client.resource_pool_create(&create).await?;
            out.say(&created, &format!("Resource pool {} is made ({}).", created.name, created.id))
        }
        ResourcePoolCommand::Update { resource_pool, name, description, scheduling_policy, status } => {
            let update = ResourcePoolUpdate { name, description, scheduling_policy, status };
            require_change(&update)?;
            let updated = insist(|| async {
                let now = context.resource_pool(&resource_pool).await?;
                Ok(client.resource_pool_update(now.id, &update, Some(now.generation)).await?)
            });
            out.show(&updated.await?)
        }
        ResourcePoolCommand::Delete { resource_pool, confirm } => {
            let pool = context.resource_pool(&resource_pool).await?;
            terminal::confirm(confirm.yes, &format!("Delete resource pool {}?", pool.name))?;
            client.resource_pool_delete(pool.id).await?;
            out.done(&format!("Resource pool {} is deleted.", pool.name))
        }
    }
}

pub async fn network_topology(context: &Context, command: NetworkTopologyCommand) -> anyhow::Result<()> {
    let client = &context.client;
    match command {
        NetworkTopologyCommand::List(list) => {
            let page = collect(list.limit, |limit, cursor| async move {
                client.network_topology_list(&PageQuery { limit: Some(limit), cursor }).await
            });
            context.out.list(&page.await?, NETWORK_TOPOLOGIES)
        }
    }
}
