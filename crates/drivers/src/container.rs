//! The one face of container engines.
//!
//! Units: CPU in millicores (1000 is one core), memory and storage in MiB where people set limits, bytes where engines
//! measure. Times are the engine's clock. Every call is bounded by the driver's own time limit and may be repeated.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use berth_types::{StringMap, Timestamp};
use bytes::Bytes;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Cidr, Result};

/// One engine, such as one Docker daemon. Used as `Arc<dyn ContainerDriver>`.
///
/// Verbs named `ensure_…` make the wanted state true and succeed when it already is. Everything else says in its own
/// text what a repetition does. A call that fails with [`Timeout`](crate::DriverErrorKind::Timeout) or
/// [`Ambiguous`](crate::DriverErrorKind::Ambiguous) may have happened: repeat it or inspect.
#[async_trait]
pub trait ContainerDriver: Send + Sync {
    /// What this driver can do at all; what this engine on this host can do is in [`info`](Self::info).
    fn capabilities(&self) -> Capabilities;

    /// Asks the engine for its facts.
    async fn info(&self) -> Result<EngineInfo>;

    /// Cheap proof that the engine answers.
    async fn ping(&self) -> Result<()>;

    // ---- networks ----

    /// A bridge network of that name and subnet. `AlreadyExists` when the name belongs to a network of another subnet or
    /// without our labels; `Conflict` when the subnet overlaps a network of the engine.
    async fn ensure_network(&self, spec: &NetworkSpec) -> Result<NetworkState>;

    /// `Conflict` while a container is attached.
    async fn ensure_network_absent(&self, name: &str) -> Result<()>;

    async fn list_networks(&self, filter: &LabelFilter) -> Result<Vec<NetworkState>>;

    /// Host rules that keep containers on our bridges from the host itself, from each other's bridges and from
    /// `spec.denied`, while the host reaches them and they reach the rest of the world. Cheap when nothing changed.
    /// `Unsupported`, with the remedy in its message, when this host cannot filter.
    async fn ensure_firewall(&self, spec: &FirewallSpec) -> Result<()>;

    // ---- images ----

    async fn image_present(&self, reference: &str) -> Result<Option<ImageInfo>>;

    /// Pulls even when an image of that reference is present, since a tag moves. Concurrent calls for one reference share
    /// one transfer. Not bounded by the ordinary time limit, but fails with `Timeout` when the engine reports nothing for long.
    async fn pull_image(
        &self,
        reference: &str,
        auth: Option<&RegistryAuth>,
        progress: Option<ProgressSink>,
    ) -> Result<ImageInfo>;

    /// Makes an image of one layer from a root file system as a tar archive; the reference moves when it is taken.
    async fn import_image(&self, reference: &str, root_filesystem: Bytes, config: &ImageConfig) -> Result<ImageInfo>;

    /// `Conflict` while a container uses it; absent already is success.
    async fn ensure_image_absent(&self, reference: &str) -> Result<()>;

    // ---- containers ----

    /// Creates the container when no container has its name; never starts it. When one has, it must carry the labels of
    /// the spec, else `AlreadyExists`; its own shape is not compared, since a name belongs to one attempt of one session.
    /// `ImageNotFound` when the image has to be pulled first.
    async fn ensure_container(&self, spec: &ContainerSpec) -> Result<ContainerState>;

    /// Running or paused already is success. `Conflict` while it is being removed, `NotFound` also when its network is gone,
    /// `InvalidRequest` when there is no such command in the image (with an init before it, exit code 127 instead).
    async fn start_container(&self, name: &str) -> Result<()>;

    /// Freezes all processes; paused already is success, not running is `Conflict`.
    async fn pause_container(&self, name: &str) -> Result<()>;

    /// Running already is success, stopped is `Conflict`.
    async fn unpause_container(&self, name: &str) -> Result<()>;

