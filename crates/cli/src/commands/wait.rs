//! Waiting for something long, with its progress on a terminal. A server that restarts meanwhile is waited for as well.

use std::{future::Future, time::Duration};

use berth_client::{Client, ClientError};
use berth_types::{
    OperationId, SessionId,
    operations::{Operation, OperationStatus},
    sessions::{Session, SessionStatus},
};
use tokio::time::{Instant, sleep};

use crate::{
    failure::{Exit, Failure},
    output::Progress,
};

/// How long a server may be away in between.
const PATIENCE: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What is waited for in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Until {
    // It runs, or has run and ended well.
    Running,
    // It has ended, however.
    Ended,
}

/// Reads again and again until `done` says so. `limit` bounds the whole wait.
async fn poll<T, Fut: Future<Output = Result<T, ClientError>>>(
    limit: Option<Duration>,
    mut read: impl FnMut() -> Fut,
    describe: impl Fn(&T) -> String,
    done: impl Fn(&T) -> bool,
) -> anyhow::Result<T> {
    let begun = Instant::now();
    let mut heard = begun;
    let mut pause = FIRST_PAUSE;
    let mut progress = Progress::new();
    loop {
        match read().await {
            Ok(thing) if done(&thing) => return Ok(thing),
            Ok(thing) => {
                heard = Instant::now();
                progress.show(&describe(&thing));
            }
            Err(error) if error.is_temporary() && heard.elapsed() < PATIENCE => {
                progress.show(&format!("waiting for the server: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
        if limit.is_some_and(|limit| begun.elapsed() >= limit) {
            return Err(Failure::of(Exit::Unavailable, "it took longer than --wait-timeout; it goes on nevertheless"));
        }
        sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// # Errors
/// An error with the session's own reason when it failed or was cancelled before `until` was reached.
pub async fn session(client: &Client, id: SessionId, until: Until, limit: Option<Duration>) -> anyhow::Result<Session> {
    let reached = move |session: &Session| match until {
        Until::Running => session.status == SessionStatus::Running || session.status.is_terminal(),
        Until::Ended => session.status.is_terminal(),
    };
    let session = poll(limit, || client.session_get(id), describe_session, reached).await?;
    if until == Until::Running && matches!(session.status, SessionStatus::Failed | SessionStatus::Cancelled) {
        return Err(Failure::error(format!("session {}: {}", session.session_name, describe_session(&session))));
    }
    Ok(session)
}

/// Waits until a session has something to say: it runs, or has run, or never will.
pub async fn begun(client: &Client, id: SessionId) -> anyhow::Result<Session> {
    use SessionStatus::{Pending, Scheduled, Starting};
    let has_begun = |session: &Session| !matches!(session.status, Pending | Scheduled | Starting);
    poll(None, || client.session_get(id), describe_session, has_begun).await
}

/// # Errors
/// An error with the operation's own text when it did not succeed.
pub async fn operation(client: &Client, id: OperationId) -> anyhow::Result<Operation> {
    let operation =
        poll(None, || client.operation_get(id), describe_operation, |operation| !operation.status.is_open()).await?;
    match operation.status {
        OperationStatus::Succeeded => Ok(operation),
        status => {
            let why = operation.error.clone().or_else(|| operation.message.clone()).unwrap_or_default();
            Err(Failure::error(format!("{} {status}: {why}", operation.kind)))
        }
    }
}

/// Status, and the most telling of: what is being done, why it waits, why it ended.
pub fn describe_session(session: &Session) -> String {
    let doing =
        session.operation.as_ref().filter(|operation| operation.status.is_open()).and_then(|o| o.message.clone());
    let waiting =
        session.waiting.as_ref().map(|waiting| format!("position {}, {}", waiting.position, waiting.explanation));
    let ended = session.message.clone().or_else(|| session.reason.map(|reason| reason.to_string()));
    match doing.or(waiting).or(ended) {
        Some(text) => format!("{}: {text}", session.status),
        None => session.status.to_string(),
    }
}

fn describe_operation(operation: &Operation) -> String {
    let text = operation.message.as_deref().unwrap_or_default();
    format!("{} {}: {} % {text}", operation.kind, operation.status, operation.progress)
}
