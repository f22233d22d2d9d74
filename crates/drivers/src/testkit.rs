//! The conformance suite of [`ContainerDriver`]: what every driver must do, in checks that every engine is put through.
//! A simulated engine is worth something only as far as it passes what real ones pass.
//!
//! Run by `tests/conformance.rs` on the simulated engine and on a real Docker Engine. Checks of what a real kernel must
//! enforce (confinement) are left out on engines that say they are simulated.

pub mod registry;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use berth_types::StringMap;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{StreamExt, TryStreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::container::{
    ByteStream, ContainerSpec, ContainerState, ContainerStatus, DEFAULT_CAPABILITIES, DEFAULT_PIDS_LIMIT,
    EngineEventKind, ExecControl, ExecSpec, FirewallSpec, ImageConfig, LabelFilter, LogChunk, LogOptions, NetworkSpec,
    OutputStream, TerminalSize,
};
use crate::{Cidr, ContainerDriver, DriverError, DriverErrorKind, builtin_images, names};

/// Why a check failed.
#[derive(Debug)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<DriverError> for Failure {
    fn from(error: DriverError) -> Self {
        Self(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

pub type Check = Result<(), Failure>;

macro_rules! demand {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(Failure(format!($($text)+)));
        }
    };
}

macro_rules! demand_kind {
    ($result:expr, $kind:ident) => {
        match $result {
            Err(error) if error.kind == DriverErrorKind::$kind => {}
            Err(error) => {
                return Err(Failure(format!(
                    "line {}: wanted {}, got the error {error}",
                    line!(),
                    DriverErrorKind::$kind
                )))
            }
            Ok(_) => return Err(Failure(format!("line {}: wanted {}, but it worked", line!(), DriverErrorKind::$kind))),
        }
    };
}

/// How long any single thing may take to show on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again until there is an answer, for at most half a minute.
pub async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<Option<T>, Failure>>,
{
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if start.elapsed() > PATIENCE {
            return Err(Failure(format!("{what}: not within {PATIENCE:?}")));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An engine under test and names of its own on it.
pub struct Kit {
    pub driver: Arc<dyn ContainerDriver>,
    /// An image with a busybox in it.
    pub image: String,
    /// Goes into every name and, as the installation, into every label.
    pub prefix: String,
    /// A /16 that the engine's host does not use, for networks of /24.
    pub block: [u8; 2],
}

impl Kit {
    /// `prefix` must be unlike that of any other run on the engine.
    pub fn new(driver: Arc<dyn ContainerDriver>, prefix: impl Into<String>, block: [u8; 2]) -> Self {
        Self { driver, image: builtin_images::REFERENCE.to_owned(), prefix: prefix.into(), block }
    }

    pub fn filter(&self) -> LabelFilter {
        LabelFilter::equals(names::LABEL_INSTALLATION, &self.prefix)
    }

    pub fn labels(&self) -> StringMap {
        StringMap::from([(names::LABEL_INSTALLATION.to_owned(), self.prefix.clone())])
    }

    pub fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.prefix)
    }

    /// A small container that runs `sh -c script` as the image's user, without network.
    pub fn script(&self, what: &str, script: &str) -> ContainerSpec {
        ContainerSpec {
            name: self.name(what),
            image: self.image.clone(),
            command: ["sh", "-c", script].map(str::to_owned).to_vec(),
            labels: self.labels(),
            memory_limit_mib: Some(64),
            cpu_limit_millicores: Some(1000),
            ..Default::default()
        }
    }

    pub fn network(&self, what: &str, third: u8) -> NetworkSpec {
        let [a, b] = self.block;
        NetworkSpec {
            name: self.name(what),
            subnet: Cidr::new([a, b, third, 0].into(), 24),
            inter_container: true,
            labels: self.labels(),
            ..Default::default()
        }
    }

    /// Creates and starts.
    pub async fn run(&self, spec: &ContainerSpec) -> Result<(), Failure> {
        self.driver.ensure_container(spec).await?;
        Ok(self.driver.start_container(&spec.name).await?)
    }

    pub async fn state(&self, name: &str) -> Result<ContainerState, Failure> {
        self.driver.inspect_container(name).await?.ok_or_else(|| Failure(format!("{name} is not there")))
    }

    pub async fn until_status(&self, name: &str, wanted: ContainerStatus) -> Result<ContainerState, Failure> {
        eventually(&format!("{name} is {wanted:?}"), || async {
            Ok(Some(self.state(name).await?).filter(|state| state.status == wanted))
        })
        .await
    }

    /// Runs a command inside to its end and gives its exit code, output and errors.
    pub async fn exec(&self, name: &str, spec: &ExecSpec) -> Result<(i64, String, String), Failure> {
        let mut session = self.driver.exec(name, spec).await?;
        let mut output = (String::new(), String::new());
        let read = async {
            while let Some(chunk) = session.output.try_next().await? {
                let text = String::from_utf8_lossy(&chunk.bytes).into_owned();
                match chunk.stream {
                    OutputStream::Stdout => output.0.push_str(&text),
                    OutputStream::Stderr => output.1.push_str(&text),
                }
            }
            Ok::<_, Failure>(())
        };
        within("the output of a command", read).await??;
        Ok((exit_code(&*session.control).await?, output.0, output.1))
    }

    pub async fn shell(&self, name: &str, script: &str) -> Result<(i64, String, String), Failure> {
        self.exec(name, &ExecSpec { command: ["sh", "-c", script].map(str::to_owned).to_vec(), ..Default::default() })
            .await
    }

    /// Removes everything that carries this kit's label.
    pub async fn clean(&self) -> Check {
        for container in self.driver.list_containers(&self.filter()).await? {
            self.driver.ensure_container_absent(&container.name).await?;
        }
        for network in self.driver.list_networks(&self.filter()).await? {
            self.driver.ensure_network_absent(&network.name).await?;
        }
        Ok(())
    }
}

pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::time::timeout(PATIENCE, work).await.map_err(|_| Failure(format!("{what}: not within {PATIENCE:?}")))
}