    /// Asks politely (SIGTERM or the image's stop signal), kills after `grace`, and returns when it is stopped. Stopped
    /// already is success.
    async fn stop_container(&self, name: &str, grace: Duration) -> Result<()>;

    /// SIGKILL now; stopped already is success.
    async fn kill_container(&self, name: &str) -> Result<()>;

    /// Kills and removes it with its anonymous volumes.
    async fn ensure_container_absent(&self, name: &str) -> Result<()>;

    async fn inspect_container(&self, name: &str) -> Result<Option<ContainerState>>;

    /// All containers, stopped ones too, that match; one call to the engine however many there are. Of the states only
    /// name, id, image, labels, status, addresses, creation and (for stopped ones) the exit code are filled.
    async fn list_containers(&self, filter: &LabelFilter) -> Result<Vec<ContainerState>>;

    /// Bytes that the container wrote into its own layer, measured now; costs the engine a walk over that layer.
    async fn container_size(&self, name: &str) -> Result<u64>;

    /// One reading; see [`ContainerStats::cpu_percent_since`]. `Conflict` when it does not run. An older Docker (seen with
    /// 20.10) answers at its next round of measuring, up to a second later, however many ask: ask for many at once.
    async fn stats(&self, name: &str) -> Result<ContainerStats>;

    // ---- what happens inside ----

    async fn logs(&self, name: &str, options: &LogOptions) -> Result<BoxStream<'static, Result<LogChunk>>>;

    /// Runs a command in a running container, else `Conflict`. Dropping the session closes its streams; the engine keeps
    /// the process until it ends by itself or by the loss of its terminal.
    async fn exec(&self, name: &str, spec: &ExecSpec) -> Result<ExecSession>;

    /// Unpacks a tar archive into an existing directory of the container. What it holds will belong to the user that the
    /// container runs as, whoever owned it before. `InvalidRequest` when it is no tar archive.
    async fn copy_in(&self, name: &str, path: &str, archive: ByteStream) -> Result<()>;

    /// A file or directory as a tar archive whose top entry is the last part of `path`.
    async fn copy_out(&self, name: &str, path: &str) -> Result<ByteStream>;

    /// `None` when there is nothing at `path`; does not follow a symbolic link at its end.
    async fn stat_path(&self, name: &str, path: &str) -> Result<Option<PathInfo>>;

    /// A TCP connection to a port of the container. `Conflict` when it does not run or has no address, `Unavailable` when
    /// nothing listens there (yet).
    async fn dial(&self, name: &str, port: u16) -> Result<Box<dyn AsyncReadWrite>>;

    /// What happens to matching containers from now on, or from `since`, which the engine keeps only for a while (Docker:
    /// its last 256 events). Ends with an error when the engine goes away; reconnecting is the caller's.
    async fn events(
        &self,
        filter: &LabelFilter,
        since: Option<Timestamp>,
    ) -> Result<BoxStream<'static, Result<EngineEvent>>>;
}

/// Bytes of unknown length.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// A connection.
pub trait AsyncReadWrite: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> AsyncReadWrite for T {}

/// Called for every step of a pull, from the task that pulls; must not block.
pub type ProgressSink = Arc<dyn Fn(PullProgress) + Send + Sync>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Nothing real runs; whatever shows this engine must say so.
    pub simulated: bool,
    pub pause: bool,
    pub exec: bool,
    pub copy: bool,
    pub logs: bool,
    pub dial: bool,
    pub firewall: bool,
    pub events: bool,
}

