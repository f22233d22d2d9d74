//! Events: writing them down with the change they tell of, and who may watch what happens live.

use berth_store::{self as store, Tx, events::NewEvent};
use berth_types::{
    SystemEventId, Timestamp,
    events::{EventFilter, SystemEvent},
    identity::{PermissionAction, ResourceType},
    page::Page,
};
use futures::{Stream, stream};
use serde_json::json;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{After, App, AppResult, LiveEvent};
use crate::api::call::{Call, Caller, Write, reach};

/// How often an open stream asks whether its login still lives, and sends a comment so that proxies keep it open.
pub const HEARTBEAT: std::time::Duration = std::time::Duration::from_secs(15);

/// Writes an event down and shows it to watchers once the transaction is committed.
///
/// # Errors
/// The database is away.
pub async fn note(tx: &Tx, after: &mut After, event: NewEvent, now: Timestamp) -> AppResult<()> {
    let event = store::events::insert(tx, event, now).await?;
    after.live.push(live(&event));
    Ok(())
}

fn live(event: &SystemEvent) -> LiveEvent {
    LiveEvent {
        kind: "event",
        id: event.id.0,
        tenant_id: event.tenant_id,
        owner: event.user_id,
        status: Some(event.severity.to_string()),
    }
}

/// `GET /events`
///
/// # Errors
/// `invalid_value`.
pub async fn list(call: &Call, filter: &EventFilter) -> AppResult<Page<SystemEvent>> {
    Ok(store::events::list(call.db(), call.scope, filter).await?)
}

/// `POST /events/{id}/acknowledge`
///
/// # Errors
/// `not_found`.
pub async fn acknowledge(write: &mut Write<'_>, id: SystemEventId) -> AppResult<SystemEvent> {
    let call = write.call;
    let event = store::events::acknowledge(&write.tx, call.scope, id, call.caller.user, call.now).await?;
    write.subject(id);
    write.after.live.push(live(&event));
    Ok(event)
}

/// `POST /events/{id}/resolve`
///
/// # Errors
/// `not_found`.
pub async fn resolve(write: &mut Write<'_>, id: SystemEventId) -> AppResult<SystemEvent> {
    let call = write.call;
    let event = store::events::resolve(&write.tx, call.scope, id, call.caller.user, call.now).await?;
    write.subject(id);
    write.after.live.push(live(&event));
    Ok(event)
}

/// Whether the caller may know of it: what they could also read.
fn may_see(app: &App, caller: &Caller, event: &LiveEvent) -> bool {
    let covered = |resource| {
        let scope = reach(app, caller, resource, PermissionAction::Read);
        scope.is_some_and(|scope| match event.tenant_id {
            Some(tenant) => scope.covers(tenant, event.owner),
            None => scope.tenant().is_none(),
        })
    };
    match event.kind {
        "session" => covered(ResourceType::Session),
        "event" => covered(ResourceType::SystemEvent),
        _ => reach(app, caller, ResourceType::Server, PermissionAction::Read).is_some(),
    }
}

/// What a watcher gets next.
#[derive(Debug, PartialEq)]
enum Next {
    Message(String),
    /// Nothing happened for a while.
    Quiet,
}

async fn next(call: &Call, receiver: &mut Receiver<LiveEvent>) -> Option<Next> {
    let heartbeat = tokio::time::sleep(HEARTBEAT);
    tokio::pin!(heartbeat);
    loop {
        let received = tokio::select! {
            received = receiver.recv() => received,
            () = &mut heartbeat => return Some(Next::Quiet),
        };
        match received {
            Ok(event) if may_see(&call.app, &call.caller, &event) => {
                return serde_json::to_string(&event).ok().map(Next::Message);
            }
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => return Some(Next::Message(json!({"type": "lag"}).to_string())),
            Err(RecvError::Closed) => return None,
        }
    }
}

/// What happens from now on, as far as the caller may see it: JSON texts, and `None` when nothing happened for a while.
/// Ends with the login it was opened by.
pub fn watch(call: Call) -> impl Stream<Item = Option<String>> {
    let receiver = call.app.hub.subscribe();
    let asked = call.now;
    stream::unfold((call, receiver, asked), |(call, mut receiver, mut asked)| async move {
        let now = call.app.now();
        if (now - asked).to_std().is_ok_and(|age| age >= HEARTBEAT) {
            // A database that is away ends no stream: whoever watches will see it soon enough.
            if let Ok(false) = store::identity::login_is_alive(call.db(), call.caller.login, now).await {
                return None;
            }
            asked = now;
        }
        let item = match next(&call, &mut receiver).await? {
            Next::Message(text) => Some(text),
            Next::Quiet => None,
        };
        Some((item, (call, receiver, asked)))
    })
}
