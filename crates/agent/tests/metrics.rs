//! Metrics from counters that are written down, and from this machine's own.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod common;

use std::collections::BTreeMap;

use berth_agent::{Roots, Sampler};
use berth_types::{
    StringMap, Timestamp,
    metrics::{MetricType, Sample},
};
use common::{Machine, ServerHost};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(1_750_000_000 + seconds, 0).unwrap()
}

fn by_type(samples: &[Sample]) -> BTreeMap<MetricType, f64> {
    assert!(samples.iter().all(|sample| sample.value.is_finite()));
    let map: BTreeMap<_, _> = samples.iter().map(|sample| (sample.metric_type, sample.value)).collect();
    assert_eq!(map.len(), samples.len(), "a metric came twice");
    map
}

fn counters(machine: &Machine, cpu: &str, network: &[(&str, u64, u64)], disk: &[(&str, u64, u64)]) {
    machine.write("proc/stat", &format!("cpu  {cpu}\ncpu0 1 2 3 4\n"));
    for (name, receive, transmit) in network {
        machine.write(&format!("sys/class/net/{name}/statistics/rx_bytes"), &format!("{receive}\n"));
        machine.write(&format!("sys/class/net/{name}/statistics/tx_bytes"), &format!("{transmit}\n"));
    }
    let lines: Vec<_> = disk
        .iter()
        .map(|(name, read, written)| format!("   8 0 {name} 10 20 {read} 30 40 50 {written} 60 0 70 80"))
        .collect();
    machine.write("proc/diskstats", &lines.join("\n"));
}

fn sampler(machine: &Machine) -> Sampler {
    Sampler::with_host(machine.roots.clone(), "/srv", Box::new(ServerHost::default()))
}

#[test]
fn rates_between_two_samples() {
    let machine = Machine::server();
    machine.write("proc/loadavg", "3.25 2.00 1.00 5/1234 4321\n");
    for name in ["1", "77", "4321", "self"] {
        machine.directory(&format!("proc/{name}"));
    }
    counters(
        &machine,
        "1000 0 500 8000 500 0 0 0 900 0",
        &[("eno1", 1000, 2000), ("eth1", 0, 0), ("docker0", 5, 5)],
        &[("nvme0n1", 100, 200), ("nvme0n1p2", 100, 200), ("sda", 0, 0), ("dm-0", 100, 200)],
    );
    let mut sampler = sampler(&machine);
    let gauges = BTreeMap::from([
        (MetricType::MemoryUsed, 128_782.0),
        (MetricType::MemoryPercent, 50.0),
        (MetricType::StorageUsed, 30.0 * 1024.0),
        (MetricType::Load, 3.25),
        (MetricType::Processes, 3.0),
        (MetricType::GpuPercent, 87.0),
        (MetricType::GpuMemoryUsed, 1234.0),
    ]);
    let first = sampler.sample(at(0));
    assert_eq!(by_type(&first), gauges);
    for sample in &first {
        let of_gpu = matches!(sample.metric_type, MetricType::GpuPercent | MetricType::GpuMemoryUsed);
        let expected = if of_gpu { StringMap::from([("gpu".into(), "0".into())]) } else { StringMap::new() };
        assert_eq!(sample.labels, expected, "{sample:?}");
    }
    // 10 s later: of 1000 jiffies 250 busy; bridges, partitions and mapped devices would count the same bytes again.
    counters(
        &machine,
        "1200 0 550 8700 550 0 0 0 950 0",
        &[("eno1", 11_000, 3000), ("eth1", 500, 0), ("docker0", 9_999_999, 9_999_999)],
        &[("nvme0n1", 300, 1200), ("nvme0n1p2", 300, 1200), ("sda", 100, 0), ("dm-0", 300, 1200)],
    );
    let mut expected = gauges;
    expected.extend([
        (MetricType::CpuPercent, 25.0),
        (MetricType::NetworkReceive, 1050.0),
        (MetricType::NetworkTransmit, 100.0),
        (MetricType::DiskRead, 300.0 * 512.0 / 10.0),
        (MetricType::DiskWrite, 1000.0 * 512.0 / 10.0),
    ]);
    assert_eq!(by_type(&sampler.sample(at(10))), expected);
}

