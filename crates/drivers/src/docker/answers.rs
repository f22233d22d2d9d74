//! The engine's answers in the driver's words.

use std::collections::HashMap;
use std::net::IpAddr;

use berth_types::StringMap;
use bollard::models;

use super::streams;
use crate::container::{ContainerState, ContainerStats, ContainerStatus, NetworkSpec, NetworkState, PathInfo};
use crate::{Cidr, DriverError, DriverErrorKind, Result};

pub(super) fn is_podman(version: &models::SystemVersion) -> bool {
    version.components.as_ref().is_some_and(|parts| parts.iter().any(|part| part.name.contains("Podman")))
}

pub(super) fn has_init(info: &models::SystemInfo) -> bool {
    // The name is always given; an engine that could not run it says N/A for its commit.
    info.init_binary.as_ref().is_some_and(|binary| !binary.is_empty())
        && info.init_commit.as_ref().and_then(|commit| commit.id.as_deref()) != Some("N/A")
}

/// Overlay2 needs xfs mounted with project quotas, which only the host's own mount table tells.
pub(super) fn can_limit_storage(info: &models::SystemInfo, is_local: bool) -> bool {
    match info.driver.as_deref() {
        Some("btrfs" | "zfs" | "devicemapper") => true,
        Some("overlay2") if is_local => {
            let on_xfs = info.driver_status.as_ref().is_some_and(|rows| {
                rows.iter().any(|row| row.len() == 2 && row[0].starts_with("Backing") && row[1] == "xfs")
            });
            let root = info.docker_root_dir.as_deref().unwrap_or_default();
            on_xfs && std::fs::read_to_string("/proc/mounts").is_ok_and(|mounts| has_project_quota(&mounts, root))
        }
        _ => false,
    }
}

pub(super) fn has_project_quota(mounts: &str, path: &str) -> bool {
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            Some((fields.next()?, fields.next()?, fields.next()?))
        })
        .filter(|(point, _, _)| std::path::Path::new(path).starts_with(point))
        .max_by_key(|(point, _, _)| point.len())
        .is_some_and(|(_, kind, options)| {
            kind == "xfs" && options.split(',').any(|option| option == "prjquota" || option == "pquota")
        })
}

/// The part that listing and inspecting a network have in common.
pub(super) struct NetworkFacts {
    name: Option<String>,
    id: Option<String>,
    ipam: Option<models::Ipam>,
    internal: Option<bool>,
    options: Option<HashMap<String, String>>,
    labels: Option<HashMap<String, String>>,
}

impl From<models::NetworkInspect> for NetworkFacts {
    fn from(found: models::NetworkInspect) -> Self {
        let models::NetworkInspect { name, id, ipam, internal, options, labels, .. } = found;
        Self { name, id, ipam, internal, options, labels }
    }
}

impl From<models::Network> for NetworkFacts {
    fn from(found: models::Network) -> Self {
        let models::Network { name, id, ipam, internal, options, labels, .. } = found;
        Self { name, id, ipam, internal, options, labels }
    }
}

pub(super) fn network_state(found: NetworkFacts) -> NetworkState {
    let block = found.ipam.and_then(|ipam| ipam.config).and_then(|blocks| blocks.into_iter().next());
    let options = found.options.unwrap_or_default();
    NetworkState {
        name: found.name.unwrap_or_default(),
        id: found.id.unwrap_or_default(),
        subnet: block.as_ref().and_then(|block| block.subnet.as_ref()?.parse::<Cidr>().ok()),
        gateway: block.and_then(|block| block.gateway?.parse::<IpAddr>().ok()),
        isolated: found.internal.unwrap_or_default(),
        inter_container: options.get("com.docker.network.bridge.enable_icc").is_none_or(|value| value != "false"),
        interface: options.get("com.docker.network.bridge.name").cloned(),
        labels: found.labels.unwrap_or_default().into_iter().collect(),
    }
}

