//! From a placed session to a running container.

use std::collections::BTreeMap;

use berth_drivers::{
    ContainerDriver, DriverErrorKind,
    container::{ContainerSpec, NetworkSpec},
    names,
};
use berth_store::{self as store, operations::OperationRecord, sessions::SessionRecord};
use berth_types::{
    NodeId, SessionId,
    sessions::{EnvironmentValue, NetworkPolicyKind, SessionDesiredState, SessionReason},
};
use std::sync::Arc;

use super::{StepError, StepFailure, StepResult, failure};
use crate::{app::App, engine};

pub const STEPS: &[&str] = &["network", "image", "container", "start", "confirm"];

/// Tries before a subnet that is taken counts as taken for good.
const NETWORK_TRIES: i32 = 4;
/// Tries before a registry that is away counts as out of reach.
const PULL_TRIES: i32 = 3;

pub async fn run(app: &App, operation: &OperationRecord, step: &str) -> StepResult {
    let session = load(app, operation).await?;
    let node = session.scheduled_node_id.ok_or_else(|| failure(SessionReason::StartFailed, "It has no node."))?;
    let driver = app.engines.container(node)?;
    match step {
        "network" => network(app, operation, &session, node, &driver).await,
        "image" => image(app, operation, &session, node, &driver).await,
        "container" => container(app, &session, node, &driver).await,
        "start" => start(app, &session, node, &driver).await,
        _ => confirm(app, operation, &session, &driver).await,
    }
}

/// The session, as long as it is still wanted to run.
pub(super) async fn load(app: &App, operation: &OperationRecord) -> Result<SessionRecord, StepError> {
    let id = SessionId(operation.subject_id);
    let session = store::sessions::record(app.store.reader(), id).await?;
    let wanted = session.desired_state != SessionDesiredState::Stopped && !session.status.is_terminal();
    if wanted { Ok(session) } else { Err(StepError::Superseded) }
}

async fn network(
    app: &App,
    operation: &OperationRecord,
    session: &SessionRecord,
    node: NodeId,
    driver: &Arc<dyn ContainerDriver>,
) -> StepResult {
    let kind = session.network_policy;
    let now = app.now();
    let tx = app.store.begin().await?;
    let subnet = match kind {
        NetworkPolicyKind::None => None,
        _ => {
            let pool = engine::subnet_pool(&app.config);
            let taken =
                store::networks::ensure(&tx, node, session.user_id, kind, pool.len(), |index| pool.subnet(index), now)
                    .await?;
            let Some(subnet) = taken else {
                return Err(StepError::Retry("session_networks has no free subnet left on this node".to_owned()));
            };
            Some(subnet)
        }
    };
    if !store::sessions::mark_starting(&tx, session.id, operation.id, &app.worker, now).await? {
        return Err(StepError::Superseded);
    }
    tx.commit().await?;
    engine::announce(app, session, "starting");
    let Some(subnet) = subnet else { return Ok(()) };
    ensure_network(app, session, node, driver, &subnet, operation.attempts).await
}

async fn ensure_network(
    app: &App,
    session: &SessionRecord,
    node: NodeId,
    driver: &Arc<dyn ContainerDriver>,
    subnet: &str,
    attempts: i32,
) -> StepResult {
    let name = engine::network_name(session);
    if app.memory.knows_network(node, &name) {
        return Ok(());
    }
    let making = app.memory.making_network(node, &name);
    let _made = making.lock().await;
    if app.memory.knows_network(node, &name) {
        return Ok(());
    }
    let cidr = subnet.parse().map_err(|e| StepError::Retry(format!("subnet {subnet}: {e}")))?;
    let isolated = session.network_policy == NetworkPolicyKind::Isolated;
    let spec = NetworkSpec {
        name: name.clone(),
        subnet: Some(cidr),
        gateway: None,
        isolated,
        // A user's own sessions may talk to each other; isolated ones to nobody.
        inter_container: !isolated,
        labels: BTreeMap::from([(names::LABEL_INSTALLATION.to_owned(), app.installation.clone())]),
    };
    match driver.ensure_network(&spec).await {
        Ok(_) => {}
        // Another replica makes it at this moment, or the subnet is taken by somebody else's network.
        Err(error) if error.kind == DriverErrorKind::Conflict && attempts < NETWORK_TRIES => {
            return Err(StepError::Retry(error.to_string()));
        }
        Err(error) if error.kind == DriverErrorKind::Conflict => {
            return Err(StepError::Fail(StepFailure {
                reason: Some(SessionReason::StartFailed),
                public: format!(
                    "The node has another network on {subnet}. An operator should change session_networks."
                ),
                internal: Some(error.to_string()),
            }));
        }
        Err(error) => return Err(error.into()),
    }
    app.memory.learn_network(node, &name);
    Ok(())
}

