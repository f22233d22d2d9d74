//! An engine that runs nothing: for tests of failure and scale, and for `berth up --sim`, where it says so of itself.
//!
//! It keeps to the contract of [`ContainerDriver`] as the conformance suite checks it on real engines, holds thousands
//! of containers, and fails as told ([`SimEngine::inject`]). Cloning it, or opening the same journal after the process
//! was killed, finds the same engine again.

mod files;
mod journal;
mod program;
mod sessions;
mod state;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use berth_types::Timestamp;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio::sync::{broadcast, watch};

use crate::container::{
    AsyncReadWrite, ByteStream, Capabilities, ContainerDriver, ContainerSpec, ContainerState, ContainerStats,
    ContainerStatus, EngineEvent, EngineEventKind, EngineInfo, ExecSession, ExecSpec, FirewallSpec, ImageConfig,
    ImageInfo, LabelFilter, LogChunk, LogOptions, NetworkSpec, NetworkState, PathInfo, ProgressSink, PullProgress,
    RegistryAuth,
};
use crate::{Cidr, DriverError, DriverErrorKind, Result, names};
use journal::{Change, Journal};
use state::{Record, State};

/// Gives the time; handed in, so that tests own it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

#[derive(Clone)]
pub struct SimOptions {
    /// Part of container ids, so that two engines never share one.
    pub name: String,
    pub clock: Clock,
    /// Where to remember everything across a kill of this process.
    pub journal: Option<PathBuf>,
    /// What every call takes.
    pub latency: Duration,
    pub cpu_count: i64,
    pub memory_mib: i64,
    /// What can be pulled; `None` is everything.
    pub registry: Option<Vec<String>>,
    /// Whether there is a GPU runtime.
    pub has_gpus: bool,
}

impl SimOptions {
    pub fn new(name: impl Into<String>, clock: Clock) -> Self {
        Self {
            name: name.into(),
            clock,
            journal: None,
            latency: Duration::ZERO,
            cpu_count: 64,
            memory_mib: 256 * 1024,
            registry: None,
            has_gpus: false,
        }
    }
}

/// The verbs of [`ContainerDriver`], for scripting failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    Info,
    Ping,
    EnsureNetwork,
    EnsureNetworkAbsent,
    ListNetworks,
    EnsureFirewall,
    ImagePresent,
    PullImage,
    ImportImage,
    EnsureImageAbsent,
    EnsureContainer,
    StartContainer,
    PauseContainer,
    UnpauseContainer,
    StopContainer,
    KillContainer,
    EnsureContainerAbsent,
    InspectContainer,
    ListContainers,
    ContainerSize,
    Stats,
    Logs,
    Exec,
    CopyIn,
    CopyOut,
    StatPath,
    Dial,
    Events,
}

/// When a scripted failure strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultPoint {
    /// Nothing has happened.
    Before,
    /// It has happened, and only the answer is lost.
    After,
}

/// A failure or a delay to come.
#[derive(Clone, Debug)]
pub struct Fault {
    /// `None` is any.
    pub operation: Option<Operation>,
    /// Only for things whose name contains this.
    pub name_contains: Option<String>,
    pub point: FaultPoint,
    /// `None` only delays.
    pub error: Option<DriverErrorKind>,
    pub delay: Duration,
    /// How often; `None` until [`SimEngine::clear_faults`].
    pub times: Option<u32>,
}

impl Fault {
    /// The next such call fails before it does anything.
    pub fn once(operation: Operation, error: DriverErrorKind) -> Self {
        Self {
            operation: Some(operation),
            name_contains: None,
            point: FaultPoint::Before,
            error: Some(error),
            delay: Duration::ZERO,
            times: Some(1),
        }
    }

    /// The next such call is done and its answer lost.
    pub fn once_after(operation: Operation) -> Self {
        Self { point: FaultPoint::After, ..Self::once(operation, DriverErrorKind::Ambiguous) }
    }