#[test]
fn counters_that_restart_and_clocks_that_stand_still() {
    let machine = Machine::server();
    counters(&machine, "100 0 0 900 0 0 0 0", &[("eno1", 5000, 5000)], &[("sda", 100, 100)]);
    let mut sampler = sampler(&machine);
    sampler.sample(at(0));
    // The driver was loaded again, a card appeared, iowait went back.
    counters(&machine, "200 0 0 890 0 0 0 0", &[("eno1", 10, 7000), ("eth1", 1_000_000, 0)], &[("sda", 0, 120)]);
    let samples = by_type(&sampler.sample(at(10)));
    assert_eq!(samples[&MetricType::NetworkReceive], 0.0);
    assert_eq!(samples[&MetricType::NetworkTransmit], 200.0);
    assert_eq!((samples[&MetricType::DiskRead], samples[&MetricType::DiskWrite]), (0.0, 1024.0));
    assert_eq!(samples[&MetricType::CpuPercent], 100.0);
    let again = by_type(&sampler.sample(at(10)));
    assert!(!again.contains_key(&MetricType::NetworkReceive) && !again.contains_key(&MetricType::CpuPercent));
}

#[test]
fn a_machine_without_real_interfaces_counts_the_default_route() {
    let machine = Machine::empty();
    machine.interface("eth0", "02:42:00:00:00:01", "up", None);
    machine.interface("tun0", "02:42:00:00:00:02", "up", None);
    machine.write("proc/net/route", "header\neth0 00000000 010200C0 0003 0 0 0 00000000 0 0 0\n");
    counters(&machine, "1 0 0 1", &[("eth0", 100, 100), ("tun0", 100, 100)], &[]);
    let mut sampler = sampler(&machine);
    sampler.sample(at(0));
    counters(&machine, "2 0 0 2", &[("eth0", 300, 100), ("tun0", 900, 900)], &[]);
    assert_eq!(by_type(&sampler.sample(at(2)))[&MetricType::NetworkReceive], 100.0);
}

/// Against what the kernel says by other means.
#[test]
fn this_machine() {
    let directory = tempfile::tempdir().unwrap();
    let mut sampler = Sampler::new(Roots::default(), directory.path());
    let first = by_type(&sampler.sample(at(0)));
    assert!(!first.contains_key(&MetricType::CpuPercent));
    // Work until the kernel's clock of processor time (10 ms) has moved, then read again.
    let jiffies = || std::fs::read_to_string("/proc/stat").unwrap().lines().next().unwrap().to_owned();
    let (before, begun) = (jiffies(), std::time::Instant::now());
    while jiffies() == before {
        assert!(begun.elapsed().as_secs() < 10, "the kernel's clock stands still");
    }
    let second = by_type(&sampler.sample(at(15)));
    assert!((0.0..=100.0).contains(&second[&MetricType::CpuPercent]), "{second:?}");
    for metric in [MetricType::NetworkReceive, MetricType::NetworkTransmit, MetricType::DiskRead, MetricType::DiskWrite]
    {
        assert!(second[&metric] >= 0.0, "{metric}");
    }
    assert!(second[&MetricType::Processes] >= 1.0);
    assert!(second[&MetricType::MemoryUsed] > 0.0 && second[&MetricType::MemoryPercent] < 100.0);
    let df = std::process::Command::new("df").args(["--output=used", "-B1"]).arg(directory.path()).output().unwrap();
    let used: f64 = String::from_utf8(df.stdout).unwrap().lines().nth(1).unwrap().trim().parse().unwrap();
    let sampled = second[&MetricType::StorageUsed] * 1_048_576.0;
    // Others write meanwhile.
    assert!((sampled - used).abs() < 2e9, "{sampled} against {used}");
}
