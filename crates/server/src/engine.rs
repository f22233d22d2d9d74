//! What the server knows about engines beyond the driver's verbs: names, networks, built-in images, progress, kept logs.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use berth_drivers::{
    ContainerDriver, builtin_images,
    container::{LogOptions, ProgressSink},
    names,
};
use berth_store::{self as store, StoreError, sessions::SessionRecord};
use berth_types::{
    Error, NodeId, OperationId, SessionId, Timestamp,
    events::{EventSeverity, SourceComponent},
    sessions::NetworkPolicyKind,
};
use futures::StreamExt;
use tokio::io::AsyncWriteExt;

use crate::{
    app::{App, AppError, AppResult, LiveEvent},
    config::Config,
    subnets::Pool,
};

/// Where Debian's package busybox-static puts it.
const BUSYBOX: &str = "/bin/busybox";

/// The pool that sessions' networks are cut from; the configuration was checked at start.
pub fn subnet_pool(config: &Config) -> Pool {
    Pool::parse(&config.session_networks, config.session_network_prefix).unwrap_or_default()
}

/// One network per user and kind: what a user runs may talk among itself, and to nobody else's.
pub fn network_name(session: &SessionRecord) -> String {
    user_network_name(session.user_id, session.network_policy)
}

/// As [`network_name`], for a row of the store.
pub fn user_network_name(user: berth_types::UserId, kind: NetworkPolicyKind) -> String {
    let suffix = if kind == NetworkPolicyKind::Isolated { "-isolated" } else { "" };
    format!("berth-user-{}{suffix}", user.0.simple())
}

/// A host name made of a session's name: what RFC 1123 allows of it, at most 63 characters.
pub fn hostname(session_name: &str) -> String {
    let text: String =
        session_name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let text: String = text.trim_matches('-').chars().take(63).collect();
    let text = text.trim_end_matches('-');
    if text.is_empty() { "session".to_owned() } else { text.to_owned() }
}

/// Whether Berth makes the image itself, without any registry.
pub fn is_builtin(reference: &str) -> bool {
    reference == builtin_images::REFERENCE
}

/// Makes the built-in image on an engine from the busybox of this machine.
///
/// # Errors
/// `engine_unavailable` with the remedy when there is no static busybox here, or the engine refuses.
pub async fn import_builtin(app: &App, driver: &Arc<dyn ContainerDriver>) -> AppResult<()> {
    let root = tokio::task::spawn_blocking(|| builtin_images::root_filesystem(Path::new(BUSYBOX)))
        .await
        .map_err(|e| Error::internal(e.to_string()))?
        .map_err(|error| {
            Error::new(
                berth_types::ErrorCode::EngineUnavailable,
                "The built-in applications need a static busybox on the server's machine: apt-get install busybox-static.",
            )
            .with_internal(error.to_string())
        })?;
    driver.import_image(builtin_images::REFERENCE, root, &builtin_images::config()).await?;
    tracing::info!(installation = app.installation, "built-in image made");
    Ok(())
}

/// Writes a pull's progress into its operation, at most twice a second.
pub fn pull_progress(app: &App, operation: OperationId) -> ProgressSink {
    let store = app.store.clone();
    let clock = app.clock.clone();
    let last = std::sync::Mutex::new(None::<Timestamp>);
    let runtime = tokio::runtime::Handle::current();
    Arc::new(move |progress| {
        let now = clock.now();
        {
            let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if last.is_some_and(|at| (now - at).num_milliseconds() < 500) {
                return;
            }
            *last = Some(now);
        }
        let store = store.clone();
        runtime.spawn(async move {
            let message = format!("Pulling the image: {:.0} %", progress.percent);
            // The image is one of five steps, and nearly all of the time.
            let percent = 10 + (progress.percent * 0.8) as i32;
            if let Err(error) = store::operations::note_progress(&store, operation, percent, &message, now).await {
                tracing::debug!(%error, "progress not noted");
            }
        });
    })
}

/// Tells watchers of a session's new state.
pub fn announce(app: &App, session: &SessionRecord, status: &str) {
    app.hub.publish(LiveEvent {
        kind: "session",
        id: session.id.0,
        tenant_id: Some(session.tenant_id),
        owner: Some(session.user_id),
        status: Some(status.to_owned()),
    });
}

/// An event about a session, in the transaction of the change.
pub async fn session_event(
    tx: &store::Tx,
    session: &SessionRecord,
    event_type: &str,
    message: String,
    now: Timestamp,
) -> Result<(), StoreError> {
    session_event_with(tx, session, event_type, EventSeverity::Info, message, now).await
}

/// As [`session_event`], with a severity.
pub async fn session_event_with(
    tx: &store::Tx,
    session: &SessionRecord,
    event_type: &str,
    severity: EventSeverity,
    message: String,
    now: Timestamp,
) -> Result<(), StoreError> {
    let event = store::events::NewEvent {
        severity,
        source_component: SourceComponent::Operations,
        source_node_id: session.scheduled_node_id,
        tenant_id: Some(session.tenant_id),
        session_id: Some(session.id),
        user_id: Some(session.user_id),
        ..store::events::NewEvent::new(event_type, message)
    };
    store::events::insert(tx, event, now).await.map(drop)
}

