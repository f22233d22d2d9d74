//! Watches nodes: whether their engines answer, how busy they and their sessions are, and what sessions write.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use berth_agent::{Roots, Sampler};
use berth_drivers::{ContainerDriver, DriverErrorKind, container::ContainerStats, names};
use berth_store::{self as store, metrics::Measured, sessions::SessionRecord};
use berth_types::{
    NodeId, SessionId, Timestamp,
    events::{EventSeverity, SourceComponent},
    metrics::{MetricType, Sample},
    sessions::{SessionDesiredState, SessionReason, SessionStatus},
    settings,
    sites::{EngineKind, HealthStatus, NodeReachability},
};
use futures::{FutureExt, StreamExt, future::BoxFuture};

use crate::app::{After, App, AppResult, LiveEvent, sessions as rules};

/// Engines asked at the same time.
const PARALLEL: usize = 16;

/// Asks every engine whether it is there, and draws the consequences of silence.
pub async fn round(app: Arc<App>) -> AppResult<()> {
    // Collected first: a lazy map over them would borrow the trait object's lifetime into the task.
    let mut pings = Vec::new();
    for (node, driver) in app.engines.all() {
        pings.push(ping(node, driver));
    }
    let answers: HashMap<NodeId, Result<(), String>> =
        futures::stream::iter(pings).buffer_unordered(PARALLEL).collect().await;
    let now = app.now();
    for node in store::sites::nodes(app.store.reader()).await? {
        match answers.get(&node.id) {
            Some(Ok(())) => heard(&app, &node, now).await?,
            Some(Err(reason)) => silent(&app, &node, Some(reason), now).await?,
            None => silent(&app, &node, None, now).await?,
        }
    }
    Ok(())
}

fn ping(node: NodeId, driver: Arc<dyn ContainerDriver>) -> BoxFuture<'static, (NodeId, Result<(), String>)> {
    async move { (node, driver.ping().await.map_err(|error| error.to_string())) }.boxed()
}

/// Seconds between two heartbeats that are written down; more often says nothing more.
const HEARTBEAT_SECONDS: i64 = 15;

async fn heard(app: &App, node: &store::sites::NodeRecord, now: Timestamp) -> AppResult<()> {
    let returned = node.reachability != NodeReachability::Online;
    let fresh = node.last_heartbeat.is_some_and(|at| (now - at).num_seconds() < HEARTBEAT_SECONDS);
    if fresh && !returned {
        return Ok(());
    }
    let tx = app.store.begin().await?;
    store::sites::note_heartbeat(&tx, node.id, HealthStatus::Healthy, None, now).await?;
    if returned {
        event(&tx, node.id, "node_online", EventSeverity::Info, format!("{} answers again.", node.name), now).await?;
    }
    tx.commit().await?;
    if returned {
        moved(app, node.id, NodeReachability::Online);
        app.nudges.scheduler.notify_one();
    }
    Ok(())
}

async fn silent(app: &App, node: &store::sites::NodeRecord, reason: Option<&String>, now: Timestamp) -> AppResult<()> {
    let since = node.last_heartbeat.unwrap_or(node.created_at);
    let silence = (now - since).num_seconds();
    let lost = app.setting(&settings::NODE_LOST_MINUTES) * 60;
    let next = if silence >= app.setting(&settings::NODE_OFFLINE_SECONDS) + lost {
        NodeReachability::Failed
    } else if silence >= app.setting(&settings::NODE_OFFLINE_SECONDS) {
        NodeReachability::Offline
    } else if silence >= app.setting(&settings::NODE_LATE_SECONDS) {
        NodeReachability::Late
    } else {
        return Ok(());
    };
    if next != node.reachability {
        let (health, severity) = match next {
            NodeReachability::Late => (HealthStatus::Warning, EventSeverity::Warning),
            _ => (HealthStatus::Critical, EventSeverity::Error),
        };
        let why = reason.map_or("no engine of it is connected to this server", String::as_str);
        tracing::warn!(node = %node.name, state = %next, why, "node does not answer");
        let text = format!("{} has not answered for {silence} seconds: is its engine running?", node.name);
        let tx = app.store.begin().await?;
        store::sites::set_reachability(&tx, node.id, next, health, Some(text.clone()), now).await?;
        event(&tx, node.id, &format!("node_{next}"), severity, text, now).await?;
        tx.commit().await?;
        moved(app, node.id, next);
    }
    if next == NodeReachability::Failed {
        lose_sessions(app, node, since, now).await?;
    }
    Ok(())
}

