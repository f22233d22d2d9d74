//! Freezes a running session; it keeps and pays its allocation.

use berth_drivers::names;
use berth_store::{self as store, operations::OperationRecord};
use berth_types::sessions::{SessionReason, SessionStatus};

use super::{StepError, StepResult, failure, session_start::load};
use crate::app::{After, App};

pub const STEPS: &[&str] = &["pause", "confirm"];

pub async fn run(app: &App, operation: &OperationRecord, step: &str) -> StepResult {
    settle(app, operation, step, true).await
}

/// Pause and resume are one movement in two directions.
pub(super) async fn settle(app: &App, operation: &OperationRecord, step: &str, paused: bool) -> StepResult {
    let session = load(app, operation).await?;
    let node = session.scheduled_node_id.ok_or_else(|| failure(SessionReason::StartFailed, "It has no node."))?;
    let driver = app.engines.container(node)?;
    let name = names::session_container(session.id, i64::from(session.attempt));
    if step != "confirm" {
        if paused {
            driver.pause_container(&name).await?;
        } else {
            driver.unpause_container(&name).await?;
        }
        return Ok(());
    }
    use berth_drivers::container::ContainerStatus;
    let state = driver.inspect_container(&name).await?;
    let status = match state.map(|state| state.status) {
        Some(ContainerStatus::Paused) => SessionStatus::Paused,
        Some(ContainerStatus::Running) => SessionStatus::Running,
        _ => return Err(failure(SessionReason::RemovedOutside, "Its container does not run any more.")),
    };
    if (status == SessionStatus::Paused) != paused {
        return Err(StepError::Retry(format!("the engine says it is {status}")));
    }
    let now = app.now();
    let tx = app.store.begin().await?;
    store::sessions::lock(&tx, session.id).await?;
    if !store::operations::finish_succeeded(&tx, operation.id, &app.worker, now).await? {
        return Err(StepError::Superseded);
    }
    store::sessions::observe_status(&tx, session.id, status, None, None, now).await?;
    let event = if paused { "session_paused" } else { "session_resumed" };
    crate::engine::session_event(&tx, &session, event, format!("{} is {status}", session.session_name), now).await?;
    tx.commit().await?;
    let mut after = After::default();
    after.session(session.id, session.tenant_id, session.user_id, status);
    after.run(app);
    Ok(())
}
