//! Durable operations: the only thing that changes an engine.
//!
//! An operation is a row with steps. Every step says *ensure*, so a step may be carried out again after a crash, after
//! an unclear answer, or by another server; nothing is ever undone by a second path. A worker holds an operation by a
//! lease and writes only while the row is still its own, so an operation that a newer wish has superseded ends at its
//! next step. Errors that may pass are retried with back-off and jitter until the operation's deadline.

pub mod node_drain;
pub mod session_pause;
pub mod session_resume;
pub mod session_start;
pub mod session_stop;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use berth_drivers::DriverError;
use berth_store::{StoreError, operations::OperationRecord};
use berth_types::{OperationId, Timestamp, operations::OperationKind};
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
};

use crate::app::{App, AppError, LiveEvent};

/// Seconds a worker may go without renewing before another takes its operation over.
pub const LEASE_SECONDS: i64 = 30;
/// Longest pause between two tries, seconds.
const MAX_BACKOFF_SECONDS: f64 = 30.0;
/// How long the runner waits for a nudge before it looks for due operations by itself.
const POLL: Duration = Duration::from_secs(2);

/// The operations that this process carries out right now, so that a newer wish can interrupt a long step at once.
#[derive(Default)]
pub struct Running(Mutex<HashMap<OperationId, Arc<Notify>>>);

impl Running {
    fn begin(&self, id: OperationId) -> Arc<Notify> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default().clone()
    }

    fn end(&self, id: OperationId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// Makes the worker look whether the operation is still its own; in another process that happens at the next renewal.
    pub fn interrupt_all(&self, ids: impl IntoIterator<Item = OperationId>) {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for notify in ids.into_iter().filter_map(|id| running.get(&id)) {
            notify.notify_one();
        }
    }
}

/// Why a step did not end well.
#[derive(Debug)]
pub enum StepError {
    /// May pass: try again later.
    Retry(String),
    /// Try again after so long, without counting it as a failure: waiting for something is not failing.
    Wait(Duration, String),
    /// Will not pass: the operation fails, for this public reason.
    Fail(StepFailure),
    /// The row is no longer ours: somebody wants something else now.
    Superseded,
}

/// A failure that will not pass.
#[derive(Debug)]
pub struct StepFailure {
    pub reason: Option<berth_types::sessions::SessionReason>,
    pub public: String,
    pub internal: Option<String>,
}

pub type StepResult = Result<(), StepError>;

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        Self::Retry(error.to_string())
    }
}

impl From<AppError> for StepError {
    fn from(error: AppError) -> Self {
        Self::Retry(error.0.to_string())
    }
}

impl From<DriverError> for StepError {
    fn from(error: DriverError) -> Self {
        if error.is_retryable() {
            Self::Retry(error.to_string())
        } else {
            Self::Fail(StepFailure {
                reason: Some(berth_types::sessions::SessionReason::EngineError),
                public: "The node's engine refused it; operators see the engine's words in the log.".to_owned(),
                internal: Some(error.to_string()),
            })
        }
    }
}

/// The steps of a kind, in order.
pub fn steps(kind: OperationKind) -> &'static [&'static str] {
    match kind {
        OperationKind::SessionStart => session_start::STEPS,
        OperationKind::SessionStop => session_stop::STEPS,
        OperationKind::SessionPause => session_pause::STEPS,
        OperationKind::SessionResume => session_resume::STEPS,
        OperationKind::NodeDrain => node_drain::STEPS,
    }
}

/// Minutes an operation of that kind may take before it gives up.
pub fn deadline_minutes(app: &App, kind: OperationKind) -> i64 {
    match kind {
        OperationKind::SessionStart => app.setting(&berth_types::settings::START_DEADLINE_MINUTES),
        OperationKind::SessionPause | OperationKind::SessionResume => 5,
        // Giving back must never give up by itself: it would leak. A week, then an operator is asked.
        OperationKind::SessionStop => 7 * 24 * 60,
        // A drain has its own deadline; what follows it is stopping sessions.
        OperationKind::NodeDrain => 14 * 24 * 60,
    }
}

async fn run_step(app: &App, operation: &OperationRecord, step: &str) -> StepResult {
    match operation.kind {
        OperationKind::SessionStart => session_start::run(app, operation, step).await,
        OperationKind::SessionStop => session_stop::run(app, operation, step).await,
        OperationKind::SessionPause => session_pause::run(app, operation, step).await,
        OperationKind::SessionResume => session_resume::run(app, operation, step).await,
        OperationKind::NodeDrain => node_drain::run(app, operation, step).await,
    }
}

async fn give_up(app: &App, operation: &OperationRecord, failure: StepFailure) -> Result<(), StepError> {
    if let Some(internal) = &failure.internal {
        tracing::warn!(operation = %operation.id, kind = %operation.kind, internal, "operation failed");
    }
    match operation.kind {
        OperationKind::SessionStart => session_start::give_up(app, operation, failure).await,
        _ => fail(app, operation, &failure.public).await,
    }
}