pub async fn exit_code(control: &dyn ExecControl) -> Result<i64, Failure> {
    control.wait(PATIENCE).await?.ok_or_else(|| Failure("a command does not end".to_owned()))
}

/// One file as a tar archive.
pub fn tar_of(path: &str, content: &[u8]) -> Result<ByteStream, Failure> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o640);
    // Of the sender's machine, unknown in the container.
    header.set_uid(4242);
    header.set_gid(4243);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, path, content)?;
    Ok(futures::stream::iter([Ok(Bytes::from(archive.into_inner()?))]).boxed())
}

fn text_of(chunks: &[LogChunk], stream: OutputStream) -> String {
    chunks.iter().filter(|chunk| chunk.stream == stream).map(|chunk| String::from_utf8_lossy(&chunk.bytes)).collect()
}

type Named = (&'static str, for<'a> fn(&'a Kit) -> BoxFuture<'a, Check>);

macro_rules! checks {
    ($($name:ident),+ $(,)?) => { &[$((stringify!($name), |kit| Box::pin($name(kit)))),+] };
}

const CHECKS: &[Named] = checks![
    engine_facts,
    images,
    networks,
    containers_are_ensured,
    absent_things,
    exit_codes,
    out_of_memory,
    pause_and_resume,
    stop_and_kill,
    logs,
    logs_follow,
    exec,
    exec_terminal,
    copy,
    size,
    stats,
    dial,
    events,
    firewall_is_ensured,
    wrong_values,
];

const REAL_CHECKS: &[Named] = checks![confinement, copies_change_hands, limits_are_real, secrets_stay_out_of_errors];

/// What happened, one line per check.
#[derive(Debug, Default)]
pub struct Report {
    pub passed: Vec<(&'static str, Duration)>,
    pub failed: BTreeMap<&'static str, String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, time) in &self.passed {
            writeln!(f, "passed {name} in {} ms", time.as_millis())?;
        }
        for (name, text) in &self.failed {
            writeln!(f, "FAILED {name}: {text}")?;
        }
        Ok(())
    }
}

/// Puts the engine through every check and leaves nothing on it but the image.
pub async fn run(kit: &Kit) -> Report {
    let mut report = Report::default();
    let real = if kit.driver.capabilities().simulated { &[] } else { REAL_CHECKS };
    for (name, check) in CHECKS.iter().chain(real) {
        let start = Instant::now();
        let result = match check(kit).await {
            Ok(()) => kit.clean().await,
            failed => {
                // The first failure is the one to read.
                let _ = kit.clean().await;
                failed
            }
        };
        match result {
            Ok(()) => report.passed.push((name, start.elapsed())),
            Err(failure) => {
                report.failed.insert(name, failure.to_string());
            }
        }
    }
    report
}

async fn engine_facts(kit: &Kit) -> Check {
    kit.driver.ping().await?;
    let info = kit.driver.info().await?;
    demand!(!info.engine.is_empty() && !info.version.is_empty() && !info.architecture.is_empty(), "no facts: {info:?}");
    demand!(info.cpu_count > 0 && info.memory_bytes > 0, "no size: {info:?}");
    demand!(matches!(info.cgroup_version, 1 | 2), "no cgroup version: {info:?}");
    Ok(())
}

async fn images(kit: &Kit) -> Check {
    let missing = format!("berth.invalid/{}/missing:1", kit.prefix);
    demand!(kit.driver.image_present(&missing).await?.is_none(), "an image that nobody made is present");
    demand_kind!(
        kit.driver.ensure_container(&ContainerSpec { image: missing.clone(), ..kit.script("noimage", "true") }).await,
        ImageNotFound
    );
    kit.driver.ensure_image_absent(&missing).await?;

    let mut layer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o644);
    layer.append_data(&mut header, "hello", b"hello".as_slice())?;
    let layer = Bytes::from(layer.into_inner()?);
    let reference = format!("berth-test/{}:1", kit.prefix);
    let config = ImageConfig { command: vec!["/hello".to_owned()], ..Default::default() };
    let first = kit.driver.import_image(&reference, layer.clone(), &config).await?;
    let second = kit.driver.import_image(&reference, layer, &config).await?;
    demand!(first == second, "the same import twice gave {first:?} and {second:?}");
    demand!(kit.driver.image_present(&reference).await? == Some(first), "the imported image is not present");
    kit.driver.ensure_image_absent(&reference).await?;
    kit.driver.ensure_image_absent(&reference).await?;
    demand!(kit.driver.image_present(&reference).await?.is_none(), "the removed image is present");
    Ok(())
}

