//! Registers this machine and simulated nodes, and connects their engines.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use berth_agent::Roots;
use berth_drivers::{
    Cidr, ContainerDriver, DriverErrorKind,
    container::{EngineInfo, FirewallSpec},
    docker::{DockerDriver, DockerOptions},
    sim::{SimEngine, SimOptions},
};
use berth_store::{self as store, sites::Registration};
use berth_types::{
    Error, StringMap,
    events::{EventSeverity, SourceComponent},
    facts::HostFacts,
    sites::{EngineKind, ResourceKind},
};

use crate::app::{App, AppResult};

/// Memory held back for the machine itself: a sixteenth, at least 512 MiB and at most 4 GiB.
fn memory_reservation(total_mib: i64) -> i64 {
    (total_mib / 16).clamp(512, 4096).min(total_mib / 2)
}

/// Registers this machine with its true facts and connects its Docker Engine. An engine that does not answer yet is
/// connected all the same: the monitor tells when it does.
pub async fn register_local(app: &Arc<App>) -> AppResult<()> {
    if app.config.docker == "none" {
        return Ok(());
    }
    let socket = docker_socket(&app.config.docker);
    let options = DockerOptions {
        endpoint: socket.clone(),
        query_timeout: Duration::from_millis(app.config.engine_timeout_ms),
        // Two installations on one host must not write over each other's rules.
        firewall_table: format!("berth_{}", app.installation),
        ..DockerOptions::default()
    };
    let driver: Arc<dyn ContainerDriver> = Arc::new(DockerDriver::new(options)?);
    let facts = tokio::task::spawn_blocking(|| berth_agent::facts::read(&Roots::default()))
        .await
        .map_err(|error| Error::internal(error.to_string()))?;
    let info = match driver.info().await {
        Ok(info) => Some(info),
        Err(error) => {
            tracing::warn!(socket, %error, "the Docker Engine does not answer; sessions wait until it does");
            None
        }
    };
    let node = write_local(app, facts, info.as_ref()).await?;
    if let Some(info) = &info {
        app.memory.learn_engine(node, info);
    }
    app.engines.insert(node, driver.clone());
    protect(app, node, &driver).await
}

/// Where the engine listens: what is configured, `DOCKER_HOST`, or Docker's own default.
fn docker_socket(configured: &str) -> String {
    if configured != "auto" {
        return configured.to_owned();
    }
    std::env::var("DOCKER_HOST")
        .ok()
        .filter(|host| host.starts_with("unix://"))
        .unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned())
}

async fn write_local(app: &App, mut facts: HostFacts, info: Option<&EngineInfo>) -> AppResult<berth_types::NodeId> {
    let mut capabilities = StringMap::new();
    if let Some(info) = info {
        facts.docker_version = Some(info.version.clone());
        capabilities.insert("storage_driver".to_owned(), info.storage_driver.clone());
        capabilities.insert("storage_limit".to_owned(), info.can_limit_storage.to_string());
        capabilities.insert("cgroup_version".to_owned(), info.cgroup_version.to_string());
        capabilities.insert("gpu_runtime".to_owned(), info.has_gpu_runtime.to_string());
        capabilities.insert("seccomp".to_owned(), info.has_seccomp.to_string());
    }
    // Containers live where the engine keeps its layers.
    let data_root = info.map_or("/", |info| info.data_root.as_str());
    let storage = facts
        .filesystems
        .iter()
        .filter(|fs| std::path::Path::new(data_root).starts_with(&fs.mount_point))
        .max_by_key(|fs| fs.mount_point.len())
        .map_or(0, |fs| fs.available_mib);
    let totals = Registration::totals_of(&facts, storage);
    let memory = totals.get(&ResourceKind::Memory).copied().unwrap_or(0);
    let reservations = BTreeMap::from([(ResourceKind::Memory, memory_reservation(memory))]);
    let name = facts.hostname.clone();
    register(app, name, EngineKind::Docker, facts, totals, reservations, capabilities).await
}

async fn register(
    app: &App,
    name: String,
    engine: EngineKind,
    facts: HostFacts,
    totals: BTreeMap<ResourceKind, i64>,
    reservations: BTreeMap<ResourceKind, i64>,
    capabilities: StringMap,
) -> AppResult<berth_types::NodeId> {
    let now = app.now();
    let tx = app.store.begin().await?;
    let home = store::bootstrap::run(&tx, now).await?;
    let registration = Registration {
        name,
        engine,
        edge_data_center_id: home.edge_data_center_id,
        resource_pool_id: home.resource_pool_id,
        facts,
        totals,
        reservations,
        capabilities,
    };
    let (node, new) = store::sites::node_register(&tx, &registration, now).await?;
    if new {
        let event = store::events::NewEvent {
            source_component: SourceComponent::Monitor,
            source_node_id: Some(node.id),
            ..store::events::NewEvent::new("node_registered", format!("{} was added to the fleet.", node.name))
        };
        store::events::insert(&tx, event, now).await?;
    }
    tx.commit().await?;
    Ok(node.id)
}

