//! `application`.

use berth_client::{PageQuery, collect};
use berth_types::{
    applications::{Application, ApplicationCreate, ApplicationProtocol, ApplicationUpdate},
    sessions::{NetworkPolicyKind, SessionType},
};
use clap::{Args, Subcommand};

use super::{Confirm, ListArgs, insist, require_change};
use crate::{
    context::Context,
    output::{Column, number},
    parse::{Span, amount, count, pair, size},
    terminal,
};

#[derive(Subcommand)]
pub enum ApplicationCommand {
    /// The catalogue
    List(ListArgs),
    /// One application
    Show { application: String },
    /// Add an application
    Create(Box<CreateArgs>),
    /// Change an application
    Update {
        application: String,
        #[arg(long)]
        title: Option<String>,
        #[arg(long)]
        description: Option<String>,
        #[arg(long)]
        image: Option<String>,
        /// Cores
        #[arg(long, value_parser = amount)]
        cpu: Option<f64>,
        /// e.g. 2GB
        #[arg(long, value_parser = size)]
        memory: Option<f64>,
        /// e.g. 10GB
        #[arg(long, value_parser = size)]
        storage: Option<f64>,
        /// e.g. 8h
        #[arg(long, value_name = "SPAN")]
        max_runtime: Option<Span>,
        /// true or false: whether it can be launched
        #[arg(long)]
        enabled: Option<bool>,
    },
    /// Remove an application
    Delete {
        application: String,
        #[command(flatten)]
        confirm: Confirm,
    },
}

#[derive(Args)]
pub struct CreateArgs {
    /// What it is launched by, e.g. jupyter
    name: String,
    /// What people read
    #[arg(long)]
    title: String,
    /// e.g. docker.io/library/debian:12
    #[arg(long)]
    image: String,
    #[arg(long)]
    description: Option<String>,
    /// Name of an icon of the console
    #[arg(long)]
    icon: Option<String>,
    /// interactive, batch, streaming, ai_training or rendering
    #[arg(long = "type", value_name = "TYPE", default_value = "interactive")]
    session_type: SessionType,
    /// What its port speaks: none, http or vnc
    #[arg(long, default_value = "none")]
    protocol: ApplicationProtocol,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// What a terminal runs, word by word; default: /bin/sh
    #[arg(long = "shell", value_name = "WORD", allow_hyphen_values = true)]
    shell: Vec<String>,
    #[arg(long = "env", value_name = "KEY=VALUE", value_parser = pair)]
    environment: Vec<(String, String)>,
    /// Cores
    #[arg(long, value_name = "CORES", default_value = "0.5", value_parser = amount)]
    cpu: f64,
    /// e.g. 2GB
    #[arg(long, value_name = "SIZE", default_value = "512MB", value_parser = size)]
    memory: f64,
    /// e.g. 10GB
    #[arg(long, value_name = "SIZE", default_value = "1GB", value_parser = size)]
    storage: f64,
    /// Whole GPUs
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = count::<i64>)]
    gpu: i64,
    /// e.g. 8h
    #[arg(long, value_name = "SPAN", default_value = "8h")]
    max_runtime: Span,
    /// default (the user's own network, with a way out), isolated or none
    #[arg(long, value_name = "POLICY", default_value = "default")]
    network_policy: NetworkPolicyKind,
    /// Do not let it be launched yet
    #[arg(long)]
    disabled: bool,
    /// What it runs; default: what the image says
    #[arg(last = true)]
    command: Vec<String>,
}

const APPLICATIONS: &[Column<Application>] = &[
    ("NAME", |row| row.name.clone()),
    ("TITLE", |row| row.title.clone()),
    ("TYPE", |row| row.session_type.to_string()),
    ("PROTOCOL", |row| row.protocol.to_string()),
    ("CPU", |row| number(row.default_cpu)),
    ("MEMORY GB", |row| number(row.default_memory_gb)),
    ("GPU", |row| row.default_gpu.to_string()),
    ("IMAGE", |row| row.container_image.clone()),
    ("REMARKS", remarks),
];

fn remarks(row: &Application) -> String {
    let all = [
        (row.builtin, "built-in"),
        (row.untested, "untested"),
        (!row.enabled, "disabled"),
        (row.tenant_id.is_some(), "own"),
    ];
    all.iter().filter(|(holds, _)| *holds).map(|(_, word)| *word).collect::<Vec<_>>().join(", ")
}

pub async fn application(context: &Context, command: ApplicationCommand) -> anyhow::Result<()> {
    let (client, out) = (&context.client, context.out);
    match command {
        ApplicationCommand::List(list) => {
            let page = collect(list.limit, |limit, cursor| async move {
                client.application_list(&PageQuery { limit: Some(limit), cursor }).await
            });
            out.list(&page.await?, APPLICATIONS)
        }
        ApplicationCommand::Show { application } => out.show(&context.application(&application).await?),
        ApplicationCommand::Create(args) => {
            let create = ApplicationCreate {
                name: args.name,
                title: args.title,
                description: args.description,
                icon: args.icon,
                container_image: args.image,
                command: args.command,
                session_type: args.session_type,
                protocol: args.protocol,
                port: args.port.map(i32::from),
                shell: args.shell,
                environment_variables: args.environment.into_iter().collect(),
                default_cpu: args.cpu,
                default_memory_gb: args.memory,
                default_storage_gb: args.storage,
                default_gpu: args.gpu,
                default_max_runtime_minutes: args.max_runtime.minutes(),
                default_network_policy: args.network_policy,
                enabled: !args.disabled,
            };
            let created = client.application_create(&create).await?;
            out.say(&created, &format!("Application {} is added ({}).", created.name, created.id))
        }
        ApplicationCommand::Update {
            application,
            title,
            description,
            image,
            cpu,
            memory,
            storage,
            max_runtime,
            enabled,
        } => {
            let update = ApplicationUpdate {
                title,
                description,
                container_image: image,
                default_cpu: cpu,
                default_memory_gb: memory,
                default_storage_gb: storage,
                default_max_runtime_minutes: max_runtime.map(Span::minutes),
                enabled,
            };
            require_change(&update)?;
            let updated = insist(|| async {
                let now = context.application(&application).await?;
                Ok(client.application_update(now.id, &update, Some(now.generation)).await?)
            });
            out.show(&updated.await?)
        }
        ApplicationCommand::Delete { application, confirm } => {
            let application = context.application(&application).await?;
            terminal::confirm(confirm.yes, &format!("Remove application {}?", application.name))?;
            client.application_delete(application.id).await?;
            out.done(&format!("Application {} is removed.", application.name))
        }
    }
}