async fn networks(kit: &Kit) -> Check {
    let spec = kit.network("net", 1);
    let first = kit.driver.ensure_network(&spec).await?;
    let second = kit.driver.ensure_network(&spec).await?;
    demand!(first == second, "ensured twice: {first:?} and {second:?}");
    demand!(first.subnet == spec.subnet, "wanted {:?}, got {:?}", spec.subnet, first.subnet);
    demand!(first.gateway == spec.subnet.and_then(|subnet| subnet.first_host()), "gateway {:?}", first.gateway);
    let interface = first.interface.clone().unwrap_or_default();
    demand!(interface.starts_with(names::BRIDGE_PREFIX) && interface.len() <= 15, "interface \"{interface}\"");
    demand!(kit.driver.list_networks(&kit.filter()).await? == [first], "the list does not hold it alone");

    demand_kind!(kit.driver.ensure_network(&NetworkSpec { isolated: true, ..spec.clone() }).await, AlreadyExists);
    let moved = NetworkSpec { subnet: kit.network("x", 9).subnet, ..spec.clone() };
    demand_kind!(kit.driver.ensure_network(&moved).await, AlreadyExists);
    let other = NetworkSpec { name: kit.name("other"), ..spec.clone() };
    demand_kind!(kit.driver.ensure_network(&other).await, Conflict);

    let isolated = NetworkSpec { isolated: true, inter_container: false, ..kit.network("isolated", 2) };
    let state = kit.driver.ensure_network(&isolated).await?;
    demand!(state.isolated && !state.inter_container, "not isolated: {state:?}");

    let container = ContainerSpec { network: Some(spec.name.clone()), ..kit.script("attached", "sleep 600") };
    kit.run(&container).await?;
    let addresses = kit.state(&container.name).await?.addresses;
    demand!(
        addresses.len() == 1 && spec.subnet.is_some_and(|subnet| subnet.contains(addresses[0])),
        "addresses {addresses:?}"
    );
    demand_kind!(kit.driver.ensure_network_absent(&spec.name).await, Conflict);
    kit.driver.ensure_container_absent(&container.name).await?;
    kit.driver.ensure_network_absent(&spec.name).await?;
    kit.driver.ensure_network_absent(&spec.name).await?;
    let lost = ContainerSpec { network: Some(spec.name.clone()), ..kit.script("lost", "sleep 600") };
    // Some engines refuse at creation, others at the start.
    demand!(kit.run(&lost).await.is_err(), "a container started on a network that is gone");
    Ok(())
}

async fn containers_are_ensured(kit: &Kit) -> Check {
    let mut spec = kit.script("ensured", "sleep 600");
    spec.labels.insert(names::LABEL_ATTEMPT.to_owned(), "1".to_owned());
    let first = kit.driver.ensure_container(&spec).await?;
    demand!(first.status == ContainerStatus::Created, "after creation: {:?}", first.status);
    let second = kit.driver.ensure_container(&spec).await?;
    demand!(first.id == second.id, "ensured twice: {} and {}", first.id, second.id);
    let mut foreign = spec.clone();
    foreign.labels.insert(names::LABEL_ATTEMPT.to_owned(), "2".to_owned());
    demand_kind!(kit.driver.ensure_container(&foreign).await, AlreadyExists);

    kit.driver.start_container(&spec.name).await?;
    kit.driver.start_container(&spec.name).await?;
    let state = kit.state(&spec.name).await?;
    demand!(state.status == ContainerStatus::Running, "after the start: {:?}", state.status);
    demand!(state.id == first.id && state.name == spec.name && state.image == spec.image, "another one: {state:?}");
    demand!(spec.labels.iter().all(|(k, v)| state.labels.get(k) == Some(v)), "labels {:?}", state.labels);
    demand!(state.started_at.is_some() && state.finished_at.is_none() && state.exit_code.is_none(), "{state:?}");
    demand!(state.addresses.is_empty(), "an address without a network: {:?}", state.addresses);
    demand!(kit.driver.ensure_container(&spec).await?.status == ContainerStatus::Running, "ensured while it runs");

    let listed = kit.driver.list_containers(&kit.filter()).await?;
    demand!(listed.len() == 1, "the list has {} containers", listed.len());
    demand!(listed[0].id == first.id && listed[0].name == spec.name, "listed: {:?}", listed[0]);
    demand!(
        listed[0].status == ContainerStatus::Running && listed[0].labels == state.labels,
        "listed: {:?}",
        listed[0]
    );
    let narrow = kit.filter().and(LabelFilter::equals(names::LABEL_ATTEMPT, "2"));
    demand!(kit.driver.list_containers(&narrow).await?.is_empty(), "a filter let a wrong label through");

    kit.driver.ensure_container_absent(&spec.name).await?;
    kit.driver.ensure_container_absent(&spec.name).await?;
    demand!(kit.driver.inspect_container(&spec.name).await?.is_none(), "still there after its removal");
    Ok(())
}

async fn absent_things(kit: &Kit) -> Check {
    let name = kit.name("absent");
    demand!(kit.driver.inspect_container(&name).await?.is_none(), "there");
    kit.driver.ensure_container_absent(&name).await?;
    demand_kind!(kit.driver.start_container(&name).await, NotFound);
    demand_kind!(kit.driver.pause_container(&name).await, NotFound);
    demand_kind!(kit.driver.unpause_container(&name).await, NotFound);
    demand_kind!(kit.driver.stop_container(&name, Duration::ZERO).await, NotFound);
    demand_kind!(kit.driver.kill_container(&name).await, NotFound);
    demand_kind!(kit.driver.container_size(&name).await, NotFound);
    demand_kind!(kit.driver.stats(&name).await, NotFound);
    demand_kind!(kit.driver.logs(&name, &LogOptions::default()).await, NotFound);
    let spec = ExecSpec { command: vec!["true".to_owned()], ..Default::default() };
    demand_kind!(kit.driver.exec(&name, &spec).await, NotFound);
    demand_kind!(kit.driver.copy_in(&name, "/tmp", tar_of("x", b"")?).await, NotFound);
    demand_kind!(kit.driver.copy_out(&name, "/tmp").await, NotFound);
    demand_kind!(kit.driver.stat_path(&name, "/tmp").await, NotFound);
    demand_kind!(kit.driver.dial(&name, 80).await, NotFound);
    Ok(())
}