async fn image(
    app: &App,
    operation: &OperationRecord,
    session: &SessionRecord,
    node: NodeId,
    driver: &Arc<dyn ContainerDriver>,
) -> StepResult {
    let reference = &session.container_image;
    if app.memory.knows_image(node, reference) || driver.image_present(reference).await?.is_some() {
        app.memory.learn_image(node, reference);
        return Ok(());
    }
    if engine::is_builtin(reference) {
        engine::import_builtin(app, driver).await.map_err(|error| StepError::Retry(error.to_string()))?;
        app.memory.learn_image(node, reference);
        return Ok(());
    }
    let progress = engine::pull_progress(app, operation.id);
    match driver.pull_image(reference, None, Some(progress)).await {
        Ok(_) => {
            app.memory.learn_image(node, reference);
            Ok(())
        }
        // What the registry says for good is not asked again.
        Err(error) if error.kind == DriverErrorKind::ImageNotFound => Err(StepError::Fail(StepFailure {
            reason: Some(SessionReason::ImagePull),
            public: format!(
                "Its registry has no image {reference} for this node, or not for everybody. Check its name and tag."
            ),
            internal: Some(error.to_string()),
        })),
        // One that is away may come back soon.
        Err(error) if error.kind == DriverErrorKind::ImagePull && operation.attempts < PULL_TRIES - 1 => {
            Err(StepError::Retry(error.to_string()))
        }
        Err(error) if error.kind == DriverErrorKind::ImagePull => Err(StepError::Fail(StepFailure {
            reason: Some(SessionReason::ImagePull),
            public: format!(
                "The image {reference} could not be pulled in {PULL_TRIES} tries. Check that the node reaches its registry."
            ),
            internal: Some(error.to_string()),
        })),
        Err(error) => Err(error.into()),
    }
}

