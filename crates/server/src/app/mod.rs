//! Rules. A function here decides what may happen and says so to the store, which knows how; it holds no SQL and speaks
//! to no engine but through operations (and the short-lived streams of terminals, logs and files).

pub mod applications;
pub mod audit;
pub mod events;
pub mod fleet;
pub mod identity;
pub mod ledger;
pub mod metrics;
pub mod operations;
pub mod secrets;
pub mod sessions;
pub mod settings;
pub mod sites;
pub mod workload;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use berth_drivers::{ContainerDriver, DriverError, DriverErrorKind};
use berth_store::{Store, StoreError};
use berth_types::{
    Error, ErrorCode, NodeId, SessionId, TenantId, UserId, UserSessionId,
    identity::{PermissionAction, PermissionScope, ResourceType, Role},
    settings::SettingSpec,
};
use serde::Serialize;
use tokio::sync::{Notify, broadcast};
use uuid::Uuid;

use crate::{
    clock::Clock, config::Config, engine::Memory, keyring::Keyring, ops::Running, proxy::Visitors,
    tasks::monitor::Previous, telemetry::Telemetry, tickets::Tickets,
};

/// Everything a request or a task needs, shared by all of them.
pub struct App {
    pub config: Config,
    pub clock: Clock,
    pub store: Store,
    pub keyring: Keyring,
    /// Marks what this installation made on an engine; engines may be shared.
    pub installation: String,
    /// This process, as leases and operations name it.
    pub worker: String,
    pub engines: Engines,
    pub memory: Memory,
    pub running: Running,
    pub previous: Previous,
    pub hub: Hub,
    pub nudges: Nudges,
    pub telemetry: Telemetry,
    pub tickets: Tickets,
    pub door: identity::Door,
    pub visitors: Visitors,
    /// When each login was last seen; written out by a task, so that reading costs no write.
    pub seen: Mutex<HashMap<UserSessionId, berth_types::Timestamp>>,
    addresses: RwLock<Option<(SocketAddr, SocketAddr)>>,
    grants: RwLock<Arc<Grants>>,
    settings: RwLock<Arc<HashMap<String, i64>>>,
}

/// What each role may do, and how far.
pub type Grants = HashMap<(Role, ResourceType, PermissionAction), PermissionScope>;

impl App {
    #[expect(clippy::too_many_arguments, reason = "called once, at start")]
    pub fn new(
        config: Config,
        clock: Clock,
        store: Store,
        keyring: Keyring,
        installation: String,
        grants: Grants,
        settings: HashMap<String, i64>,
        worker: String,
    ) -> Self {
        Self {
            config,
            clock,
            store,
            keyring,
            installation,
            worker,
            engines: Engines::default(),
            memory: Memory::default(),
            running: Running::default(),
            previous: Previous::default(),
            hub: Hub::default(),
            nudges: Nudges::default(),
            telemetry: Telemetry::default(),
            tickets: Tickets::default(),
            door: identity::Door::default(),
            visitors: Visitors::default(),
            seen: Mutex::default(),
            addresses: RwLock::default(),
            grants: RwLock::new(Arc::new(grants)),
            settings: RwLock::new(Arc::new(settings)),
        }
    }

    /// The addresses in use, which differ from the configured ones where a port was left to the system.
    pub fn set_addresses(&self, main: SocketAddr, applications: SocketAddr) {
        *self.addresses.write().unwrap_or_else(PoisonError::into_inner) = Some((main, applications));
    }

    /// Where applications are served.
    pub fn applications_address(&self) -> SocketAddr {
        let addresses = self.addresses.read().unwrap_or_else(PoisonError::into_inner);
        addresses.map_or(self.config.applications_listen, |(_, applications)| applications)
    }

    /// Whether other servers may share the database.
    pub fn replicated(&self) -> bool {
        self.store.is_shared()
    }

    pub fn now(&self) -> berth_types::Timestamp {
        self.clock.now()
    }

    pub fn grants(&self) -> Arc<Grants> {
        self.grants.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_grants(&self, grants: Grants) {
        *self.grants.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(grants);
    }

    /// The value of a setting in force.
    pub fn setting(&self, spec: &SettingSpec) -> i64 {
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner);
        settings.get(spec.key).copied().unwrap_or(spec.default)
    }

    pub fn set_settings(&self, settings: HashMap<String, i64>) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }
}

/// An error of the rules; everything the layers below say is turned into one here and nowhere else.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct AppError(#[from] pub Error);

pub type AppResult<T> = Result<T, AppError>;

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        Self(match error {
            StoreError::NotFound(what) => Error::not_found(what),
            StoreError::AlreadyExists { what, field } => Error {
                fields: vec![berth_types::FieldError {
                    field: field.to_string(),
                    message: format!("another {what} has this value; choose another one"),
                }],
                ..Error::new(ErrorCode::AlreadyExists, format!("There is a {what} with that {field} already."))
            },
            StoreError::Stale => Error::new(
                ErrorCode::PreconditionFailed,
                "It was changed since you read it. Read it again and repeat your change.",
            ),
            StoreError::InUse(text) => Error::new(ErrorCode::InUse, text),
            StoreError::Conflict(text) => Error::conflict(text),
            StoreError::InvalidFilter { field, message } => Error::invalid(field, message),
            StoreError::Unavailable(text) => {
                Error::new(ErrorCode::DatabaseUnavailable, "The database does not answer. Try again in a moment.")
                    .with_internal(text)
                    .with_retry_after(2)
            }
            other => Error::internal(other.to_string()),
        })
    }
}

