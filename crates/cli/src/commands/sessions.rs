//! `session`.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::Duration,
};

use berth_client::{ByteStream, PageQuery, collect};
use berth_types::{
    sessions::{
        Accepted, EnvironmentValue, NetworkPolicyKind, PlacementPreferences, PreferredLabel, PreferredNode,
        ResourceConstraints, SecretReference, Session, SessionExec, SessionExtend, SessionFilter, SessionLaunch,
        SessionStatus, SessionStop, SessionType, TicketCreate, TicketPurpose,
    },
    sites::NodeType,
};
use clap::{Args, Subcommand};
use futures::StreamExt;
use tokio::net::TcpListener;

use super::{ListArgs, events::EVENTS, ledger::ALLOCATIONS, metrics, wait, wait::Until};
use crate::{
    context::Context,
    failure::Failure,
    forward,
    output::{self, Column, Format, local, maybe, note, number},
    parse::{Place, Span, amount, count, pair, ports, size},
    terminal, transfer,
};

#[derive(Subcommand)]
pub enum SessionCommand {
    /// Start an application in a new session
    Launch {
        #[command(flatten)]
        launch: Box<LaunchArgs>,
        /// Wait until it runs, with progress on a terminal
        #[arg(long)]
        wait: bool,
        #[command(flatten)]
        limit: WaitLimit,
    },
    /// What such a launch would meet now, without launching
    Check {
        #[command(flatten)]
        launch: Box<LaunchArgs>,
    },
    /// Sessions, newest first
    List(ListSessions),
    /// One session: by its id, or one of yours by its name
    Show { session: String },
    /// Wait for a session
    Wait {
        session: String,
        /// Until it runs (or has run and ended well), or until it has ended, however
        #[arg(long, value_enum, default_value = "running")]
        until: Until,
        #[command(flatten)]
        limit: WaitLimit,
    },
    /// End a session
    Stop {
        session: String,
        /// For the application to end by itself before it is killed, e.g. 30s
        #[arg(long, value_name = "SPAN")]
        grace: Option<Span>,
        /// Wait until it has ended
        #[arg(long)]
        wait: bool,
    },
    /// Freeze a session; it keeps what it holds
    Pause {
        session: String,
        /// Wait until it is paused
        #[arg(long)]
        wait: bool,
    },
    /// Let a paused session go on
    Resume {
        session: String,
        /// Wait until it runs
        #[arg(long)]
        wait: bool,
    },
    /// Let a session run longer
    Extend {
        session: String,
        /// By how much, e.g. 2h
        #[arg(value_name = "SPAN")]
        by: Span,
    },
    /// What the application has written
    Logs {
        session: String,
        /// Go on until the session ends
        #[arg(long, short)]
        follow: bool,
        /// Only the last lines
        #[arg(long, value_name = "N", value_parser = count::<u64>)]
        tail: Option<u64>,
    },
    /// Run a command in a session and end with its exit code
    Exec {
        session: String,
        /// How long it may take, at most 10m
        #[arg(long, value_name = "SPAN", default_value = "1m")]
        timeout: Span,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Open a terminal in a session
    Terminal {
        session: String,
        /// What to run there; default: the application's shell
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Copy files into or out of a session, as by cp: `copy data.csv web:/tmp/`, `copy web:/etc/hosts .`
    Copy {
        #[arg(value_name = "SRC")]
        from: Place,
        #[arg(value_name = "DST")]
        to: Place,
    },
    /// Carry connections from a local port to a port of a session, until Ctrl-C
    PortForward {
        session: String,
        /// e.g. 8080:80; 0:80 takes any free local port
        #[arg(value_name = "LOCAL:REMOTE", value_parser = ports)]
        ports: (u16, u16),
        /// Local address to listen on
        #[arg(long, default_value = "127.0.0.1")]
        address: std::net::IpAddr,
    },
    /// Print the address of a session's application; it works once, within a minute
    Open { session: String },
    /// What it measures
    Metrics {
        session: String,
        #[command(flatten)]
        args: metrics::MetricArgs,
    },
    /// What happened to it
    Events {
        session: String,
        #[command(flatten)]
        list: ListArgs,
    },
    /// What it holds and has held
    Allocations { session: String },
}

#[derive(Args)]
pub struct WaitLimit {
    /// Wait no longer than this, e.g. 10m; the session goes on
    #[arg(long, value_name = "SPAN")]
    wait_timeout: Option<Span>,
}

impl WaitLimit {
    fn duration(&self) -> Option<Duration> {
        self.wait_timeout.map(|span| Duration::from_secs(span.seconds().unsigned_abs()))
    }
}

#[derive(Args)]
pub struct ListSessions {
    #[command(flatten)]
    list: ListArgs,
    /// e.g. running, or several: pending,running
    #[arg(long, conflicts_with = "active")]
    status: Option<String>,
    /// Only those that have not ended
    #[arg(long)]
    active: bool,
    #[arg(long)]
    user: Option<String>,
    #[arg(long)]
    tenant: Option<String>,
    #[arg(long)]
    node: Option<String>,
    #[arg(long)]
    application: Option<String>,
    /// Part of the name
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Oldest first
    #[arg(long)]
    oldest_first: bool,
}

#[derive(Args)]
pub struct LaunchArgs {
    /// What to run, see `berth application list`
    #[arg(long, short)]
    application: String,
    /// Default: the application's name and a number
    #[arg(long, short)]
    name: Option<String>,
    /// interactive, batch, streaming, ai_training or rendering
    #[arg(long = "type", value_name = "TYPE")]
    session_type: Option<SessionType>,
    /// Cores
    #[arg(long, value_name = "CORES", value_parser = amount)]
    cpu: Option<f64>,
    /// Cores it may use at most; default: --cpu
    #[arg(long, value_name = "CORES", value_parser = amount)]
    cpu_limit: Option<f64>,
    /// e.g. 2GB or 512MB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<f64>,
    /// Memory it may use at most; default: --memory
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory_limit: Option<f64>,
    /// e.g. 10GB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    storage: Option<f64>,
    /// Whole GPUs
    #[arg(long, value_name = "N", value_parser = count::<i64>)]
    gpu: Option<i64>,
    /// Part of the GPU's model, e.g. A100
    #[arg(long, value_name = "MODEL")]
    gpu_type: Option<String>,
    /// Memory of each GPU, e.g. 24GB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    gpu_memory: Option<f64>,
    /// A part of one GPU instead of whole ones, e.g. 0.25
    #[arg(long, value_name = "FRACTION", value_parser = amount, conflicts_with = "gpu")]
    gpu_share: Option<f64>,
    /// KEY=VALUE; may be repeated
    #[arg(long = "env", short, value_name = "KEY=VALUE", value_parser = pair)]
    environment: Vec<(String, String)>,
    /// KEY=NAME of a secret, whose value only the container sees; may be repeated
    #[arg(long = "env-secret", value_name = "KEY=NAME", value_parser = pair)]
    environment_secrets: Vec<(String, String)>,
    /// default (your own network, with a way out), isolated or none
    #[arg(long, value_name = "POLICY")]
    network_policy: Option<NetworkPolicyKind>,
    /// 1 to 10, 10 first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=10))]
    priority: Option<i32>,
    /// e.g. 30m or 8h; then it is stopped
    #[arg(long, value_name = "SPAN")]
    max_runtime: Option<Span>,
    /// May be stopped and queued again for a higher priority
    #[arg(long)]
    preemptible: bool,
    /// With all of the host's capabilities; needs the permission session.manage
    #[arg(long)]
    privileged: bool,
    /// Only on nodes of this pool
    #[arg(long, value_name = "NAME")]
    resource_pool: Option<String>,
    /// Only on nodes of this type: control, compute, storage, gpu or hybrid
    #[arg(long)]
    node_type: Option<NodeType>,
    /// Only on nodes of this architecture, e.g. x86_64
    #[arg(long)]
    architecture: Option<String>,
    /// Only on nodes with this label; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
    /// Only on nodes with so much bandwidth
    #[arg(long, value_name = "MBIT/S", value_parser = count::<i64>)]
    min_bandwidth: Option<i64>,
    /// Rather on this node; may be repeated, the first is liked best
    #[arg(long = "prefer-node", value_name = "NODE")]
    preferred_nodes: Vec<String>,
    /// Rather on nodes with this label; may be repeated, the first is liked best
    #[arg(long = "prefer-label", value_name = "KEY=VALUE", value_parser = pair)]
    preferred_labels: Vec<(String, String)>,
    /// What to run; default: what the application says
    #[arg(last = true)]
    command: Vec<String>,
}

impl LaunchArgs {
    async fn launch(self, context: &Context) -> anyhow::Result<SessionLaunch> {
        let application = match self.application.parse::<uuid::Uuid>() {
            Ok(id) => context.client.application_get(id.into()).await?.name,
            Err(_) => self.application,
        };
        let resource_pool_id = match &self.resource_pool {
            Some(pool) => Some(context.resource_pool(pool).await?.id),
            None => None,
        };
        let mut preferred_nodes = Vec::new();
        for (index, node) in self.preferred_nodes.iter().enumerate() {
            preferred_nodes.push(PreferredNode { node_id: context.node(node).await?.id, weight: weight(index) });
        }
        let preferred_labels = self.preferred_labels.into_iter().enumerate();
        let preferred_labels = preferred_labels
            .map(|(index, (key, value))| PreferredLabel { key, value, weight: weight(index) })
            .collect();
        Ok(SessionLaunch {
            application,
            session_name: self.name,
            session_type: self.session_type,
            command: (!self.command.is_empty()).then_some(self.command),
            priority: self.priority,
            max_runtime_minutes: self.max_runtime.map(Span::minutes),
            cpu_request: self.cpu,
            cpu_limit: self.cpu_limit,
            memory_request_gb: self.memory,
            memory_limit_gb: self.memory_limit,
            gpu_request: self.gpu,
            gpu_type: self.gpu_type,
            storage_request_gb: self.storage,
            network_policy: self.network_policy,
            environment_variables: environment(self.environment, self.environment_secrets)?,
            resource_constraints: ResourceConstraints {
                node_type: self.node_type,
                architecture: self.architecture,
                labels: self.labels.into_iter().collect(),
                gpu_memory_gb: self.gpu_memory,
                gpu_share: self.gpu_share.map(|share| (share * 1000.0).round() as i64),
                min_bandwidth_mbps: self.min_bandwidth,
            },
            placement_preferences: PlacementPreferences { preferred_nodes, preferred_labels },
            preemptible: self.preemptible,
            privileged: self.privileged,
            resource_pool_id,
        })
    }
}

/// 100 for the first, then 10 less each, and never below 10.
fn weight(index: usize) -> i32 {
    100 - 10 * i32::try_from(index.min(9)).unwrap_or(9)
}

/// One variable cannot be both a value and a secret, nor be given twice.
fn environment(
    values: Vec<(String, String)>,
    secrets: Vec<(String, String)>,
) -> anyhow::Result<BTreeMap<String, EnvironmentValue>> {
    let values = values.into_iter().map(|(key, value)| (key, EnvironmentValue::Value(value)));
    let secrets = secrets.into_iter().map(|(key, secret)| (key, EnvironmentValue::Secret(SecretReference { secret })));
    let mut all = BTreeMap::new();
    for (key, value) in values.chain(secrets) {
        if all.contains_key(&key) {
            return Err(Failure::usage(format!("the variable {key} is given twice")));
        }
        all.insert(key, value);
    }
    Ok(all)
}

const SESSIONS: &[Column<Session>] = &[
    ("NAME", |row| row.session_name.clone()),
    ("APPLICATION", |row| row.application.clone()),
    ("STATUS", |row| row.status.to_string()),
    ("REASON", |row| maybe(row.reason)),
    ("USER", |row| row.username.clone()),
    ("NODE", |row| maybe(row.scheduled_node.as_ref())),
    ("CPU", |row| number(row.cpu_request)),
    ("MEMORY GB", |row| number(row.memory_request_gb)),
    ("GPU", |row| number(row.gpu_request)),
    ("CREATED", |row| local(row.created_at)),
    ("ID", |row| row.id.to_string()),
];

/// Returns the exit code, which `exec` and `terminal` take from the command in the session.
pub async fn session(context: &Context, command: SessionCommand) -> anyhow::Result<i32> {
    let (client, out) = (&context.client, context.out);
    match command {
        SessionCommand::Launch { launch, wait, limit } => {
            let launch = launch.launch(context).await?;
            let mut session = client.session_launch(&launch).await?;
            if wait {
                session = wait::session(client, session.id, Until::Running, limit.duration()).await?;
            }
            out.say(&session, &sentence(&session))?;
        }
        SessionCommand::Check { launch } => {
            let check = client.session_check(&launch.launch(context).await?).await?;
            out.show(&check)?;
        }
        SessionCommand::List(args) => list(context, args).await?,
        SessionCommand::Show { session } => out.show(&context.session(&session).await?)?,
        SessionCommand::Wait { session, until, limit } => {
            let session = context.session(&session).await?;
            let session = wait::session(client, session.id, until, limit.duration()).await?;
            out.say(&session, &sentence(&session))?;
        }
        SessionCommand::Stop { session, grace, wait } => {
            let session = context.session(&session).await?;
            let stop = SessionStop { grace_seconds: grace.map(Span::seconds) };
            let mut accepted = client.session_stop(session.id, &stop).await?;
            if wait {
                accepted.session = wait::session(client, session.id, Until::Ended, None).await?;
            }
            out.say(&accepted, &sentence(&accepted.session))?;
        }
        SessionCommand::Pause { session, wait } => {
            let accepted = client.session_pause(context.session(&session).await?.id).await?;
            accepted_or_done(context, accepted, wait).await?;
        }
        SessionCommand::Resume { session, wait } => {
            let accepted = client.session_resume(context.session(&session).await?.id).await?;
            accepted_or_done(context, accepted, wait).await?;
        }
        SessionCommand::Extend { session, by } => {
            let id = context.session(&session).await?.id;
            let session = client.session_extend(id, &SessionExtend { minutes: by.minutes() }).await?;
            let until = session.ends_at.map(|at| format!(" until {}", local(at))).unwrap_or_default();
            let text = format!(
                "Session {} may run{until}, {} minutes in all.",
                session.session_name, session.max_runtime_minutes
            );
            out.say(&session, &text)?;
        }
        SessionCommand::Logs { session, follow, tail } => {
            let id = context.session(&session).await?.id;
            if follow {
                wait::begun(client, id).await?;
            }
            copy_to_stdout(client.session_logs(id, tail, follow).await?).await?;
        }
        SessionCommand::Exec { session, timeout, command } => return exec(context, &session, timeout, command).await,
        SessionCommand::Terminal { session, command } => {
            let id = context.session(&session).await?.id;
            let command = (!command.is_empty()).then_some(command);
            let create = TicketCreate { purpose: TicketPurpose::Terminal, port: None, command };
            return terminal::attach(client, &client.ticket_create(id, &create).await?).await;
        }
        SessionCommand::Copy { from, to } => copy(context, from, to).await?,
        SessionCommand::PortForward { session, ports: (local_port, port), address } => {
            let session = context.session(&session).await?;
            let listener = TcpListener::bind((address, local_port)).await;
            let listener = listener.map_err(|error| Failure::error(format!("{address}:{local_port}: {error}")))?;
            output::print(&format!("{} -> {}:{port}\n", listener.local_addr()?, session.session_name))?;
            forward::serve(client, session.id, listener, port).await?;
        }
        SessionCommand::Open { session } => {
            let session = context.session(&session).await?;
            let create = TicketCreate { purpose: TicketPurpose::Application, port: None, command: None };
            let ticket = client.ticket_create(session.id, &create).await?;
            out.say(&ticket, &ticket.url)?;
        }
        SessionCommand::Metrics { session, args } => {
            let points = client.session_metrics(context.session(&session).await?.id, &args.filter()).await?;
            metrics::show(context, &args, &points)?;
        }
        SessionCommand::Events { session, list } => {
            let id = context.session(&session).await?.id;
            let page = collect(list.limit, |limit, cursor| async move {
                client.session_events(id, &PageQuery { limit: Some(limit), cursor }).await
            });
            out.list(&page.await?, EVENTS)?;
        }
        SessionCommand::Allocations { session } => {
            out.rows(&client.session_allocations(context.session(&session).await?.id).await?, ALLOCATIONS)?;
        }
    }
    Ok(0)
}

fn sentence(session: &Session) -> String {
    let node = session.scheduled_node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
    format!(
        "Session {} ({}){node} is {}.",
        session.session_name,
        session.id,
        wait::describe_session(session).trim_end_matches('.')
    )
}

async fn accepted_or_done(context: &Context, mut accepted: Accepted, wait: bool) -> anyhow::Result<()> {
    if let (true, Some(operation)) = (wait, accepted.operation_id) {
        wait::operation(&context.client, operation).await?;
        accepted.session = context.client.session_get(accepted.session.id).await?;
    }
    context.out.say(&accepted, &sentence(&accepted.session))
}

async fn list(context: &Context, args: ListSessions) -> anyhow::Result<()> {
    let client = &context.client;
    let mut filter = SessionFilter {
        status: args.status,
        application: args.application,
        search: args.search,
        sort: args.oldest_first.then(|| "created_at".to_owned()),
        ..SessionFilter::default()
    };
    if args.active {
        let open = SessionStatus::ALL.iter().filter(|status| !status.is_terminal());
        filter.status = Some(open.map(|status| status.as_str()).collect::<Vec<_>>().join(","));
    }
    if let Some(user) = &args.user {
        filter.user_id = Some(context.user(user).await?.id);
    }
    if let Some(tenant) = &args.tenant {
        filter.tenant_id = Some(context.tenant(tenant).await?.id);
    }
    if let Some(node) = &args.node {
        filter.node_id = Some(context.node(node).await?.id);
    }
    let page = collect(args.list.limit, |limit, cursor| {
        let filter = SessionFilter { limit: Some(limit), cursor, ..filter.clone() };
        async move { client.session_list(&filter).await }
    });
    context.out.list(&page.await?, SESSIONS)
}

async fn exec(context: &Context, session: &str, timeout: Span, command: Vec<String>) -> anyhow::Result<i32> {
    let id = context.session(session).await?.id;
    let exec = SessionExec { command, timeout_seconds: Some(timeout.seconds()) };
    let result = context.client.session_exec(id, &exec).await?;
    if context.out.format == Format::Table {
        output::write(&mut io::stdout().lock(), result.stdout.as_bytes())?;
        io::stderr().lock().write_all(result.stderr.as_bytes())?;
    } else {
        context.out.show(&result)?;
    }
    if result.truncated {
        note("More was written than is kept; the rest is missing.");
    }
    match result.exit_code {
        // As a shell would see it.
        Some(code) => Ok((code & 0xFF) as i32),
        None => Err(Failure::error("the command was ended before it had an exit code")),
    }
}

async fn copy_to_stdout(mut bytes: ByteStream) -> anyhow::Result<()> {
    while let Some(chunk) = bytes.next().await {
        output::write(&mut io::stdout().lock(), &chunk?)?;
    }
    Ok(())
}

async fn copy(context: &Context, from: Place, to: Place) -> anyhow::Result<()> {
    match (from, to) {
        (Place::Session { session, path }, Place::Local(to)) => {
            let id = context.session(&session).await?.id;
            transfer::download(&context.client, id, &path, &to).await?;
            Ok(())
        }
        (Place::Local(from), Place::Session { session, path }) => {
            let id = context.session(&session).await?.id;
            transfer::upload(&context.client, id, &from, &path).await
        }
        (Place::Local(_), Place::Local(_)) => {
            Err(Failure::usage("one of SRC and DST must be in a session, as NAME:/path"))
        }
        (Place::Session { .. }, Place::Session { .. }) => {
            Err(Failure::usage("copy to a local file first: between two sessions there is no way"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_keeps_secrets_apart_and_refuses_doubles() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let all = environment(vec![pair("A", "1")], vec![pair("B", "db-password")]).unwrap();
        assert_eq!(all["A"], EnvironmentValue::Value("1".to_owned()));
        assert_eq!(all["B"], EnvironmentValue::Secret(SecretReference { secret: "db-password".to_owned() }));
        assert!(environment(vec![pair("A", "1"), pair("A", "2")], vec![]).is_err());
        assert!(environment(vec![pair("A", "1")], vec![pair("A", "s")]).is_err());
    }

    #[test]
    fn weights_fall_and_stay_valid() {
        let weights: Vec<_> = (0..64).map(weight).collect();
        assert!(weights.windows(2).all(|pair| pair[0] >= pair[1]));
        assert!(weights.iter().all(|weight| (1..=100).contains(weight)));
        assert_eq!(weights[..2], [100, 90]);
    }
}
