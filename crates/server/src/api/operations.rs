//! Routes of operations.

use std::sync::Arc;

use berth_store as store;
use berth_types::{
    OperationId,
    operations::{Operation, OperationFilter},
    page::Page,
};
use http::StatusCode;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    call::{Call, begin, ok},
    extract::{Path, Query},
    frame::Reply,
};
use crate::app::{self, App, AppError};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(operation_list)).routes(routes!(operation_get)).routes(routes!(operation_retry))
}

/// Operations, newest first.
#[utoipa::path(get, path = "/operations", operation_id = "operation_list", tag = "operations", params(OperationFilter),
    responses((status = 200, body = Page<Operation>)))]
async fn operation_list(call: Call, Query(filter): Query<OperationFilter>) -> Reply {
    super::check_limit(filter.limit)?;
    ok(&app::operations::list(&call, &filter).await?)
}

/// One operation.
#[utoipa::path(get, path = "/operations/{id}", operation_id = "operation_get", tag = "operations",
    params(("id" = OperationId, Path)), responses((status = 200, body = Operation)))]
async fn operation_get(call: Call, Path(id): Path<OperationId>) -> Reply {
    ok(&store::operations::get(call.db(), call.scope, id).await.map_err(AppError::from)?)
}

/// Tries again now what waits for its next try, or what failed.
#[utoipa::path(post, path = "/operations/{id}/retry", operation_id = "operation_retry", tag = "operations",
    params(("id" = OperationId, Path)), responses((status = 200, body = Operation)))]
async fn operation_retry(call: Call, Path(id): Path<OperationId>) -> Reply {
    let mut write = begin!(call);
    let operation = app::operations::retry(&mut write, id).await?;
    write.answer(StatusCode::OK, &operation).await
}
