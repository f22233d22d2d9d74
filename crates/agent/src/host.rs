//! Where facts come from: directories, and what only system calls, NVIDIA's library and programs can tell.

use std::{
    io::Read,
    net::IpAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use berth_types::facts::GpuFacts;
use nvml_wrapper::Nvml;

/// Programs that only print their version take milliseconds; one that hangs must not hold up the facts.
const PROGRAM_TIMEOUT: Duration = Duration::from_secs(3);

/// The directories that hold the kernel's and the system's files.
#[derive(Clone, Debug)]
pub struct Roots {
    pub sys: PathBuf,
    pub proc: PathBuf,
    pub etc: PathBuf,
    pub dev: PathBuf,
}

impl Default for Roots {
    /// This machine's.
    fn default() -> Self {
        Self { sys: "/sys".into(), proc: "/proc".into(), etc: "/etc".into(), dev: "/dev".into() }
    }
}

/// Bytes of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilesystemUsage {
    pub size: u64,
    pub used: u64,
    /// To an unprivileged user.
    pub available: u64,
}

/// What a GPU does now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuUsage {
    pub index: i64,
    pub percent: Option<u32>,
    pub memory_used_mib: Option<i64>,
}

/// What is not in a file.
pub trait Host: Send {
    /// Addresses by interface.
    fn addresses(&self) -> Vec<(String, IpAddr)>;
    fn filesystem(&self, mount_point: &Path) -> Option<FilesystemUsage>;
    /// Firmware of a network interface, as its driver reports it.
    fn firmware(&self, interface: &str) -> Option<String>;
    fn gpus(&self) -> Vec<GpuFacts>;
    fn gpu_usage(&self) -> Vec<GpuUsage>;
    /// Number in the first output of `program --version`.
    fn version(&self, program: &str) -> Option<String>;
}

/// The machine this runs on.
pub struct ThisHost {
    nvml: Option<Nvml>,
}

impl ThisHost {
    /// Loads NVIDIA's library when it is there.
    pub fn new() -> Self {
        let nvml = Nvml::init().map_err(|error| tracing::debug!(%error, "no NVIDIA GPUs are read")).ok();
        Self { nvml }
    }
}

impl Default for ThisHost {
    fn default() -> Self {
        Self::new()
    }
}

impl Host for ThisHost {
    fn addresses(&self) -> Vec<(String, IpAddr)> {
        let Ok(all) = nix::ifaddrs::getifaddrs() else {
            return Vec::new();
        };
        all.filter_map(|entry| {
            let address = entry.address?;
            let ip = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
                (Some(v4), _) => IpAddr::V4(v4.ip()),
                (None, Some(v6)) => IpAddr::V6(v6.ip()),
                (None, None) => return None,
            };
            Some((entry.interface_name, ip))
        })
        .collect()
    }

    fn filesystem(&self, mount_point: &Path) -> Option<FilesystemUsage> {
        let stat = nix::sys::statvfs::statvfs(mount_point).ok()?;
        let unit = stat.fragment_size();
        Some(FilesystemUsage {
            size: stat.blocks() * unit,
            used: stat.blocks().saturating_sub(stat.blocks_free()) * unit,
            available: stat.blocks_available() * unit,
        })
    }

    fn firmware(&self, interface: &str) -> Option<String> {
        // The kernel offers this by an ioctl only, which needs unsafe code; the program is on every server that has real cards.
        let output = run("ethtool", &["-i", interface])?;
        let firmware = crate::sysfs::field(&output, "firmware-version")?;
        (!firmware.is_empty() && firmware != "N/A").then(|| firmware.to_owned())
    }

    fn gpus(&self) -> Vec<GpuFacts> {
        let Some(nvml) = &self.nvml else { return Vec::new() };
        let driver_version = nvml.sys_driver_version().ok();
        (0..nvml.device_count().unwrap_or(0))
            .filter_map(|index| {
                let device = nvml.device_by_index(index).ok()?;
                Some(GpuFacts {
                    index: i64::from(index),
                    uuid: device.uuid().ok()?,
                    model: device.name().ok()?,
                    memory_mib: mib(device.memory_info().ok()?.total),
                    driver_version: driver_version.clone(),
                })
            })
            .collect()
    }

    fn gpu_usage(&self) -> Vec<GpuUsage> {
        let Some(nvml) = &self.nvml else { return Vec::new() };
        (0..nvml.device_count().unwrap_or(0))
            .filter_map(|index| {
                let device = nvml.device_by_index(index).ok()?;
                Some(GpuUsage {
                    index: i64::from(index),
                    percent: device.utilization_rates().ok().map(|rates| rates.gpu),
                    memory_used_mib: device.memory_info().ok().map(|memory| mib(memory.used)),
                })
            })
            .collect()
    }

    fn version(&self, program: &str) -> Option<String> {
        version_in(&run(program, &["--version"])?)
    }
}

/// Whole MiB of so many bytes.
pub fn mib(bytes: u64) -> i64 {
    i64::try_from(bytes / (1 << 20)).unwrap_or(i64::MAX)
}

/// The first word that begins with a digit: "QEMU emulator version 7.2.19 (Debian …)", "libvirtd (libvirt) 9.0.0".
fn version_in(output: &str) -> Option<String> {
    output.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned)
}

/// What a program prints, when it is there, succeeds and is quick.
fn run(program: &str, arguments: &[&str]) -> Option<String> {
    run_within(program, arguments, PROGRAM_TIMEOUT)
}

fn run_within(program: &str, arguments: &[&str], timeout: Duration) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let mut stdout = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut output = String::new();
        // Nobody listens any more after the timeout.
        let _ = sender.send(stdout.read_to_string(&mut output).map(|_| output));
    });
    let output = receiver.recv_timeout(timeout);
    if output.is_err() {
        tracing::warn!(program, "did not answer in time");
        // Fails only when it has ended by itself meanwhile.
        let _ = child.kill();
    }
    let status = child.wait().ok()?;
    output.ok()?.ok().filter(|_| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_version_number() {
        assert_eq!(version_in("libvirtd (libvirt) 9.0.0\n").as_deref(), Some("9.0.0"));
        assert_eq!(version_in("QEMU emulator version 7.2.19 (Debian 1:7.2+dfsg)").as_deref(), Some("7.2.19"));
        assert_eq!(version_in("no number"), None);
    }

    #[test]
    fn programs_answer_are_missing_fail_or_hang() {
        assert_eq!(run("echo", &["7.2"]).as_deref(), Some("7.2\n"));
        assert_eq!(run("berth-no-such-program", &[]), None);
        assert_eq!(run("false", &[]), None);
        let begun = std::time::Instant::now();
        assert_eq!(run_within("sleep", &["60"], Duration::from_millis(50)), None);
        assert!(begun.elapsed() < Duration::from_secs(30), "a hanging program was waited for");
    }
}