pub(super) fn network_matches(state: NetworkState, spec: &NetworkSpec) -> Result<NetworkState> {
    let labels = spec.labels.iter().all(|(key, value)| state.labels.get(key) == Some(value));
    let subnet = spec.subnet.is_none() || spec.subnet == state.subnet;
    if labels && subnet && state.isolated == spec.isolated && state.inter_container == spec.inter_container {
        return Ok(state);
    }
    Err(DriverError::new(
        DriverErrorKind::AlreadyExists,
        format!("the name {} belongs to a network of another shape or with other labels", spec.name),
    ))
}

pub(super) fn state_of(found: models::ContainerInspectResponse) -> ContainerState {
    let config = found.config.unwrap_or_default();
    let state = found.state.unwrap_or_default();
    let status = match state.status {
        Some(models::ContainerStateStatusEnum::RUNNING | models::ContainerStateStatusEnum::STOPPING) => {
            ContainerStatus::Running
        }
        Some(models::ContainerStateStatusEnum::PAUSED) => ContainerStatus::Paused,
        Some(models::ContainerStateStatusEnum::RESTARTING) => ContainerStatus::Restarting,
        Some(models::ContainerStateStatusEnum::REMOVING) => ContainerStatus::Removing,
        Some(models::ContainerStateStatusEnum::EXITED) => ContainerStatus::Exited,
        Some(models::ContainerStateStatusEnum::DEAD) => ContainerStatus::Dead,
        Some(models::ContainerStateStatusEnum::CREATED | models::ContainerStateStatusEnum::EMPTY) | None => {
            ContainerStatus::Created
        }
    };
    let time = |text: Option<String>| text.as_deref().and_then(streams::parse_time);
    ContainerState {
        name: found.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        id: found.id.unwrap_or_default(),
        image: config.image.unwrap_or_default(),
        status,
        exit_code: state.exit_code.filter(|_| matches!(status, ContainerStatus::Exited | ContainerStatus::Dead)),
        oom_killed: state.oom_killed.unwrap_or_default(),
        error: state.error.filter(|text| !text.is_empty()),
        created_at: found.created,
        started_at: time(state.started_at),
        finished_at: time(state.finished_at),
        addresses: addresses(found.network_settings.and_then(|settings| settings.networks)),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        pid: state.pid.filter(|pid| *pid > 0),
    }
}

fn addresses(networks: Option<HashMap<String, models::EndpointSettings>>) -> Vec<IpAddr> {
    networks
        .into_iter()
        .flatten()
        .flat_map(|(_, endpoint)| [endpoint.ip_address, endpoint.global_ipv6_address])
        .filter_map(|address| address?.parse().ok())
        .collect()
}

pub(super) fn summary_state(found: models::ContainerSummary) -> ContainerState {
    let status = match found.state {
        Some(models::ContainerSummaryStateEnum::RUNNING | models::ContainerSummaryStateEnum::STOPPING) => {
            ContainerStatus::Running
        }
        Some(models::ContainerSummaryStateEnum::PAUSED) => ContainerStatus::Paused,
        Some(models::ContainerSummaryStateEnum::RESTARTING) => ContainerStatus::Restarting,
        Some(models::ContainerSummaryStateEnum::REMOVING) => ContainerStatus::Removing,
        Some(models::ContainerSummaryStateEnum::EXITED) => ContainerStatus::Exited,
        Some(models::ContainerSummaryStateEnum::DEAD) => ContainerStatus::Dead,
        Some(models::ContainerSummaryStateEnum::CREATED | models::ContainerSummaryStateEnum::EMPTY) | None => {
            ContainerStatus::Created
        }
    };
    // "Exited (137) 3 minutes ago"
    let exit_code = found
        .status
        .as_deref()
        .filter(|_| status == ContainerStatus::Exited)
        .and_then(|text| text.split_once('(')?.1.split_once(')')?.0.parse().ok());
    let name = found.names.and_then(|names| names.into_iter().min_by_key(String::len)).unwrap_or_default();
    ContainerState {
        name: name.trim_start_matches('/').to_owned(),
        id: found.id.unwrap_or_default(),
        image: found.image.unwrap_or_default(),
        status,
        exit_code,
        oom_killed: false,
        error: None,
        created_at: found.created.and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0)),
        started_at: None,
        finished_at: None,
        addresses: addresses(found.network_settings.and_then(|settings| settings.networks)),
        labels: found.labels.unwrap_or_default().into_iter().collect::<StringMap>(),
        pid: None,
    }
}

