//! Docker Engine, and Podman through its Docker-compatible socket.
//!
//! Ordinary calls go through bollard over a transport of our own, so that "never sent" and "sent, answer lost" can be
//! told apart; streams are read without it (see [`streams`]). Every call has a time limit. Creating tries first and
//! inspects only on a name conflict, because each round trip to the engine is felt by whoever waits for a session.
//!
//! Bollard writes the bodies of requests, and so the environment of containers, to the `log` crate at debug level: a
//! server must not forward that crate's records below info.
//!
//! Run on Docker Engine 20.10 with cgroup v1 and overlay2 on ext4, by the tests in `tests/`. Not yet run: Podman, a
//! limit on storage (needs xfs with project quotas), and GPUs.

mod answers;
mod archive;
mod container_config;
mod errors;
mod firewall;
mod ownership;
mod pull;
mod streams;
mod transport;

use std::collections::HashMap;
use std::future::Future;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use berth_types::Timestamp;
use bollard::errors::Error as BollardError;
use bollard::query_parameters as query;
use bollard::{ClientVersion, Docker, models};
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::sync::RwLock;

use crate::container::{
    AsyncReadWrite, ByteStream, Capabilities, ContainerDriver, ContainerSpec, ContainerState, ContainerStats,
    ContainerStatus, EngineEvent, EngineInfo, ExecControl, ExecSession, ExecSpec, FirewallSpec, ImageConfig, ImageInfo,
    LabelFilter, LogChunk, LogOptions, NetworkSpec, NetworkState, PathInfo, ProgressSink, RegistryAuth, TerminalSize,
};
use crate::{DriverError, DriverErrorKind, Result, names};

use answers::{
    can_limit_storage, has_init, is_podman, network_matches, network_state, path_info, state_of, stats_of,
    summary_state,
};
use ownership::Owner;
pub use transport::{DirectAccess, HostAccess};

/// The newest API this driver was written against; an older engine is spoken to in its own version.
const API_VERSION: ClientVersion = ClientVersion { major_version: 1, minor_version: 47 };

#[derive(Clone, Debug)]
pub struct DockerOptions {
    /// `unix:///path` or `tcp://host:port`.
    pub endpoint: String,
    /// For calls that only ask.
    pub query_timeout: Duration,
    /// For calls that make, start, stop (on top of the grace) or remove something; engines do these one after the other
    /// when many come at once.
    pub change_timeout: Duration,
    /// For copying a whole archive in or loading an image.
    pub transfer_timeout: Duration,
    /// How long a transfer may show no progress.
    pub stall_timeout: Duration,
    /// For reaching a container's port.
    pub dial_timeout: Duration,
    /// Name of the nftables table; two installations on one host need two.
    pub firewall_table: String,
}

impl Default for DockerOptions {
    fn default() -> Self {
        Self {
            endpoint: "unix:///var/run/docker.sock".to_owned(),
            query_timeout: Duration::from_secs(20),
            change_timeout: Duration::from_secs(120),
            transfer_timeout: Duration::from_secs(900),
            stall_timeout: Duration::from_secs(120),
            dial_timeout: Duration::from_secs(5),
            firewall_table: "berth".to_owned(),
        }
    }
}

/// What is asked once per connection and does not change while an engine runs.
struct Connected {
    docker: Docker,
    /// `/v1.41`
    prefix: String,
    api_minor: usize,
    is_podman: bool,
    has_init: bool,
    can_limit_storage: bool,
    architecture: String,
}

pub struct DockerDriver {
    options: DockerOptions,
    access: Arc<dyn HostAccess>,
    connected: RwLock<Option<Arc<Connected>>>,
    pulls: pull::Pulls,
    firewall: firewall::Firewall,
}

impl DockerDriver {
    /// Connects to nothing yet: an engine may come later than its server.
    pub fn new(options: DockerOptions) -> Result<Self> {
        let access = Arc::new(DirectAccess::parse(&options.endpoint)?);
        Self::with_access(options, access)
    }

    /// As [`new`](Self::new), by a way of the caller's; `options.endpoint` is then only a name.
    pub fn with_access(options: DockerOptions, access: Arc<dyn HostAccess>) -> Result<Self> {
        let firewall = firewall::Firewall::new(options.firewall_table.clone())?;
        Ok(Self { options, access, connected: RwLock::default(), pulls: pull::Pulls::default(), firewall })
    }

    /// Takes the host rules away again; for uninstalling. Absent already is success.
    pub async fn ensure_firewall_absent(&self) -> Result<()> {
        self.bounded("remove the firewall", self.options.query_timeout, self.firewall.ensure_absent()).await
    }

    /// The connection, made and its version agreed on first use.
    async fn connected(&self) -> Result<Arc<Connected>> {
        if let Some(connected) = self.connected.read().await.as_ref() {
            return Ok(connected.clone());
        }
        // The wait for the lock counts too, else callers of a silent engine would wait for each other in turn.
        self.bounded("connect", self.options.query_timeout, async {
            let mut slot = self.connected.write().await;
            if let Some(connected) = slot.as_ref() {
                return Ok(connected.clone());
            }
            let connected = self.connect().await?;
            *slot = Some(connected.clone());
            Ok(connected)
        })
        .await
    }

