//! Operations as people see them: what is under way, and trying again what waits or failed.

use berth_store::{self as store, Tx, operations::OperationRecord};
use berth_types::{
    Error, NodeId, OperationId, SessionId,
    operations::{Operation, OperationFilter, OperationStatus, SubjectType},
    page::Page,
    sites::NodeAdminState,
};
use chrono::TimeDelta;

use super::{AppResult, LiveEvent};
use crate::{
    api::call::{Call, Write},
    ops,
};

/// `GET /operations`, newest first.
///
/// # Errors
/// `invalid_value` for a wrong cursor.
pub async fn list(call: &Call, filter: &OperationFilter) -> AppResult<Page<Operation>> {
    Ok(store::operations::list(call.db(), call.scope, filter).await?)
}

/// Refuses to open a failed operation again whose subject has moved on since.
async fn still_wanted(tx: &Tx, record: &OperationRecord) -> AppResult<()> {
    if let Some(open) = store::operations::open_of(tx, record.subject_id).await? {
        let text = format!("Another operation of the same subject is under way: {} {}.", open.kind, open.id);
        return Err(Error::conflict(text).into());
    }
    let wanted = match record.subject_type {
        SubjectType::Session => {
            let session = store::sessions::record(tx, SessionId(record.subject_id)).await?;
            !session.status.is_terminal() && session.generation == record.generation
        }
        SubjectType::Node => {
            let node = store::sites::node(tx, NodeId(record.subject_id)).await?;
            node.admin_state == NodeAdminState::Draining
        }
    };
    if !wanted {
        return Err(Error::conflict("What it was about has moved on since: there is nothing to try again.").into());
    }
    Ok(())
}

/// `POST /operations/{id}/retry`: what waits for its next try is tried now; what failed begins anew at its step, with a
/// new deadline.
///
/// # Errors
/// `not_found`, `state_conflict` when it has ended well or something newer took its place.
pub async fn retry(write: &mut Write<'_>, id: OperationId) -> AppResult<Operation> {
    let call = write.call;
    let record = store::operations::record_in(&write.tx, call.scope, id).await?;
    if record.status == OperationStatus::Failed {
        still_wanted(&write.tx, &record).await?;
    }
    let deadline = call.now + TimeDelta::minutes(ops::deadline_minutes(&call.app, record.kind));
    if !store::operations::retry(&write.tx, id, deadline, call.now).await? {
        return Err(Error::conflict(format!("It is {}: there is nothing to try again.", record.status)).into());
    }
    write.subject(id);
    write.detail("kind", record.kind);
    write.after.operations = true;
    write.after.live.push(LiveEvent {
        kind: "operation",
        id: id.0,
        tenant_id: record.tenant_id,
        owner: None,
        status: None,
    });
    Ok(store::operations::get(&write.tx, call.scope, id).await?)
}
