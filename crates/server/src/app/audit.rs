//! Reading the audit log. It is written by the wrapper of every change and by `identity`.

use berth_store as store;
use berth_types::{
    Error,
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
    if filter.action.as_ref().is_some_and(|text| text.chars().any(char::is_control)) {
        return Err(Error::invalid("action", "must not contain control characters").into());
    }
    Ok(store::audit::list(call.db(), call.scope, filter).await?)
}
