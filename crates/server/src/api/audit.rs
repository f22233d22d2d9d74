//! The route of the audit log.

use std::sync::Arc;

use berth_types::{
    audit::{AuditFilter, AuditLog},
    page::Page,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    call::{Call, ok},
    extract::Query,
    frame::Reply,
};
use crate::app::{self, App};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(audit_log_list))
}

/// The audit log, newest first.
#[utoipa::path(get, path = "/audit-logs", operation_id = "audit_log_list", tag = "audit", params(AuditFilter),
    responses((status = 200, body = Page<AuditLog>)))]
async fn audit_log_list(call: Call, Query(filter): Query<AuditFilter>) -> Reply {
    super::check_limit(filter.limit)?;
    super::check_span(filter.since, filter.until)?;
    for (field, text) in
        [("action", &filter.action), ("resource_type", &filter.resource_type), ("search", &filter.search)]
    {
        super::check_text(field, text.as_deref())?;
    }
    ok(&app::audit::list(&call, &filter).await?)
}
