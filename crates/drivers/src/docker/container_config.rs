//! A [`ContainerSpec`] in Docker's words, confined unless the spec says otherwise.

use std::collections::HashMap;

use bollard::models;

use super::Connected;
use crate::container::{
    ContainerSpec, DEFAULT_CAPABILITIES, DEFAULT_LOG_MAX_BYTES, DEFAULT_LOG_MAX_FILES, DEFAULT_PIDS_LIMIT, MountSource,
};
use crate::{DriverError, Result};

const MIB: i64 = 1024 * 1024;
/// The kernel's default accounting period, in microseconds.
const CPU_PERIOD: i64 = 100_000;
/// Docker refuses less than 6 MiB.
const LEAST_MEMORY_MIB: i64 = 6;

pub(super) fn create_body(spec: &ContainerSpec, engine: &Connected) -> Result<models::ContainerCreateBody> {
    let network = spec.network.clone().unwrap_or_else(|| "none".to_owned());
    let endpoints = spec.network.as_ref().map(|network| models::NetworkingConfig {
        endpoints_config: Some(HashMap::from([(
            network.clone(),
            models::EndpointSettings {
                aliases: Some(spec.network_aliases.clone()).filter(|aliases| !aliases.is_empty()),
                ..Default::default()
            },
        )])),
    });
    Ok(models::ContainerCreateBody {
        hostname: spec.hostname.clone(),
        user: spec.user.clone(),
        env: Some(environment(&spec.env)?),
        cmd: non_empty(&spec.command),
        entrypoint: non_empty(&spec.entrypoint),
        image: Some(spec.image.clone()),
        working_dir: spec.working_dir.clone(),
        labels: Some(spec.labels.clone().into_iter().collect()),
        tty: Some(spec.tty),
        open_stdin: Some(spec.stdin_open),
        exposed_ports: Some(spec.exposed_ports.iter().map(|port| format!("{port}/tcp")).collect()),
        host_config: Some(host_config(spec, engine, network)?),
        networking_config: endpoints,
        ..Default::default()
    })
}

fn non_empty(words: &[String]) -> Option<Vec<String>> {
    Some(words.to_vec()).filter(|words| !words.is_empty())
}

/// `NAME=value` each. A wrong name is refused here, because the engine's refusal would quote the value.
pub(super) fn environment(env: &[(String, String)]) -> Result<Vec<String>> {
    env.iter()
        .map(|(name, value)| {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return Err(DriverError::invalid(
                    "an environment variable needs a name without '=', and no value holds a zero byte",
                ));
            }
            Ok(format!("{name}={value}"))
        })
        .collect()
}

fn host_config(spec: &ContainerSpec, engine: &Connected, network: String) -> Result<models::HostConfig> {
    let memory = spec.memory_limit_mib.map(|mib| mib.saturating_mul(MIB));
    let reservation = spec
        .memory_request_mib
        .map(|mib| mib.min(spec.memory_limit_mib.unwrap_or(mib)))
        .filter(|mib| *mib >= LEAST_MEMORY_MIB)
        .map(|mib| mib.saturating_mul(MIB));
    let capabilities =
        DEFAULT_CAPABILITIES.iter().map(ToString::to_string).chain(spec.extra_capabilities.iter().cloned());
    let mut log = HashMap::from([(
        "max-size".to_owned(),
        spec.log_max_bytes.unwrap_or(DEFAULT_LOG_MAX_BYTES).max(1).to_string(),
    )]);
    if !engine.is_podman {
        log.insert("max-file".to_owned(), spec.log_max_files.unwrap_or(DEFAULT_LOG_MAX_FILES).max(1).to_string());
    }
    Ok(models::HostConfig {
        // Quota and period rather than "NanoCpus", which is refused above the host's count of processors.
        cpu_period: spec.cpu_limit_millicores.map(|_| CPU_PERIOD),
        cpu_quota: spec
            .cpu_limit_millicores
            .map(|millicores| millicores.saturating_mul(CPU_PERIOD / 1000).max(CPU_PERIOD / 100)),
        cpu_shares: spec
            .cpu_request_millicores
            .map(|millicores| (millicores.saturating_mul(1024) / 1000).clamp(2, 262_144)),
        memory,
        // The same amount for memory and swap together leaves none for swap.
        memory_swap: memory,
        memory_reservation: reservation,
        pids_limit: Some(spec.pids_limit.unwrap_or(DEFAULT_PIDS_LIMIT)),
        shm_size: spec.shm_size_mib.map(|mib| mib.saturating_mul(MIB)),
        device_requests: (!spec.gpus.is_empty()).then(|| {
            vec![models::DeviceRequest {
                driver: Some("nvidia".to_owned()),
                device_ids: Some(spec.gpus.clone()),
                capabilities: Some(vec![vec!["gpu".to_owned()]]),
                ..Default::default()
            }]
        }),
        storage_opt: spec
            .storage_limit_mib
            .filter(|_| engine.can_limit_storage)
            .map(|mib| HashMap::from([("size".to_owned(), format!("{mib}M"))])),
        init: Some(engine.has_init),
        network_mode: Some(network),
        log_config: Some(models::HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(log) }),
        mounts: Some(spec.mounts.iter().map(mount).collect::<Result<_>>()?),
        privileged: Some(spec.privileged),
        cap_drop: (!spec.privileged).then(|| vec!["ALL".to_owned()]),
        cap_add: (!spec.privileged).then(|| capabilities.collect()),
        security_opt: (!spec.privileged).then(|| vec!["no-new-privileges:true".to_owned()]),
        readonly_rootfs: Some(spec.read_only_root),
        ipc_mode: Some("private".to_owned()),
        restart_policy: Some(models::RestartPolicy {
            name: Some(models::RestartPolicyNameEnum::NO),
            ..Default::default()
        }),
        ..Default::default()
    })
}

fn mount(mount: &crate::container::VolumeMount) -> Result<models::Mount> {
    if !mount.target.starts_with('/') {
        return Err(DriverError::invalid("a mount's target is an absolute path"));
    }
    let common =
        models::Mount { target: Some(mount.target.clone()), read_only: Some(mount.read_only), ..Default::default() };
    Ok(match &mount.source {
        MountSource::HostDirectory(path) => models::Mount {
            source: Some(path.clone()),
            typ: Some(models::MountType::BIND),
            bind_options: Some(models::MountBindOptions {
                // Nothing mounted inside shows on the host, and nothing the host mounts later shows inside.
                propagation: Some(models::MountBindOptionsPropagationEnum::RPRIVATE),
                ..Default::default()
            }),
            ..common
        },
        MountSource::Volume(name) => {
            models::Mount { source: Some(name.clone()), typ: Some(models::MountType::VOLUME), ..common }
        }
        MountSource::Tmpfs(mib) => models::Mount {
            typ: Some(models::MountType::TMPFS),
            tmpfs_options: Some(models::MountTmpfsOptions {
                size_bytes: Some(mib.saturating_mul(MIB)),
                mode: Some(0o1777),
                ..Default::default()
            }),
            ..common
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_variable_is_refused_without_its_value() {
        let error = environment(&[("A=B".to_owned(), "hunter2".to_owned())]).unwrap_err();
        assert!(!error.message.contains("hunter2"));
        assert_eq!(environment(&[("A".to_owned(), "b=c".to_owned())]).unwrap(), ["A=b=c"]);
    }
}