async fn exit_codes(kit: &Kit) -> Check {
    for code in [0, 3] {
        let spec = kit.script(&format!("exit{code}"), &format!("exit {code}"));
        kit.run(&spec).await?;
        let state = kit.until_status(&spec.name, ContainerStatus::Exited).await?;
        demand!(state.exit_code == Some(code), "wanted {code}, got {:?}", state.exit_code);
        demand!(!state.oom_killed && state.finished_at.is_some(), "{state:?}");
        let listed = kit.driver.list_containers(&kit.filter()).await?;
        let listed = listed.iter().find(|container| container.name == spec.name);
        demand!(listed.and_then(|container| container.exit_code) == Some(code), "listed: {listed:?}");
    }
    let name = kit.name("exit3");
    kit.driver.start_container(&name).await?;
    eventually("a second run ends", || async {
        Ok(Some(kit.state(&name).await?).filter(|state| state.exit_code == Some(3)))
    })
    .await?;
    Ok(())
}

async fn out_of_memory(kit: &Kit) -> Check {
    let spec = ContainerSpec {
        memory_limit_mib: Some(16),
        command: ["tail", "/dev/zero"].map(str::to_owned).to_vec(),
        ..kit.script("oom", "")
    };
    kit.run(&spec).await?;
    let state = kit.until_status(&spec.name, ContainerStatus::Exited).await?;
    demand!(state.oom_killed, "not reported: {state:?}");
    demand!(state.exit_code == Some(137), "exit code {:?}", state.exit_code);
    Ok(())
}

async fn pause_and_resume(kit: &Kit) -> Check {
    let spec = kit.script("pause", "sleep 600");
    kit.driver.ensure_container(&spec).await?;
    demand_kind!(kit.driver.pause_container(&spec.name).await, Conflict);
    demand_kind!(kit.driver.unpause_container(&spec.name).await, Conflict);
    kit.driver.start_container(&spec.name).await?;
    kit.driver.unpause_container(&spec.name).await?;
    for _ in 0..2 {
        kit.driver.pause_container(&spec.name).await?;
        demand!(kit.state(&spec.name).await?.status == ContainerStatus::Paused, "not paused");
    }
    kit.driver.start_container(&spec.name).await?;
    demand!(kit.state(&spec.name).await?.status == ContainerStatus::Paused, "a start resumed it");
    for _ in 0..2 {
        kit.driver.unpause_container(&spec.name).await?;
        demand!(kit.state(&spec.name).await?.status == ContainerStatus::Running, "not resumed");
    }
    kit.driver.pause_container(&spec.name).await?;
    let start = Instant::now();
    kit.driver.stop_container(&spec.name, Duration::from_secs(2)).await?;
    demand!(start.elapsed() < Duration::from_secs(20), "stopping a paused one took {:?}", start.elapsed());
    demand!(kit.state(&spec.name).await?.status == ContainerStatus::Exited, "a paused one was not stopped");
    kit.driver.start_container(&spec.name).await?;
    kit.driver.pause_container(&spec.name).await?;
    kit.driver.ensure_container_absent(&spec.name).await?;
    demand!(kit.driver.inspect_container(&spec.name).await?.is_none(), "a paused one was not removed");
    Ok(())
}

async fn stop_and_kill(kit: &Kit) -> Check {
    let polite = kit.script("polite", "sleep 600");
    kit.run(&polite).await?;
    let start = Instant::now();
    kit.driver.stop_container(&polite.name, Duration::from_secs(20)).await?;
    demand!(start.elapsed() < Duration::from_secs(10), "a polite one took {:?}", start.elapsed());
    let state = kit.state(&polite.name).await?;
    demand!(state.status == ContainerStatus::Exited && state.exit_code == Some(143), "{state:?}");
    kit.driver.stop_container(&polite.name, Duration::ZERO).await?;
    kit.driver.kill_container(&polite.name).await?;

    let deaf = kit.script("deaf", "trap '' TERM; echo deaf; while true; do sleep 1; done");
    kit.run(&deaf).await?;
    eventually("it has set its trap", || async {
        let chunks: Vec<_> = kit.driver.logs(&deaf.name, &LogOptions::default()).await?.try_collect().await?;
        Ok(text_of(&chunks, OutputStream::Stdout).contains("deaf").then_some(()))
    })
    .await?;
    let start = Instant::now();
    kit.driver.stop_container(&deaf.name, Duration::from_secs(1)).await?;
    demand!(start.elapsed() >= Duration::from_millis(900), "killed after {:?}, without grace", start.elapsed());
    let state = kit.state(&deaf.name).await?;
    demand!(state.status == ContainerStatus::Exited && state.exit_code == Some(137), "{state:?}");

    kit.driver.start_container(&deaf.name).await?;
    kit.driver.kill_container(&deaf.name).await?;
    kit.until_status(&deaf.name, ContainerStatus::Exited).await?;
    kit.driver.kill_container(&deaf.name).await?;
    Ok(())
}

