//! Routes of secrets. Values come in and never go out.

use std::sync::Arc;

use berth_store as store;
use berth_types::{
    SecretId,
    page::Page,
    settings::{Secret, SecretCreate},
};
use http::StatusCode;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    PageQuery,
    call::{Call, begin, ok},
    extract::{Body, Path, Query},
    frame::Reply,
};
use crate::app::{self, App};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(secret_list, secret_create)).routes(routes!(secret_delete))
}

/// The caller's secrets and their tenant's, without values.
#[utoipa::path(get, path = "/secrets", operation_id = "secret_list", tag = "secrets", params(PageQuery),
    responses((status = 200, body = Page<Secret>)))]
async fn secret_list(call: Call, Query(query): Query<PageQuery>) -> Reply {
    super::check_limit(query.limit)?;
    ok(&app::secrets::list(&call, &store::page::PageRequest::new(query.limit, query.cursor)).await?)
}

/// Seals a secret: the caller's own, or the whole tenant's.
#[utoipa::path(post, path = "/secrets", operation_id = "secret_create", tag = "secrets", request_body = SecretCreate,
    responses((status = 201, body = Secret)))]
async fn secret_create(call: Call, Body(request): Body<SecretCreate>) -> Reply {
    let mut write = begin!(call);
    let secret = app::secrets::create(&mut write, request).await?;
    write.answer(StatusCode::CREATED, &secret).await
}

/// Deletes a secret. Sessions that run keep what they got.
#[utoipa::path(delete, path = "/secrets/{id}", operation_id = "secret_delete", tag = "secrets", params(("id" = SecretId, Path)),
    responses((status = 204)))]
async fn secret_delete(call: Call, Path(id): Path<SecretId>) -> Reply {
    let mut write = begin!(call);
    app::secrets::delete(&mut write, id).await?;
    write.answer_empty().await
}
