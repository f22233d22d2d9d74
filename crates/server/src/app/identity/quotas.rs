//! What tenants and users hold of their quotas, counted from the ledger.

use berth_store::{self as store, allocations::Held, identity::UserRecord};
use berth_types::{
    UserId,
    identity::{QuotaConfig, QuotaReport, QuotaUsage, Scope, Tenant},
    quantities::{mib_to_gb, milli_to_gpus, millicores_to_cores},
};

use crate::{api::call::Call, app::AppResult};

/// One party's use against its limits, in people's units.
fn usages(held: Held, quota: &QuotaConfig, storage_gb: Option<f64>) -> Vec<QuotaUsage> {
    let storage = match (quota.storage_gb, storage_gb) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    let usage =
        |resource: &str, used: f64, limit: Option<f64>| QuotaUsage { resource: resource.to_owned(), used, limit };
    vec![
        usage("sessions", held.sessions as f64, quota.sessions.map(|limit| limit as f64)),
        usage("cpu", millicores_to_cores(held.cpu_millicores), quota.cpu),
        usage("memory_gb", mib_to_gb(held.memory_mib), quota.memory_gb),
        usage("gpu", milli_to_gpus(held.gpu_milli), quota.gpu),
        usage("storage_gb", mib_to_gb(held.storage_mib), storage),
    ]
}

/// What a tenant holds of its quota.
///
/// # Errors
/// The database is away.
pub async fn tenant_quota(call: &Call, tenant: &Tenant) -> AppResult<Vec<QuotaUsage>> {
    let held =
        store::allocations::held_by_tenants(call.db(), [tenant.id]).await?.remove(&tenant.id).unwrap_or_default();
    Ok(usages(held, &tenant.quota_config, None))
}

/// What a user and its tenant hold of their quotas.
///
/// # Errors
/// The database is away.
pub async fn quota_report(call: &Call, user: &UserRecord, tenant: &Tenant) -> AppResult<QuotaReport> {
    let held = store::allocations::held_by_users(call.db(), [user.id]).await?.remove(&user.id).unwrap_or_default();
    let storage = user.quota_storage_mib.map(mib_to_gb);
    Ok(QuotaReport { user: usages(held, &user.quota_config.0, storage), tenant: tenant_quota(call, tenant).await? })
}

/// `GET /users/{id}/quota`
///
/// # Errors
/// `not_found`.
pub async fn user_quota(call: &Call, id: UserId) -> AppResult<QuotaReport> {
    let user = store::identity::user_record(call.db(), call.scope, id).await?;
    let tenant = store::identity::tenant_get(call.db(), Scope::Platform, user.tenant_id).await?;
    quota_report(call, &user, &tenant).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_shown_in_peoples_units() {
        let held = Held { sessions: 2, cpu_millicores: 1500, memory_mib: 2048, storage_mib: 1024, gpu_milli: 500 };
        let quota = QuotaConfig { cpu: Some(4.0), storage_gb: Some(10.0), ..QuotaConfig::default() };
        let rows: Vec<_> =
            usages(held, &quota, Some(5.0)).into_iter().map(|row| (row.resource, row.used, row.limit)).collect();
        let row = |name: &str, used, limit| (name.to_owned(), used, limit);
        assert_eq!(
            rows,
            [
                row("sessions", 2.0, None),
                row("cpu", 1.5, Some(4.0)),
                row("memory_gb", 2.0, None),
                row("gpu", 0.5, None),
                row("storage_gb", 1.0, Some(5.0)),
            ]
        );
    }
}