    /// Every such call takes so much longer.
    pub fn slow(operation: Operation, delay: Duration) -> Self {
        Self {
            operation: Some(operation),
            name_contains: None,
            point: FaultPoint::Before,
            error: None,
            delay,
            times: None,
        }
    }
}

#[derive(Default)]
struct Script {
    faults: Vec<Fault>,
    is_away: bool,
    calls: HashMap<Operation, u64>,
}

struct Inner {
    options: SimOptions,
    state: Mutex<State>,
    script: Mutex<Script>,
    events: broadcast::Sender<EngineEvent>,
    /// Bumped on every change; wakes whoever follows a log or waits for an end.
    changes: watch::Sender<u64>,
}

/// A handle on one simulated engine; clones are the same engine.
#[derive(Clone)]
pub struct SimEngine(Arc<Inner>);

impl SimEngine {
    /// Opens the engine; must be called within a Tokio runtime. Containers that ran when the journal was last written go
    /// on as if they had run all the while. Fails when the journal cannot be read or written.
    pub fn open(options: SimOptions) -> Result<Self> {
        let mut state = State::default();
        if let Some(path) = &options.journal {
            let failed = |error: std::io::Error| {
                DriverError::internal(format!("the journal of the simulated engine {}: {error}", path.display()))
            };
            for change in Journal::read(path).map_err(failed)? {
                state.apply(change);
            }
            state.journal = Some(Journal::rewrite(path, state.everything()).map_err(failed)?);
        }
        let now = (options.clock)();
        let mut running = Vec::new();
        for record in state.containers.values_mut() {
            if let Some(since) = record.resumed_at {
                record.ran_ms += u64::try_from((now - since).num_milliseconds()).unwrap_or_default();
                record.go_on(now);
                running.push(record.spec.name.clone());
            }
        }
        let engine = Self(Arc::new(Inner {
            options,
            state: Mutex::new(state),
            script: Mutex::default(),
            events: broadcast::channel(8192).0,
            changes: watch::Sender::new(0),
        }));
        for name in running {
            engine.schedule_end(&name);
        }
        Ok(engine)
    }

    pub fn inject(&self, fault: Fault) {
        self.script().faults.push(fault);
    }

    pub fn clear_faults(&self) {
        self.script().faults.clear();
    }

    /// From now on, every call finds the engine away (or back); its containers go on. Streams of events end.
    pub fn set_away(&self, is_away: bool) {
        self.script().is_away = is_away;
        self.bump();
    }

