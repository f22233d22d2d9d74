//! Berth's server: configuration, HTTP API, rules, durable operations and the tasks that keep rows and engines alike.

pub mod admin;
pub mod api;
pub mod app;
pub mod catalogue;
pub mod clock;
pub mod config;
pub mod console;
pub mod engine;
pub mod fsck;
pub mod keyring;
pub mod nodes;
pub mod ops;
pub mod proxy;
pub mod subnets;
pub mod tasks;
pub mod telemetry;
pub mod tickets;

use std::{net::SocketAddr, path::Path, sync::Arc};

use axum::{Router, extract::DefaultBodyLimit};
use berth_store::{self as store, Store, StoreConfig};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::{
    app::{App, AppError},
    clock::Clock,
    config::Config,
    keyring::Keyring,
};

/// Why the server did not start, in words for the person who starts it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("data directory {path}: {source}")]
    DataDirectory { path: String, source: std::io::Error },
    #[error(transparent)]
    Keyring(#[from] keyring::KeyringError),
    #[error("database {url}: {source}")]
    Database { url: String, source: store::StoreError },
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("{0}")]
    Input(String),
    #[error("another Berth works on {0}; stop it first")]
    Locked(String),
    #[error(transparent)]
    App(#[from] AppError),
}

/// A server that answers.
pub struct Running {
    pub app: Arc<App>,
    pub address: SocketAddr,
    pub applications_address: SocketAddr,
    /// Given to the first admin at the very first start.
    pub first_password: Option<String>,
    shutdown: watch::Sender<bool>,
    tasks: JoinSet<()>,
    _lock: Option<std::fs::File>,
}

impl Running {
    /// Ends tasks and listeners; sessions go on, and operations continue at the next start.
    pub async fn stop(mut self) {
        // Nobody listening any more is what is wanted.
        let _ = self.shutdown.send(true);
        while self.tasks.join_next().await.is_some() {}
        if let Err(error) = self.let_go().await {
            tracing::warn!(%error, "leases not given up; others take over when they end");
        }
        if let Err(error) = self.app.store.close().await {
            tracing::debug!(%error, "database not closed in order");
        }
    }

    /// Lets other replicas take over at once.
    async fn let_go(&self) -> Result<(), store::StoreError> {
        let tx = self.app.store.begin().await?;
        store::leases::release_all(&tx, &self.app.worker, self.app.now()).await?;
        store::operations::release_all(&tx, &self.app.worker).await?;
        tx.commit().await
    }
}

/// Opens database and key, without tasks or listeners: for `berth admin`.
///
/// # Errors
/// See [`StartError`].
pub async fn open(config: Config, clock: Clock) -> Result<Arc<App>, StartError> {
    prepare(&config.data_dir)?;
    let keyring = Keyring::open(&config.data_dir.join("secret.key"))?;
    let url = config.database_label();
    let database = |source| StartError::Database { url: url.clone(), source };
    let options = StoreConfig { url: config.database_url(), max_connections: config.database_connections };
    let store = Store::open(&options).await.map_err(database)?;
    store::migrate::run(&store).await.map_err(database)?;
    let now = clock.now();
    let tx = store.begin().await.map_err(database)?;
    store::bootstrap::run(&tx, now).await.map_err(database)?;
    store::applications::ensure_builtin(&tx, &catalogue::builtin(), now).await.map_err(database)?;
    tx.commit().await.map_err(database)?;
    // A key that does not open what is sealed is refused now, not when somebody's session needs a secret.
    for (id, sealed) in store::secrets::all_sealed(store.reader()).await.map_err(database)? {
        keyring.open_sealed(&sealed, &id.to_string())?;
    }
    // Replicas share the key file, so its id names the installation on all of them.
    let installation = keyring.id_text();
    write_installation(&config.data_dir, &installation)?;
    let grants = tasks::housekeeping::load_grants(&store).await?;
    let settings = store::settings::values(store.reader()).await.map_err(database)?;
    let worker = worker_name(&store);
    let app = App::new(config, clock, store, keyring, installation, grants, settings, worker);
    Ok(Arc::new(app))
}

