//! How busy a host is. Rates come from two readings of the kernel's counters, so the first sample of a [`Sampler`] has
//! only what can be read at once.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use berth_types::{
    StringMap, Timestamp,
    metrics::{MetricType, Sample},
};

use crate::{
    host::{Host, Roots, ThisHost},
    sysfs,
};

/// `/proc/diskstats` counts in these, whatever the device's own sectors are.
const SECTOR_BYTES: u64 = 512;
const MIB: f64 = 1_048_576.0;

/// Holds the previous reading.
pub struct Sampler {
    roots: Roots,
    host: Box<dyn Host>,
    data_path: PathBuf,
    previous: Option<Reading>,
}

/// Counters that only grow, by device.
struct Reading {
    at: Timestamp,
    /// Busy and all jiffies since boot.
    cpu: Option<(u64, u64)>,
    /// Bytes received and sent.
    network: BTreeMap<String, (u64, u64)>,
    /// Bytes read and written.
    disk: BTreeMap<String, (u64, u64)>,
}

impl Sampler {
    /// Of this machine; `data_path` is on the file system whose use is reported.
    pub fn new(roots: Roots, data_path: impl Into<PathBuf>) -> Self {
        Self::with_host(roots, data_path, Box::new(ThisHost::new()))
    }

    pub fn with_host(roots: Roots, data_path: impl Into<PathBuf>, host: Box<dyn Host>) -> Self {
        Self { roots, host, data_path: data_path.into(), previous: None }
    }

    /// What can be measured at `now`; rates are means since the previous call.
    pub fn sample(&mut self, now: Timestamp) -> Vec<Sample> {
        let mut samples = Vec::new();
        let mut push = |metric_type, value: f64, labels: StringMap| {
            if value.is_finite() {
                samples.push(Sample { metric_type, value, labels });
            }
        };
        let none = StringMap::new;
        let reading = self.read(now);
        if let Some(previous) = &self.previous {
            if let Some(percent) = cpu_percent(previous.cpu, reading.cpu) {
                push(MetricType::CpuPercent, percent, none());
            }
            let seconds = (now - previous.at).as_seconds_f64();
            if seconds > 0.0 {
                let (receive, transmit) = grown(&previous.network, &reading.network);
                push(MetricType::NetworkReceive, receive as f64 / seconds, none());
                push(MetricType::NetworkTransmit, transmit as f64 / seconds, none());
                let (read, written) = grown(&previous.disk, &reading.disk);
                push(MetricType::DiskRead, read as f64 / seconds, none());
                push(MetricType::DiskWrite, written as f64 / seconds, none());
            }
        }
        self.previous = Some(reading);

        let meminfo = sysfs::text(self.roots.proc.join("meminfo")).unwrap_or_default();
        let (total, available) =
            (sysfs::meminfo_mib(&meminfo, "MemTotal"), sysfs::meminfo_mib(&meminfo, "MemAvailable"));
        if let (Some(total), Some(available)) = (total, available) {
            let used = (total - available).max(0) as f64;
            push(MetricType::MemoryUsed, used, none());
            push(MetricType::MemoryPercent, 100.0 * used / total as f64, none());
        }
        if let Some(usage) = self.host.filesystem(&self.data_path) {
            push(MetricType::StorageUsed, usage.used as f64 / MIB, none());
        }
        let loadavg = sysfs::text(self.roots.proc.join("loadavg")).unwrap_or_default();
        if let Some(load) = loadavg.split_whitespace().next().and_then(|load| load.parse().ok()) {
            push(MetricType::Load, load, none());
        }
        let is_process = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit());
        let processes = sysfs::names(&self.roots.proc).iter().filter(|name| is_process(name)).count();
        push(MetricType::Processes, processes as f64, none());
        for gpu in self.host.gpu_usage() {
            let label = || StringMap::from([("gpu".to_owned(), gpu.index.to_string())]);
            if let Some(percent) = gpu.percent {
                push(MetricType::GpuPercent, f64::from(percent), label());
            }
            if let Some(mib) = gpu.memory_used_mib {
                push(MetricType::GpuMemoryUsed, mib as f64, label());
            }
        }
        samples
    }

    fn read(&self, at: Timestamp) -> Reading {
        let Roots { sys, proc, .. } = &self.roots;
        Reading { at, cpu: cpu(proc), network: network(sys, proc), disk: disk(sys, proc) }
    }
}

/// Of all processors together; waiting for a disk is idle.
fn cpu(proc: &Path) -> Option<(u64, u64)> {
    let stat = sysfs::text(proc.join("stat"))?;
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    // user nice system idle iowait irq softirq steal; guest times are part of user and nice (proc(5)).
    let jiffies: Vec<u64> = line.split_whitespace().take(8).map_while(|word| word.parse().ok()).collect();
    let all: u64 = jiffies.iter().sum();
    let idle: u64 = jiffies.iter().skip(3).take(2).sum();
    (jiffies.len() >= 4).then_some((all - idle, all))
}

fn cpu_percent(previous: Option<(u64, u64)>, now: Option<(u64, u64)>) -> Option<f64> {
    let ((busy_before, all_before), (busy, all)) = (previous?, now?);
    let passed = all.checked_sub(all_before).filter(|passed| *passed > 0)?;
    // iowait may go back a little (proc(5)), so busy may seem to outgrow the time that passed.
    Some((100.0 * busy.saturating_sub(busy_before) as f64 / passed as f64).min(100.0))
}

/// What crosses the machine's edge: its real interfaces, or the default route's when none is real (in a container).
fn network(sys: &Path, proc: &Path) -> BTreeMap<String, (u64, u64)> {
    let mut names = sysfs::interfaces(sys);
    names.retain(|name| sysfs::is_physical(sys, name));
    if names.is_empty() {
        names.extend(sysfs::default_interface(proc));
    }
    names
        .into_iter()
        .filter_map(|name| {
            let statistics = sysfs::interface_directory(sys, &name).join("statistics");
            let bytes = |file| u64::try_from(sysfs::number(statistics.join(file))?).ok();
            Some((name, (bytes("rx_bytes")?, bytes("tx_bytes")?)))
        })
        .collect()
}

fn disk(sys: &Path, proc: &Path) -> BTreeMap<String, (u64, u64)> {
    let disks = sysfs::disks(sys);
    let stats = sysfs::text(proc.join("diskstats")).unwrap_or_default();
    stats
        .lines()
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            // Documentation/admin-guide/iostats.rst: major minor name reads merged sectors-read ms writes merged sectors-written
            let (name, read, written) = (columns.get(2)?, columns.get(5)?, columns.get(9)?);
            if !disks.iter().any(|disk| disk == name) {
                return None;
            }
            let bytes = |sectors: &str| Some(sectors.parse::<u64>().ok()?.saturating_mul(SECTOR_BYTES));
            Some(((*name).to_owned(), (bytes(read)?, bytes(written)?)))
        })
        .collect()
}

/// Growth over all devices. One that is new since, or whose counter went back (it was reset), adds nothing.
fn grown(before: &BTreeMap<String, (u64, u64)>, now: &BTreeMap<String, (u64, u64)>) -> (u64, u64) {
    now.iter().filter_map(|(name, now)| Some((before.get(name)?, now))).fold(
        (0, 0),
        |(first, second), (before, now)| {
            (first + now.0.saturating_sub(before.0), second + now.1.saturating_sub(before.1))
        },
    )
}