/// Facts of an engine, for the node's row and for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineInfo {
    /// `docker`, `podman` or `sim`.
    pub engine: String,
    pub version: String,
    pub api_version: String,
    pub operating_system: String,
    pub kernel: String,
    /// As the engine says it, e.g. `x86_64`.
    pub architecture: String,
    pub cpu_count: i64,
    pub memory_bytes: i64,
    pub storage_driver: String,
    /// Where the engine keeps images and layers; its file system is the one that fills up.
    pub data_root: String,
    /// 1 or 2; 0 when the engine does not say.
    pub cgroup_version: u8,
    /// Whether the file system under the layers enforces `storage_limit_mib`.
    pub can_limit_storage: bool,
    /// Whether a runtime for GPUs is registered.
    pub has_gpu_runtime: bool,
    pub runtimes: Vec<String>,
    /// Whether the engine can put its own init before the command, to reap processes and pass signals on.
    pub has_init: bool,
    pub has_seccomp: bool,
    /// What the engine warns about, in its own words.
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSpec {
    pub name: String,
    /// Explicit, so that engines do not run out of their own small pools. `None` only where the engine should choose.
    pub subnet: Option<Cidr>,
    /// Default: the first address of the subnet.
    pub gateway: Option<IpAddr>,
    /// No way out to anywhere but the host.
    pub isolated: bool,
    /// Whether containers on this network reach each other.
    pub inter_container: bool,
    pub labels: StringMap,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkState {
    pub name: String,
    pub id: String,
    pub subnet: Option<Cidr>,
    pub gateway: Option<IpAddr>,
    pub isolated: bool,
    pub inter_container: bool,
    /// The host's interface, when the engine says so.
    pub interface: Option<String>,
    pub labels: StringMap,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallSpec {
    /// What no session may reach: other nodes' service addresses, metadata services.
    pub denied: Vec<Cidr>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageInfo {
    /// The engine's content id.
    pub id: String,
    pub size_bytes: u64,
    pub architecture: Option<String>,
}

/// Defaults that an imported image gives to its containers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    pub command: Vec<String>,
    pub env: Vec<(String, String)>,
    pub user: Option<String>,
    pub working_dir: Option<String>,
    pub exposed_ports: Vec<u16>,
}

#[derive(Clone, PartialEq, Eq)]
pub struct RegistryAuth {
    pub username: String,
    pub password: String,
    pub server: Option<String>,
}

impl std::fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryAuth").field("server", &self.server).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PullProgress {
    /// Share of the known bytes that have arrived and been unpacked, 0 to 100; never falls within one pull.
    pub percent: f64,
    pub message: String,
    pub current_bytes: u64,
    pub total_bytes: u64,
}

/// A container as wanted. `Debug` shows the names of environment variables and hides their values.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// See [`names::session_container`](crate::names::session_container).
    pub name: String,
    pub image: String,
    /// Replaces the image's entrypoint; empty keeps it.
    pub entrypoint: Vec<String>,
    /// Replaces the image's command; empty keeps it.
    pub command: Vec<String>,
    pub env: Vec<(String, String)>,
    pub labels: StringMap,
    pub hostname: Option<String>,
    /// `user`, `uid` or `uid:gid`; default is the image's.
    pub user: Option<String>,
    pub working_dir: Option<String>,
    /// Hard limit; `None` is none.
    pub cpu_limit_millicores: Option<i64>,
    /// Weight under contention; 1000 is Docker's default weight.
    pub cpu_request_millicores: Option<i64>,
    /// Hard limit, swap included.
    pub memory_limit_mib: Option<i64>,
    /// What the kernel tries to leave the container under pressure.
    pub memory_request_mib: Option<i64>,
    /// Default [`DEFAULT_PIDS_LIMIT`].
    pub pids_limit: Option<i64>,
    pub shm_size_mib: Option<i64>,
    /// Indices or UUIDs of the host's GPUs.
    pub gpus: Vec<String>,
    /// Applied only where [`EngineInfo::can_limit_storage`]; elsewhere measure with `container_size`.
    pub storage_limit_mib: Option<i64>,
    /// `None` is no network but loopback.
    pub network: Option<String>,
    /// Further names under which containers of the same network find this one.
    pub network_aliases: Vec<String>,
    pub exposed_ports: Vec<u16>,
    pub mounts: Vec<VolumeMount>,
    /// All confinement off. Only by an explicit permission; the driver does not ask who.
    pub privileged: bool,
    /// Capabilities beyond [`DEFAULT_CAPABILITIES`], without `CAP_`.
    pub extra_capabilities: Vec<String>,
    /// The root file system refuses writes.
    pub read_only_root: bool,
    pub tty: bool,
    pub stdin_open: bool,
    /// Bytes per log file, default [`DEFAULT_LOG_MAX_BYTES`].
    pub log_max_bytes: Option<i64>,
    /// Rotated files kept, default [`DEFAULT_LOG_MAX_FILES`].
    pub log_max_files: Option<i64>,
}

