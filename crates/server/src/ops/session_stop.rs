//! From whatever there is of a session to nothing: container stopped and removed, log kept, ledger released.

use std::time::Duration;

use berth_drivers::{DriverErrorKind, names};
use berth_store::{self as store, operations::OperationRecord, sessions::SessionRecord};
use berth_types::SessionId;

use super::{StepError, StepResult};
use crate::{app::App, engine};

pub const STEPS: &[&str] = &["stop", "collect", "remove", "release"];

pub async fn run(app: &App, operation: &OperationRecord, step: &str) -> StepResult {
    let session = store::sessions::record(app.store.reader(), SessionId(operation.subject_id)).await?;
    match step {
        "stop" => stop(app, &session).await,
        "collect" => collect(app, &session).await,
        "remove" => remove(app, &session).await,
        _ => release(app, operation, &session).await,
    }
}

fn container(session: &SessionRecord) -> String {
    names::session_container(session.id, i64::from(session.attempt))
}

async fn stop(app: &App, session: &SessionRecord) -> StepResult {
    let Some(node) = session.scheduled_node_id else { return Ok(()) };
    let driver = app.engines.container(node)?;
    let grace =
        Duration::from_secs(session.stop_grace_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0));
    match driver.stop_container(&container(session), grace).await {
        Ok(()) => Ok(()),
        // Never made, or gone already: that is what is wanted.
        Err(error) if error.kind == DriverErrorKind::NotFound => Ok(()),
        // A frozen process cannot end by itself.
        Err(error) if error.kind == DriverErrorKind::Conflict => {
            driver.kill_container(&container(session)).await?;
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Keeps the log and the way it ended before the container goes.
async fn collect(app: &App, session: &SessionRecord) -> StepResult {
    let Some(node) = session.scheduled_node_id else { return Ok(()) };
    let driver = app.engines.container(node)?;
    let Some(state) = driver.inspect_container(&container(session)).await? else { return Ok(()) };
    if state.started_at.is_some() {
        engine::keep_log(app, &driver, session).await.map_err(|error| StepError::Retry(error.to_string()))?;
    }
    if session.exit_code.is_none() && state.exit_code.is_some() {
        let tx = app.store.begin().await?;
        store::sessions::note_exit(&tx, session.id, state.exit_code, state.finished_at, app.now()).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn remove(app: &App, session: &SessionRecord) -> StepResult {
    let Some(node) = session.scheduled_node_id else { return Ok(()) };
    app.engines.container(node)?.ensure_container_absent(&container(session)).await?;
    Ok(())
}

async fn release(app: &App, operation: &OperationRecord, session: &SessionRecord) -> StepResult {
    let now = app.now();
    let tx = app.store.begin().await?;
    store::sessions::lock(&tx, session.id).await?;
    if !store::operations::finish_succeeded(&tx, operation.id, &app.worker, now).await? {
        return Err(StepError::Superseded);
    }
    let mut after = crate::app::After { scheduler: true, ..Default::default() };
    crate::app::sessions::finish(&tx, app, session, &mut after, now).await?;
    tx.commit().await?;
    after.run(app);
    Ok(())
}