/// A lost node is not a dead node: its sessions end as `node_lost`, charged to its last heartbeat, and what is still
/// there when it returns is removed by the sweep.
async fn lose_sessions(app: &App, node: &store::sites::NodeRecord, since: Timestamp, now: Timestamp) -> AppResult<()> {
    for session in store::sessions::allocated_on(app.store.reader(), node.id).await? {
        let tx = app.store.begin().await?;
        let mut after = After { scheduler: true, ..After::default() };
        store::sessions::lock(&tx, session.id).await?;
        let open = store::operations::open_of(&tx, session.id.0).await?;
        after.interrupt.extend(open.map(|operation| operation.id));
        store::operations::supersede(&tx, session.id.0, now).await?;
        store::allocations::release(&tx, session.id, session.start_time.is_some(), since, now).await?;
        let text = format!("Its node {} was lost.", node.name);
        store::sessions::finish(
            &tx,
            session.id,
            SessionStatus::Failed,
            Some(SessionReason::NodeLost),
            Some(text.clone()),
            now,
        )
        .await?;
        crate::engine::session_event_with(&tx, &session, "session_failed", EventSeverity::Error, text, now).await?;
        after.session(session.id, session.tenant_id, session.user_id, SessionStatus::Failed);
        tx.commit().await?;
        after.run(app);
    }
    Ok(())
}

fn moved(app: &App, node: NodeId, status: NodeReachability) {
    app.hub.publish(LiveEvent {
        kind: "node",
        id: node.0,
        tenant_id: None,
        owner: None,
        status: Some(status.to_string()),
    });
}

async fn event(
    tx: &store::Tx,
    node: NodeId,
    event_type: &str,
    severity: EventSeverity,
    message: String,
    now: Timestamp,
) -> AppResult<()> {
    let event = store::events::NewEvent {
        severity,
        source_component: SourceComponent::Monitor,
        source_node_id: Some(node),
        ..store::events::NewEvent::new(event_type, message)
    };
    store::events::insert(tx, event, now).await?;
    Ok(())
}

/// What was measured before, to make rates of counters.
#[derive(Default)]
pub struct Previous {
    sampler: Mutex<Option<Sampler>>,
    sessions: Mutex<HashMap<SessionId, ContainerStats>>,
}

/// Measures this machine and every running session.
pub async fn measure(app: Arc<App>) -> AppResult<()> {
    let now = app.now();
    let nodes = store::sites::nodes(app.store.reader()).await?;
    let local = nodes.iter().find(|node| node.engine == EngineKind::Docker && app.engines.container(node.id).is_ok());
    let mut node_samples = Vec::new();
    if let Some(node) = local {
        let (shared, data_dir) = (app.clone(), app.config.data_dir.clone());
        let samples = tokio::task::spawn_blocking(move || {
            let mut sampler = shared.previous.sampler.lock().unwrap_or_else(PoisonError::into_inner);
            sampler.get_or_insert_with(|| Sampler::new(Roots::default(), data_dir)).sample(now)
        })
        .await
        .map_err(|error| berth_types::Error::internal(error.to_string()))?;
        node_samples.push(Measured { id: node.id, time: now, samples });
    }
    let mut session_samples: Vec<Measured<SessionId>> = Vec::new();
    let mut seen = HashMap::new();
    for node in &nodes {
        let Ok(driver) = app.engines.container(node.id) else { continue };
        let sessions = store::sessions::allocated_on(app.store.reader(), node.id).await?;
        let running: Vec<SessionRecord> = sessions
            .into_iter()
            .filter(|s| matches!(s.status, SessionStatus::Running | SessionStatus::Paused))
            .collect();
        let stats: Vec<_> = futures::stream::iter(running)
            .map(|session| {
                let driver = driver.clone();
                async move {
                    let name = names::session_container(session.id, i64::from(session.attempt));
                    let stats = driver.stats(&name).await;
                    (session, stats)
                }
            })
            .buffer_unordered(PARALLEL)
            .collect()
            .await;
        for (session, stats) in stats {
            match stats {
                Ok(stats) => {
                    let earlier =
                        app.previous.sessions.lock().unwrap_or_else(PoisonError::into_inner).get(&session.id).copied();
                    session_samples.push(Measured {
                        id: session.id,
                        time: now,
                        samples: samples(&session, &stats, earlier.as_ref()),
                    });
                    seen.insert(session.id, stats);
                }
                Err(error) => tracing::debug!(session = %session.id, %error, "session not measured"),
            }
        }
    }
    *app.previous.sessions.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    if node_samples.is_empty() && session_samples.is_empty() {
        return Ok(());
    }
    let tx = app.store.begin().await?;
    store::metrics::nodes::insert(&tx, &node_samples).await?;
    store::metrics::sessions::insert(&tx, &session_samples).await?;
    tx.commit().await?;
    Ok(())
}

