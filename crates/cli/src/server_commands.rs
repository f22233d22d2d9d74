//! `berth up`, `berth server` and `berth admin`: what runs on the server's own machine, without the HTTP API.

use std::{io::Write, net::SocketAddr, path::PathBuf};

use berth_server::{
    clock::Clock,
    config::{self, Config, Loaded},
};
use clap::Subcommand;

#[derive(Clone, Debug, Subcommand)]
pub enum ServerCommand {
    /// Run everything in one process on this machine, on SQLite, with the engines found here
    Up {
        /// Where Berth keeps its database, keys and logs
        #[arg(long, value_name = "DIR", env = "BERTH_DATA_DIR", hide_env_values = true)]
        data_dir: Option<PathBuf>,
        /// Address of the API and console
        #[arg(long, value_name = "ADDRESS:PORT", env = "BERTH_LISTEN", hide_env_values = true)]
        listen: Option<SocketAddr>,
        /// Address of the sessions' own applications
        #[arg(long, value_name = "ADDRESS:PORT", env = "BERTH_APPLICATIONS_LISTEN", hide_env_values = true)]
        applications_listen: Option<SocketAddr>,
        /// Add so many simulated nodes, marked as such
        #[arg(long, value_name = "N", default_value_t = 0)]
        sim: u32,
    },
    /// Run the server for production, on SQLite or PostgreSQL
    Server {
        /// Configuration in TOML; every key is also a variable BERTH_…
        #[arg(long, value_name = "FILE", env = "BERTH_CONFIG", hide_env_values = true)]
        config: Option<PathBuf>,
        /// Say what is in force and from where, and end
        #[arg(long)]
        check_config: bool,
    },
    /// Look after a server's data on its own machine
    Admin {
        #[command(flatten)]
        place: AdminPlace,
        #[command(subcommand)]
        command: AdminCommand,
    },
}