async fn logs(kit: &Kit) -> Check {
    let spec = kit.script("logs", "echo one; echo wrong >&2; echo two");
    kit.run(&spec).await?;
    kit.until_status(&spec.name, ContainerStatus::Exited).await?;
    let read = async |options: LogOptions| -> Result<Vec<LogChunk>, Failure> {
        Ok(within("a log", kit.driver.logs(&spec.name, &options).await?.try_collect()).await??)
    };
    let all = read(LogOptions { timestamps: true, ..Default::default() }).await?;
    demand!(text_of(&all, OutputStream::Stdout) == "one\ntwo\n", "output {all:?}");
    demand!(text_of(&all, OutputStream::Stderr) == "wrong\n", "errors {all:?}");
    demand!(all.iter().all(|chunk| chunk.timestamp.is_some()), "without times: {all:?}");
    let last = read(LogOptions { tail: Some(1), ..Default::default() }).await?;
    demand!(last.len() == 1 && last[0].timestamp.is_none(), "the last line: {last:?}");
    let none = read(LogOptions { tail: Some(0), ..Default::default() }).await?;
    demand!(none.is_empty(), "no line: {none:?}");
    let late = all.iter().filter_map(|chunk| chunk.timestamp).max().map(|at| at + chrono::TimeDelta::seconds(5));
    let later = read(LogOptions { since: late, ..Default::default() }).await?;
    demand!(later.is_empty(), "since later: {later:?}");
    let followed = read(LogOptions { follow: true, ..Default::default() }).await?;
    demand!(text_of(&followed, OutputStream::Stdout) == "one\ntwo\n", "followed {followed:?}");
    Ok(())
}

async fn logs_follow(kit: &Kit) -> Check {
    let spec = kit.script("follow", "echo first; sleep 1; echo second");
    kit.run(&spec).await?;
    let mut stream = kit.driver.logs(&spec.name, &LogOptions { follow: true, ..Default::default() }).await?;
    let first = within("the first line", stream.try_next()).await??;
    demand!(first.is_some_and(|chunk| chunk.bytes.as_ref() == b"first\n"), "no first line");
    let state = kit.state(&spec.name).await?;
    demand!(state.status == ContainerStatus::Running, "the first line came only at the end");
    let second = within("the second line", stream.try_next()).await??;
    demand!(second.is_some_and(|chunk| chunk.bytes.as_ref() == b"second\n"), "no second line");
    demand!(within("the end", stream.try_next()).await??.is_none(), "the log goes on after the end");
    Ok(())
}

async fn exec(kit: &Kit) -> Check {
    let spec = kit.script("exec", "sleep 600");
    kit.driver.ensure_container(&spec).await?;
    let anything = ExecSpec { command: vec!["true".to_owned()], ..Default::default() };
    demand_kind!(kit.driver.exec(&spec.name, &anything).await, Conflict);
    kit.driver.start_container(&spec.name).await?;

    let (code, output, errors) = kit.shell(&spec.name, "echo out; echo err >&2; exit 7").await?;
    demand!((code, output.as_str(), errors.as_str()) == (7, "out\n", "err\n"), "{code} {output:?} {errors:?}");
    let with_env = ExecSpec {
        command: ["sh", "-c", "echo \"$COLOUR\""].map(str::to_owned).to_vec(),
        env: vec![("COLOUR".to_owned(), "blue = green".to_owned())],
        ..Default::default()
    };
    let (code, output, _) = kit.exec(&spec.name, &with_env).await?;
    demand!((code, output.as_str()) == (0, "blue = green\n"), "{code} {output:?}");
    let (code, ..) = kit.shell(&spec.name, "no-such-command").await?;
    demand!(code == 127, "a missing command ended with {code}");

    let cat = ExecSpec { command: vec!["cat".to_owned()], stdin: true, ..Default::default() };
    let mut session = kit.driver.exec(&spec.name, &cat).await?;
    session.input.write_all(b"to and fro").await?;
    session.input.flush().await?;
    let chunk = within("an echo", session.output.try_next()).await??;
    demand!(chunk.is_some_and(|chunk| chunk.bytes.as_ref() == b"to and fro"), "no echo");
    demand!(session.control.exit_code().await?.is_none(), "an exit code while it runs");
    session.input.shutdown().await?;
    demand!(within("the end of input", session.output.try_next()).await??.is_none(), "output after the end of input");
    demand!(exit_code(&*session.control).await? == 0, "cat failed");
    Ok(())
}

async fn exec_terminal(kit: &Kit) -> Check {
    let spec = kit.script("terminal", "sleep 600");
    kit.run(&spec).await?;
    let shell = ExecSpec {
        command: vec!["sh".to_owned()],
        tty: true,
        stdin: true,
        size: Some(TerminalSize { columns: 100, rows: 30 }),
        ..Default::default()
    };
    let mut session = kit.driver.exec(&spec.name, &shell).await?;
    let mut seen = String::new();
    // The first size may be set only just after the command began.
    for (size, wanted) in [(None, "30 100"), (Some(TerminalSize { columns: 132, rows: 43 }), "43 132")] {
        if let Some(size) = size {
            session.control.resize(size).await?;
        }
        let start = Instant::now();
        while !seen.contains(wanted) {
            demand!(start.elapsed() < PATIENCE, "no size {wanted} in {seen:?}");
            session.input.write_all(b"stty size\n").await?;
            session.input.flush().await?;
            let wait = tokio::time::timeout(Duration::from_millis(500), async {
                while !seen.contains(wanted) {
                    match session.output.try_next().await? {
                        Some(chunk) => seen.push_str(&String::from_utf8_lossy(&chunk.bytes)),
                        None => return Err(Failure(format!("the terminal closed after {seen:?}"))),
                    }
                }
                Ok(())
            });
            if let Ok(result) = wait.await {
                result?;
            }
        }
    }
    session.input.write_all(b"exit 5\n").await?;
    session.input.flush().await?;
    let drained = async { while let Ok(Some(_)) = session.output.try_next().await {} };
    within("the end of a terminal", drained).await?;
    let code = exit_code(&*session.control).await?;
    demand!(code == 5, "the shell ended with {code}");
    Ok(())
}