/// Where the log of an ended session is kept.
pub fn log_path(config: &Config, session: SessionId) -> PathBuf {
    log_directory(config).join(format!("{session}.log"))
}

/// The directory of kept logs.
pub fn log_directory(config: &Config) -> PathBuf {
    config.data_dir.join("logs")
}

/// Copies the engine's log of a session to the data directory before the container goes: the last
/// `sessions.log_max_mib`, since a log that is cut should lose its beginning.
///
/// # Errors
/// The engine or the disk failed; the log may be there in part and is written anew by the next try.
pub async fn keep_log(app: &App, driver: &Arc<dyn ContainerDriver>, session: &SessionRecord) -> AppResult<()> {
    let most = usize::try_from(app.setting(&berth_types::settings::LOG_MAX_MIB)).unwrap_or(10) * 1024 * 1024;
    let name = names::session_container(session.id, i64::from(session.attempt));
    let mut stream = driver.logs(&name, &LogOptions::default()).await?;
    let io = |error: std::io::Error| AppError(Error::internal(format!("keeping a log: {error}")));
    let path = log_path(&app.config, session.id);
    let partial = path.with_extension("part");
    tokio::fs::create_dir_all(log_directory(&app.config)).await.map_err(io)?;
    let mut kept = std::collections::VecDeque::new();
    let mut size = 0;
    while let Some(chunk) = stream.next().await {
        let bytes = chunk?.bytes;
        size += bytes.len();
        kept.push_back(bytes);
        while size > most {
            size -= kept.pop_front().map_or(0, |bytes| bytes.len());
        }
    }
    let mut file = tokio::fs::File::create(&partial).await.map_err(io)?;
    for bytes in kept {
        file.write_all(&bytes).await.map_err(io)?;
    }
    file.sync_all().await.map_err(io)?;
    tokio::fs::rename(&partial, &path).await.map_err(io)
}

/// What this process learnt about a node's engine, so that a launch need not ask again.
#[derive(Default)]
pub struct Knowledge {
    images: std::collections::HashSet<String>,
    networks: std::collections::HashSet<String>,
    can_limit_storage: bool,
    making: std::collections::HashMap<String, Arc<tokio::sync::Mutex<()>>>,
}

/// Knowledge of all nodes; wrong knowledge costs one retry and is forgotten by it.
#[derive(Default)]
pub struct Memory(std::sync::RwLock<std::collections::HashMap<NodeId, Knowledge>>);

impl Memory {
    fn read<T>(&self, node: NodeId, read: impl FnOnce(&Knowledge) -> T) -> Option<T> {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(&node).map(read)
    }

    fn write(&self, node: NodeId, write: impl FnOnce(&mut Knowledge)) {
        write(self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner).entry(node).or_default());
    }

    pub fn knows_image(&self, node: NodeId, reference: &str) -> bool {
        self.read(node, |known| known.images.contains(reference)).unwrap_or(false)
    }

    pub fn learn_image(&self, node: NodeId, reference: &str) {
        self.write(node, |known| {
            known.images.insert(reference.to_owned());
        });
    }

    pub fn forget_image(&self, node: NodeId, reference: &str) {
        self.write(node, |known| {
            known.images.remove(reference);
        });
    }

    pub fn knows_network(&self, node: NodeId, name: &str) -> bool {
        self.read(node, |known| known.networks.contains(name)).unwrap_or(false)
    }

    pub fn learn_network(&self, node: NodeId, name: &str) {
        self.write(node, |known| {
            known.networks.insert(name.to_owned());
        });
    }

    pub fn forget_network(&self, node: NodeId, name: &str) {
        self.write(node, |known| {
            known.networks.remove(name);
        });
    }

    /// Held while a network is made, since engines answer two requests for one name with an error or with two networks.
    pub fn making_network(&self, node: NodeId, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut known = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.entry(node).or_default().making.entry(name.to_owned()).or_default().clone()
    }

    pub fn can_limit_storage(&self, node: NodeId) -> bool {
        self.read(node, |known| known.can_limit_storage).unwrap_or(false)
    }

    pub fn learn_engine(&self, node: NodeId, info: &berth_drivers::container::EngineInfo) {
        self.write(node, |known| known.can_limit_storage = info.can_limit_storage);
    }

    /// The engine was restarted or replaced: nothing is certain any more.
    pub fn forget_node(&self, node: NodeId) {
        self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_what_rfc_1123_allows() {
        assert_eq!(hostname("My Notebook 3"), "my-notebook-3");
        assert_eq!(hostname("--ä--"), "session");
        assert_eq!(hostname(&"x".repeat(80)).len(), 63);
    }
}