fn samples(session: &SessionRecord, stats: &ContainerStats, earlier: Option<&ContainerStats>) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut push = |metric_type, value: f64| samples.push(Sample { metric_type, value, labels: Default::default() });
    let used = stats.memory_used_bytes as f64 / (1024.0 * 1024.0);
    push(MetricType::MemoryUsed, used);
    push(MetricType::MemoryPercent, used * 100.0 / session.memory_limit_mib.max(1) as f64);
    push(MetricType::Processes, stats.pids as f64);
    if let Some(earlier) = earlier {
        if let Some(percent) = stats.cpu_percent_since(earlier) {
            // Of the limit, so that 100 means "cannot have more".
            push(MetricType::CpuPercent, percent * 1000.0 / session.cpu_limit_millicores.max(1) as f64);
        }
        let seconds = stats.read_at.zip(earlier.read_at).map(|(b, a)| (b - a).num_milliseconds() as f64 / 1000.0);
        if let Some(seconds) = seconds.filter(|seconds| *seconds > 0.0) {
            let rate = |new: u64, old: u64| new.saturating_sub(old) as f64 / seconds;
            push(MetricType::NetworkReceive, rate(stats.network_received_bytes, earlier.network_received_bytes));
            push(MetricType::NetworkTransmit, rate(stats.network_sent_bytes, earlier.network_sent_bytes));
            push(MetricType::DiskRead, rate(stats.block_read_bytes, earlier.block_read_bytes));
            push(MetricType::DiskWrite, rate(stats.block_written_bytes, earlier.block_written_bytes));
        }
    }
    samples
}

/// Measures what sessions wrote, and stops those that wrote more than they asked for where the file system does not
/// hold them back.
pub async fn measure_storage(app: Arc<App>) -> AppResult<()> {
    for (node, driver) in app.engines.all() {
        for session in store::sessions::allocated_on(app.store.reader(), node).await? {
            if session.status == SessionStatus::Running && session.desired_state != SessionDesiredState::Stopped {
                match measure_one(&app, node, &driver, &session).await {
                    Ok(()) => {}
                    Err(error) => tracing::debug!(session = %session.id, %error, "storage not measured"),
                }
            }
        }
    }
    Ok(())
}

async fn measure_one(
    app: &App,
    node: NodeId,
    driver: &Arc<dyn ContainerDriver>,
    session: &SessionRecord,
) -> AppResult<()> {
    let name = names::session_container(session.id, i64::from(session.attempt));
    let bytes = match driver.container_size(&name).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind == DriverErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let used = i64::try_from(bytes / (1024 * 1024)).unwrap_or(i64::MAX);
    let now = app.now();
    let tx = app.store.begin().await?;
    let mut after = After::default();
    store::sessions::note_storage(&tx, session.id, used).await?;
    let sample = Sample { metric_type: MetricType::StorageUsed, value: used as f64, labels: Default::default() };
    store::metrics::sessions::insert(&tx, &[Measured { id: session.id, time: now, samples: vec![sample] }]).await?;
    let limit = session.storage_request_mib;
    if limit > 0 && used > limit && !app.memory.can_limit_storage(node) {
        let text = format!(
            "It wrote {used} MiB, but asked for {limit} MiB of storage. Launch it with a higher storage request."
        );
        rules::begin_stop(&tx, app, session, SessionReason::StorageExceeded, &text, None, &mut after, now).await?;
    }
    tx.commit().await?;
    after.run(app);
    Ok(())
}