/// Closes an operation as failed; its subject keeps its state and shows the reason.
pub(crate) async fn fail(app: &App, operation: &OperationRecord, public: &str) -> Result<(), StepError> {
    let now = app.now();
    let tx = app.store.begin().await?;
    if !berth_store::operations::finish_failed(&tx, operation.id, &app.worker, public, now).await? {
        return Err(StepError::Superseded);
    }
    berth_store::events::insert(
        &tx,
        berth_store::events::NewEvent {
            severity: berth_types::events::EventSeverity::Error,
            source_component: berth_types::events::SourceComponent::Operations,
            tenant_id: operation.tenant_id,
            session_id: operation.session_id(),
            source_node_id: operation.node_id(),
            ..berth_store::events::NewEvent::new("operation_failed", format!("{} failed: {public}", operation.kind))
        },
        now,
    )
    .await?;
    tx.commit().await?;
    Ok(())
}

/// Takes due operations and carries them out, until `shutdown`.
pub async fn run(app: Arc<App>, mut shutdown: tokio::sync::watch::Receiver<bool>) {
    let limit = Arc::new(Semaphore::new(app.config.operation_workers));
    let mut working = JoinSet::new();
    loop {
        while working.try_join_next().is_some() {}
        let free = limit.available_permits();
        let mut idle = true;
        if free > 0 {
            match claim_due(&app, free).await {
                Ok(claimed) => {
                    idle = claimed.is_empty();
                    for operation in claimed {
                        let (app, limit) = (app.clone(), limit.clone());
                        working.spawn(async move {
                            // Never closed, so acquiring cannot fail.
                            let _permit = limit.acquire_owned().await;
                            drive(&app, operation).await;
                            app.nudges.operations.notify_one();
                        });
                    }
                }
                Err(error) => {
                    app.telemetry.task_failed("operations");
                    tracing::error!(%error, "cannot take operations");
                }
            }
        }
        let more = !idle && limit.available_permits() > 0;
        if !more {
            tokio::select! {
                () = app.nudges.operations.notified() => {}
                () = tokio::time::sleep(POLL) => {}
                _ = shutdown.changed() => break,
            }
        }
    }
    // What is under way stays in the database as it stands and continues at the next start.
    working.shutdown().await;
}

async fn claim_due(app: &App, most: usize) -> Result<Vec<OperationRecord>, StoreError> {
    let now = app.now();
    // A look without a lock first: mostly nothing is due.
    if !berth_store::operations::any_due(app.store.reader(), &app.worker, now).await? {
        return Ok(Vec::new());
    }
    let tx = app.store.begin().await?;
    let lease = now + chrono::Duration::seconds(LEASE_SECONDS);
    let claimed = berth_store::operations::claim_due(&tx, &app.worker, lease, most as u64, now).await?;
    tx.commit().await?;
    Ok(claimed)
}

/// Carries one claimed operation on until it ends, must wait, or is no longer ours.
pub async fn drive(app: &App, operation: OperationRecord) {
    let id = operation.id;
    let kind = operation.kind;
    let interrupted = app.running.begin(id);
    let result = advance(app, operation, &interrupted).await;
    app.running.end(id);
    match result {
        Ok(outcome) => app.telemetry.operation(kind.as_str(), outcome),
        Err(error) => {
            // The lease runs out and somebody tries again.
            tracing::error!(operation = %id, %error, "operation could not be written down");
            app.telemetry.task_failed("operations");
        }
    }
    app.hub.publish(LiveEvent { kind: "operation", id: id.0, tenant_id: None, owner: None, status: None });
}

async fn advance(app: &App, mut operation: OperationRecord, interrupted: &Notify) -> Result<&'static str, StoreError> {
    let steps = steps(operation.kind);
    let mut renewed = app.now();
    while let Some(step) = usize::try_from(operation.step_index).ok().and_then(|index| steps.get(index)) {
        let result = with_lease(app, &operation, interrupted, run_step(app, &operation, step)).await;
        let now = app.now();
        match result {
            Ok(()) => {
                operation.step_index += 1;
                operation.attempts = 0;
                // Steps are idempotent, so the index is for people and for long operations: written when it is worth it.
                if (now - renewed).num_milliseconds() > 500 && steps.len() > operation.step_index as usize {
                    let ours = berth_store::operations::note_step(
                        &app.store,
                        operation.id,
                        &app.worker,
                        operation.step_index,
                        now,
                    )
                    .await?;
                    if !ours {
                        release(app, operation.id).await?;
                        return Ok("superseded");
                    }
                    renewed = now;
                }
            }
            Err(StepError::Superseded) => {
                release(app, operation.id).await?;
                return Ok("superseded");
            }
            Err(StepError::Wait(pause, message)) => {
                let next = now + chrono::Duration::from_std(pause).unwrap_or_default();
                postpone(app, &operation, next, operation.attempts, &message).await?;
                return Ok("waiting");
            }
            Err(StepError::Retry(internal)) if operation.deadline_at.is_none_or(|deadline| now < deadline) => {
                let attempts = operation.attempts + 1;
                tracing::warn!(operation = %operation.id, kind = %operation.kind, step, attempts, internal, "step will be tried again");
                postpone(app, &operation, now + backoff(attempts), attempts, "The engine did not do it; trying again.")
                    .await?;
                return Ok("retried");
            }
            Err(StepError::Retry(internal)) => {
                let failure = StepFailure {
                    reason: None,
                    public: format!("It was tried until its deadline, but step \"{step}\" never succeeded."),
                    internal: Some(internal),
                };
                return close(app, &operation, failure).await;
            }
            Err(StepError::Fail(failure)) => return close(app, &operation, failure).await,
        }
    }
    Ok("succeeded")
}