/// One server owns a SQLite database, and its successor continues what it left; replicas are told apart.
fn worker_name(store: &Store) -> String {
    if store.is_shared() { format!("server-{}", uuid::Uuid::now_v7().simple()) } else { "server".to_owned() }
}

pub(crate) fn prepare(directory: &Path) -> Result<(), StartError> {
    let fault = |source| StartError::DataDirectory { path: directory.display().to_string(), source };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(fault)
}

/// For scripts that look for what this installation made on an engine.
fn write_installation(directory: &Path, installation: &str) -> Result<(), StartError> {
    let path = directory.join("installation-id");
    std::fs::write(&path, format!("{installation}\n"))
        .map_err(|source| StartError::DataDirectory { path: path.display().to_string(), source })
}

/// Keeps a second server from the same SQLite file, for as long as the file is open.
pub(crate) fn lock(config: &Config) -> Result<Option<std::fs::File>, StartError> {
    if !config.database_url().starts_with("sqlite:") {
        return Ok(None);
    }
    let path = config.data_dir.join("server.lock");
    let fault = |source| StartError::DataDirectory { path: path.display().to_string(), source };
    let file = std::fs::File::create(&path).map_err(fault)?;
    file.try_lock().map_err(|_| StartError::Locked(config.data_dir.display().to_string()))?;
    Ok(Some(file))
}

/// Starts everything: listeners first, so that the server is ready while engines are still being asked.
///
/// # Errors
/// See [`StartError`].
pub async fn start(config: Config, clock: Clock) -> Result<Running, StartError> {
    start_with(config, clock, |app| async move { connect(&app).await }).await
}

/// As [`start`], but engines are registered and connected by `connect`, which ends before the first task begins.
///
/// # Errors
/// See [`StartError`].
pub async fn start_with<F>(
    config: Config,
    clock: Clock,
    connect: impl FnOnce(Arc<App>) -> F + Send + 'static,
) -> Result<Running, StartError>
where
    F: Future<Output = ()> + Send,
{
    prepare(&config.data_dir)?;
    let lock = lock(&config)?;
    let app = open(config, clock).await?;
    let url = app.config.database_label();
    let database = |source| StartError::Database { url: url.clone(), source };
    if !app.replicated() {
        let tx = app.store.begin().await.map_err(database)?;
        store::operations::reclaim_all(&tx).await.map_err(database)?;
        tx.commit().await.map_err(database)?;
    }
    let first_password = app::identity::ensure_first_admin(&app).await?;
    let listen = |address: SocketAddr| async move {
        TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
    };
    let main = listen(app.config.listen).await?;
    let applications = listen(app.config.applications_listen).await?;
    let fault = |address: SocketAddr| move |source| StartError::Listen { address, source };
    let address = main.local_addr().map_err(fault(app.config.listen))?;
    let applications_address = applications.local_addr().map_err(fault(app.config.applications_listen))?;
    app.set_addresses(address, applications_address);
    let (shutdown, stopping) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let proxy = Router::new().fallback(proxy::serve).with_state(app.clone()).layer(DefaultBodyLimit::disable());
    tasks.spawn(serve(main, api::router(app.clone()).layer(DefaultBodyLimit::disable()), stopping.clone()));
    tasks.spawn(serve(applications, proxy, stopping.clone()));
    let shared = app.clone();
    let waiting = stopping.clone();
    tasks.spawn(async move {
        connect(shared.clone()).await;
        let mut background = tasks::start(&shared, &waiting);
        while background.join_next().await.is_some() {}
    });
    Ok(Running { app, address, applications_address, first_password, shutdown, tasks, _lock: lock })
}

async fn connect(app: &Arc<App>) {
    // A fleet without this machine is still a fleet; what failed is in the log and tried again at the next start.
    if let Err(error) = nodes::register_local(app).await {
        tracing::error!(%error, "this machine could not be registered as a node");
    }
    if let Err(error) = nodes::register_simulated(app).await {
        tracing::error!(%error, "simulated nodes could not be registered");
    }
}

async fn serve(listener: TcpListener, router: Router, mut stopping: watch::Receiver<bool>) {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, service);
    tokio::select! {
        result = served => {
            if let Err(error) = result {
                tracing::error!(%error, "listener ended");
            }
        }
        _ = stopping.changed() => {}
    }
}
