//! Empties a node: what runs may finish until the drain's deadline, then it is stopped.

use std::time::Duration;

use berth_store::{self as store, operations::OperationRecord};
use berth_types::{
    NodeId,
    sessions::{SessionDesiredState, SessionReason},
    sites::NodeAdminState,
};

use super::{StepError, StepResult};
use crate::app::{After, App};

pub const STEPS: &[&str] = &["wait", "stop", "confirm"];

/// How often a drain looks whether its node is empty.
const LOOK: Duration = Duration::from_secs(2);

pub async fn run(app: &App, operation: &OperationRecord, step: &str) -> StepResult {
    let node = NodeId(operation.subject_id);
    let record = store::sites::node(app.store.reader(), node).await?;
    if matches!(record.admin_state, NodeAdminState::Active | NodeAdminState::Maintenance) {
        // Somebody decided otherwise: what runs stays.
        return end(app, operation, node, "node_drain_cancelled", "The drain was called off; what runs stays.").await;
    }
    let sessions = store::sessions::allocated_on(app.store.reader(), node).await?;
    let left = sessions.len();
    match step {
        "wait" => {
            let due = record.drain_deadline_at.is_none_or(|deadline| app.now() >= deadline);
            if left == 0 || due { Ok(()) } else { Err(StepError::Wait(LOOK, format!("{left} sessions still run"))) }
        }
        "stop" => {
            let now = app.now();
            for session in sessions.iter().filter(|session| session.desired_state != SessionDesiredState::Stopped) {
                let tx = app.store.begin().await?;
                let mut after = After::default();
                let text = "Its node was drained and the time to finish was over.";
                crate::app::sessions::begin_stop(
                    &tx,
                    app,
                    session,
                    SessionReason::NodeDrained,
                    text,
                    None,
                    &mut after,
                    now,
                )
                .await?;
                tx.commit().await?;
                after.run(app);
            }
            if left == 0 { Ok(()) } else { Err(StepError::Wait(LOOK, format!("{left} sessions are being stopped"))) }
        }
        _ => end(app, operation, node, "node_drained", "The node is empty.").await,
    }
}

async fn end(app: &App, operation: &OperationRecord, node: NodeId, event_type: &str, text: &str) -> StepResult {
    let now = app.now();
    let tx = app.store.begin().await?;
    if !store::operations::finish_succeeded(&tx, operation.id, &app.worker, now).await? {
        return Err(StepError::Superseded);
    }
    store::events::insert(
        &tx,
        store::events::NewEvent {
            source_node_id: Some(node),
            source_component: berth_types::events::SourceComponent::Operations,
            ..store::events::NewEvent::new(event_type, text)
        },
        now,
    )
    .await?;
    tx.commit().await?;
    app.hub.publish(crate::app::LiveEvent { kind: "node", id: node.0, tenant_id: None, owner: None, status: None });
    Ok(())
}
