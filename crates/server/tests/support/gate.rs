//! An engine behind a gate: a call can be held just before or just after it takes effect, so that a server can be killed
//! exactly there; and every change can be made twice, as after a lost answer.

use std::{
    future::Future,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use berth_drivers::{
    ContainerDriver, Result,
    container::{
        AsyncReadWrite, ByteStream, Capabilities, ContainerSpec, ContainerState, ContainerStats, EngineEvent,
        EngineInfo, ExecSession, ExecSpec, FirewallSpec, ImageConfig, ImageInfo, LabelFilter, LogChunk, LogOptions,
        NetworkSpec, NetworkState, PathInfo, ProgressSink, RegistryAuth,
    },
    sim::{Operation, SimEngine},
};
use berth_types::Timestamp;
use bytes::Bytes;
use futures::stream::BoxStream;

/// Where a call is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Nothing has happened yet.
    Before,
    /// It has happened, and nobody has heard of it.
    After,
}

/// A gate before one engine.
pub struct Gate {
    engine: SimEngine,
    wanted: Mutex<Option<(Operation, Point)>>,
    held: AtomicBool,
    twice: AtomicBool,
}

impl Gate {
    pub fn new(engine: SimEngine) -> Self {
        Self { engine, wanted: Mutex::default(), held: AtomicBool::default(), twice: AtomicBool::default() }
    }

    /// The next such call is held there until its caller is gone.
    pub fn hold(&self, operation: Operation, point: Point) {
        self.held.store(false, Ordering::SeqCst);
        *self.wanted.lock().unwrap() = Some((operation, point));
    }