/// Which server's data.
#[derive(Clone, Debug, clap::Args)]
pub struct AdminPlace {
    /// The server's configuration
    #[arg(long, global = true, value_name = "FILE", env = "BERTH_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// The data directory of `berth up`
    #[arg(long, global = true, value_name = "DIR", env = "BERTH_DATA_DIR", hide_env_values = true)]
    pub data_dir: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum AdminCommand {
    /// Write a backup while the server runs
    Backup { file: PathBuf },
    /// Put a backup back; the server must be stopped
    Restore {
        file: PathBuf,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Copy all rows of this database into an empty one, e.g. from SQLite to PostgreSQL
    CopyDatabase {
        /// e.g. postgres://berth@db/berth
        #[arg(value_name = "URL")]
        to: String,
    },
    /// Compare ledger, rows and engines, and print every difference
    Fsck {
        /// Mend what is found
        #[arg(long)]
        repair: bool,
    },
    /// Set a new password, which the user must change at the next login
    ResetPassword { username: String },
    /// Unlock an account that was locked by wrong passwords
    Unlock { username: String },
    /// Bring the schema up to date
    Migrate {
        /// Only say whether it is
        #[arg(long)]
        check: bool,
    },
}

/// Runs one of them; returns the exit code.
pub async fn run(command: ServerCommand) -> anyhow::Result<i32> {
    match command {
        ServerCommand::Up { data_dir, listen, applications_listen, sim } => {
            let flags = [
                ("data_dir", data_dir.map(|path| path.display().to_string())),
                ("listen", listen.map(|address| address.to_string())),
                ("applications_listen", applications_listen.map(|address| address.to_string())),
                ("sim_nodes", (sim > 0).then(|| sim.to_string())),
            ];
            let flags = flags.into_iter().filter_map(|(key, value)| Some((key, value?)));
            let loaded = config::load(None, std::env::vars(), flags)?;
            serve(loaded.config).await
        }
        ServerCommand::Server { config, check_config } => {
            let loaded = config::load(config.as_deref(), std::env::vars(), [])?;
            if check_config { show(&loaded) } else { serve(loaded.config).await }
        }
        ServerCommand::Admin { place, command } => admin(place, command).await,
    }
}

async fn serve(config: Config) -> anyhow::Result<i32> {
    log_to_stderr(&config);
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let running = berth_server::start(config, Clock::System).await?;
    // Whoever read the greeting may be gone already: a server goes on without.
    if let Err(error) = greet(&running) {
        tracing::debug!(%error, "greeting not written");
    }
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping; sessions go on");
    running.stop().await;
    Ok(0)
}

fn greet(running: &berth_server::Running) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let (address, applications) = (running.address, running.applications_address);
    writeln!(out, "Berth answers at http://{address} (applications at http://{applications}).")?;
    if running.first_password.is_some() {
        let file = running.app.config.data_dir.join("first-admin-password");
        writeln!(out, "The first user is \"admin\"; the password is in {}.", file.display())?;
        writeln!(out, "Next: berth login --server http://{address} --username admin")?;
    }
    out.flush()
}

fn log_to_stderr(config: &Config) {
    use tracing_subscriber::{EnvFilter, fmt};
    let filter = EnvFilter::try_new(&config.log_filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber in one process is none of our doing and no reason to fail.
    let _ = if config.log_format == "json" { builder.json().try_init() } else { builder.try_init() };
}

fn show(loaded: &Loaded) -> anyhow::Result<i32> {
    let mut values = serde_json::to_value(&loaded.config)?;
    values["database_url"] = loaded.config.database_label().into();
    let mut out = std::io::stdout().lock();
    for (key, source) in &loaded.sources {
        writeln!(out, "{key} = {}   # {source}", values[key])?;
    }
    Ok(0)
}

fn place_config(place: &AdminPlace) -> anyhow::Result<Config> {
    let data_dir = place.data_dir.as_ref().map(|path| ("data_dir", path.display().to_string()));
    Ok(config::load(place.config.as_deref(), std::env::vars(), data_dir)?.config)
}

async fn admin(place: AdminPlace, command: AdminCommand) -> anyhow::Result<i32> {
    let config = place_config(&place)?;
    let mut out = std::io::stdout();
    match command {
        AdminCommand::Backup { file } => {
            let report = berth_server::admin::backup(&config, &file).await?;
            writeln!(out, "{report}")?;
        }
        AdminCommand::Restore { file, yes } => {
            let question = format!("Replace the data of {} by {}?", config.database_label(), file.display());
            crate::terminal::confirm(yes, &question)?;
            writeln!(out, "{}", berth_server::admin::restore(&config, &file).await?)?;
        }
        AdminCommand::CopyDatabase { to } => {
            writeln!(out, "{}", berth_server::admin::copy_database(&config, &to).await?)?;
        }
        AdminCommand::Fsck { repair } => {
            let findings = berth_server::admin::fsck(config, repair).await?;
            for finding in &findings {
                let repaired = finding.repaired.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
                writeln!(out, "{}{repaired}", finding.what)?;
            }
            if findings.is_empty() {
                writeln!(out, "Ledger, rows and engines agree.")?;
            }
            return Ok(i32::from(findings.iter().any(|finding| finding.repaired.is_none())));
        }
        AdminCommand::ResetPassword { username } => {
            let password = berth_server::admin::reset_password(config, &username).await?;
            writeln!(out, "New password of {username}: {password}")?;
            writeln!(out, "It has to be changed at the next login.")?;
        }
        AdminCommand::Unlock { username } => {
            berth_server::admin::unlock(config, &username).await?;
            writeln!(out, "{username} is unlocked.")?;
        }
        AdminCommand::Migrate { check } => {
            let (current, text) = berth_server::admin::migrate(&config, check).await?;
            writeln!(out, "{text}")?;
            return Ok(i32::from(!current));
        }
    }
    Ok(0)
}