async fn copy(kit: &Kit) -> Check {
    let spec = kit.script("copy", "sleep 600");
    kit.run(&spec).await?;
    let content: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    kit.driver.copy_in(&spec.name, "/home/berth", tar_of("work/data.bin", &content)?).await?;
    kit.driver.copy_in(&spec.name, "/home/berth", tar_of("work/data.bin", &content)?).await?;
    let info = kit.driver.stat_path(&spec.name, "/home/berth/work/data.bin").await?;
    demand!(
        info.as_ref().is_some_and(|info| {
            info.size_bytes == 300_000 && info.mode == 0o640 && !info.is_directory && info.name == "data.bin"
        }),
        "{info:?}"
    );
    let tmp = kit.driver.stat_path(&spec.name, "/tmp").await?;
    demand!(tmp.as_ref().is_some_and(|info| info.is_directory && info.mode == 0o1777), "{tmp:?}");
    demand!(kit.driver.stat_path(&spec.name, "/home/berth/none").await?.is_none(), "a path that is not there");

    let archive: Vec<Bytes> =
        within("a copy", kit.driver.copy_out(&spec.name, "/home/berth/work/data.bin").await?.try_collect()).await??;
    let archive = archive.concat();
    let mut copied = Vec::new();
    let mut names = Vec::new();
    for entry in tar::Archive::new(archive.as_slice()).entries()? {
        let mut entry = entry?;
        names.push(entry.path()?.to_string_lossy().into_owned());
        std::io::Read::read_to_end(&mut entry, &mut copied)?;
    }
    demand!(names == ["data.bin"], "entries {names:?}");
    demand!(copied == content, "{} bytes came back, not the same", copied.len());
    demand_kind!(kit.driver.copy_out(&spec.name, "/home/berth/none").await, NotFound);
    demand_kind!(kit.driver.copy_in(&spec.name, "/home/berth/none", tar_of("x", b"x")?).await, NotFound);
    kit.driver.kill_container(&spec.name).await?;
    let after = kit.driver.stat_path(&spec.name, "/home/berth/work/data.bin").await?;
    demand!(after.is_some(), "a stopped container has lost its files");
    Ok(())
}

async fn copies_change_hands(kit: &Kit) -> Check {
    let own = builtin_images::USER_ID;
    for (index, (user, owner)) in [
        (None, format!("{own}:{own}")),
        (Some("berth"), format!("{own}:{own}")),
        (Some("1234:567"), "1234:567".to_owned()),
        (Some("root"), "0:0".to_owned()),
    ]
    .into_iter()
    .enumerate()
    {
        let spec = ContainerSpec { user: user.map(str::to_owned), ..kit.script(&format!("owner{index}"), "sleep 600") };
        kit.run(&spec).await?;
        kit.driver.copy_in(&spec.name, "/tmp", tar_of("copied", b"text")?).await?;
        let (_, seen, _) = kit.shell(&spec.name, "stat -c %u:%g /tmp/copied; stat -c %u:%g:%a /tmp").await?;
        demand!(seen == format!("{owner}\n0:0:1777\n"), "as {user:?} it belongs to {seen}, not to {owner}");
    }
    let name = kit.name("owner0");
    let text = || futures::stream::iter([Ok(Bytes::from_static(b"this is no archive"))]).boxed();
    demand_kind!(kit.driver.copy_in(&name, "/tmp", text()).await, InvalidRequest);
    Ok(())
}

async fn size(kit: &Kit) -> Check {
    let spec = kit.script("size", "sleep 600");
    kit.run(&spec).await?;
    let before = kit.driver.container_size(&spec.name).await?;
    kit.driver.copy_in(&spec.name, "/tmp", tar_of("big", &vec![7; 3 << 20])?).await?;
    let after = kit.driver.container_size(&spec.name).await?;
    demand!((3 << 20..4 << 20).contains(&(after - before)), "3 MiB made it grow from {before} to {after}");
    Ok(())
}

async fn stats(kit: &Kit) -> Check {
    let network = kit.network("stats", 3);
    kit.driver.ensure_network(&network).await?;
    let spec = ContainerSpec { network: Some(network.name.clone()), ..kit.script("stats", "sleep 600") };
    kit.driver.ensure_container(&spec).await?;
    demand_kind!(kit.driver.stats(&spec.name).await, Conflict);
    kit.driver.start_container(&spec.name).await?;
    let start = Instant::now();
    let first = kit.driver.stats(&spec.name).await?;
    demand!(start.elapsed() < Duration::from_millis(1900), "one reading took {:?}", start.elapsed());
    demand!(first.read_at.is_some() && first.cpu_total_ns > 0, "{first:?}");
    demand!(first.memory_used_bytes > 0 && first.memory_used_bytes < 64 << 20, "{first:?}");
    demand!(first.memory_limit_bytes == 64 << 20, "{first:?}");
    demand!(first.pids >= 1, "{first:?}");
    let second = eventually("time passes between readings", || async {
        let second = kit.driver.stats(&spec.name).await?;
        Ok(Some(second).filter(|second| second.read_at > first.read_at))
    })
    .await?;
    let percent = second.cpu_percent_since(&first);
    demand!(percent.is_some_and(|percent| (0.0..=400.0).contains(&percent)), "{percent:?} % of a core");
    Ok(())
}

