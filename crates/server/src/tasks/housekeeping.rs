//! What has to be done now and then: sealing the audit log, billing full hours, forgetting what is old.

use std::{collections::HashMap, sync::Arc};

use berth_store as store;
use berth_types::{Error, SessionId, settings};
use chrono::{Duration, DurationRound};

use crate::{
    app::{App, AppResult},
    engine,
};

/// Roll-ups done in one transaction, so that other writers get their turn.
const BUCKETS: usize = 20;
/// Rows sealed in one transaction.
const SEAL: u64 = 500;

/// Chains new audit rows by hash.
pub async fn seal(app: Arc<App>) -> AppResult<()> {
    if !store::audit::any_unsealed(app.store.reader()).await? || !super::leads(&app, "audit").await? {
        return Ok(());
    }
    loop {
        let tx = app.store.begin().await?;
        let sealed = store::audit::seal(&tx, SEAL).await?;
        tx.commit().await?;
        if sealed < SEAL {
            return Ok(());
        }
    }
}

/// Closes the usage of hours that are over.
pub async fn bill(app: Arc<App>) -> AppResult<()> {
    if !super::leads(&app, "usage").await? {
        return Ok(());
    }
    let hour = app.now().duration_trunc(Duration::hours(1)).map_err(|error| Error::internal(error.to_string()))?;
    loop {
        let tx = app.store.begin().await?;
        let billed = store::allocations::bill_hours(&tx, hour).await?;
        tx.commit().await?;
        if billed == 0 {
            return Ok(());
        }
    }
}

/// Writes down when logins were last seen.
pub async fn note_logins(app: Arc<App>) -> AppResult<()> {
    let seen: Vec<_> = app.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).drain().collect();
    if seen.is_empty() {
        return Ok(());
    }
    let tx = app.store.begin().await?;
    store::identity::logins_seen(&tx, &seen).await?;
    tx.commit().await?;
    Ok(())
}

/// Reads settings and grants again: another replica may have changed them.
pub async fn reload(app: Arc<App>) -> AppResult<()> {
    app.set_settings(store::settings::values(app.store.reader()).await?);
    app.set_grants(load_grants(&app.store).await?);
    let sessions = store::sessions::population(app.store.reader()).await?;
    let mut nodes: HashMap<String, i64> = HashMap::new();
    for node in store::sites::nodes(app.store.reader()).await? {
        let status = berth_types::sites::NodeStatus::derive(node.admin_state, node.reachability);
        *nodes.entry(status.to_string()).or_default() += 1;
    }
    app.telemetry.populations(&sessions, &nodes.into_iter().collect::<Vec<_>>());
    Ok(())
}

/// What every role may do, as the wrapper looks it up.
pub async fn load_grants(store: &store::Store) -> AppResult<crate::app::Grants> {
    let grants = store::identity::grants(store.reader()).await?;
    Ok(grants.into_iter().map(|grant| ((grant.role, grant.resource_type, grant.action), grant.scope)).collect())
}

/// Rolls metrics up and forgets what is older than it is kept.
pub async fn retention(app: Arc<App>) -> AppResult<()> {
    if !super::leads(&app, "retention").await? {
        return Ok(());
    }
    let now = app.now();
    loop {
        let tx = app.store.begin().await?;
        let rolled = store::metrics::nodes::roll_up(&tx, BUCKETS, now).await?
            + store::metrics::sessions::roll_up(&tx, BUCKETS, now).await?;
        let expired =
            store::metrics::nodes::expire(&tx, now).await? + store::metrics::sessions::expire(&tx, now).await?;
        tx.commit().await?;
        if rolled == 0 && expired == 0 {
            break;
        }
    }
    let tx = app.store.begin().await?;
    store::events::expire(&tx, now - Duration::days(app.setting(&settings::EVENT_RETENTION_DAYS))).await?;
    store::idempotency::expire(&tx, now).await?;
    store::identity::logins_expire(&tx, now - Duration::days(30)).await?;
    tx.commit().await?;
    expire_logs(&app).await?;
    remove_unused_networks(&app).await
}

async fn expire_logs(app: &App) -> AppResult<()> {
    let before = app.now() - Duration::days(app.setting(&settings::LOG_RETENTION_DAYS));
    let directory = engine::log_directory(&app.config);
    let mut kept = Vec::new();
    let Ok(mut entries) = tokio::fs::read_dir(&directory).await else { return Ok(()) };
    while let Some(entry) = entries.next_entry().await.map_err(|error| Error::internal(error.to_string()))? {
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(".log")).and_then(|id| id.parse::<SessionId>().ok());
        kept.extend(id);
    }
    for id in store::sessions::ended_before(app.store.reader(), kept, before).await? {
        if let Err(error) = tokio::fs::remove_file(engine::log_path(&app.config, id)).await {
            tracing::warn!(session = %id, %error, "old log not removed");
        }
    }
    Ok(())
}

/// Gives back the subnets of users who have had no session on a node for now.
async fn remove_unused_networks(app: &App) -> AppResult<()> {
    for (node, driver) in app.engines.all() {
        for network in store::networks::unused(app.store.reader(), node).await? {
            let name = engine::user_network_name(network.user_id, network.kind);
            app.memory.forget_network(node, &name);
            // A session that starts meanwhile keeps the network: the engine refuses to remove it, and so does the row.
            match driver.ensure_network_absent(&name).await {
                Ok(()) => {
                    let tx = app.store.begin().await?;
                    store::networks::delete(&tx, network.id).await?;
                    tx.commit().await?;
                }
                Err(error) => tracing::debug!(%node, name, %error, "network kept"),
            }
        }
    }
    Ok(())
}