    async fn connect(&self) -> Result<Arc<Connected>> {
        let prefix = Arc::new(OnceLock::new());
        let docker = Docker::connect_with_custom_transport(
            transport::bollard_transport(self.access.clone(), prefix.clone()),
            Some("http://engine"),
            // Bollard's own limit counts whole seconds and covers the head of an answer only; ours is the stricter.
            24 * 3600,
            &API_VERSION,
        )
        .map_err(|error| errors::convert("connect", &error))?
        .negotiate_version()
        .await
        .map_err(|error| errors::convert("agree on a version", &error))?;
        let version = docker.client_version();
        let prefix = prefix.get_or_init(|| format!("/v{version}")).clone();
        let engine = docker.version().await.map_err(|error| errors::convert("ask for the version", &error))?;
        let info = docker.info().await.map_err(|error| errors::convert("ask for facts", &error))?;
        Ok(Arc::new(Connected {
            docker,
            prefix,
            api_minor: version.minor_version,
            is_podman: is_podman(&engine),
            has_init: has_init(&info),
            can_limit_storage: can_limit_storage(&info, self.access.is_local()),
            architecture: info.architecture.unwrap_or_default(),
        }))
    }

    async fn bounded<T>(&self, what: &str, limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            let text = format!("{what}: no answer from the engine within {} s", limit.as_secs_f32());
            Err(DriverError::new(DriverErrorKind::Timeout, text))
        })
    }

    /// One call through bollard, bounded.
    async fn call<T, F>(&self, what: &str, limit: Duration, work: impl FnOnce(Docker) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, BollardError>>,
    {
        let connected = self.connected().await?;
        let result = self
            .bounded(what, limit, async {
                work(connected.docker.clone()).await.map_err(|error| errors::convert(what, &error))
            })
            .await;
        self.watch_version(&result).await;
        result
    }

    async fn ask<T, F>(&self, what: &str, work: impl FnOnce(Docker) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, BollardError>>,
    {
        self.call(what, self.options.query_timeout, work).await
    }

    async fn change<T, F>(&self, what: &str, work: impl FnOnce(Docker) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, BollardError>>,
    {
        self.call(what, self.options.change_timeout, work).await
    }

    /// An engine replaced by an older or newer one is asked again for its version and facts.
    async fn watch_version<T>(&self, result: &Result<T>) {
        if let Err(error) = result
            && (error.kind == DriverErrorKind::Unavailable || error.message.contains("client version"))
        {
            *self.connected.write().await = None;
        }
    }

    /// One call without bollard; returns when the head of the answer is there. `path` begins after the version.
    async fn raw(
        &self,
        what: &str,
        method: Method,
        path: &str,
        body: Option<(Bytes, bool)>,
    ) -> Result<Response<Incoming>> {
        let connected = self.connected().await?;
        let mut request = Request::builder().method(method).uri(format!("{}{path}", connected.prefix));
        let bytes = match body {
            Some((bytes, upgrade)) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                if upgrade {
                    request = request.header(header::CONNECTION, "Upgrade").header(header::UPGRADE, "tcp");
                }
                bytes
            }
            None => Bytes::new(),
        };
        let request =
            request.body(Full::new(bytes)).map_err(|error| DriverError::invalid(format!("{what}: {error}")))?;
        let work = async {
            let response =
                transport::send(self.access.clone(), request).await.map_err(|error| errors::convert(what, &error))?;
            let status = response.status();
            if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
                return Ok(response);
            }
            let text = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            #[derive(serde::Deserialize)]
            struct Message {
                message: String,
            }
            let text = serde_json::from_slice::<Message>(&text)
                .map_or_else(|_| String::from_utf8_lossy(&text).into_owned(), |message| message.message);
            Err(errors::from_status(what, status.as_u16(), &text))
        };
        let result = self.bounded(what, self.options.query_timeout, work).await;
        self.watch_version(&result).await;
        result
    }

    async fn inspect_raw(&self, name: &str) -> Result<Option<models::ContainerInspectResponse>> {
        check_name(name)?;
        absent_is_none(
            self.ask(&format!("inspect container {name}"), |docker| async move {
                docker.inspect_container(name, None::<query::InspectContainerOptions>).await
            })
            .await,
        )
    }

    async fn inspect_known(&self, name: &str) -> Result<models::ContainerInspectResponse> {
        self.inspect_raw(name).await?.ok_or_else(|| DriverError::not_found(format_args!("container {name}")))
    }

    /// The user that the container runs as.
    async fn owner_in(&self, name: &str) -> Result<Owner> {
        let user = self.inspect_known(name).await?.config.and_then(|config| config.user).unwrap_or_default();
        if Owner::is_plain(&user) {
            return Ok(Owner::of(&user, "", ""));
        }
        let (passwd, groups) =
            futures::try_join!(self.small_file(name, "/etc/passwd"), self.small_file(name, "/etc/group"))?;
        Ok(Owner::of(&user, &passwd, &groups))
    }

    /// The text of a file of the container, of its first mebibyte; empty when there is none.
    async fn small_file(&self, name: &str, path: &str) -> Result<String> {
        let Some(mut archive) = absent_is_none(self.copy_out(name, path).await)? else { return Ok(String::new()) };
        let mut bytes = Vec::new();
        while bytes.len() < 1 << 20
            && let Some(more) = archive.try_next().await?
        {
            bytes.extend_from_slice(&more);
        }
        let mut text = Vec::new();
        if let Some(Ok(entry)) = tar::Archive::new(bytes.as_slice()).entries().ok().and_then(|mut all| all.next()) {
            // What was cut off is not needed.
            let _ = entry.take(1 << 20).read_to_end(&mut text);
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    async fn status_of(&self, name: &str) -> Result<ContainerStatus> {
        Ok(state_of(self.inspect_known(name).await?).status)
    }

    /// For verbs that the engine refuses when they have been done: the refusal counts as success in the wanted state.
    async fn or_already(
        &self,
        result: Result<()>,
        name: &str,
        wanted: impl FnOnce(ContainerStatus) -> bool,
    ) -> Result<()> {
        match result {
            // Older engines answer 500 where newer ones answer 409.
            Err(error) if matches!(error.kind, DriverErrorKind::Conflict | DriverErrorKind::Internal) => {
                let status = self.status_of(name).await?;
                if wanted(status) {
                    return Ok(());
                }
                Err(DriverError::new(DriverErrorKind::Conflict, format!("{} [{status:?}]", error.message)))
            }
            other => other,
        }
    }

    async fn inspect_network_raw(&self, name: &str) -> Result<Option<models::NetworkInspect>> {
        check_name(name)?;
        absent_is_none(
            self.ask(&format!("inspect network {name}"), |docker| async move {
                docker.inspect_network(name, None::<query::InspectNetworkOptions>).await
            })
            .await,
        )
    }

    async fn create_container(&self, spec: &ContainerSpec) -> Result<models::ContainerCreateResponse> {
        let connected = self.connected().await?;
        let body = container_config::create_body(spec, &connected)?;
        let options = query::CreateContainerOptionsBuilder::new().name(&spec.name).build();
        self.change(&format!("create container {}", spec.name), |docker| async move {
            docker.create_container(Some(options), body).await
        })
        .await
        .map_err(|error| errors::redact(error, &spec.env))
    }
}

#[async_trait]
impl ContainerDriver for DockerDriver {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            simulated: false,
            pause: true,
            exec: true,
            copy: true,
            logs: true,
            dial: true,
            firewall: self.access.is_local(),
            events: true,
        }
    }

    async fn info(&self) -> Result<EngineInfo> {
        let version = self.ask("ask for the version", |docker| async move { docker.version().await }).await?;
        let info = self.ask("ask for facts", |docker| async move { docker.info().await }).await?;
        let runtimes: std::collections::BTreeSet<_> =
            info.runtimes.as_ref().map(|runtimes| runtimes.keys().cloned().collect()).unwrap_or_default();
        Ok(EngineInfo {
            engine: if is_podman(&version) { "podman" } else { "docker" }.to_owned(),
            version: version.version.unwrap_or_default(),
            api_version: version.api_version.unwrap_or_default(),
            cgroup_version: match info.cgroup_version {
                Some(models::SystemInfoCgroupVersionEnum::_1) => 1,
                Some(models::SystemInfoCgroupVersionEnum::_2) => 2,
                _ => 0,
            },
            can_limit_storage: can_limit_storage(&info, self.access.is_local()),
            has_gpu_runtime: runtimes.iter().any(|runtime| runtime.contains("nvidia")),
            has_init: has_init(&info),
            has_seccomp: info
                .security_options
                .as_ref()
                .is_some_and(|options| options.iter().any(|option| option.contains("seccomp"))),
            runtimes: runtimes.into_iter().collect(),
            operating_system: info.operating_system.unwrap_or_default(),
            kernel: info.kernel_version.unwrap_or_default(),
            architecture: info.architecture.unwrap_or_default(),
            cpu_count: info.ncpu.unwrap_or_default(),
            memory_bytes: info.mem_total.unwrap_or_default(),
            storage_driver: info.driver.unwrap_or_default(),
            data_root: info.docker_root_dir.unwrap_or_default(),
            warnings: info.warnings.unwrap_or_default(),
        })
    }

    async fn ping(&self) -> Result<()> {
        self.ask("ping", |docker| async move { docker.ping().await }).await.map(drop)
    }

    async fn ensure_network(&self, spec: &NetworkSpec) -> Result<NetworkState> {
        // Asked first, since almost every launch finds its user's network there.
        if let Some(found) = self.inspect_network_raw(&spec.name).await? {
            return network_matches(network_state(found.into()), spec);
        }
        let subnet = spec.subnet.map(|subnet| subnet.to_string());
        let gateway = spec.gateway.or_else(|| spec.subnet.and_then(|subnet| subnet.first_host()));
        let mut options = HashMap::from([
            ("com.docker.network.bridge.name".to_owned(), names::bridge_interface(&spec.name)),
            ("com.docker.network.bridge.enable_icc".to_owned(), spec.inter_container.to_string()),
        ]);
        options.insert("com.docker.network.bridge.enable_ip_masquerade".to_owned(), (!spec.isolated).to_string());
        let request = models::NetworkCreateRequest {
            name: spec.name.clone(),
            driver: Some("bridge".to_owned()),
            internal: Some(spec.isolated),
            enable_ipv6: Some(spec.subnet.is_some_and(|subnet| subnet.network().is_ipv6())),
            ipam: subnet.map(|subnet| models::Ipam {
                config: Some(vec![models::IpamConfig {
                    subnet: Some(subnet),
                    gateway: gateway.map(|gateway| gateway.to_string()),
                    ..Default::default()
                }]),
                ..Default::default()
            }),
            options: Some(options),
            labels: Some(spec.labels.clone().into_iter().collect()),
            ..Default::default()
        };
        let created =
            self.change(&format!("create network {}", spec.name), |docker| async move {
                docker.create_network(request).await
            })
            .await;
        // The explicit bridge name keeps engines that allow two networks of one name from making a second one; so a
        // refusal may mean that somebody was faster.
        match self.inspect_network_raw(&spec.name).await? {
            Some(found) => network_matches(network_state(found.into()), spec),
            None => Err(created
                .err()
                .unwrap_or_else(|| DriverError::internal(format!("network {} vanished while it was made", spec.name)))),
        }
    }

    async fn ensure_network_absent(&self, name: &str) -> Result<()> {
        check_name(name)?;
        let removed = self
            .change(&format!("remove network {name}"), |docker| async move { docker.remove_network(name).await })
            .await;
        absent_is_none(removed).map(drop)
    }

    async fn list_networks(&self, filter: &LabelFilter) -> Result<Vec<NetworkState>> {
        let options = query::ListNetworksOptionsBuilder::new().filters(&label_filters(filter)).build();
        let found =
            self.ask("list networks", |docker| async move { docker.list_networks(Some(options)).await }).await?;
        Ok(found.into_iter().map(|network| network_state(network.into())).collect())
    }

    async fn ensure_firewall(&self, spec: &FirewallSpec) -> Result<()> {
        if !self.access.is_local() {
            return Err(DriverError::unsupported(
                "the firewall of another machine is out of reach: run Berth's agent there, which sets it up",
            ));
        }
        self.bounded("set up the firewall", self.options.query_timeout, self.firewall.ensure(&spec.denied)).await
    }

    async fn image_present(&self, reference: &str) -> Result<Option<ImageInfo>> {
        check_reference(reference)?;
        let found = self
            .ask(&format!("inspect image {reference}"), |docker| async move { docker.inspect_image(reference).await })
            .await;
        Ok(absent_is_none(found)?.map(|image| ImageInfo {
            id: image.id.unwrap_or_default(),
            size_bytes: image.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
            architecture: image.architecture,
        }))
    }

    async fn pull_image(
        &self,
        reference: &str,
        auth: Option<&RegistryAuth>,
        progress: Option<ProgressSink>,
    ) -> Result<ImageInfo> {
        check_reference(reference)?;
        let connected = self.connected().await?;
        let what = format!("pull image {reference}");
        let (repository, tag) = pull::split_reference(reference);
        let options = query::CreateImageOptionsBuilder::new().from_image(repository).tag(tag).build();
        let key = match auth {
            Some(auth) => format!("{reference} {} {}", auth.username, auth.server.as_deref().unwrap_or_default()),
            None => reference.to_owned(),
        };
        let credentials = auth.map(|auth| bollard::auth::DockerCredentials {
            username: Some(auth.username.clone()),
            password: Some(auth.password.clone()),
            serveraddress: auth.server.clone(),
            ..Default::default()
        });
        let stall = self.options.stall_timeout;
        let reference = reference.to_owned();
        let pull = self.pulls.join(key, move |reporter| async move {
            let docker = connected.docker.clone();
            let messages = docker.create_image(Some(options), None, credentials).boxed();
            pull::follow(messages, &reporter, stall).await.map_err(|error| match error {
                None => DriverError::new(DriverErrorKind::Timeout, format!("{what}: no progress within {stall:?}")),
                Some(error) => pull_error(errors::convert(&what, &error)),
            })?;
            let image =
                docker.inspect_image(&reference).await.map_err(|error| pull_error(errors::convert(&what, &error)))?;
            Ok(ImageInfo {
                id: image.id.unwrap_or_default(),
                size_bytes: image.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
                architecture: image.architecture,
            })
        });
        pull.finished(progress).await
    }

    async fn import_image(&self, reference: &str, root_filesystem: Bytes, config: &ImageConfig) -> Result<ImageInfo> {
        check_reference(reference)?;
        let connected = self.connected().await?;
        let (repository, tag) = pull::split_reference(reference);
        let tagged = format!("{repository}:{tag}");
        let archive = archive::image_archive(
            &tagged,
            &root_filesystem,
            config,
            archive::oci_architecture(&connected.architecture),
        )?;
        self.call(&format!("load image {reference}"), self.options.transfer_timeout, |docker| async move {
            let options = query::ImportImageOptionsBuilder::new().quiet(true).build();
            docker.import_image(options, bollard::body_full(archive), None).try_collect::<Vec<_>>().await.map(drop)
        })
        .await?;
        self.image_present(&tagged)
            .await?
            .ok_or_else(|| DriverError::internal(format!("image {tagged} is not there after it was loaded")))
    }

    async fn ensure_image_absent(&self, reference: &str) -> Result<()> {
        check_reference(reference)?;
        let removed = self
            .change(&format!("remove image {reference}"), |docker| async move {
                docker.remove_image(reference, None::<query::RemoveImageOptions>, None).await
            })
            .await;
        absent_is_none(removed).map(drop)
    }

    async fn ensure_container(&self, spec: &ContainerSpec) -> Result<ContainerState> {
        check_name(&spec.name)?;
        check_reference(&spec.image)?;
        let mut last = None;
        // Twice, because the container in the way may just be going.
        for _ in 0..2 {
            match self.create_container(spec).await {
                Ok(created) => {
                    return Ok(ContainerState {
                        name: spec.name.clone(),
                        id: created.id,
                        image: spec.image.clone(),
                        status: ContainerStatus::Created,
                        exit_code: None,
                        oom_killed: false,
                        error: None,
                        created_at: None,
                        started_at: None,
                        finished_at: None,
                        addresses: Vec::new(),
                        labels: spec.labels.clone(),
                        pid: None,
                    });
                }
                Err(error) if error.kind == DriverErrorKind::Conflict => last = Some(error),
                // Podman says 500 for a name in use.
                Err(error) if error.kind == DriverErrorKind::Internal && error.message.contains("already in use") => {
                    last = Some(error);
                }
                Err(error) => return Err(error),
            }
            if let Some(found) = self.inspect_raw(&spec.name).await? {
                let state = state_of(found);
                if spec.labels.iter().all(|(key, value)| state.labels.get(key) == Some(value)) {
                    return Ok(state);
                }
                return Err(DriverError::new(
                    DriverErrorKind::AlreadyExists,
                    format!("the name {} belongs to a container with other labels", spec.name),
                ));
            }
        }
        Err(last.unwrap_or_else(|| DriverError::internal(format!("container {} was not made", spec.name))))
    }

    async fn start_container(&self, name: &str) -> Result<()> {
        check_name(name)?;
        let started = self
            .change(&format!("start container {name}"), |docker| async move {
                docker.start_container(name, None::<query::StartContainerOptions>).await
            })
            .await;
        match started {
            // A paused container cannot be started, says Docker, but it has been.
            Err(error) if error.kind == DriverErrorKind::Conflict || error.message.contains("paused") => {
                self.or_already(Err(error), name, ContainerStatus::is_live).await
            }
            other => other,
        }
    }

    async fn pause_container(&self, name: &str) -> Result<()> {
        check_name(name)?;
        let paused = self
            .change(&format!("pause container {name}"), |docker| async move { docker.pause_container(name).await })
            .await;
        self.or_already(paused, name, |status| status == ContainerStatus::Paused).await
    }

    async fn unpause_container(&self, name: &str) -> Result<()> {
        check_name(name)?;
        let resumed = self
            .change(&format!("unpause container {name}"), |docker| async move { docker.unpause_container(name).await })
            .await;
        self.or_already(resumed, name, |status| status == ContainerStatus::Running).await
    }

    async fn stop_container(&self, name: &str, grace: Duration) -> Result<()> {
        check_name(name)?;
        let seconds = i32::try_from(grace.as_millis().div_ceil(1000)).unwrap_or(i32::MAX);
        let options = query::StopContainerOptionsBuilder::new().t(seconds).build();
        self.call(&format!("stop container {name}"), self.options.change_timeout + grace, |docker| async move {
            docker.stop_container(name, Some(options)).await
        })
        .await
    }

    async fn kill_container(&self, name: &str) -> Result<()> {
        check_name(name)?;
        let killed = self
            .change(&format!("kill container {name}"), |docker| async move {
                docker
                    .kill_container(name, Some(query::KillContainerOptionsBuilder::new().signal("SIGKILL").build()))
                    .await
            })
            .await;
        self.or_already(killed, name, |status| !status.is_live()).await
    }

    async fn ensure_container_absent(&self, name: &str) -> Result<()> {
        check_name(name)?;
        let options = query::RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let what = format!("remove container {name}");
        let removed =
            self.change(&what, |docker| async move { docker.remove_container(name, Some(options)).await }).await;
        match absent_is_none(removed) {
            // "Removal is already in progress": somebody else removes it; it is gone when the engine knows it no more.
            Err(error) if error.kind == DriverErrorKind::Conflict && error.message.contains("in progress") => {
                let gone = async {
                    while self.inspect_raw(name).await?.is_some() {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    Ok(())
                };
                self.bounded(&what, self.options.change_timeout, gone).await
            }
            other => other.map(drop),
        }
    }

    async fn inspect_container(&self, name: &str) -> Result<Option<ContainerState>> {
        Ok(self.inspect_raw(name).await?.map(state_of))
    }

    async fn list_containers(&self, filter: &LabelFilter) -> Result<Vec<ContainerState>> {
        let options = query::ListContainersOptionsBuilder::new().all(true).filters(&label_filters(filter)).build();
        let found =
            self.ask("list containers", |docker| async move { docker.list_containers(Some(options)).await }).await?;
        Ok(found.into_iter().map(summary_state).collect())
    }

    async fn container_size(&self, name: &str) -> Result<u64> {
        check_name(name)?;
        let options = query::InspectContainerOptionsBuilder::new().size(true).build();
        let found = self
            .change(&format!("measure container {name}"), |docker| async move {
                docker.inspect_container(name, Some(options)).await
            })
            .await?;
        Ok(found.size_rw.and_then(|size| u64::try_from(size).ok()).unwrap_or_default())
    }

    async fn stats(&self, name: &str) -> Result<ContainerStats> {
        check_name(name)?;
        let options = query::StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let what = format!("measure container {name}");
        let stats = self
            .ask(&what, |docker| async move { docker.stats(name, Some(options)).boxed().try_next().await })
            .await?
            .ok_or_else(|| DriverError::not_found(format_args!("reading of container {name}")))?;
        stats_of(stats).ok_or_else(|| DriverError::conflict(format!("{what}: it does not run")))
    }

    async fn logs(&self, name: &str, options: &LogOptions) -> Result<BoxStream<'static, Result<LogChunk>>> {
        let inspected = self.inspect_known(name).await?;
        let tty = inspected.config.and_then(|config| config.tty).unwrap_or_default();
        let mut arguments = vec![
            ("stdout", "1".to_owned()),
            ("stderr", "1".to_owned()),
            ("follow", u8::from(options.follow).to_string()),
            ("timestamps", u8::from(options.timestamps).to_string()),
        ];
        arguments.extend(options.tail.map(|tail| ("tail", tail.to_string())));
        arguments.extend(options.since.map(|time| ("since", unix_time(time))));
        arguments.extend(options.until.map(|time| ("until", unix_time(time))));
        let path = format!("/containers/{name}/logs?{}", query_string(&arguments));
        let response = self.raw(&format!("read the log of container {name}"), Method::GET, &path, None).await?;
        let framing = if tty { streams::Framing::Raw } else { streams::Framing::Multiplexed };
        Ok(streams::output(body_stream(response), framing, options.timestamps))
    }

    async fn exec(&self, name: &str, spec: &ExecSpec) -> Result<ExecSession> {
        check_name(name)?;
        if spec.command.is_empty() {
            return Err(DriverError::invalid("a command is needed"));
        }
        let connected = self.connected().await?;
        let size = spec.size.filter(|_| spec.tty);
        let config = models::ExecConfig {
            attach_stdin: Some(spec.stdin || spec.tty),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(spec.tty),
            cmd: Some(spec.command.clone()),
            env: Some(container_config::environment(&spec.env)?),
            user: spec.user.clone(),
            working_dir: spec.working_dir.clone(),
            console_size: size
                .filter(|_| connected.api_minor >= 42)
                .map(|size| vec![usize::from(size.rows), usize::from(size.columns)]),
            ..Default::default()
        };
        let what = format!("run a command in container {name}");
        let id = self
            .ask(&what, |docker| async move { docker.create_exec(name, config).await })
            .await
            .map_err(|error| errors::redact(error, &spec.env))?
            .id;
        let body = Bytes::from(serde_json::json!({ "Detach": false, "Tty": spec.tty }).to_string());
        let response = self
            .raw(&what, Method::POST, &format!("/exec/{id}/start"), Some((body, true)))
            .await
            .map_err(|error| errors::redact(error, &spec.env))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(DriverError::unsupported(format!("{what}: the engine does not hand its connection over")));
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(|error| {
            DriverError::new(DriverErrorKind::Ambiguous, format!("{what}: the connection broke: {error}"))
        })?;
        let (reader, writer) = tokio::io::split(TokioIo::new(upgraded));
        let control = Arc::new(DockerExec {
            docker: connected.docker.clone(),
            id,
            limit: self.options.query_timeout,
            sized: tokio::sync::Mutex::new(false),
        });
        if let Some(size) = size
            && connected.api_minor < 42
        {
            // Such an engine answers only once the command runs, which may never be; nothing waits for it.
            let control = control.clone();
            tokio::spawn(async move {
                if let Err(error) = control.first_size(size).await {
                    tracing::debug!(%error, "the first size of a terminal was not set");
                }
            });
        }
        let framing = if spec.tty { streams::Framing::Raw } else { streams::Framing::Multiplexed };
        let source = tokio_util::io::ReaderStream::new(reader).map_err(|error| broken(&error)).boxed();
        Ok(ExecSession { output: streams::output(source, framing, false), input: Box::pin(writer), control })
    }

    async fn copy_in(&self, name: &str, path: &str, archive: ByteStream) -> Result<()> {
        check_name(name)?;
        let options = query::UploadToContainerOptionsBuilder::new().path(path).no_overwrite_dir_non_dir("1").build();
        let owner = self.owner_in(name).await?;
        // To bollard a broken body is a broken connection, so its own error is kept aside.
        let broken = Arc::new(OnceLock::new());
        let keep = broken.clone();
        let body = ownership::given_to(owner, stalling(archive, self.options.stall_timeout)).map_err(move |error| {
            let text = error.to_string();
            // The stream ends with its first error.
            let _ = keep.set(error);
            std::io::Error::other(text)
        });
        let body = bollard::body_try_stream(body);
        let copied = self
            .call(&format!("copy into container {name}"), self.options.transfer_timeout, |docker| async move {
                docker.upload_to_container(name, Some(options), body).await
            })
            .await;
        broken.get().cloned().map_or(copied, Err)
    }

    async fn copy_out(&self, name: &str, path: &str) -> Result<ByteStream> {
        check_name(name)?;
        let arguments = query_string(&[("path", path.to_owned())]);
        let response = self
            .raw(
                &format!("copy out of container {name}"),
                Method::GET,
                &format!("/containers/{name}/archive?{arguments}"),
                None,
            )
            .await?;
        Ok(stalling(body_stream(response), self.options.stall_timeout))
    }

    async fn stat_path(&self, name: &str, path: &str) -> Result<Option<PathInfo>> {
        check_name(name)?;
        let options = query::ContainerArchiveInfoOptionsBuilder::new().path(path).build();
        let found = self
            .ask(&format!("look into container {name}"), |docker| async move {
                docker.get_container_archive_info(name, Some(options)).await
            })
            .await;
        match absent_is_none(found)? {
            Some(info) => Ok(Some(path_info(info))),
            // A HEAD request has no text, so the container itself has to be asked for.
            None => self.inspect_known(name).await.map(|_| None),
        }
    }

    async fn dial(&self, name: &str, port: u16) -> Result<Box<dyn AsyncReadWrite>> {
        // Asked each time: the address of a container that went may already belong to another one.
        let state = state_of(self.inspect_known(name).await?);
        if state.status != ContainerStatus::Running {
            return Err(DriverError::conflict(format!("container {name} does not run")));
        }
        let address =
            state.addresses.first().ok_or_else(|| DriverError::conflict(format!("container {name} has no address")))?;
        let what = format!("reach port {port} of container {name}");
        let connect = async {
            self.access
                .connect_tcp(SocketAddr::new(*address, port))
                .await
                .map_err(|error| DriverError::unavailable(format!("{what}: {error}")))
        };
        self.bounded(&what, self.options.dial_timeout, connect).await
    }

    async fn events(
        &self,
        filter: &LabelFilter,
        since: Option<Timestamp>,
    ) -> Result<BoxStream<'static, Result<EngineEvent>>> {
        let mut filters = label_filters(filter);
        filters.insert("type".to_owned(), vec!["container".to_owned()]);
        filters.insert("event".to_owned(), streams::EVENT_ACTIONS.iter().map(ToString::to_string).collect());
        let filters = serde_json::to_string(&filters).map_err(|error| DriverError::internal(error.to_string()))?;
        let mut arguments = vec![("filters", filters)];
        arguments.extend(since.map(|time| ("since", unix_time(time))));
        let path = format!("/events?{}", query_string(&arguments));
        let response = self.raw("watch events", Method::GET, &path, None).await?;
        Ok(streams::events(body_stream(response)))
    }
}

