//! Brings sessions and engines together: what engines say is written down, and whatever differs from what is wanted gets
//! an operation.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use berth_drivers::{
    ContainerDriver,
    container::{ContainerState, ContainerStatus, EngineEventKind, LabelFilter},
    names,
};
use berth_store::{self as store, sessions::SessionRecord};
use berth_types::{
    NodeId, SessionId,
    events::{EventSeverity, SourceComponent},
    operations::OperationKind,
    sessions::{SessionDesiredState, SessionReason, SessionStatus},
};
use futures::StreamExt;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    app::{After, App, AppResult, sessions as rules},
    engine,
};

/// Pause before a lost event stream is opened again.
const RECONNECT: Duration = Duration::from_secs(1);

/// What only the database tells: time that is over, tenants that are suspended, transitions that nobody carries out.
pub async fn round(app: Arc<App>) -> AppResult<()> {
    if !super::leads(&app, "sessions").await? {
        return Ok(());
    }
    let now = app.now();
    for session in store::sessions::overdue(app.store.reader(), now).await? {
        let text = format!("Its {} minutes are over.", session.max_runtime_minutes);
        stop(&app, &session, SessionReason::MaxRuntime, &text).await?;
    }
    for session in store::sessions::of_suspended_tenants(app.store.reader()).await? {
        stop(&app, &session, SessionReason::TenantSuspended, "Its tenant was suspended.").await?;
    }
    for session in store::sessions::without_operation(app.store.reader()).await? {
        resume_transition(&app, &session).await?;
    }
    Ok(())
}

async fn stop(app: &App, session: &SessionRecord, reason: SessionReason, text: &str) -> AppResult<()> {
    let tx = app.store.begin().await?;
    let mut after = After::default();
    rules::begin_stop(&tx, app, session, reason, text, None, &mut after, app.now()).await?;
    tx.commit().await?;
    after.run(app);
    Ok(())
}

/// A session that should be moving and is not: an operation was lost, failed, or never enqueued.
async fn resume_transition(app: &App, session: &SessionRecord) -> AppResult<()> {
    let now = app.now();
    let tx = app.store.begin().await?;
    let mut after = After::default();
    // The operation first: one that ends between two reads takes its session with it, and the second read sees that.
    if store::operations::open_of(&tx, session.id.0).await?.is_some() {
        return Ok(());
    }
    let session = store::sessions::record(&tx, session.id).await?;
    use SessionStatus::{Scheduled, Starting, Stopping};
    let moving = matches!(session.status, Scheduled | Starting | Stopping)
        || session.desired_state == SessionDesiredState::Stopped;
    if session.status.is_terminal() || !moving {
        return Ok(());
    }
    let kind = if session.desired_state == SessionDesiredState::Stopped || session.status == SessionStatus::Stopping {
        store::sessions::enter(&tx, session.id, SessionStatus::Stopping, None, now).await?;
        OperationKind::SessionStop
    } else {
        OperationKind::SessionStart
    };
    rules::enqueue(&tx, app, &session, kind, session.generation, None, &mut after, now).await?;
    tx.commit().await?;
    after.run(app);
    Ok(())
}

/// Compares every engine's list with the rows: whatever the events missed is found here.
pub async fn sweep(app: Arc<App>) -> AppResult<()> {
    if !super::leads(&app, "sessions").await? {
        return Ok(());
    }
    for (node, driver) in app.engines.all() {
        if let Err(error) = sweep_node(&app, node, &driver).await {
            // One engine that is away must not hide the others; the monitor tells that it is away.
            tracing::debug!(%node, %error, "engine not swept");
        }
    }
    Ok(())
}

