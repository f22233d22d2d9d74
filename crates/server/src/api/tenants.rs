//! Routes of tenants.

use std::sync::Arc;

use berth_store as store;
use berth_types::{
    TenantId,
    identity::{QuotaUsage, Tenant, TenantCreate, TenantFilter, TenantUpdate},
    page::Page,
};
use http::StatusCode;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    call::{Call, begin, ok, ok_tagged},
    extract::{Body, Path, Query},
    frame::Reply,
};
use crate::app::{self, App, AppError};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(tenant_list, tenant_create))
        .routes(routes!(tenant_get, tenant_update, tenant_delete))
        .routes(routes!(tenant_quota))
}

/// Tenants in the order of their creation.
#[utoipa::path(get, path = "/tenants", operation_id = "tenant_list", tag = "tenants", params(TenantFilter),
    responses((status = 200, body = Page<Tenant>)))]
async fn tenant_list(call: Call, Query(filter): Query<TenantFilter>) -> Reply {
    super::check_limit(filter.limit)?;
    super::check_text("search", filter.search.as_deref())?;
    ok(&store::identity::tenant_list(call.db(), call.scope, &filter).await.map_err(AppError::from)?)
}

/// Makes a tenant.
#[utoipa::path(post, path = "/tenants", operation_id = "tenant_create", tag = "tenants", request_body = TenantCreate,
    responses((status = 201, body = Tenant)))]
async fn tenant_create(call: Call, Body(request): Body<TenantCreate>) -> Reply {
    let mut write = begin!(call);
    let tenant = app::identity::tenant_create(&mut write, request).await?;
    write.answer_tagged(StatusCode::CREATED, tenant.generation, &tenant).await
}

/// One tenant.
#[utoipa::path(get, path = "/tenants/{id}", operation_id = "tenant_get", tag = "tenants", params(("id" = TenantId, Path)),
    responses((status = 200, body = Tenant)))]
async fn tenant_get(call: Call, Path(id): Path<TenantId>) -> Reply {
    let tenant = store::identity::tenant_get(call.db(), call.scope, id).await.map_err(AppError::from)?;
    ok_tagged(tenant.generation, &tenant)
}

/// Changes a tenant. A suspended one cannot log in and what it runs is stopped; nothing of it is deleted.
#[utoipa::path(patch, path = "/tenants/{id}", operation_id = "tenant_update", tag = "tenants", params(("id" = TenantId, Path)),
    request_body = TenantUpdate, responses((status = 200, body = Tenant)))]
async fn tenant_update(call: Call, Path(id): Path<TenantId>, Body(request): Body<TenantUpdate>) -> Reply {
    let mut write = begin!(call);
    let tenant = app::identity::tenant_update(&mut write, id, request).await?;
    write.answer_tagged(StatusCode::OK, tenant.generation, &tenant).await
}

/// Deletes a tenant that has no users.
#[utoipa::path(delete, path = "/tenants/{id}", operation_id = "tenant_delete", tag = "tenants", params(("id" = TenantId, Path)),
    responses((status = 204)))]
async fn tenant_delete(call: Call, Path(id): Path<TenantId>) -> Reply {
    let mut write = begin!(call);
    app::identity::tenant_delete(&mut write, id).await?;
    write.answer_empty().await
}

/// What a tenant holds of its quota.
#[utoipa::path(get, path = "/tenants/{id}/quota", operation_id = "tenant_quota", tag = "tenants", params(("id" = TenantId, Path)),
    responses((status = 200, body = Vec<QuotaUsage>)))]
async fn tenant_quota(call: Call, Path(id): Path<TenantId>) -> Reply {
    let tenant = store::identity::tenant_get(call.db(), call.scope, id).await.map_err(AppError::from)?;
    ok(&app::identity::tenant_quota(&call, &tenant).await?)
}