impl From<DriverError> for AppError {
    fn from(error: DriverError) -> Self {
        let code = match error.kind {
            DriverErrorKind::NotFound => ErrorCode::NotFound,
            DriverErrorKind::Conflict | DriverErrorKind::AlreadyExists => ErrorCode::StateConflict,
            DriverErrorKind::InvalidRequest => ErrorCode::InvalidValue,
            DriverErrorKind::Timeout => ErrorCode::EngineTimeout,
            _ => ErrorCode::EngineUnavailable,
        };
        let public = match error.kind {
            DriverErrorKind::NotFound => "The engine has no such container or path.",
            DriverErrorKind::Conflict | DriverErrorKind::AlreadyExists => {
                "The container is not in a state that allows this. Is the session running?"
            }
            DriverErrorKind::InvalidRequest => "The engine refused a value of this request.",
            DriverErrorKind::Timeout => "The engine did not answer in time. Try again in a moment.",
            DriverErrorKind::Unsupported => "The node's engine cannot do this.",
            DriverErrorKind::NoSpace => "The node's disk is full.",
            _ => "The node's engine does not answer. Try again in a moment; operators see more under Events.",
        };
        let error_text = error.to_string();
        Self(Error::new(code, public).with_internal(error_text))
    }
}

/// The engine of each node.
#[derive(Default)]
pub struct Engines {
    containers: RwLock<HashMap<NodeId, Arc<dyn ContainerDriver>>>,
}

impl Engines {
    pub fn insert(&self, node: NodeId, driver: Arc<dyn ContainerDriver>) {
        self.containers.write().unwrap_or_else(PoisonError::into_inner).insert(node, driver);
    }

    pub fn remove(&self, node: NodeId) {
        self.containers.write().unwrap_or_else(PoisonError::into_inner).remove(&node);
    }

    pub fn all(&self) -> Vec<(NodeId, Arc<dyn ContainerDriver>)> {
        let containers = self.containers.read().unwrap_or_else(PoisonError::into_inner);
        containers.iter().map(|(node, driver)| (*node, driver.clone())).collect()
    }

    /// # Errors
    /// `engine_unavailable` when this server has no engine for that node.
    pub fn container(&self, node: NodeId) -> AppResult<Arc<dyn ContainerDriver>> {
        let containers = self.containers.read().unwrap_or_else(PoisonError::into_inner);
        containers.get(&node).cloned().ok_or_else(|| {
            AppError(Error::new(
                ErrorCode::EngineUnavailable,
                "This node's engine is not connected to Berth at the moment.",
            ))
        })
    }
}

/// Something that changed, for those who watch.
#[derive(Clone, Debug, Serialize)]
pub struct LiveEvent {
    /// `session`, `node`, `operation` or `event`
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<TenantId>,
    #[serde(skip)]
    pub owner: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// Passes live events on. A watcher that is too slow loses the oldest and is told to read again.
pub struct Hub {
    sender: broadcast::Sender<LiveEvent>,
}

impl Default for Hub {
    fn default() -> Self {
        Self { sender: broadcast::channel(4096).0 }
    }
}

impl Hub {
    pub fn publish(&self, event: LiveEvent) {
        // Nobody watching is no failure.
        let _ = self.sender.send(event);
    }

    pub fn subscribe(&self) -> broadcast::Receiver<LiveEvent> {
        self.sender.subscribe()
    }
}

/// Wakes the tasks before their timers do. A nudge carries nothing: the task reads the database.
#[derive(Default)]
pub struct Nudges {
    pub scheduler: Notify,
    pub operations: Notify,
    pub sessions: Notify,
}

/// What to do once a transaction is committed.
#[derive(Default)]
pub struct After {
    pub live: Vec<LiveEvent>,
    pub scheduler: bool,
    pub operations: bool,
    pub sessions: bool,
    /// Operations that were superseded: their workers should notice now.
    pub interrupt: Vec<berth_types::OperationId>,
}

impl After {
    pub fn session(&mut self, id: SessionId, tenant: TenantId, owner: UserId, status: impl ToString) {
        self.live.push(LiveEvent {
            kind: "session",
            id: id.0,
            tenant_id: Some(tenant),
            owner: Some(owner),
            status: Some(status.to_string()),
        });
    }

    pub fn run(self, app: &App) {
        app.running.interrupt_all(self.interrupt);
        for event in self.live {
            app.hub.publish(event);
        }
        if self.scheduler {
            app.nudges.scheduler.notify_one();
        }
        if self.operations {
            app.nudges.operations.notify_one();
        }
        if self.sessions {
            app.nudges.sessions.notify_one();
        }
    }
}
