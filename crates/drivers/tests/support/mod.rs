//! The engines under test.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "all of this is test code")]

use std::path::Path;
use std::sync::Arc;

use berth_drivers::docker::{DockerDriver, DockerOptions};
use berth_drivers::sim::Clock;
use berth_drivers::{ContainerDriver, builtin_images};

/// The system's clock, which tests of engines have to share with the engine.
pub fn clock() -> Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the tests' clock module")]
    Arc::new(chrono::Utc::now)
}

/// A real engine with the built-in image on it.
pub struct Engine {
    pub driver: Arc<DockerDriver>,
    pub prefix: String,
    pub block: [u8; 2],
    pub endpoint: String,
    pub table: String,
}

impl Engine {
    /// Takes this run's host rules away.
    pub async fn finish(&self) {
        self.driver.ensure_firewall_absent().await.unwrap();
    }
}

pub fn endpoint() -> String {
    std::env::var("BERTH_TEST_DOCKER").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned())
}

/// `None`, and a word about it, only when leaving Docker out was asked for.
pub async fn docker(what: &str) -> Option<Engine> {
    if is_skipped(what) {
        return None;
    }
    let process = std::process::id();
    // Several runs may share a host: names, host rules and addresses are this process's own.
    let table = format!("berth_test_{process}_{what}");
    let options = DockerOptions { endpoint: endpoint(), firewall_table: table.clone(), ..Default::default() };
    let driver = DockerDriver::new(options).unwrap();
    if let Err(error) = driver.ping().await {
        panic!(
            "no Docker Engine at {} ({error}); start one, or set BERTH_TEST_DOCKER or BERTH_SKIP_DOCKER=1",
            endpoint()
        );
    }
    let layer = builtin_images::root_filesystem(Path::new("/bin/busybox")).unwrap();
    driver.import_image(builtin_images::REFERENCE, layer, &builtin_images::config()).await.unwrap();
    let [_, second, third, _] = process.to_be_bytes();
    let block = [10, 128 + (second ^ third ^ process.to_be_bytes()[3]) % 100];
    let prefix = format!("berth-test-{what}-{process}");
    Some(Engine { driver: Arc::new(driver), prefix, block, endpoint: endpoint(), table })
}

fn is_skipped(what: &str) -> bool {
    let skipped = std::env::var("BERTH_SKIP_DOCKER").is_ok_and(|value| value == "1");
    if skipped {
        println!("SKIPPED {what}: BERTH_SKIP_DOCKER=1, the real Docker Engine was not tested");
    }
    skipped
}

/// A `dockerd` of this test alone. It lives in a network namespace of its own, because any `dockerd` makes or removes
/// the host's `docker0`, whatever its flags.
pub struct PrivateDocker {
    directory: tempfile::TempDir,
    process: tokio::process::Child,
}

impl PrivateDocker {
    pub async fn start() -> Option<Self> {
        if is_skipped("private dockerd") {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let process = Self::spawn(directory.path());
        let private = Self { directory, process };
        private.until_ready().await;
        Some(private)
    }

    pub fn endpoint(&self) -> String {
        format!("unix://{}/docker.sock", self.directory.path().display())
    }

    fn spawn(directory: &Path) -> tokio::process::Child {
        let at = |name: &str| directory.join(name).display().to_string();
        let log = std::fs::File::options().create(true).append(true).open(at("log")).unwrap();
        // unshare becomes dockerd, so signals reach it.
        tokio::process::Command::new("unshare")
            .args(["--net", "--", "dockerd", "--bridge=none", "--iptables=false", "--ip-forward=false"])
            .args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("pid")])
            .args(["-H", &format!("unix://{}", at("docker.sock"))])
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("unshare and dockerd can be started (or set BERTH_SKIP_DOCKER=1)")
    }

    async fn until_ready(&self) {
        let driver = DockerDriver::new(DockerOptions { endpoint: self.endpoint(), ..Default::default() }).unwrap();
        let ready = berth_drivers::testkit::eventually("the private dockerd answers", || async {
            Ok(driver.ping().await.ok())
        });
        if let Err(failure) = ready.await {
            panic!("{failure}: {}", std::fs::read_to_string(self.directory.path().join("log")).unwrap());
        }
    }

    pub fn signal(&self, signal: &str) {
        let id = self.process.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args([&format!("-{signal}"), &id]).status().unwrap().success());
    }

    pub async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    pub async fn restart(&mut self) {
        // A killed engine takes its containerd along, but both leave their numbers behind, and where nobody reaps the
        // dead those look alive to the next engine.
        for pid in ["pid", "exec/containerd/containerd.pid"] {
            let _ = std::fs::remove_file(self.directory.path().join(pid));
        }
        self.process = Self::spawn(self.directory.path());
        self.until_ready().await;
    }

    /// Ends it and what it started.
    pub async fn stop(mut self) {
        self.signal("TERM");
        tokio::time::timeout(std::time::Duration::from_secs(30), self.process.wait()).await.unwrap().unwrap();
    }
}

impl Drop for PrivateDocker {
    fn drop(&mut self) {
        // After a failed assertion: whatever still names this directory is this engine's.
        let _ = self.process.start_kill();
        let ours = self.directory.path().display().to_string();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&command).contains(&ours) {
                let _ = std::process::Command::new("kill").arg("-KILL").arg(entry.file_name()).status();
            }
        }
        // An engine that was killed has left its mounts, and then the directory could not be removed.
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
        for point in mounts.lines().rev().filter_map(|line| line.split_whitespace().nth(1)) {
            if point.starts_with(&ours) {
                let _ = std::process::Command::new("umount").args(["-l", point]).status();
            }
        }
    }
}