async fn close(app: &App, operation: &OperationRecord, failure: StepFailure) -> Result<&'static str, StoreError> {
    match give_up(app, operation, failure).await {
        Ok(()) => Ok("failed"),
        Err(StepError::Superseded) => {
            release(app, operation.id).await?;
            Ok("superseded")
        }
        Err(other) => Err(StoreError::Unavailable(format!("{other:?}"))),
    }
}

async fn postpone(
    app: &App,
    operation: &OperationRecord,
    next: Timestamp,
    attempts: i32,
    message: &str,
) -> Result<(), StoreError> {
    let kept = berth_store::operations::postpone(
        &app.store,
        operation.id,
        &app.worker,
        operation.step_index,
        attempts,
        next,
        message,
        app.now(),
    )
    .await?;
    if kept { Ok(()) } else { release(app, operation.id).await }
}

/// Lets go of a superseded operation, so that its successor may begin.
async fn release(app: &App, id: OperationId) -> Result<(), StoreError> {
    berth_store::operations::release(&app.store, id, &app.worker, app.now()).await?;
    app.nudges.operations.notify_one();
    Ok(())
}

/// Runs a step while renewing the lease, so that a long pull is not taken over by somebody else; ends early when the
/// operation is not ours any more.
async fn with_lease(
    app: &App,
    operation: &OperationRecord,
    interrupted: &Notify,
    step: impl Future<Output = StepResult>,
) -> StepResult {
    let pause = Duration::from_secs(LEASE_SECONDS.unsigned_abs() / 3);
    let superseded = async {
        loop {
            tokio::select! {
                () = interrupted.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
            let now = app.now();
            let lease = now + chrono::Duration::seconds(LEASE_SECONDS);
            match berth_store::operations::renew(&app.store, operation.id, &app.worker, lease, now).await {
                Ok(true) => {}
                Ok(false) => return,
                // The database is away for a moment; the lease still has two thirds to run.
                Err(error) => tracing::warn!(operation = %operation.id, %error, "lease not renewed"),
            }
        }
    };
    // The step goes on while its lease is renewed: it may hold the one writing connection that the renewal waits for.
    tokio::select! {
        biased;
        result = step => result,
        () = superseded => Err(StepError::Superseded),
    }
}

/// Doubles from half a second to half a minute, with up to a quarter of jitter so that retries do not march in step.
fn backoff(attempts: i32) -> chrono::Duration {
    let base = (0.5 * 2f64.powi((attempts - 1).clamp(0, 10))).min(MAX_BACKOFF_SECONDS);
    let jitter = 1.0 + f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 1024.0;
    chrono::Duration::milliseconds((base * jitter * 1000.0) as i64)
}

/// A failure for one of the session's reasons.
pub(crate) fn failure(reason: berth_types::sessions::SessionReason, public: impl Into<String>) -> StepError {
    StepError::Fail(StepFailure { reason: Some(reason), public: public.into(), internal: None })
}

#[cfg(test)]
mod tests {
    use berth_store as store;
    use berth_types::operations::SubjectType;

    use super::*;
    use crate::{clock::Clock, config::Config};

    /// SQLite has one writing connection. A step that holds it and is interrupted must go on, or it would wait for
    /// itself.
    #[tokio::test]
    async fn a_step_that_is_writing_is_not_stopped_by_its_own_renewal() {
        let directory = tempfile::tempdir().unwrap();
        let config = Config { data_dir: directory.path().to_owned(), docker: "none".to_owned(), ..Config::default() };
        let app = crate::open(config, Clock::manual(Timestamp::UNIX_EPOCH)).await.unwrap();
        let now = app.now();
        let lease = now + chrono::Duration::seconds(LEASE_SECONDS);
        let new = store::operations::NewOperation {
            kind: OperationKind::NodeDrain,
            subject_type: SubjectType::Node,
            subject_id: uuid::Uuid::now_v7(),
            tenant_id: None,
            requested_by: None,
            steps: vec!["wait".to_owned()],
            generation: 1,
            deadline_at: lease,
            claimed_by: Some((app.worker.clone(), lease)),
        };
        let tx = app.store.begin().await.unwrap();
        let operation = store::operations::enqueue(&tx, new, now).await.unwrap();
        tx.commit().await.unwrap();
        let interrupted = Notify::new();
        let step = async {
            let tx = app.store.begin().await?;
            interrupted.notify_one();
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            tx.commit().await?;
            Ok(())
        };
        let done = tokio::time::timeout(Duration::from_secs(5), with_lease(&app, &operation, &interrupted, step)).await;
        assert!(matches!(done, Ok(Ok(()))), "the step waited for its own lease");
    }
}