impl std::fmt::Debug for ContainerSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let env: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        f.debug_struct("ContainerSpec")
            .field("name", &self.name)
            .field("image", &self.image)
            .field("env", &env)
            .field("labels", &self.labels)
            .field("network", &self.network)
            .field("privileged", &self.privileged)
            .finish_non_exhaustive()
    }
}

/// Enough for a desktop, too few for a fork bomb to hurt the host.
pub const DEFAULT_PIDS_LIMIT: i64 = 512;
/// With three files, 30 MB of log per container.
pub const DEFAULT_LOG_MAX_BYTES: i64 = 10 * 1024 * 1024;
pub const DEFAULT_LOG_MAX_FILES: i64 = 3;

/// What is left of the capabilities after dropping all, without `CAP_`. Each is there because images that begin as root
/// in order to drop to a user break without it: CHOWN and FOWNER prepare a home directory, DAC_OVERRIDE lets that root
/// read what the user owns, SETUID and SETGID are how it becomes the user, KILL is how an init passes signals to processes
/// of other users, NET_BIND_SERVICE lets a web server have port 80. Of Docker's own defaults this leaves out NET_RAW
/// (spoofing), MKNOD, SYS_CHROOT, SETPCAP, SETFCAP, FSETID and AUDIT_WRITE.
pub const DEFAULT_CAPABILITIES: &[&str] =
    &["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"];

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeMount {
    pub source: MountSource,
    /// Absolute path inside.
    pub target: String,
    pub read_only: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountSource {
    /// A directory of the host, which must exist.
    HostDirectory(String),
    /// A volume of the engine, made when missing.
    Volume(String),
    /// Memory, of so many MiB.
    Tmpfs(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerStatus {
    Created,
    Running,
    Paused,
    Restarting,
    Removing,
    Exited,
    /// The engine failed to remove it; it does not run.
    Dead,
}

impl ContainerStatus {
    /// Whether it has processes.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerState {
    pub name: String,
    pub id: String,
    pub image: String,
    pub status: ContainerStatus,
    /// Once it has ended; 128 + n after signal n.
    pub exit_code: Option<i64>,
    /// The kernel killed it at its memory limit.
    pub oom_killed: bool,
    /// Why it could not be started, in the engine's words.
    pub error: Option<String>,
    pub created_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub addresses: Vec<IpAddr>,
    pub labels: StringMap,
    /// The main process as the host counts, while it runs.
    pub pid: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerStats {
    /// Of this reading, by the engine's clock.
    pub read_at: Option<Timestamp>,
    /// CPU time since the start, all cores together.
    pub cpu_total_ns: u64,
    /// Time that the limit took away, since the start.
    pub cpu_throttled_ns: u64,
    /// Without the page cache that the kernel can drop, as `docker stats` counts it.
    pub memory_used_bytes: u64,
    pub memory_limit_bytes: u64,
    pub network_received_bytes: u64,
    pub network_sent_bytes: u64,
    pub block_read_bytes: u64,
    pub block_written_bytes: u64,
    pub pids: u64,
}

impl ContainerStats {
    /// Percent of one core between two readings (200 is two cores). `None` when they are not in order.
    pub fn cpu_percent_since(&self, earlier: &Self) -> Option<f64> {
        let span = (self.read_at? - earlier.read_at?).num_nanoseconds().filter(|ns| *ns > 0)?;
        let used = self.cpu_total_ns.checked_sub(earlier.cpu_total_ns)?;
        Some(used as f64 * 100.0 / span as f64)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Keep the stream open until the container ends.
    pub follow: bool,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Only the last so many lines.
    pub tail: Option<u64>,
    /// Fill [`LogChunk::timestamp`].
    pub timestamps: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputStream {
    Stdout,
    Stderr,
}

/// A piece of output; a line when the container has no terminal, else whatever came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogChunk {
    pub stream: OutputStream,
    pub bytes: Bytes,
    pub timestamp: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    pub columns: u16,
    pub rows: u16,
}

/// `Debug` hides the values of the environment.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ExecSpec {
    pub command: Vec<String>,
    pub env: Vec<(String, String)>,
    pub tty: bool,
    /// Whether anything is sent to its standard input.
    pub stdin: bool,
    pub user: Option<String>,
    pub working_dir: Option<String>,
    /// First size of the terminal.
    pub size: Option<TerminalSize>,
}

impl std::fmt::Debug for ExecSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecSpec").field("tty", &self.tty).field("user", &self.user).finish_non_exhaustive()
    }
}

/// A command that runs inside a container.
pub struct ExecSession {
    /// Ends when the command does (or its terminal closes). With a terminal everything comes as `Stdout`.
    pub output: BoxStream<'static, Result<LogChunk>>,
    /// Shutting it down is the end of input.
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
    pub control: Arc<dyn ExecControl>,
}

#[async_trait]
pub trait ExecControl: Send + Sync {
    async fn resize(&self, size: TerminalSize) -> Result<()>;

    /// `None` while it runs, which the engine may say for a moment after the output has ended.
    async fn exit_code(&self) -> Result<Option<i64>>;

    /// Waits for the exit code, at most `limit`; `None` when it still runs then.
    async fn wait(&self, limit: Duration) -> Result<Option<i64>> {
        let mut pause = Duration::from_millis(5);
        let end = tokio::time::Instant::now() + limit;
        loop {
            let code = self.exit_code().await?;
            if code.is_some() || tokio::time::Instant::now() >= end {
                return Ok(code);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathInfo {
    pub name: String,
    pub size_bytes: i64,
    /// Permission bits, 0o7777 at most.
    pub mode: u32,
    pub is_directory: bool,
    pub link_target: Option<String>,
    pub modified_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineEventKind {
    Create,
    Start,
    /// Its main process ended; the exit code is in the event.
    Die,
    OutOfMemory,
    Pause,
    Unpause,
    Kill,
    Stop,
    Restart,
    Rename,
    Destroy,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineEvent {
    pub kind: EngineEventKind,
    pub name: String,
    pub id: String,
    pub exit_code: Option<i64>,
    pub labels: StringMap,
    pub at: Option<Timestamp>,
}

/// Labels that must be there, with any value or with that one. Empty matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelFilter(Vec<(String, Option<String>)>);

impl LabelFilter {
    pub fn any() -> Self {
        Self::default()
    }

    pub fn has(key: impl Into<String>) -> Self {
        Self(vec![(key.into(), None)])
    }

    pub fn equals(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self(vec![(key.into(), Some(value.into()))])
    }

    #[must_use]
    pub fn and(mut self, mut other: Self) -> Self {
        self.0.append(&mut other.0);
        self
    }

    pub fn matches(&self, labels: &StringMap) -> bool {
        self.0.iter().all(|(key, wanted)| {
            labels.get(key).is_some_and(|value| wanted.as_ref().is_none_or(|wanted| wanted == value))
        })
    }

    /// As Docker writes label filters: `key` or `key=value`.
    pub fn terms(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|(key, value)| match value {
            Some(value) => format!("{key}={value}"),
            None => key.clone(),
        })
    }
}