async fn dial(kit: &Kit) -> Check {
    let network = kit.network("dial", 4);
    kit.driver.ensure_network(&network).await?;
    let spec = ContainerSpec {
        network: Some(network.name.clone()),
        command: vec![builtin_images::WEB_COMMAND.to_owned()],
        exposed_ports: vec![builtin_images::WEB_PORT],
        ..kit.script("web", "")
    };
    kit.driver.ensure_container(&spec).await?;
    demand_kind!(kit.driver.dial(&spec.name, builtin_images::WEB_PORT).await, Conflict);
    kit.driver.start_container(&spec.name).await?;
    let mut connection = eventually("the web server listens", || async {
        match kit.driver.dial(&spec.name, builtin_images::WEB_PORT).await {
            Ok(connection) => Ok(Some(connection)),
            Err(error) if error.kind == DriverErrorKind::Unavailable => Ok(None),
            Err(error) => Err(error.into()),
        }
    })
    .await?;
    connection.write_all(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").await?;
    let mut head = [0; 15];
    within("an answer", connection.read_exact(&mut head)).await??;
    demand!(&head == b"HTTP/1.1 200 OK", "answer {:?}", String::from_utf8_lossy(&head));
    demand_kind!(kit.driver.dial(&spec.name, 9).await, Unavailable);

    let lonely = kit.script("lonely", "sleep 600");
    kit.run(&lonely).await?;
    demand_kind!(kit.driver.dial(&lonely.name, 80).await, Conflict);
    Ok(())
}

async fn events(kit: &Kit) -> Check {
    use EngineEventKind::{Create, Destroy, Die, Pause, Start, Unpause};
    let mut foreign = kit.script("foreign", "exit 0");
    foreign.labels = StringMap::from([("berth.test.foreign".to_owned(), kit.prefix.clone())]);
    kit.driver.ensure_container_absent(&foreign.name).await?;

    let mut stream = kit.driver.events(&kit.filter(), None).await?;
    kit.run(&foreign).await?;
    let spec = kit.script("events", "sleep 600");
    kit.run(&spec).await?;
    kit.driver.pause_container(&spec.name).await?;
    kit.driver.unpause_container(&spec.name).await?;
    kit.driver.kill_container(&spec.name).await?;
    kit.until_status(&spec.name, ContainerStatus::Exited).await?;
    kit.driver.ensure_container_absent(&spec.name).await?;
    kit.driver.ensure_container_absent(&foreign.name).await?;

    let wanted = [Create, Start, Pause, Unpause, Die, Destroy];
    let mut seen = Vec::new();
    while seen.last().is_none_or(|event: &crate::container::EngineEvent| event.kind != Destroy) {
        let Some(event) = within("the next event", stream.try_next()).await?? else {
            return Err(Failure("the events ended".to_owned()));
        };
        demand!(event.name == spec.name, "an event of {}", event.name);
        demand!(event.at.is_some() && event.labels == spec.labels, "{event:?}");
        seen.push(event);
    }
    let kinds: Vec<_> = seen.iter().map(|event| event.kind).filter(|kind| wanted.contains(kind)).collect();
    demand!(kinds == wanted, "{kinds:?}");
    let died = seen.iter().find(|event| event.kind == Die);
    demand!(died.is_some_and(|event| event.exit_code == Some(137)), "{died:?}");

    let mut replayed = kit.driver.events(&kit.filter(), seen[0].at).await?;
    let first = within("a past event", replayed.try_next()).await??;
    demand!(first.as_ref() == Some(&seen[0]), "since then: {first:?}");
    Ok(())
}

async fn firewall_is_ensured(kit: &Kit) -> Check {
    for denied in [&["169.254.169.254/32"][..], &["169.254.169.254/32", "198.18.0.0/24", "198.18.0.0/16"], &[]] {
        let denied = denied.iter().filter_map(|text| text.parse().ok()).collect();
        let spec = FirewallSpec { denied };
        kit.driver.ensure_firewall(&spec).await?;
        kit.driver.ensure_firewall(&spec).await?;
    }
    Ok(())
}

async fn wrong_values(kit: &Kit) -> Check {
    let bad_env =
        ContainerSpec { env: vec![("A=B".to_owned(), "hunter2-secret".to_owned())], ..kit.script("wrong", "true") };
    let error = kit.driver.ensure_container(&bad_env).await;
    demand_kind!(error.as_ref(), InvalidRequest);
    demand!(!error.is_err_and(|error| error.message.contains("hunter2")), "the error tells a secret");
    let empty = ExecSpec::default();
    kit.run(&kit.script("wrong", "sleep 600")).await?;
    demand_kind!(kit.driver.exec(&kit.name("wrong"), &empty).await, InvalidRequest);
    Ok(())
}

/// Facts that the kernel itself reports from inside.
async fn confinement(kit: &Kit) -> Check {
    // Numbers of include/uapi/linux/capability.h.
    let number = |name: &str| match name {
        "CHOWN" => 0,
        "DAC_OVERRIDE" => 1,
        "FOWNER" => 3,
        "KILL" => 5,
        "SETGID" => 6,
        "SETUID" => 7,
        "NET_BIND_SERVICE" => 10,
        _ => 63,
    };
    let mask: u64 = DEFAULT_CAPABILITIES.iter().map(|name| 1_u64 << number(name)).sum();
    for (user, effective) in [("0", mask), ("1000:1000", 0)] {
        let spec = ContainerSpec {
            user: Some(user.to_owned()),
            ..kit.script(&format!("confined{}", effective.min(1)), "sleep 600")
        };
        kit.run(&spec).await?;
        let (_, status, _) = kit.shell(&spec.name, "cat /proc/self/status").await?;
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .map(|value| value.trim().to_owned())
                .unwrap_or_default()
        };
        demand!(field("CapEff:") == format!("{effective:016x}"), "user {user}: CapEff {}", field("CapEff:"));
        demand!(field("CapBnd:") == format!("{mask:016x}"), "user {user}: CapBnd {}", field("CapBnd:"));
        demand!(field("CapAmb:") == "0000000000000000", "user {user}: CapAmb {}", field("CapAmb:"));
        demand!(field("NoNewPrivs:") == "1", "user {user}: NoNewPrivs {}", field("NoNewPrivs:"));
        demand!(field("Seccomp:") == "2", "user {user}: Seccomp {}", field("Seccomp:"));
        let (code, ..) = kit.shell(&spec.name, "mount -t tmpfs none /tmp").await?;
        demand!(code != 0, "user {user} may mount");
        let (code, ..) = kit.shell(&spec.name, "mknod /tmp/disk b 254 0").await?;
        demand!(code != 0, "user {user} may make a block device");
        let (_, devices, _) = kit.shell(&spec.name, "ls /dev").await?;
        demand!(
            devices.split_whitespace().all(|name| {
                [
                    "console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr",
                    "stdin", "stdout", "tty", "urandom", "zero",
                ]
                .contains(&name)
            }),
            "devices of the host: {devices}"
        );
        let (_, processes, _) = kit.shell(&spec.name, "ls /proc | grep -c '^[0-9]'").await?;
        demand!(processes.trim().parse().is_ok_and(|count: u32| count < 10), "sees {processes} processes");
        // A write to the kernel's settings would reach the whole host.
        let (code, ..) = kit.shell(&spec.name, "echo 1 > /proc/sys/kernel/panic").await?;
        demand!(code != 0, "user {user} may write to /proc/sys");
    }
    Ok(())
}

