//! `node`.

use berth_client::collect;
use berth_types::sites::{
    EngineKind, MachineType, Node, NodeDrain, NodeFilter, NodeResourceUpdate, NodeStatus, NodeType, NodeUpdate,
    RentalMode,
};
use clap::{Args, Subcommand};

use super::{Confirm, ListArgs, insist, metrics, require_change, wait};
use crate::{
    context::Context,
    output::{Column, local, maybe, part},
    parse::{Entry, Span, max_per_session, overcommit, reservation},
    terminal,
};

#[derive(Subcommand)]
pub enum NodeCommand {
    /// All nodes
    List {
        #[command(flatten)]
        list: ListArgs,
        /// Part of the name, the hostname or an address
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// active, draining, maintenance, decommissioning, late, offline or failed
        #[arg(long)]
        status: Option<NodeStatus>,
        /// e.g. docker
        #[arg(long)]
        engine: Option<EngineKind>,
        #[arg(long, value_name = "NAME")]
        resource_pool: Option<String>,
    },
    /// One node with everything it is made of
    Show { node: String },
    /// Change a node
    Update {
        node: String,
        #[command(flatten)]
        changes: Box<NodeChanges>,
    },
    /// Let nothing new onto a node, and stop what still runs there at a deadline
    Drain {
        node: String,
        /// Until what still runs is stopped, e.g. 30m; 0 stops at once; default: 1h
        #[arg(long, value_name = "SPAN")]
        deadline: Option<Span>,
        /// Wait until the node is empty
        #[arg(long)]
        wait: bool,
    },
    /// Let a node take sessions (again)
    Activate { node: String },
    /// Take a node out of service
    Maintenance { node: String },
    /// Take a node out of service for good
    Decommission {
        node: String,
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Forget an empty node that is out of service for good
    Delete {
        node: String,
        #[command(flatten)]
        confirm: Confirm,
    },
    /// What it measures
    Metrics {
        node: String,
        #[command(flatten)]
        args: metrics::MetricArgs,
    },
}

#[derive(Args)]
pub struct NodeChanges {
    #[arg(long)]
    name: Option<String>,
    /// control, compute, storage, gpu or hybrid
    #[arg(long)]
    node_type: Option<NodeType>,
    /// cpu_server, pc_farm or gpu_server
    #[arg(long)]
    machine_type: Option<MachineType>,
    /// shared or exclusive
    #[arg(long)]
    rental_mode: Option<RentalMode>,
    #[arg(long, value_name = "NAME")]
    resource_pool: Option<String>,
    #[arg(long, value_name = "ADDRESS")]
    business_ip: Option<String>,
    /// For the pool policy priority; higher first
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<i32>,
    /// KEY=VALUE sets a label, KEY- removes it; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<Entry>,
    /// As --label
    #[arg(long = "annotation", value_name = "KEY=VALUE")]
    annotations: Vec<Entry>,
    /// As --label
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<Entry>,
    /// Held back for the machine itself, e.g. memory=2GB or cpu=0.5; may be repeated
    #[arg(long = "reservation", value_name = "RESOURCE=AMOUNT", value_parser = reservation)]
    reservations: Vec<NodeResourceUpdate>,
    /// Sell more than there is, e.g. cpu=2.0; may be repeated
    #[arg(long = "overcommit", value_name = "RESOURCE=RATIO", value_parser = overcommit)]
    overcommits: Vec<NodeResourceUpdate>,
    /// The most one session may take, e.g. memory=16GB; 0 lifts the bound; may be repeated
    #[arg(long = "max-per-session", value_name = "RESOURCE=AMOUNT", value_parser = max_per_session)]
    bounds: Vec<NodeResourceUpdate>,
}

impl NodeChanges {
    /// The change, over the node as it is now.
    async fn over(&self, context: &Context, node: &Node) -> anyhow::Result<NodeUpdate> {
        let merged = |entries: &[Entry], map: &berth_types::StringMap| {
            (!entries.is_empty()).then(|| {
                let mut map = map.clone();
                Entry::apply(entries, &mut map);
                map
            })
        };
        let resource_pool_id = match &self.resource_pool {
            Some(pool) => Some(context.resource_pool(pool).await?.id),
            None => None,
        };
        let resources = joined(self.reservations.iter().chain(&self.overcommits).chain(&self.bounds));
        Ok(NodeUpdate {
            name: self.name.clone(),
            node_type: self.node_type,
            machine_type: self.machine_type,
            rental_mode: self.rental_mode,
            resource_pool_id,
            business_ip: self.business_ip.clone(),
            priority: self.priority,
            labels: merged(&self.labels, &node.labels),
            annotations: merged(&self.annotations, &node.annotations),
            tags: merged(&self.tags, &node.tags),
            resources: (!resources.is_empty()).then_some(resources),
        })
    }
}

/// One entry per resource; what comes later wins.
fn joined<'a>(updates: impl Iterator<Item = &'a NodeResourceUpdate>) -> Vec<NodeResourceUpdate> {
    let mut all: Vec<NodeResourceUpdate> = Vec::new();
    for update in updates {
        match all.iter_mut().find(|known| known.resource_type == update.resource_type) {
            Some(known) => {
                known.reservation_capacity = update.reservation_capacity.or(known.reservation_capacity);
                known.overcommit_ratio = update.overcommit_ratio.or(known.overcommit_ratio);
                known.max_per_workload = update.max_per_workload.or(known.max_per_workload);
            }
            None => all.push(update.clone()),
        }
    }
    all
}