async fn container(app: &App, session: &SessionRecord, node: NodeId, driver: &Arc<dyn ContainerDriver>) -> StepResult {
    let spec = spec(app, session, node).await?;
    match driver.ensure_container(&spec).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind == DriverErrorKind::ImageNotFound => {
            // Somebody removed it since we looked.
            app.memory.forget_image(node, &session.container_image);
            Err(StepError::Retry(error.to_string()))
        }
        Err(error) if error.kind == DriverErrorKind::NotFound => {
            app.memory.forget_network(node, &engine::network_name(session));
            Err(StepError::Retry(error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

async fn spec(app: &App, session: &SessionRecord, node: NodeId) -> Result<ContainerSpec, StepError> {
    let mut env: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in &session.environment_variables.0 {
        let value = match value {
            EnvironmentValue::Value(text) => text.clone(),
            EnvironmentValue::Secret(reference) => {
                crate::app::secrets::open(app, session.tenant_id, session.user_id, &reference.secret).await?.ok_or_else(|| {
                    failure(
                        SessionReason::SecretMissing,
                        format!("The secret {:?} does not exist any more. Create it with `berth secret create`, then launch again.", reference.secret),
                    )
                })?
            }
        };
        env.insert(name.clone(), value);
    }
    env.insert("BERTH_SESSION_ID".to_owned(), session.id.to_string());
    env.insert("BERTH_SESSION_NAME".to_owned(), session.session_name.clone());
    let can_limit_storage = app.memory.can_limit_storage(node);
    let log_bytes = app.setting(&berth_types::settings::LOG_MAX_MIB) * 1024 * 1024;
    Ok(ContainerSpec {
        name: names::session_container(session.id, i64::from(session.attempt)),
        image: session.container_image.clone(),
        command: session.command.0.clone(),
        env: env.into_iter().collect(),
        labels: BTreeMap::from([
            (names::LABEL_SESSION.to_owned(), session.id.to_string()),
            (names::LABEL_ATTEMPT.to_owned(), session.attempt.to_string()),
            (names::LABEL_INSTALLATION.to_owned(), app.installation.clone()),
        ]),
        hostname: Some(engine::hostname(&session.session_name)),
        cpu_limit_millicores: Some(session.cpu_limit_millicores),
        cpu_request_millicores: Some(session.cpu_request_millicores),
        memory_limit_mib: Some(session.memory_limit_mib),
        memory_request_mib: Some(session.memory_request_mib),
        gpus: store::allocations::gpu_uuids(app.store.reader(), session.id).await?,
        storage_limit_mib: (can_limit_storage && session.storage_request_mib > 0)
            .then_some(session.storage_request_mib),
        network: (session.network_policy != NetworkPolicyKind::None).then(|| engine::network_name(session)),
        exposed_ports: session.application_port.and_then(|port| u16::try_from(port).ok()).into_iter().collect(),
        privileged: session.privileged,
        log_max_bytes: Some((log_bytes / 2).max(64 * 1024)),
        log_max_files: Some(2),
        ..ContainerSpec::default()
    })
}

async fn start(app: &App, session: &SessionRecord, node: NodeId, driver: &Arc<dyn ContainerDriver>) -> StepResult {
    let name = names::session_container(session.id, i64::from(session.attempt));
    match driver.start_container(&name).await {
        Ok(()) => Ok(()),
        Err(error) if error.kind == DriverErrorKind::NotFound => {
            // The container, or its network, went between two steps: begin again, every step finds what is there.
            app.memory.forget_network(node, &engine::network_name(session));
            Err(StepError::Fail(StepFailure {
                reason: Some(SessionReason::RemovedOutside),
                public: "Its container was removed outside Berth while it started.".to_owned(),
                internal: Some(error.to_string()),
            }))
        }
        Err(error) if matches!(error.kind, DriverErrorKind::InvalidRequest | DriverErrorKind::Conflict) => {
            Err(StepError::Fail(StepFailure {
                reason: Some(SessionReason::StartFailed),
                public: "The engine could not start it. Is the command in the image, and may it be executed?"
                    .to_owned(),
                internal: Some(error.to_string()),
            }))
        }
        Err(error) => Err(error.into()),
    }
}

async fn confirm(
    app: &App,
    operation: &OperationRecord,
    session: &SessionRecord,
    driver: &Arc<dyn ContainerDriver>,
) -> StepResult {
    let name = names::session_container(session.id, i64::from(session.attempt));
    let Some(state) = driver.inspect_container(&name).await? else {
        return Err(failure(
            SessionReason::RemovedOutside,
            "Its container was removed outside Berth while it started.",
        ));
    };
    let now = app.now();
    if !state.status.is_live() && state.started_at.is_none() {
        // Created and never started: the start was lost.
        return Err(StepError::Retry("the engine says the container has not started".to_owned()));
    }
    let tx = app.store.begin().await?;
    let started = state.started_at.filter(|at| *at <= now).unwrap_or(now);
    let container_id = Some(state.id.clone());
    let live = state.status.is_live();
    store::sessions::lock(&tx, session.id).await?;
    if !store::operations::finish_succeeded(&tx, operation.id, &app.worker, now).await? {
        return Err(StepError::Superseded);
    }
    let mut after = crate::app::After::default();
    if live {
        store::sessions::mark_running(&tx, session.id, container_id, started, now).await?;
        after.session(session.id, session.tenant_id, session.user_id, "running");
        engine::session_event(&tx, session, "session_running", format!("{} runs", session.session_name), now).await?;
    } else {
        // A short job: it ran and ended before we looked.
        store::sessions::note_started(&tx, session.id, container_id, started, now).await?;
        crate::app::sessions::conclude_exit(&tx, app, session, &state, &mut after, now).await?;
    }
    tx.commit().await?;
    let waited = (now - session.created_at).num_milliseconds().max(0) as f64 / 1000.0;
    app.telemetry.launch_seconds.observe(waited);
    after.run(app);
    // What happened to it between the inspection and the commit had an event that nobody could make sense of yet.
    if live && let Err(error) = crate::tasks::sessions::observe(app, session.id).await {
        tracing::debug!(session = %session.id, %error, "not looked at again; the sweep will");
    }
    Ok(())
}

/// The ordinary deletion takes over: desired = stopped, and what was made is removed.
pub async fn give_up(app: &App, operation: &OperationRecord, failure: StepFailure) -> Result<(), StepError> {
    let now = app.now();
    let session = store::sessions::record(app.store.reader(), SessionId(operation.subject_id)).await?;
    let tx = app.store.begin().await?;
    store::sessions::lock(&tx, session.id).await?;
    if !store::operations::finish_failed(&tx, operation.id, &app.worker, &failure.public, now).await? {
        return Err(StepError::Superseded);
    }
    let mut after = crate::app::After::default();
    let reason = failure.reason.unwrap_or(SessionReason::StartTimeout);
    crate::app::sessions::begin_stop(&tx, app, &session, reason, &failure.public, None, &mut after, now).await?;
    tx.commit().await?;
    after.run(app);
    Ok(())
}
