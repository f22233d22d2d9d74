//! Compares ledger, rows and engines, says every difference, and mends it when asked.

use std::collections::BTreeSet;

use berth_drivers::{container::LabelFilter, names};
use berth_store as store;
use berth_types::SessionId;

use crate::app::{After, App, AppResult};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    pub what: String,
    /// What `--repair` did about it; absent when it was not asked to.
    pub repaired: Option<String>,
}

/// Everything that does not fit together.
///
/// # Errors
/// The database or an engine is away: then nothing can be said about it.
pub async fn check(app: &App, repair: bool) -> AppResult<Vec<Finding>> {
    let seen = look(app, repair).await?;
    if repair || seen.is_empty() {
        return Ok(seen);
    }
    // A server may be at work meanwhile, and rows and engines are read one after the other: only what stands is a difference.
    let again = look(app, false).await?;
    Ok(again.into_iter().filter(|finding| seen.contains(finding)).collect())
}

async fn look(app: &App, repair: bool) -> AppResult<Vec<Finding>> {
    let mut findings = Vec::new();
    ledger(app, repair, &mut findings).await?;
    sessions(app, repair, &mut findings).await?;
    engines(app, repair, &mut findings).await?;
    audit(app, &mut findings).await?;
    Ok(findings)
}

async fn ledger(app: &App, repair: bool, findings: &mut Vec<Finding>) -> AppResult<()> {
    for imbalance in store::allocations::imbalances(app.store.reader()).await? {
        let what = format!(
            "node {}: {} says {} allocated, its ledger {}",
            imbalance.node_id, imbalance.resource_type, imbalance.allocated, imbalance.ledger
        );
        let mut repaired = None;
        if repair {
            let tx = app.store.begin().await?;
            store::allocations::rebalance(&tx, &imbalance, app.now()).await?;
            tx.commit().await?;
            repaired = Some("set to what the ledger says".to_owned());
        }
        findings.push(Finding { what, repaired });
    }
    Ok(())
}

async fn sessions(app: &App, repair: bool, findings: &mut Vec<Finding>) -> AppResult<()> {
    for (id, charged) in store::allocations::contradictions(app.store.reader()).await? {
        let what = if charged {
            format!("session {id} has ended, but is still charged")
        } else {
            format!("session {id} is placed, but holds nothing in the ledger")
        };
        let mut repaired = None;
        if repair {
            let now = app.now();
            let tx = app.store.begin().await?;
            let mut after = After::default();
            if charged {
                store::allocations::release(&tx, id, true, now, now).await?;
                repaired = Some("released".to_owned());
            } else {
                let session = store::sessions::record(&tx, id).await?;
                // A session of no resources at all holds nothing rightly.
                let nothing =
                    session.cpu_request_millicores + session.memory_request_mib + session.storage_request_mib == 0;
                if !nothing {
                    let text = "It held nothing in the ledger; stopped by fsck.";
                    let reason = berth_types::sessions::SessionReason::StoppedByAdmin;
                    crate::app::sessions::begin_stop(&tx, app, &session, reason, text, None, &mut after, now).await?;
                    repaired = Some("is being stopped".to_owned());
                }
            }
            tx.commit().await?;
            after.run(app);
        }
        findings.push(Finding { what, repaired });
    }
    Ok(())
}

async fn engines(app: &App, repair: bool, findings: &mut Vec<Finding>) -> AppResult<()> {
    for (node, driver) in app.engines.all() {
        let filter = LabelFilter::equals(names::LABEL_INSTALLATION, app.installation.clone());
        let containers = driver.list_containers(&filter).await?;
        let expected = store::sessions::allocated_on(app.store.reader(), node).await?;
        let wanted: BTreeSet<String> =
            expected.iter().map(|row| names::session_container(row.id, i64::from(row.attempt))).collect();
        for container in containers.iter().filter(|container| !wanted.contains(&container.name)) {
            let id = container.labels.get(names::LABEL_SESSION).and_then(|text| text.parse::<SessionId>().ok());
            let mut repaired = None;
            if repair {
                driver.ensure_container_absent(&container.name).await?;
                repaired = Some("removed".to_owned());
            }
            let of = id.map_or("of no session".to_owned(), |id| format!("of session {id}"));
            findings.push(Finding {
                what: format!("node {node}: container {} {of} should not be there", container.name),
                repaired,
            });
        }
        let present: BTreeSet<&str> = containers.iter().map(|container| container.name.as_str()).collect();
        use berth_types::sessions::SessionStatus::{Paused, Running};
        for row in expected.iter().filter(|row| matches!(row.status, Running | Paused)) {
            let name = names::session_container(row.id, i64::from(row.attempt));
            if !present.contains(name.as_str()) {
                let mut repaired = None;
                if repair {
                    crate::tasks::sessions::observe(app, row.id).await?;
                    repaired = Some("is being ended as removed_outside".to_owned());
                }
                findings.push(Finding {
                    what: format!("session {} is {}, but has no container", row.id, row.status),
                    repaired,
                });
            }
        }
    }
    Ok(())
}

/// The audit log cannot be mended, only be found to be damaged.
async fn audit(app: &App, findings: &mut Vec<Finding>) -> AppResult<()> {
    let verified = store::audit::verify(app.store.reader()).await?;
    if let Some(row) = verified.broken_at {
        findings.push(Finding {
            what: format!("audit log: row {row} was changed, or one before it is missing"),
            repaired: None,
        });
    }
    Ok(())
}