struct DockerExec {
    docker: Docker,
    id: String,
    limit: Duration,
    /// Whether the caller has set a size; held while one is being set, so that the first size never overtakes a later one.
    sized: tokio::sync::Mutex<bool>,
}

impl DockerExec {
    /// The size asked for with the command, unless the caller has set another one meanwhile.
    async fn first_size(&self, size: TerminalSize) -> Result<()> {
        let sized = self.sized.lock().await;
        if *sized { Ok(()) } else { self.set_size(size).await }
    }

    async fn set_size(&self, size: TerminalSize) -> Result<()> {
        let options = query::ResizeExecOptionsBuilder::new().h(i32::from(size.rows)).w(i32::from(size.columns)).build();
        self.bounded("resize a terminal", self.docker.resize_exec(&self.id, options)).await
    }

    async fn bounded<T>(&self, what: &str, work: impl Future<Output = Result<T, BollardError>>) -> Result<T> {
        match tokio::time::timeout(self.limit, work).await {
            Ok(result) => result.map_err(|error| errors::convert(what, &error)),
            Err(_) => Err(DriverError::new(DriverErrorKind::Timeout, format!("{what}: no answer from the engine"))),
        }
    }
}

#[async_trait]
impl ExecControl for DockerExec {
    async fn resize(&self, size: TerminalSize) -> Result<()> {
        let mut sized = self.sized.lock().await;
        *sized = true;
        self.set_size(size).await
    }

