//! `operation`.

use berth_client::collect;
use berth_types::{
    OperationId,
    operations::{Operation, OperationFilter, OperationKind, OperationStatus},
};
use clap::Subcommand;
use uuid::Uuid;

use super::{ListArgs, wait};
use crate::{
    context::Context,
    output::{Column, local, maybe},
};

#[derive(Subcommand)]
pub enum OperationCommand {
    /// Operations, newest first
    List {
        #[command(flatten)]
        list: ListArgs,
        /// e.g. session_start
        #[arg(long)]
        kind: Option<OperationKind>,
        /// pending, running, succeeded, failed or superseded
        #[arg(long)]
        status: Option<OperationStatus>,
        /// Id of a session or node
        #[arg(long, value_name = "ID")]
        subject: Option<Uuid>,
    },
    /// One operation
    Show { id: OperationId },
    /// Try a failed operation again
    Retry {
        id: OperationId,
        /// Wait until it has ended
        #[arg(long)]
        wait: bool,
    },
    /// Wait until an operation has ended
    Wait { id: OperationId },
}

const OPERATIONS: &[Column<Operation>] = &[
    ("ID", |row| row.id.to_string()),
    ("KIND", |row| row.kind.to_string()),
    ("STATUS", |row| row.status.to_string()),
    ("DONE", |row| format!("{} %", row.progress)),
    ("STEP", step),
    ("SUBJECT", |row| row.subject_id.to_string()),
    ("SINCE", |row| local(row.created_at)),
    ("MESSAGE", |row| maybe(row.error.as_ref().or(row.message.as_ref()))),
];

fn step(row: &Operation) -> String {
    usize::try_from(row.step_index).ok().and_then(|index| row.steps.get(index).cloned()).unwrap_or_default()
}

pub async fn operation(context: &Context, command: OperationCommand) -> anyhow::Result<()> {
    let (client, out) = (&context.client, context.out);
    match command {
        OperationCommand::List { list, kind, status, subject } => {
            let page = collect(list.limit, |limit, cursor| {
                let filter = OperationFilter { limit: Some(limit), cursor, kind, status, subject_id: subject };
                async move { client.operation_list(&filter).await }
            });
            out.list(&page.await?, OPERATIONS)
        }
        OperationCommand::Show { id } => out.show(&client.operation_get(id).await?),
        OperationCommand::Retry { id, wait } => {
            let mut operation = client.operation_retry(id).await?;
            if wait {
                operation = wait::operation(client, operation.id).await?;
            }
            out.say(&operation, &format!("Operation {} is {}.", operation.id, operation.status))
        }
        OperationCommand::Wait { id } => {
            let operation = wait::operation(client, id).await?;
            out.say(&operation, &format!("Operation {} is {}.", operation.id, operation.status))
        }
    }
}