/// One engine's sweep.
pub async fn sweep_node(app: &App, node: NodeId, driver: &Arc<dyn ContainerDriver>) -> AppResult<()> {
    // Rows first: a container that is made after the list was read is not missing, its row is just not placed yet.
    let expected = store::sessions::allocated_on(app.store.reader(), node).await?;
    let filter = LabelFilter::equals(names::LABEL_INSTALLATION, app.installation.clone());
    let containers = driver.list_containers(&filter).await?;
    let mut by_name: BTreeMap<String, ContainerState> =
        containers.into_iter().map(|state| (state.name.clone(), state)).collect();
    for session in &expected {
        let name = names::session_container(session.id, i64::from(session.attempt));
        let state = by_name.remove(&name);
        if settled(session) {
            compare(app, driver, session, state).await?;
        }
    }
    remove_orphans(app, node, by_name.into_values().collect()).await
}

/// Whether no operation is expected to change it: only then does a difference mean that somebody else did.
fn settled(session: &SessionRecord) -> bool {
    matches!(session.status, SessionStatus::Running | SessionStatus::Paused)
        && session.desired_state != SessionDesiredState::Stopped
}

/// Looks at one session's container because something happened to it.
pub async fn observe(app: &App, id: SessionId) -> AppResult<()> {
    let session = match store::sessions::record(app.store.reader(), id).await {
        Ok(session) => session,
        Err(store::StoreError::NotFound(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let Some(node) = session.scheduled_node_id.filter(|_| settled(&session)) else { return Ok(()) };
    let driver = app.engines.container(node)?;
    let state = driver.inspect_container(&names::session_container(session.id, i64::from(session.attempt))).await?;
    compare(app, &driver, &session, state).await
}

async fn compare(
    app: &App,
    driver: &Arc<dyn ContainerDriver>,
    session: &SessionRecord,
    state: Option<ContainerState>,
) -> AppResult<()> {
    let now = app.now();
    let name = names::session_container(session.id, i64::from(session.attempt));
    let Some(state) = state else {
        // Read again: it may have been stopped and removed in the ordinary way since the row was read.
        let fresh = store::sessions::record(app.store.reader(), session.id).await?;
        if settled(&fresh) && driver.inspect_container(&name).await?.is_none() {
            let text = "Its container was removed outside Berth.";
            let tx = app.store.begin().await?;
            let mut after = After::default();
            store::sessions::note_exit(&tx, session.id, None, None, now).await?;
            engine::session_event_with(
                &tx,
                session,
                "session_removed_outside",
                EventSeverity::Warning,
                text.to_owned(),
                now,
            )
            .await?;
            rules::begin_stop(&tx, app, &fresh, SessionReason::RemovedOutside, text, Some(0), &mut after, now).await?;
            tx.commit().await?;
            after.run(app);
        }
        return Ok(());
    };
    match state.status {
        ContainerStatus::Running if session.status == SessionStatus::Paused => {
            seen_moved(app, session, SessionStatus::Running, "It was resumed outside Berth.").await
        }
        ContainerStatus::Paused if session.status == SessionStatus::Running => {
            seen_moved(app, session, SessionStatus::Paused, "It was paused outside Berth; resume it to go on.").await
        }
        ContainerStatus::Exited | ContainerStatus::Dead => {
            // A list does not tell about memory; the inspection does.
            let state = driver.inspect_container(&name).await?.unwrap_or(state);
            if state.status.is_live() {
                return Ok(());
            }
            let tx = app.store.begin().await?;
            let mut after = After::default();
            let fresh = store::sessions::record(&tx, session.id).await?;
            if settled(&fresh) {
                rules::conclude_exit(&tx, app, &fresh, &state, &mut after, now).await?;
            }
            tx.commit().await?;
            after.run(app);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Somebody paused or resumed it behind our back, and no operation of ours is doing so.
async fn seen_moved(app: &App, session: &SessionRecord, status: SessionStatus, text: &str) -> AppResult<()> {
    let now = app.now();
    let tx = app.store.begin().await?;
    if store::operations::open_of(&tx, session.id.0).await?.is_some() {
        return Ok(());
    }
    let fresh = store::sessions::record(&tx, session.id).await?;
    if fresh.status != session.status || !settled(&fresh) {
        return Ok(());
    }
    store::sessions::observe_status(&tx, session.id, status, None, Some(text.to_owned()), now).await?;
    engine::session_event_with(&tx, session, "session_changed_outside", EventSeverity::Warning, text.to_owned(), now)
        .await?;
    tx.commit().await?;
    engine::announce(app, session, status.as_str());
    Ok(())
}

/// Containers of ours that no placed session claims: of ended sessions and of earlier attempts. What no row knows is left
/// alone, since it may belong to a database that was restored, and told to the operators.
async fn remove_orphans(app: &App, node: NodeId, orphans: Vec<ContainerState>) -> AppResult<()> {
    let id =
        |state: &ContainerState| state.labels.get(names::LABEL_SESSION).and_then(|text| text.parse::<SessionId>().ok());
    let rows = store::sessions::states(app.store.reader(), orphans.iter().filter_map(id).collect()).await?;
    for orphan in &orphans {
        let Some(session) = id(orphan) else { continue };
        match rows.get(&session) {
            Some(row) => {
                let current = names::session_container(row.id, i64::from(row.attempt)) == orphan.name;
                if row.status.is_terminal() || !current {
                    app.engines.container(node)?.ensure_container_absent(&orphan.name).await?;
                    tracing::info!(container = orphan.name, "removed what an ended session had left");
                }
            }
            None => {
                let tx = app.store.begin().await?;
                let message = format!(
                    "The engine has the container {}, which no session knows. `berth admin fsck --repair` removes it.",
                    orphan.name
                );
                let event = store::events::NewEvent {
                    severity: EventSeverity::Warning,
                    source_component: SourceComponent::Reconciler,
                    source_node_id: Some(node),
                    ..store::events::NewEvent::new("container_unknown", message)
                };
                crate::nodes::once(&tx, event, app.now()).await?;
                tx.commit().await?;
            }
        }
    }
    Ok(())
}

/// Listens to every engine's events, each in a task of its own that reconnects.
pub async fn watch_engines(app: Arc<App>, mut shutdown: watch::Receiver<bool>) {
    let mut watched: std::collections::HashSet<NodeId> = std::collections::HashSet::new();
    let mut listeners = JoinSet::new();
    loop {
        for (node, driver) in app.engines.all() {
            if watched.insert(node) {
                listeners.spawn(listen(app.clone(), node, driver));
            }
        }
        tokio::select! {
            () = tokio::time::sleep(RECONNECT) => {}
            _ = shutdown.changed() => return,
        }
    }
}

async fn listen(app: Arc<App>, node: NodeId, driver: Arc<dyn ContainerDriver>) {
    let filter = LabelFilter::equals(names::LABEL_INSTALLATION, app.installation.clone());
    loop {
        match driver.events(&filter, None).await {
            Ok(mut events) => {
                // What happened while nobody listened.
                if let Err(error) = sweep_node(&app, node, &driver).await {
                    tracing::debug!(%node, %error, "engine not swept");
                }
                while let Some(Ok(event)) = events.next().await {
                    let telling = matches!(
                        event.kind,
                        EngineEventKind::Die
                            | EngineEventKind::OutOfMemory
                            | EngineEventKind::Pause
                            | EngineEventKind::Unpause
                            | EngineEventKind::Destroy
                    );
                    let session = event.labels.get(names::LABEL_SESSION).and_then(|text| text.parse().ok());
                    if let (true, Some(session)) = (telling, session)
                        && let Err(error) = observe(&app, session).await
                    {
                        tracing::warn!(%session, %error, "event not followed; the sweep will");
                    }
                }
                // The stream ended: the engine went away, and what we knew of it may be wrong.
                app.memory.forget_node(node);
            }
            Err(error) => tracing::debug!(%node, %error, "engine's events not to be had"),
        }
        tokio::time::sleep(RECONNECT).await;
    }
}