    /// Whether a call is being held.
    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::SeqCst)
    }

    /// Whether the wished call has not come yet.
    pub fn is_waiting(&self) -> bool {
        self.wanted.lock().unwrap().is_some()
    }

    /// From now on nothing is held.
    pub fn open(&self) {
        *self.wanted.lock().unwrap() = None;
        self.held.store(false, Ordering::SeqCst);
    }

    /// From now on every call is made twice.
    pub fn twice(&self, twice: bool) {
        self.twice.store(twice, Ordering::SeqCst);
    }

    async fn pass(&self, operation: Operation, point: Point) {
        let wanted = {
            let mut wanted = self.wanted.lock().unwrap();
            let here = *wanted == Some((operation, point));
            if here {
                *wanted = None;
            }
            here
        };
        if wanted {
            self.held.store(true, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
    }

    async fn once<T>(&self, operation: Operation, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.pass(operation, Point::Before).await;
        let result = call.await;
        self.pass(operation, Point::After).await;
        result
    }

    async fn call<T, F: Future<Output = Result<T>>>(&self, operation: Operation, call: impl Fn() -> F) -> Result<T> {
        self.pass(operation, Point::Before).await;
        let mut result = call().await;
        if self.twice.load(Ordering::SeqCst) && result.is_ok() {
            result = call().await;
        }
        self.pass(operation, Point::After).await;
        result
    }
}

#[async_trait]
impl ContainerDriver for Gate {
    fn capabilities(&self) -> Capabilities {
        self.engine.capabilities()
    }

    async fn info(&self) -> Result<EngineInfo> {
        self.call(Operation::Info, || self.engine.info()).await
    }

    async fn ping(&self) -> Result<()> {
        self.call(Operation::Ping, || self.engine.ping()).await
    }

    async fn ensure_network(&self, spec: &NetworkSpec) -> Result<NetworkState> {
        self.call(Operation::EnsureNetwork, || self.engine.ensure_network(spec)).await
    }

    async fn ensure_network_absent(&self, name: &str) -> Result<()> {
        self.call(Operation::EnsureNetworkAbsent, || self.engine.ensure_network_absent(name)).await
    }

    async fn list_networks(&self, filter: &LabelFilter) -> Result<Vec<NetworkState>> {
        self.call(Operation::ListNetworks, || self.engine.list_networks(filter)).await
    }

    async fn ensure_firewall(&self, spec: &FirewallSpec) -> Result<()> {
        self.call(Operation::EnsureFirewall, || self.engine.ensure_firewall(spec)).await
    }

    async fn image_present(&self, reference: &str) -> Result<Option<ImageInfo>> {
        self.call(Operation::ImagePresent, || self.engine.image_present(reference)).await
    }

    async fn pull_image(
        &self,
        reference: &str,
        auth: Option<&RegistryAuth>,
        progress: Option<ProgressSink>,
    ) -> Result<ImageInfo> {
        self.call(Operation::PullImage, || self.engine.pull_image(reference, auth, progress.clone())).await
    }

    async fn import_image(&self, reference: &str, root_filesystem: Bytes, config: &ImageConfig) -> Result<ImageInfo> {
        self.call(Operation::ImportImage, || self.engine.import_image(reference, root_filesystem.clone(), config)).await
    }

    async fn ensure_image_absent(&self, reference: &str) -> Result<()> {
        self.call(Operation::EnsureImageAbsent, || self.engine.ensure_image_absent(reference)).await
    }

    async fn ensure_container(&self, spec: &ContainerSpec) -> Result<ContainerState> {
        self.call(Operation::EnsureContainer, || self.engine.ensure_container(spec)).await
    }

    async fn start_container(&self, name: &str) -> Result<()> {
        self.call(Operation::StartContainer, || self.engine.start_container(name)).await
    }

    async fn pause_container(&self, name: &str) -> Result<()> {
        self.call(Operation::PauseContainer, || self.engine.pause_container(name)).await
    }

    async fn unpause_container(&self, name: &str) -> Result<()> {
        self.call(Operation::UnpauseContainer, || self.engine.unpause_container(name)).await
    }

    async fn stop_container(&self, name: &str, grace: Duration) -> Result<()> {
        self.call(Operation::StopContainer, || self.engine.stop_container(name, grace)).await
    }

    async fn kill_container(&self, name: &str) -> Result<()> {
        self.call(Operation::KillContainer, || self.engine.kill_container(name)).await
    }

    async fn ensure_container_absent(&self, name: &str) -> Result<()> {
        self.call(Operation::EnsureContainerAbsent, || self.engine.ensure_container_absent(name)).await
    }

    async fn inspect_container(&self, name: &str) -> Result<Option<ContainerState>> {
        self.call(Operation::InspectContainer, || self.engine.inspect_container(name)).await
    }

    async fn list_containers(&self, filter: &LabelFilter) -> Result<Vec<ContainerState>> {
        self.call(Operation::ListContainers, || self.engine.list_containers(filter)).await
    }

    async fn container_size(&self, name: &str) -> Result<u64> {
        self.call(Operation::ContainerSize, || self.engine.container_size(name)).await
    }

    async fn stats(&self, name: &str) -> Result<ContainerStats> {
        self.call(Operation::Stats, || self.engine.stats(name)).await
    }

    async fn logs(&self, name: &str, options: &LogOptions) -> Result<BoxStream<'static, Result<LogChunk>>> {
        self.call(Operation::Logs, || self.engine.logs(name, options)).await
    }

    async fn exec(&self, name: &str, spec: &ExecSpec) -> Result<ExecSession> {
        self.once(Operation::Exec, self.engine.exec(name, spec)).await
    }

    async fn copy_in(&self, name: &str, path: &str, archive: ByteStream) -> Result<()> {
        self.once(Operation::CopyIn, self.engine.copy_in(name, path, archive)).await
    }

    async fn copy_out(&self, name: &str, path: &str) -> Result<ByteStream> {
        self.once(Operation::CopyOut, self.engine.copy_out(name, path)).await
    }

    async fn stat_path(&self, name: &str, path: &str) -> Result<Option<PathInfo>> {
        self.call(Operation::StatPath, || self.engine.stat_path(name, path)).await
    }

    async fn dial(&self, name: &str, port: u16) -> Result<Box<dyn AsyncReadWrite>> {
        self.once(Operation::Dial, self.engine.dial(name, port)).await
    }

    async fn events(
        &self,
        filter: &LabelFilter,
        since: Option<Timestamp>,
    ) -> Result<BoxStream<'static, Result<EngineEvent>>> {
        self.once(Operation::Events, self.engine.events(filter, since)).await
    }
}
