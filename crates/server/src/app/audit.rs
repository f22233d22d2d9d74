//! Reading the audit log. It is written by the wrapper of every change and by `identity`.

use berth_store as store;
use berth_types::{
    audit::{AuditFilter, AuditLog},
    page::Page,
};

use super::AppResult;
use crate::api::call::Call;

/// `GET /audit-logs`, newest first.
///
/// # Errors
/// `invalid_value`.
pub async fn list(call: &Call, filter: &AuditFilter) -> AppResult<Page<AuditLog>> {
    Ok(store::audit::list(call.db(), call.scope, filter).await?)
}
