//! `event` and `audit`.

use std::time::Duration;

use berth_client::collect;
use berth_types::{
    SystemEventId,
    audit::{AuditFilter, AuditLog, AuditStatus},
    events::{EventFilter, EventSeverity, SystemEvent},
};
use clap::Subcommand;
use futures::StreamExt;
use uuid::Uuid;

use super::ListArgs;
use crate::{
    context::Context,
    output::{Column, local, maybe, note},
    parse::Moment,
};

#[derive(Subcommand)]
pub enum EventCommand {
    /// Events, newest first
    List {
        #[command(flatten)]
        list: ListArgs,
        /// This one and worse: debug, info, warning, error or critical
        #[arg(long)]
        severity: Option<EventSeverity>,
        /// e.g. node_offline
        #[arg(long = "type", value_name = "TYPE")]
        event_type: Option<String>,
        #[arg(long)]
        session: Option<String>,
        #[arg(long)]
        node: Option<String>,
        /// Only those nobody has resolved
        #[arg(long)]
        unresolved: bool,
        /// Part of the message
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// From then on: how far back, e.g. 6h, or a time, e.g. 2026-03-01T08:00:00Z
        #[arg(long, value_name = "SPAN|TIME")]
        since: Option<Moment>,
        /// Before then
        #[arg(long, value_name = "SPAN|TIME")]
        until: Option<Moment>,
    },
    /// Say that you have seen it
    #[command(name = "ack", visible_alias = "acknowledge")]
    Acknowledge { id: SystemEventId },
    /// Say that it is dealt with
    Resolve { id: SystemEventId },
    /// Print changes as they happen
    Watch,
}

#[derive(Subcommand)]
pub enum AuditCommand {
    /// Entries, newest first
    List {
        #[command(flatten)]
        list: ListArgs,
        #[arg(long)]
        user: Option<String>,
        /// e.g. session_launch
        #[arg(long)]
        action: Option<String>,
        /// Id of what was changed
        #[arg(long, value_name = "ID")]
        resource: Option<Uuid>,
        /// e.g. session
        #[arg(long, value_name = "TYPE")]
        resource_type: Option<String>,
        /// success, denied or failure
        #[arg(long)]
        status: Option<AuditStatus>,
        /// Part of the action or the username
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// From then on: how far back, e.g. 6h, or a time, e.g. 2026-03-01T08:00:00Z
        #[arg(long, value_name = "SPAN|TIME")]
        since: Option<Moment>,
        /// Before then
        #[arg(long, value_name = "SPAN|TIME")]
        until: Option<Moment>,
    },
}

pub const EVENTS: &[Column<SystemEvent>] = &[
    ("TIME", |row| local(row.timestamp)),
    ("SEVERITY", |row| row.severity.to_string()),
    ("TYPE", |row| row.event_type.clone()),
    ("STATE", state),
    ("MESSAGE", |row| row.message.clone()),
    ("ID", |row| row.id.to_string()),
];

fn state(row: &SystemEvent) -> String {
    match (row.resolved_at, row.acknowledged_at) {
        (Some(_), _) => "resolved",
        (None, Some(_)) => "acknowledged",
        (None, None) => "",
    }
    .to_owned()
}

const AUDIT: &[Column<AuditLog>] = &[
    ("TIME", |row| local(row.created_at)),
    ("USER", |row| row.username.clone()),
    ("ACTION", |row| row.action.clone()),
    ("STATUS", |row| row.status.to_string()),
    ("RESOURCE", |row| maybe(row.resource_id)),
    ("FROM", |row| maybe(row.ip_address.as_ref())),
    ("REQUEST", |row| maybe(row.request_id.as_ref())),
];

pub async fn event(context: &Context, command: EventCommand) -> anyhow::Result<()> {
    let (client, out) = (&context.client, context.out);
    match command {
        EventCommand::List { list, severity, event_type, session, node, unresolved, search, since, until } => {
            let session_id = match session {
                Some(session) => Some(context.session(&session).await?.id),
                None => None,
            };
            let node_id = match node {
                Some(node) => Some(context.node(&node).await?.id),
                None => None,
            };
            let page = collect(list.limit, |limit, cursor| {
                let filter = EventFilter {
                    limit: Some(limit),
                    cursor,
                    severity,
                    event_type: event_type.clone(),
                    session_id,
                    node_id,
                    unresolved: unresolved.then_some(true),
                    search: search.clone(),
                    since: since.map(|moment| moment.0),
                    until: until.map(|moment| moment.0),
                };
                async move { client.event_list(&filter).await }
            });
            out.list(&page.await?, EVENTS)
        }
        EventCommand::Acknowledge { id } => {
            out.say(&client.event_acknowledge(id).await?, &format!("Event {id} is acknowledged."))
        }
        EventCommand::Resolve { id } => out.say(&client.event_resolve(id).await?, &format!("Event {id} is resolved.")),
        EventCommand::Watch => watch(context).await,
    }
}

/// Until the reader has enough. A server that restarts is connected to again; what happened meanwhile is in the lists.
async fn watch(context: &Context) -> anyhow::Result<()> {
    let mut items = context.client.event_stream().await?;
    loop {
        while let Some(item) = items.next().await {
            match item {
                Ok(item) => context.out.item(&item)?,
                Err(error) if error.is_temporary() => break,
                Err(error) => return Err(error.into()),
            }
        }
        note("The stream broke off; connecting again.");
        let mut pause = Duration::from_millis(500);
        items = loop {
            tokio::time::sleep(pause).await;
            match context.client.event_stream().await {
                Ok(items) => break items,
                Err(error) if error.is_temporary() && pause < Duration::from_secs(60) => pause *= 2,
                Err(error) => return Err(error.into()),
            }
        };
    }
}

pub async fn audit(context: &Context, command: AuditCommand) -> anyhow::Result<()> {
    let client = &context.client;
    let AuditCommand::List { list, user, action, resource, resource_type, status, search, since, until } = command;
    let user_id = match user {
        Some(user) => Some(context.user(&user).await?.id),
        None => None,
    };
    let page = collect(list.limit, |limit, cursor| {
        let filter = AuditFilter {
            limit: Some(limit),
            cursor,
            user_id,
            action: action.clone(),
            resource_type: resource_type.clone(),
            resource_id: resource,
            status,
            search: search.clone(),
            since: since.map(|moment| moment.0),
            until: until.map(|moment| moment.0),
        };
        async move { client.audit_log_list(&filter).await }
    });
    context.out.list(&page.await?, AUDIT)
}
