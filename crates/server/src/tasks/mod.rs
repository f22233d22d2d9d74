//! Background tasks. A task takes no input: on its timer, or when nudged, it reads the database and the engines, writes
//! what it observed, and enqueues operations for the difference. So a lost nudge costs a moment and never a change.

pub mod housekeeping;
pub mod monitor;
pub mod scheduler;
pub mod sessions;

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};

use crate::app::{App, AppError};

/// Seconds a controller's lease lasts; another replica takes over that long after its holder went silent.
pub const LEASE_SECONDS: i64 = 15;

/// Starts every task; they end when `shutdown` turns true.
pub fn start(app: &Arc<App>, shutdown: &watch::Receiver<bool>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(crate::ops::run(app.clone(), shutdown.clone()));
    tasks.spawn(sessions::watch_engines(app.clone(), shutdown.clone()));
    let nudges = |pick: fn(&App) -> &Notify| pick;
    tasks.spawn(every(
        app.clone(),
        shutdown.clone(),
        "scheduler",
        2_000,
        Some(nudges(|a| &a.nudges.scheduler)),
        scheduler::round,
    ));
    tasks.spawn(every(
        app.clone(),
        shutdown.clone(),
        "sessions",
        2_000,
        Some(nudges(|a| &a.nudges.sessions)),
        sessions::round,
    ));
    tasks.spawn(every(app.clone(), shutdown.clone(), "sweep", 30_000, None, sessions::sweep));
    tasks.spawn(every(app.clone(), shutdown.clone(), "monitor", 5_000, None, monitor::round));
    tasks.spawn(every(app.clone(), shutdown.clone(), "metrics", 15_000, None, monitor::measure));
    tasks.spawn(every(app.clone(), shutdown.clone(), "storage", 30_000, None, monitor::measure_storage));
    tasks.spawn(every(app.clone(), shutdown.clone(), "firewall", 30_000, None, crate::nodes::protect_all));
    tasks.spawn(every(app.clone(), shutdown.clone(), "audit", 700, None, housekeeping::seal));
    tasks.spawn(every(app.clone(), shutdown.clone(), "usage", 60_000, None, housekeeping::bill));
    tasks.spawn(every(app.clone(), shutdown.clone(), "logins", 30_000, None, housekeeping::note_logins));
    tasks.spawn(every(app.clone(), shutdown.clone(), "reload", 10_000, None, housekeeping::reload));
    tasks.spawn(every(app.clone(), shutdown.clone(), "retention", 600_000, None, housekeeping::retention));
    tasks
}

/// Runs `round` on a timer and on nudges, one at a time; a failure is logged, counted and tried again at the next turn.
async fn every<F>(
    app: Arc<App>,
    mut shutdown: watch::Receiver<bool>,
    name: &'static str,
    milliseconds: u64,
    nudge: Option<fn(&App) -> &Notify>,
    round: fn(Arc<App>) -> F,
) where
    F: Future<Output = Result<(), AppError>> + Send,
{
    let mut failing = false;
    loop {
        match round(app.clone()).await {
            Ok(()) => {
                if failing {
                    tracing::info!(task = name, "task works again");
                }
                failing = false;
            }
            Err(error) => {
                app.telemetry.task_failed(name);
                // Once per outage: a database that is away for an hour is one line, not a thousand.
                if !failing {
                    tracing::warn!(task = name, %error, "task failed; it goes on trying");
                }
                failing = true;
            }
        }
        let nudged = async {
            match nudge {
                Some(pick) => pick(&app).notified().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = nudged => {}
            () = tokio::time::sleep(Duration::from_millis(milliseconds)) => {}
            _ = shutdown.changed() => return,
        }
    }
}

/// Whether this replica runs that controller now. SQLite has one server, so there it always does.
pub async fn leads(app: &App, controller: &str) -> Result<bool, AppError> {
    if !app.replicated() {
        return Ok(true);
    }
    let now = app.now();
    let tx = app.store.begin().await?;
    let expires = now + chrono::Duration::seconds(LEASE_SECONDS);
    let epoch = berth_store::leases::acquire(&tx, controller, &app.worker, expires, now).await?;
    tx.commit().await?;
    Ok(epoch.is_some())
}
