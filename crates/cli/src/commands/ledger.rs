//! `allocation` and `usage`.

use berth_client::{AllocationFilter, UsageRecordFilter, collect};
use berth_types::allocations::{Allocation, AllocationStatus, UsageRecord};
use clap::Subcommand;

use super::ListArgs;
use crate::{
    context::Context,
    output::{Column, local, maybe, maybe_local},
};

#[derive(Subcommand)]
pub enum AllocationCommand {
    /// Claims on nodes, newest first
    List {
        #[command(flatten)]
        list: ListArgs,
        #[arg(long)]
        session: Option<String>,
        #[arg(long)]
        node: Option<String>,
        /// active, released or failed
        #[arg(long)]
        status: Option<AllocationStatus>,
    },
}

#[derive(Subcommand)]
pub enum UsageCommand {
    /// Records, newest first
    List {
        #[command(flatten)]
        list: ListArgs,
        #[arg(long)]
        session: Option<String>,
        #[arg(long)]
        user: Option<String>,
    },
}

pub const ALLOCATIONS: &[Column<Allocation>] = &[
    ("SESSION", |row| maybe(row.session_id)),
    ("NODE", |row| row.node_id.to_string()),
    ("RESOURCE", |row| row.resource_type.to_string()),
    ("AMOUNT", |row| format!("{} {}", row.allocated_amount, row.unit)),
    ("STATUS", |row| row.status.to_string()),
    ("FROM", |row| local(row.allocation_time)),
    ("UNTIL", |row| maybe_local(row.deallocation_time)),
];

const USAGE: &[Column<UsageRecord>] = &[
    ("HOUR", |row| local(row.period_start)),
    ("SESSION", |row| maybe(row.session_id)),
    ("USER", |row| row.user_id.to_string()),
    ("RESOURCE", |row| row.resource_type.to_string()),
    ("AMOUNT", |row| format!("{} {} × s", row.amount_seconds, row.unit)),
];

pub async fn allocation(context: &Context, command: AllocationCommand) -> anyhow::Result<()> {
    let client = &context.client;
    let AllocationCommand::List { list, session, node, status } = command;
    let session_id = match session {
        Some(session) => Some(context.session(&session).await?.id),
        None => None,
    };
    let node_id = match node {
        Some(node) => Some(context.node(&node).await?.id),
        None => None,
    };
    let page = collect(list.limit, |limit, cursor| async move {
        client.allocation_list(&AllocationFilter { limit: Some(limit), cursor, session_id, node_id, status }).await
    });
    context.out.list(&page.await?, ALLOCATIONS)
}

pub async fn usage(context: &Context, command: UsageCommand) -> anyhow::Result<()> {
    let client = &context.client;
    let UsageCommand::List { list, session, user } = command;
    let session_id = match session {
        Some(session) => Some(context.session(&session).await?.id),
        None => None,
    };
    let user_id = match user {
        Some(user) => Some(context.user(&user).await?.id),
        None => None,
    };
    let page = collect(list.limit, |limit, cursor| async move {
        client.usage_record_list(&UsageRecordFilter { limit: Some(limit), cursor, session_id, user_id }).await
    });
    context.out.list(&page.await?, USAGE)
}
