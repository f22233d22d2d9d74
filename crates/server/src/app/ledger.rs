//! Reading the ledger: what is held now, and what was used. It is written by the scheduler's claims and by releases.

use berth_store::{
    self as store,
    allocations::{AllocationQuery, UsageQuery},
};
use berth_types::{
    allocations::{Allocation, UsageRecord},
    page::Page,
};

use super::AppResult;
use crate::api::call::Call;

/// `GET /allocations`, newest first.
///
/// # Errors
/// `invalid_value` for a wrong cursor.
pub async fn allocations(call: &Call, query: &AllocationQuery) -> AppResult<Page<Allocation>> {
    Ok(store::allocations::list(call.db(), call.scope, query).await?)
}

/// `GET /usage-records`, newest first.
///
/// # Errors
/// `invalid_value` for a wrong cursor.
pub async fn usage_records(call: &Call, query: &UsageQuery) -> AppResult<Page<UsageRecord>> {
    Ok(store::allocations::list_usage(call.db(), call.scope, query).await?)
}