const NODES: &[Column<Node>] = &[
    ("NAME", |row| row.name.clone()),
    ("STATUS", |row| row.status.to_string()),
    ("HEALTH", |row| row.health_status.to_string()),
    ("ENGINE", |row| row.engine.to_string()),
    ("SESSIONS", |row| row.session_count.to_string()),
    ("CPU", |row| part(row.allocated_cpu_cores, row.total_cpu_cores)),
    ("MEMORY GB", |row| part(row.allocated_memory_gb, row.total_memory_gb)),
    ("GPU", |row| part(row.allocated_gpu_count, row.gpu_count as f64)),
    ("REASON", |row| maybe(row.status_reason.as_ref())),
    ("ID", |row| row.id.to_string()),
];

pub async fn node(context: &Context, command: NodeCommand) -> anyhow::Result<()> {
    let (client, out) = (&context.client, context.out);
    match command {
        NodeCommand::List { list, search, status, engine, resource_pool } => {
            let resource_pool_id = match resource_pool {
                Some(pool) => Some(context.resource_pool(&pool).await?.id),
                None => None,
            };
            let page = collect(list.limit, |limit, cursor| {
                let filter =
                    NodeFilter { limit: Some(limit), cursor, resource_pool_id, search: search.clone(), status, engine };
                async move { client.node_list(&filter).await }
            });
            out.list(&page.await?, NODES)
        }
        NodeCommand::Show { node } => out.show(&client.node_get(context.node(&node).await?.id).await?),
        NodeCommand::Update { node, changes } => {
            let updated = insist(|| async {
                let now = context.node(&node).await?;
                let update = changes.over(context, &now).await?;
                require_change(&update)?;
                Ok(client.node_update(now.id, &update, Some(now.generation)).await?)
            });
            out.show(&updated.await?)
        }
        NodeCommand::Drain { node, deadline, wait } => {
            let node = context.node(&node).await?;
            let drain = NodeDrain { deadline_minutes: deadline.map(Span::minutes) };
            let mut operation = client.node_drain(node.id, &drain).await?;
            if wait {
                operation = wait::operation(client, operation.id).await?;
                return out.say(&operation, &format!("Node {} is drained.", node.name));
            }
            let at =
                operation.deadline_at.map(|at| format!("; what runs is stopped at {}", local(at))).unwrap_or_default();
            out.say(&operation, &format!("Node {} is draining{at} (operation {}).", node.name, operation.id))
        }
        NodeCommand::Activate { node } => {
            let node = client.node_activate(context.node(&node).await?.id).await?;
            out.say(&node, &format!("Node {} is {}.", node.node.name, node.node.status))
        }
        NodeCommand::Maintenance { node } => {
            let node = client.node_maintenance(context.node(&node).await?.id).await?;
            out.say(&node, &format!("Node {} is in {}.", node.node.name, node.node.status))
        }
        NodeCommand::Decommission { node, confirm } => {
            let node = context.node(&node).await?;
            terminal::confirm(confirm.yes, &format!("Take node {} out of service for good?", node.name))?;
            let node = client.node_decommission(node.id).await?;
            out.say(&node, &format!("Node {} is {}.", node.node.name, node.node.status))
        }
        NodeCommand::Delete { node, confirm } => {
            let node = context.node(&node).await?;
            terminal::confirm(confirm.yes, &format!("Delete node {}?", node.name))?;
            client.node_delete(node.id).await?;
            out.done(&format!("Node {} is deleted.", node.name))
        }
        NodeCommand::Metrics { node, args } => {
            let points = client.node_metrics(context.node(&node).await?.id, &args.filter()).await?;
            metrics::show(context, &args, &points)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_one_resource_become_one_entry() {
        let all = [reservation("cpu=1").unwrap(), overcommit("cpu=2").unwrap(), reservation("memory=1GB").unwrap()];
        let joined = joined(all.iter());
        assert_eq!(joined.len(), 2);
        assert_eq!((joined[0].reservation_capacity, joined[0].overcommit_ratio), (Some(1000), Some(2.0)));
    }
}
