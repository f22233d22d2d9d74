//! Routes of the ledger and of what is billed from it.

use std::sync::Arc;

use berth_store::allocations::{AllocationQuery, UsageQuery};
use berth_types::{
    NodeId, SessionId, UserId,
    allocations::{Allocation, AllocationStatus, UsageRecord},
    page::Page,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    call::{Call, ok},
    extract::Query,
    frame::Reply,
};
use crate::app::{self, App};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(allocation_list)).routes(routes!(usage_record_list))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct AllocationFilter {
    /// 1 to 500; default 100.
    #[serde(default)]
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default)]
    session_id: Option<SessionId>,
    #[serde(default)]
    node_id: Option<NodeId>,
    #[serde(default)]
    status: Option<AllocationStatus>,
}

/// The ledger, newest first.
#[utoipa::path(get, path = "/allocations", operation_id = "allocation_list", tag = "ledger", params(AllocationFilter),
    responses((status = 200, body = Page<Allocation>)))]
async fn allocation_list(call: Call, Query(filter): Query<AllocationFilter>) -> Reply {
    super::check_limit(filter.limit)?;
    let AllocationFilter { limit, cursor, session_id, node_id, status } = filter;
    ok(&app::ledger::allocations(&call, &AllocationQuery { limit, cursor, session_id, node_id, status }).await?)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct UsageFilter {
    /// 1 to 500; default 100.
    #[serde(default)]
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default)]
    session_id: Option<SessionId>,
    #[serde(default)]
    user_id: Option<UserId>,
}

/// What was used, by hour, newest first.
#[utoipa::path(get, path = "/usage-records", operation_id = "usage_record_list", tag = "ledger", params(UsageFilter),
    responses((status = 200, body = Page<UsageRecord>)))]
async fn usage_record_list(call: Call, Query(filter): Query<UsageFilter>) -> Reply {
    super::check_limit(filter.limit)?;
    let UsageFilter { limit, cursor, session_id, user_id } = filter;
    ok(&app::ledger::usage_records(&call, &UsageQuery { limit, cursor, session_id, user_id }).await?)
}