async fn limits_are_real(kit: &Kit) -> Check {
    let spec = ContainerSpec {
        cpu_limit_millicores: Some(500),
        cpu_request_millicores: Some(250),
        memory_limit_mib: Some(48),
        memory_request_mib: Some(32),
        hostname: Some("limited".to_owned()),
        ..kit.script("limits", "sleep 600")
    };
    kit.run(&spec).await?;
    let read = async |paths: &str| -> Result<String, Failure> {
        let (_, text, _) = kit.shell(&spec.name, &format!("cat {paths} 2>/dev/null | head -n 1")).await?;
        Ok(text.trim().to_owned())
    };
    let memory = read("/sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes").await?;
    demand!(memory == (48 << 20).to_string(), "memory limit {memory}");
    let pids = read("/sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max").await?;
    demand!(pids == DEFAULT_PIDS_LIMIT.to_string(), "process limit {pids}");
    let quota = read("/sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_quota_us").await?;
    demand!(quota == "50000" || quota == "50000 100000", "CPU quota {quota}");
    demand!(read("/etc/hostname").await? == "limited", "another host name");
    let (_, first, _) = kit.shell(&spec.name, "cat /proc/1/comm").await?;
    if kit.driver.info().await?.has_init {
        demand!(first.contains("init"), "process 1 is {first}");
    }
    let (code, ..) =
        kit.shell(&spec.name, "test $(ls /sys/class/net | wc -l) -le 3 && test ! -e /sys/class/net/eth0").await?;
    demand!(code == 0, "there is a network although none was asked for");

    let busy = ContainerSpec { cpu_limit_millicores: Some(200), ..kit.script("busy", "while :; do :; done") };
    kit.run(&busy).await?;
    let first = kit.driver.stats(&busy.name).await?;
    let (used, span) = eventually("a second of running", || async {
        let now = kit.driver.stats(&busy.name).await?;
        let span = now.read_at.zip(first.read_at).map(|(now, first)| now - first);
        Ok(span.filter(|span| span.num_milliseconds() > 1000).map(|span| (now.cpu_percent_since(&first), span)))
    })
    .await?;
    demand!(used.is_some_and(|percent| (1.0..45.0).contains(&percent)), "a fifth of a core: {used:?} % over {span}");
    Ok(())
}

async fn secrets_stay_out_of_errors(kit: &Kit) -> Check {
    let secret = "hunter2-secret-value";
    let spec = ContainerSpec {
        env: vec![("PASSWORD".to_owned(), secret.to_owned())],
        command: vec![format!("/no/such/{secret}")],
        ..kit.script("secret", "")
    };
    kit.driver.ensure_container(&spec).await?;
    // Where an init comes before the command, it is the init that does not find it, a moment later.
    match kit.driver.start_container(&spec.name).await {
        Ok(()) => {
            let state = kit.until_status(&spec.name, ContainerStatus::Exited).await?;
            demand!(state.exit_code == Some(127), "a command that is not there: {state:?}");
        }
        started => demand_kind!(started, InvalidRequest),
    }
    demand!(!format!("{spec:?}").contains(secret), "Debug tells a secret");
    let cwd = ContainerSpec { working_dir: Some(format!("relative/{secret}")), ..spec };
    let cwd = ContainerSpec { name: kit.name("secret2"), ..cwd };
    match kit.driver.ensure_container(&cwd).await {
        Err(error) => demand!(!error.to_string().contains(secret), "the error tells a secret"),
        Ok(_) => return Err(Failure("a relative working directory was taken".to_owned())),
    }
    Ok(())
}