/// `None` for a container that does not run: the engine answers with zeros then.
pub(super) fn stats_of(found: models::ContainerStatsResponse) -> Option<ContainerStats> {
    let memory = found.memory_stats.unwrap_or_default();
    let cpu = found.cpu_stats.unwrap_or_default();
    let cpu_total_ns = cpu.cpu_usage.and_then(|usage| usage.total_usage).unwrap_or_default();
    let usage = memory.usage.unwrap_or_default();
    if cpu_total_ns == 0 && usage == 0 {
        return None;
    }
    // As the `docker` command does: page cache that nobody asked for lately is not counted (v1 and v2 name it apart).
    let details = memory.stats.unwrap_or_default();
    let cache =
        details.get("total_inactive_file").or_else(|| details.get("inactive_file")).copied().unwrap_or_default();
    let networks = found.networks.unwrap_or_default();
    let blocks = found.blkio_stats.and_then(|blocks| blocks.io_service_bytes_recursive).unwrap_or_default();
    let moved = |operation: &str| {
        blocks
            .iter()
            .filter(|entry| entry.op.as_deref().is_some_and(|op| op.eq_ignore_ascii_case(operation)))
            .filter_map(|entry| entry.value)
            .sum()
    };
    Some(ContainerStats {
        read_at: found.read,
        cpu_total_ns,
        cpu_throttled_ns: cpu.throttling_data.and_then(|data| data.throttled_time).unwrap_or_default(),
        memory_used_bytes: if cache < usage { usage - cache } else { usage },
        memory_limit_bytes: memory.limit.unwrap_or_default(),
        network_received_bytes: networks.values().filter_map(|network| network.rx_bytes).sum(),
        network_sent_bytes: networks.values().filter_map(|network| network.tx_bytes).sum(),
        block_read_bytes: moved("read"),
        block_written_bytes: moved("write"),
        pids: found.pids_stats.and_then(|pids| pids.current).unwrap_or_default(),
    })
}

pub(super) fn path_info(info: bollard::container::PathStatResponse) -> PathInfo {
    // Go's file modes keep the nine permission bits in place and everything else high up.
    const DIRECTORY: u32 = 1 << 31;
    const SETUID: u32 = 1 << 23;
    const SETGID: u32 = 1 << 22;
    const STICKY: u32 = 1 << 20;
    let mut mode = info.file_mode & 0o777;
    for (bit, unix) in [(SETUID, 0o4000), (SETGID, 0o2000), (STICKY, 0o1000)] {
        if info.file_mode & bit != 0 {
            mode |= unix;
        }
    }
    PathInfo {
        name: info.name,
        size_bytes: info.size,
        mode,
        is_directory: info.file_mode & DIRECTORY != 0,
        link_target: Some(info.link_target).filter(|target| !target.is_empty()),
        modified_at: info.modification_time.as_deref().and_then(streams::parse_time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_quota_is_read_from_the_deepest_mount() {
        let mounts = "/dev/a / ext4 rw 0 0\n/dev/b /var/lib/docker xfs rw,prjquota 0 0\n/dev/c /srv xfs rw 0 0\n";
        assert!(has_project_quota(mounts, "/var/lib/docker"));
        assert!(has_project_quota(mounts, "/var/lib/docker/x"));
        assert!(!has_project_quota(mounts, "/srv/docker"));
        assert!(!has_project_quota(mounts, "/var/lib/docker2"));
    }
}