    /// How often a verb was called, failed calls included.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.script().calls.get(&operation).copied().unwrap_or_default()
    }

    /// Ends a container behind everybody's back.
    pub fn end_container(&self, name: &str, exit_code: i64, out_of_memory: bool) -> Result<()> {
        let mut state = self.state();
        self.finish(&mut state, name, exit_code, out_of_memory)
    }

    /// What [`ContainerDriver::container_size`] will say.
    pub fn set_written_bytes(&self, name: &str, bytes: u64) -> Result<()> {
        let mut state = self.state();
        state.container_mut(name)?.written_bytes = bytes;
        state.save(name)
    }

    /// What the last [`ContainerDriver::ensure_firewall`] asked for.
    pub fn denied(&self) -> Vec<Cidr> {
        self.state().denied.clone()
    }

    /// The whole specification of a container, environment included.
    pub fn spec_of(&self, name: &str) -> Option<ContainerSpec> {
        self.state().containers.get(name).map(|record| record.spec.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        (self.0.options.clock)()
    }

    fn bump(&self) {
        self.0.changes.send_modify(|count| *count += 1);
    }

    fn is_away(&self) -> bool {
        self.script().is_away
    }

    fn is_live(&self, name: &str) -> bool {
        self.state().containers.get(name).is_some_and(|record| record.status.is_live())
    }

    /// Waits for a condition that only changes of this engine can make true. It is not tested inside the channel's own
    /// lock, which whoever changes something takes while holding the state.
    async fn until(&self, condition: impl Fn(&Self) -> bool) {
        let mut changes = self.0.changes.subscribe();
        while !condition(self) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Counts the call, waits, and says what the script has for it: an error now, or one to give after the work.
    async fn enter(&self, operation: Operation, name: &str) -> Result<Option<DriverError>> {
        let mut delay = self.0.options.latency;
        let mut before = None;
        let mut after = None;
        {
            let mut script = self.script();
            *script.calls.entry(operation).or_default() += 1;
            for fault in &mut script.faults {
                let applies = fault.operation.is_none_or(|wanted| wanted == operation)
                    && fault.name_contains.as_ref().is_none_or(|part| name.contains(part.as_str()))
                    && fault.times != Some(0);
                if !applies || (fault.error.is_some() && (before.is_some() || after.is_some())) {
                    continue;
                }
                fault.times = fault.times.map(|times| times - 1);
                delay += fault.delay;
                if let Some(kind) = fault.error {
                    let error = DriverError::new(kind, format!("scripted failure of {operation:?} {name}"));
                    match fault.point {
                        FaultPoint::Before => before = Some(error),
                        FaultPoint::After => after = Some(error),
                    }
                }
            }
            script.faults.retain(|fault| fault.times != Some(0));
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if self.is_away() {
            return Err(DriverError::unavailable("the simulated engine is away"));
        }
        match before {
            Some(error) => Err(error),
            None => Ok(after),
        }
    }

    async fn verb<T>(
        &self,
        operation: Operation,
        name: &str,
        work: impl FnOnce(&Self, &mut State) -> Result<T>,
    ) -> Result<T> {
        let lost = self.enter(operation, name).await?;
        let value = work(self, &mut self.state())?;
        lost.map_or(Ok(value), Err)
    }

    fn tell(&self, state: &mut State, kind: EngineEventKind, record: &Record) {
        let event = state.event(kind, record, self.now());
        // Nobody listening is no failure.
        let _ = self.0.events.send(event);
        self.bump();
    }

    /// Sets a timer for the container's own end, if it has one.
    fn schedule_end(&self, name: &str) {
        let (end, elapsed, generation) = {
            let state = self.state();
            let Some(record) = state.containers.get(name) else {
                return;
            };
            let Some(end) = record.program().end() else { return };
            (end, record.elapsed(), record.generation)
        };
        let engine = Arc::downgrade(&self.0);
        let name = name.to_owned();
        tokio::spawn(async move {
            tokio::time::sleep(end.after.saturating_sub(elapsed)).await;
            let Some(engine) = engine.upgrade().map(Self) else {
                return;
            };
            let mut state = engine.state();
            if state.containers.get(&name).is_some_and(|record| record.generation == generation) {
                let result = engine.finish(&mut state, &name, end.exit_code, end.out_of_memory);
                if let Err(error) = result {
                    tracing::warn!(%error, name, "a simulated container ended and this could not be written down");
                }
            }
        });
    }

    fn finish(&self, state: &mut State, name: &str, exit_code: i64, out_of_memory: bool) -> Result<()> {
        let now = self.now();
        let record = state.container_mut(name)?;
        if !record.status.is_live() {
            return Ok(());
        }
        record.hold();
        record.status = ContainerStatus::Exited;
        record.exit_code = Some(exit_code);
        record.oom_killed = out_of_memory;
        record.finished_at = Some(now);
        record.address = None;
        let record = record.clone();
        state.save(name)?;
        if out_of_memory {
            self.tell(state, EngineEventKind::OutOfMemory, &record);
        }
        self.tell(state, EngineEventKind::Die, &record);
        Ok(())
    }
}

#[async_trait]
impl ContainerDriver for SimEngine {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            simulated: true,
            pause: true,
            exec: true,
            copy: true,
            logs: true,
            dial: true,
            firewall: true,
            events: true,
        }
    }

    async fn info(&self) -> Result<EngineInfo> {
        self.verb(Operation::Info, "", |engine, _| {
            let options = &engine.0.options;
            Ok(EngineInfo {
                engine: "sim".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                api_version: "1".to_owned(),
                operating_system: "simulated".to_owned(),
                kernel: "simulated".to_owned(),
                architecture: "x86_64".to_owned(),
                cpu_count: options.cpu_count,
                memory_bytes: options.memory_mib.saturating_mul(1024 * 1024),
                storage_driver: "memory".to_owned(),
                data_root: String::new(),
                cgroup_version: 2,
                can_limit_storage: false,
                has_gpu_runtime: options.has_gpus,
                runtimes: vec!["sim".to_owned()],
                has_init: true,
                has_seccomp: true,
                warnings: Vec::new(),
            })
        })
        .await
    }

    async fn ping(&self) -> Result<()> {
        self.verb(Operation::Ping, "", |_, _| Ok(())).await
    }

    async fn ensure_network(&self, spec: &NetworkSpec) -> Result<NetworkState> {
        self.verb(Operation::EnsureNetwork, &spec.name, |_, state| {
            let wanted = NetworkState {
                name: spec.name.clone(),
                id: format!("net-{}", spec.name),
                subnet: spec.subnet,
                gateway: spec.gateway.or_else(|| spec.subnet.and_then(|subnet| subnet.first_host())),
                isolated: spec.isolated,
                inter_container: spec.inter_container,
                interface: Some(names::bridge_interface(&spec.name)),
                labels: spec.labels.clone(),
            };
            if let Some(found) = state.networks.get(&spec.name) {
                return if *found == wanted {
                    Ok(wanted)
                } else {
                    let text = format!("the name {} belongs to a network of another shape", spec.name);
                    Err(DriverError::new(DriverErrorKind::AlreadyExists, text))
                };
            }
            let overlaps = |other: &NetworkState| match (other.subnet, wanted.subnet) {
                (Some(a), Some(b)) => a.contains(b.network()) || b.contains(a.network()),
                _ => false,
            };
            if let Some(other) = state.networks.values().find(|other| overlaps(other)) {
                return Err(DriverError::conflict(format!("the subnet overlaps network {}", other.name)));
            }
            state.write(&Change::Network(wanted.clone()))?;
            state.networks.insert(spec.name.clone(), wanted.clone());
            Ok(wanted)
        })
        .await
    }

    async fn ensure_network_absent(&self, name: &str) -> Result<()> {
        self.verb(Operation::EnsureNetworkAbsent, name, |_, state| {
            let attached = |record: &Record| record.status.is_live() && record.spec.network.as_deref() == Some(name);
            if state.containers.values().any(attached) {
                return Err(DriverError::conflict(format!("network {name} has active endpoints")));
            }
            if state.networks.remove(name).is_some() {
                state.write(&Change::NetworkGone(name.to_owned()))?;
            }
            Ok(())
        })
        .await
    }

    async fn list_networks(&self, filter: &LabelFilter) -> Result<Vec<NetworkState>> {
        self.verb(Operation::ListNetworks, "", |_, state| {
            Ok(state.networks.values().filter(|network| filter.matches(&network.labels)).cloned().collect())
        })
        .await
    }

    async fn ensure_firewall(&self, spec: &FirewallSpec) -> Result<()> {
        self.verb(Operation::EnsureFirewall, "", |_, state| {
            state.denied.clone_from(&spec.denied);
            Ok(())
        })
        .await
    }

    async fn image_present(&self, reference: &str) -> Result<Option<ImageInfo>> {
        self.verb(Operation::ImagePresent, reference, |_, state| Ok(state.images.get(reference).cloned())).await
    }

    async fn pull_image(
        &self,
        reference: &str,
        _auth: Option<&RegistryAuth>,
        progress: Option<ProgressSink>,
    ) -> Result<ImageInfo> {
        self.verb(Operation::PullImage, reference, |engine, state| {
            if let Some(known) = &engine.0.options.registry
                && !known.iter().any(|known| known == reference)
            {
                let text = format!("the simulated registry has no image {reference}");
                return Err(DriverError::new(DriverErrorKind::ImageNotFound, text));
            }
            let image = ImageInfo {
                id: format!("sha256:sim-{reference}"),
                size_bytes: 1 << 20,
                architecture: Some("amd64".to_owned()),
            };
            for quarter in 1..=4_u32 {
                if let Some(progress) = &progress {
                    progress(PullProgress {
                        percent: f64::from(quarter) * 25.0,
                        message: "Simulated pull".to_owned(),
                        current_bytes: image.size_bytes / 4 * u64::from(quarter),
                        total_bytes: image.size_bytes,
                    });
                }
            }
            state.write(&Change::Image(reference.to_owned(), image.clone()))?;
            state.images.insert(reference.to_owned(), image.clone());
            Ok(image)
        })
        .await
    }

    async fn import_image(&self, reference: &str, root_filesystem: Bytes, _config: &ImageConfig) -> Result<ImageInfo> {
        self.verb(Operation::ImportImage, reference, |_, state| {
            let image = ImageInfo {
                id: format!("sha256:sim-{reference}"),
                size_bytes: root_filesystem.len() as u64,
                architecture: Some("amd64".to_owned()),
            };
            state.write(&Change::Image(reference.to_owned(), image.clone()))?;
            state.images.insert(reference.to_owned(), image.clone());
            Ok(image)
        })
        .await
    }

    async fn ensure_image_absent(&self, reference: &str) -> Result<()> {
        self.verb(Operation::EnsureImageAbsent, reference, |_, state| {
            if state.containers.values().any(|record| record.spec.image == reference) {
                return Err(DriverError::conflict(format!("image {reference} is used by a container")));
            }
            if state.images.remove(reference).is_some() {
                state.write(&Change::ImageGone(reference.to_owned()))?;
            }
            Ok(())
        })
        .await
    }

    async fn ensure_container(&self, spec: &ContainerSpec) -> Result<ContainerState> {
        self.verb(Operation::EnsureContainer, &spec.name, |engine, state| {
            if spec.env.iter().any(|(name, _)| name.is_empty() || name.contains('=')) {
                return Err(DriverError::invalid("an environment variable needs a name without '='"));
            }
            if let Some(found) = state.containers.get(&spec.name) {
                if spec.labels.iter().all(|(key, value)| found.spec.labels.get(key) == Some(value)) {
                    return Ok(found.state());
                }
                let text = format!("the name {} belongs to a container with other labels", spec.name);
                return Err(DriverError::new(DriverErrorKind::AlreadyExists, text));
            }
            if !state.images.contains_key(&spec.image) {
                let text = format!("there is no image {}", spec.image);
                return Err(DriverError::new(DriverErrorKind::ImageNotFound, text));
            }
            let record = Record {
                spec: spec.clone(),
                id: format!("{}-{}", engine.0.options.name, uuid::Uuid::now_v7().simple()),
                status: ContainerStatus::Created,
                exit_code: None,
                oom_killed: false,
                created_at: engine.now(),
                started_at: None,
                finished_at: None,
                address: None,
                ran_ms: 0,
                resumed_at: None,
                resumed: None,
                generation: 0,
                earlier: Vec::new(),
                written_bytes: 0,
            };
            state.containers.insert(spec.name.clone(), record.clone());
            state.save(&spec.name)?;
            engine.tell(state, EngineEventKind::Create, &record);
            Ok(record.state())
        })
        .await
    }

    async fn start_container(&self, name: &str) -> Result<()> {
        let lost = self.enter(Operation::StartContainer, name).await?;
        {
            let mut state = self.state();
            let record = state.container(name)?;
            if !record.status.is_live() {
                let address = match record.spec.network.clone() {
                    Some(network) => state.free_address(&network)?,
                    None => None,
                };
                let now = self.now();
                let record = state.container_mut(name)?;
                if let Some(before) = record.started_at {
                    record.earlier.push((before, record.ran_ms));
                }
                record.ran_ms = 0;
                record.status = ContainerStatus::Running;
                record.exit_code = None;
                record.oom_killed = false;
                record.started_at = Some(now);
                record.finished_at = None;
                record.address = address;
                record.go_on(now);
                let record = record.clone();
                state.save(name)?;
                self.tell(&mut state, EngineEventKind::Start, &record);
            }
        }
        self.schedule_end(name);
        lost.map_or(Ok(()), Err)
    }

    async fn pause_container(&self, name: &str) -> Result<()> {
        self.verb(Operation::PauseContainer, name, |engine, state| {
            let record = state.container_mut(name)?;
            match record.status {
                ContainerStatus::Paused => return Ok(()),
                ContainerStatus::Running => {}
                _ => return Err(DriverError::conflict(format!("container {name} does not run"))),
            }
            record.hold();
            record.status = ContainerStatus::Paused;
            let record = record.clone();
            state.save(name)?;
            engine.tell(state, EngineEventKind::Pause, &record);
            Ok(())
        })
        .await
    }

    async fn unpause_container(&self, name: &str) -> Result<()> {
        self.verb(Operation::UnpauseContainer, name, |engine, state| {
            let now = engine.now();
            let record = state.container_mut(name)?;
            match record.status {
                ContainerStatus::Running => return Ok(()),
                ContainerStatus::Paused => {}
                _ => return Err(DriverError::conflict(format!("container {name} does not run"))),
            }
            record.go_on(now);
            record.status = ContainerStatus::Running;
            let record = record.clone();
            state.save(name)?;
            engine.tell(state, EngineEventKind::Unpause, &record);
            Ok(())
        })
        .await?;
        self.schedule_end(name);
        Ok(())
    }

    async fn stop_container(&self, name: &str, grace: Duration) -> Result<()> {
        let lost = self.enter(Operation::StopContainer, name).await?;
        let (is_live, ignores_term) = {
            let state = self.state();
            let record = state.container(name)?;
            (record.status.is_live(), record.program().ignores_term)
        };
        if is_live {
            if ignores_term {
                let ended = self.until(|engine| !engine.is_live(name));
                // Its own end may come first.
                let _ = tokio::time::timeout(grace, ended).await;
            }
            let mut state = self.state();
            match self.finish(&mut state, name, if ignores_term { 137 } else { 143 }, false) {
                Err(error) if error.kind != DriverErrorKind::NotFound => return Err(error),
                _ => {}
            }
            if let Some(record) = state.containers.get(name).cloned() {
                self.tell(&mut state, EngineEventKind::Stop, &record);
            }
        }
        lost.map_or(Ok(()), Err)
    }

    async fn kill_container(&self, name: &str) -> Result<()> {
        self.verb(Operation::KillContainer, name, |engine, state| engine.finish(state, name, 137, false)).await
    }

    async fn ensure_container_absent(&self, name: &str) -> Result<()> {
        self.verb(Operation::EnsureContainerAbsent, name, |engine, state| {
            if !state.containers.contains_key(name) {
                return Ok(());
            }
            engine.finish(state, name, 137, false)?;
            if let Some(record) = state.containers.remove(name) {
                state.files.remove(&record.id);
                state.save(name)?;
                engine.tell(state, EngineEventKind::Destroy, &record);
            }
            Ok(())
        })
        .await
    }

    async fn inspect_container(&self, name: &str) -> Result<Option<ContainerState>> {
        self.verb(Operation::InspectContainer, name, |_, state| Ok(state.containers.get(name).map(Record::state))).await
    }

    async fn list_containers(&self, filter: &LabelFilter) -> Result<Vec<ContainerState>> {
        self.verb(Operation::ListContainers, "", |_, state| {
            Ok(state
                .containers
                .values()
                .filter(|record| filter.matches(&record.spec.labels))
                .map(Record::state)
                .collect())
        })
        .await
    }

    async fn container_size(&self, name: &str) -> Result<u64> {
        self.verb(Operation::ContainerSize, name, |_, state| {
            let record = state.container(name)?;
            let copied: usize = state
                .files
                .get(&record.id)
                .map(|files| files.values().map(|node| node.content.len()).sum())
                .unwrap_or_default();
            Ok(record.written_bytes + copied as u64)
        })
        .await
    }

    async fn stats(&self, name: &str) -> Result<ContainerStats> {
        self.verb(Operation::Stats, name, |engine, state| {
            let record = state.container(name)?;
            if !record.status.is_live() {
                return Err(DriverError::conflict(format!("container {name} does not run")));
            }
            // A fifth of the processor and a third of the memory it may have: enough for figures that add up.
            let elapsed = record.elapsed();
            let nanoseconds = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
            let millicores = u64::try_from(record.spec.cpu_limit_millicores.unwrap_or(1000)).unwrap_or_default();
            let limit_mib = record.spec.memory_limit_mib.unwrap_or(engine.0.options.memory_mib);
            let limit = u64::try_from(limit_mib).unwrap_or_default() * 1024 * 1024;
            Ok(ContainerStats {
                read_at: Some(engine.now()),
                cpu_total_ns: nanoseconds / 5000 * millicores + 1_000_000,
                cpu_throttled_ns: 0,
                memory_used_bytes: if record.spec.memory_limit_mib.is_some() { limit / 3 } else { 64 << 20 },
                memory_limit_bytes: limit,
                network_received_bytes: elapsed.as_secs() * 1000,
                network_sent_bytes: elapsed.as_secs() * 500,
                block_read_bytes: 4096,
                block_written_bytes: elapsed.as_secs() * 100,
                pids: 2,
            })
        })
        .await
    }

    async fn logs(&self, name: &str, options: &LogOptions) -> Result<BoxStream<'static, Result<LogChunk>>> {
        let lost = self.enter(Operation::Logs, name).await?;
        let stream = sessions::logs(self.clone(), name, options)?;
        lost.map_or(Ok(stream), Err)
    }

    async fn exec(&self, name: &str, spec: &ExecSpec) -> Result<ExecSession> {
        let lost = self.enter(Operation::Exec, name).await?;
        let session = sessions::exec(self, name, spec)?;
        lost.map_or(Ok(session), Err)
    }

    async fn copy_in(&self, name: &str, path: &str, archive: ByteStream) -> Result<()> {
        let lost = self.enter(Operation::CopyIn, name).await?;
        let bytes: Vec<Bytes> = archive.try_collect().await?;
        files::unpack(&mut self.state(), name, path, &bytes.concat())?;
        lost.map_or(Ok(()), Err)
    }

    async fn copy_out(&self, name: &str, path: &str) -> Result<ByteStream> {
        self.verb(Operation::CopyOut, name, |_, state| {
            let archive = files::pack(state, name, path)?;
            Ok(stream::iter([Ok(Bytes::from(archive))]).boxed())
        })
        .await
    }

    async fn stat_path(&self, name: &str, path: &str) -> Result<Option<PathInfo>> {
        self.verb(Operation::StatPath, name, |_, state| files::stat(state, name, path)).await
    }

    async fn dial(&self, name: &str, port: u16) -> Result<Box<dyn AsyncReadWrite>> {
        self.verb(Operation::Dial, name, |_, state| {
            let record = state.container(name)?;
            if record.status != ContainerStatus::Running || record.address.is_none() {
                return Err(DriverError::conflict(format!("container {name} does not run or has no address")));
            }
            if !record.spec.exposed_ports.contains(&port) {
                return Err(DriverError::unavailable(format!("nothing listens on port {port} of container {name}")));
            }
            Ok(sessions::web_server(record))
        })
        .await
    }

    async fn events(
        &self,
        filter: &LabelFilter,
        since: Option<Timestamp>,
    ) -> Result<BoxStream<'static, Result<EngineEvent>>> {
        let lost = self.enter(Operation::Events, "").await?;
        let stream = {
            // Under one lock, so that nothing is missed or seen twice between the past and the present.
            let state = self.state();
            let past: Vec<_> = state
                .recent
                .iter()
                .filter(|event| since.is_some_and(|since| event.at.is_some_and(|at| at >= since)))
                .cloned()
                .collect();
            sessions::events(self.clone(), filter.clone(), past, self.0.events.subscribe())
        };
        lost.map_or(Ok(stream), Err)
    }
}

#[cfg(test)]
mod tests;