    async fn exit_code(&self) -> Result<Option<i64>> {
        let found = self.bounded("ask how a command ended", self.docker.inspect_exec(&self.id)).await?;
        Ok(if found.running.unwrap_or_default() { None } else { found.exit_code })
    }
}

/// Fails a stream that shows nothing for `stall`, so that a transfer cannot hang for ever.
fn stalling(source: ByteStream, stall: Duration) -> ByteStream {
    futures::stream::try_unfold(source, move |mut source| async move {
        match tokio::time::timeout(stall, source.next()).await {
            Err(_) => Err(DriverError::new(DriverErrorKind::Timeout, format!("a transfer stood still for {stall:?}"))),
            Ok(None) => Ok(None),
            Ok(Some(bytes)) => bytes.map(|bytes| Some((bytes, source))),
        }
    })
    .boxed()
}

fn broken(error: &dyn std::fmt::Display) -> DriverError {
    DriverError::new(DriverErrorKind::Ambiguous, format!("the connection to the engine broke: {error}"))
}

fn body_stream(response: Response<Incoming>) -> ByteStream {
    response.into_body().into_data_stream().map_err(|error| broken(&error)).boxed()
}

fn query_string(arguments: &[(&str, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(arguments).finish()
}

fn unix_time(time: Timestamp) -> String {
    format!("{}.{:09}", time.timestamp(), time.timestamp_subsec_nanos())
}

fn absent_is_none<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind, DriverErrorKind::NotFound | DriverErrorKind::ImageNotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A registry's refusal for good becomes `ImageNotFound`; what may pass stays `ImagePull`.
fn pull_error(error: DriverError) -> DriverError {
    let lower = error.message.to_ascii_lowercase();
    let for_good = ["not found", "manifest unknown", "denied", "unauthorized", "no matching manifest", "no such image"]
        .iter()
        .any(|words| lower.contains(words));
    let kind = match error.kind {
        DriverErrorKind::NotFound | DriverErrorKind::ImageNotFound => DriverErrorKind::ImageNotFound,
        DriverErrorKind::Internal | DriverErrorKind::Conflict if for_good => DriverErrorKind::ImageNotFound,
        DriverErrorKind::Internal | DriverErrorKind::Conflict => DriverErrorKind::ImagePull,
        other => other,
    };
    DriverError::new(kind, error.message)
}

/// Names go into paths of the engine's API; Docker's own rule for names keeps them harmless there.
fn check_name(name: &str) -> Result<()> {
    let good = name.len() >= 2
        && name.len() <= 128
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if good {
        Ok(())
    } else {
        Err(DriverError::invalid("a name on the engine has 2 to 128 letters, digits, '_', '.' and '-'"))
    }
}

fn check_reference(reference: &str) -> Result<()> {
    let good = !reference.is_empty()
        && reference.len() <= 512
        && reference.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-/:@".contains(&byte))
        && reference.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    if good { Ok(()) } else { Err(DriverError::invalid("an image reference looks like registry/name:tag")) }
}

fn label_filters(filter: &LabelFilter) -> HashMap<String, Vec<String>> {
    let terms: Vec<_> = filter.terms().collect();
    if terms.is_empty() { HashMap::new() } else { HashMap::from([("label".to_owned(), terms)]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_references_are_checked() {
        assert!(check_name("berth-1-1").is_ok());
        for wrong in ["", "a", "-a", "a/b", "a?b", "../x", &"a".repeat(129)] {
            assert!(check_name(wrong).is_err(), "{wrong}");
        }
        assert!(check_reference("host:5000/a/b:1@sha256:00").is_ok());
        for wrong in ["", "a b", "a//b", "../a", "a?x=1", "a#b", "/a"] {
            assert!(check_reference(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_missing_engine_is_unavailable() {
        let options =
            DockerOptions { endpoint: "unix:///nonexistent/berth-test.sock".to_owned(), ..Default::default() };
        let error = DockerDriver::new(options).unwrap().ping().await.unwrap_err();
        assert_eq!(error.kind, DriverErrorKind::Unavailable);
        assert!(error.is_retryable() && !error.may_have_happened());
    }
}