/// Brings the rules of every connected host up to the fleet as it is now: nodes come and go, and others flush rules.
pub async fn protect_all(app: Arc<App>) -> AppResult<()> {
    for (node, driver) in app.engines.all() {
        protect(&app, node, &driver).await?;
    }
    Ok(())
}

/// Keeps sessions away from this host and from the fleet's services. A host that cannot filter is said so loudly.
async fn protect(app: &App, node: berth_types::NodeId, driver: &Arc<dyn ContainerDriver>) -> AppResult<()> {
    let mut denied = Vec::new();
    for text in &app.config.session_denied_networks {
        let cidr =
            text.parse().map_err(|_| Error::invalid("session_denied_networks", format!("{text:?} is no CIDR")))?;
        denied.push(cidr);
    }
    for other in store::sites::nodes(app.store.reader()).await? {
        let address = other.ip_address.as_deref().and_then(|ip| format!("{ip}/32").parse::<Cidr>().ok());
        denied.extend(address);
    }
    // In one order, so that the same fleet makes the same rules.
    denied.sort_unstable_by_key(Cidr::to_string);
    denied.dedup();
    let ensured = driver.ensure_firewall(&FirewallSpec { denied }).await;
    // An engine that is away is the monitor's to tell, and the next turn's to protect.
    if let Err(error) = ensured
        && error.kind != DriverErrorKind::Unavailable
    {
        let now = app.now();
        let tx = app.store.begin().await?;
        let event = store::events::NewEvent {
            severity: EventSeverity::Critical,
            source_component: SourceComponent::Driver,
            source_node_id: Some(node),
            ..store::events::NewEvent::new(
                "firewall_missing",
                "Sessions on this node can reach the host's own services: install nftables and run Berth with the right to use it.".to_owned(),
            )
        };
        if once(&tx, event, now).await? {
            tracing::error!(%error, "sessions cannot be kept away from this host's own services");
        }
        tx.commit().await?;
    }
    Ok(())
}

/// Says it once: not again while an equal event stands unresolved. Whether it was said now.
pub(crate) async fn once(
    tx: &store::Tx,
    event: store::events::NewEvent,
    now: berth_types::Timestamp,
) -> AppResult<bool> {
    let filter = berth_types::events::EventFilter {
        event_type: Some(event.event_type.clone()),
        node_id: event.source_node_id,
        unresolved: Some(true),
        ..Default::default()
    };
    let standing = store::events::list(tx, berth_types::identity::Scope::Platform, &filter).await?;
    let is_new = !standing.items.iter().any(|known| known.message == event.message);
    if is_new {
        store::events::insert(tx, event, now).await?;
    }
    Ok(is_new)
}

/// Adds simulated nodes, `sim-1` to `sim-N`, each with an engine that only pretends. Its state is kept in the data
/// directory, so that a server that was killed finds them as they were.
pub async fn register_simulated(app: &Arc<App>) -> AppResult<()> {
    for number in 1..=app.config.sim_nodes {
        let name = format!("sim-{number}");
        let facts = HostFacts {
            hostname: name.clone(),
            architecture: "x86_64".to_owned(),
            os_version: Some("simulated".to_owned()),
            cpu_threads: 64,
            memory_mib: 256 * 1024,
            ..HostFacts::default()
        };
        let totals = BTreeMap::from([
            (ResourceKind::Cpu, 64_000),
            (ResourceKind::Memory, 256 * 1024),
            (ResourceKind::Storage, 4 * 1024 * 1024),
            (ResourceKind::Gpu, 0),
            (ResourceKind::Network, 10_000),
        ]);
        let capabilities = StringMap::from([("simulated".to_owned(), "true".to_owned())]);
        let node = register(app, name.clone(), EngineKind::Sim, facts, totals, BTreeMap::new(), capabilities).await?;
        connect_simulated(app, node, &name)?;
    }
    Ok(())
}

fn connect_simulated(app: &App, node: berth_types::NodeId, name: &str) -> AppResult<()> {
    let directory = app.config.data_dir.join("sim");
    std::fs::create_dir_all(&directory)
        .map_err(|error| Error::internal(format!("{}: {error}", directory.display())))?;
    let clock = app.clock.clone();
    let mut options = SimOptions::new(name, Arc::new(move || clock.now()));
    options.journal = Some(directory.join(format!("{name}.journal")));
    app.engines.insert(node, Arc::new(SimEngine::open(options)?));
    Ok(())
}

/// Connects the simulated engines that the data directory knows, for looking at them without a server.
pub async fn reconnect_simulated(app: &Arc<App>) -> AppResult<()> {
    for node in store::sites::nodes(app.store.reader()).await? {
        if node.engine == EngineKind::Sim {
            connect_simulated(app, node.id, &node.name)?;
        }
    }
    Ok(())
}
