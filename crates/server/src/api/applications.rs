//! Routes of the catalogue.

use std::sync::Arc;

use berth_store as store;
use berth_types::{
    ApplicationId,
    applications::{Application, ApplicationCreate, ApplicationUpdate},
    page::Page,
};
use http::StatusCode;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    PageQuery,
    call::{Call, begin, ok, ok_tagged},
    extract::{Body, Path, Query},
    frame::Reply,
};
use crate::app::{self, App, AppError};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(application_list, application_create)).routes(routes!(
        application_get,
        application_update,
        application_delete
    ))
}

/// Everybody's applications and those of the caller's tenant.
#[utoipa::path(get, path = "/applications", operation_id = "application_list", tag = "applications", params(PageQuery),
    responses((status = 200, body = Page<Application>)))]
async fn application_list(call: Call, Query(query): Query<PageQuery>) -> Reply {
    super::check_limit(query.limit)?;
    let request = store::page::PageRequest::new(query.limit, query.cursor);
    ok(&store::applications::list(call.db(), call.scope, &request).await.map_err(AppError::from)?)
}

/// Adds an application: everybody's when the caller administers the installation, else their tenant's.
#[utoipa::path(post, path = "/applications", operation_id = "application_create", tag = "applications",
    request_body = ApplicationCreate, responses((status = 201, body = Application)))]
async fn application_create(call: Call, Body(request): Body<ApplicationCreate>) -> Reply {
    let mut write = begin!(call);
    let application = app::applications::create(&mut write, request).await?;
    write.answer_tagged(StatusCode::CREATED, application.generation, &application).await
}

/// One application.
#[utoipa::path(get, path = "/applications/{id}", operation_id = "application_get", tag = "applications",
    params(("id" = ApplicationId, Path)), responses((status = 200, body = Application)))]
async fn application_get(call: Call, Path(id): Path<ApplicationId>) -> Reply {
    let application = store::applications::get(call.db(), call.scope, id).await.map_err(AppError::from)?;
    ok_tagged(application.generation, &application)
}

/// Changes an application. Sessions keep what they were started with.
#[utoipa::path(patch, path = "/applications/{id}", operation_id = "application_update", tag = "applications",
    params(("id" = ApplicationId, Path)), request_body = ApplicationUpdate, responses((status = 200, body = Application)))]
async fn application_update(
    call: Call,
    Path(id): Path<ApplicationId>,
    Body(request): Body<ApplicationUpdate>,
) -> Reply {
    let mut write = begin!(call);
    let application = app::applications::update(&mut write, id, request).await?;
    write.answer_tagged(StatusCode::OK, application.generation, &application).await
}

/// Takes an application out of the catalogue. Those that ship with Berth can only be disabled.
#[utoipa::path(delete, path = "/applications/{id}", operation_id = "application_delete", tag = "applications",
    params(("id" = ApplicationId, Path)), responses((status = 204)))]
async fn application_delete(call: Call, Path(id): Path<ApplicationId>) -> Reply {
    let mut write = begin!(call);
    app::applications::delete(&mut write, id).await?;
    write.answer_empty().await
}
