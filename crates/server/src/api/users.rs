//! Routes of users, and of what their roles may do.

use std::sync::Arc;

use berth_store as store;
use berth_types::{
    UserId,
    identity::{
        Permission, QuotaReport, Role, RolePermissions, RolePermissionsUpdate, User, UserCreate, UserFilter, UserUpdate,
    },
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
        .routes(routes!(user_list, user_create))
        .routes(routes!(user_get, user_update, user_delete))
        .routes(routes!(user_unlock))
        .routes(routes!(user_quota))
        .routes(routes!(permission_list))
        .routes(routes!(role_permission_list))
        .routes(routes!(role_permission_replace))
}

/// Users in the order of their creation.
#[utoipa::path(get, path = "/users", operation_id = "user_list", tag = "users", params(UserFilter),
    responses((status = 200, body = Page<User>)))]
async fn user_list(call: Call, Query(filter): Query<UserFilter>) -> Reply {
    super::check_limit(filter.limit)?;
    super::check_text("search", filter.search.as_deref())?;
    ok(&store::identity::user_list(call.db(), call.scope, &filter).await.map_err(AppError::from)?)
}

/// Makes a user, who must change the password at the first login.
#[utoipa::path(post, path = "/users", operation_id = "user_create", tag = "users", request_body = UserCreate,
    responses((status = 201, body = User)))]
async fn user_create(call: Call, Body(request): Body<UserCreate>) -> Reply {
    request.validate()?;
    let hash = app::identity::hash_password(&call.app, &request.password).await?;
    let mut write = begin!(call);
    let user = app::identity::user_create(&mut write, request, hash).await?;
    write.answer_tagged(StatusCode::CREATED, user.generation, &user).await
}

/// One user.
#[utoipa::path(get, path = "/users/{id}", operation_id = "user_get", tag = "users", params(("id" = UserId, Path)),
    responses((status = 200, body = User)))]
async fn user_get(call: Call, Path(id): Path<UserId>) -> Reply {
    let user = store::identity::user_get(call.db(), call.scope, id).await.map_err(AppError::from)?;
    ok_tagged(user.generation, &user)
}

/// Changes a user. A new password, or any status but active, ends all their logins.
#[utoipa::path(patch, path = "/users/{id}", operation_id = "user_update", tag = "users", params(("id" = UserId, Path)),
    request_body = UserUpdate, responses((status = 200, body = User)))]
async fn user_update(call: Call, Path(id): Path<UserId>, Body(request): Body<UserUpdate>) -> Reply {
    request.validate()?;
    let hash = match &request.password {
        Some(password) => Some(app::identity::hash_password(&call.app, password).await?),
        None => None,
    };
    let replaced = hash.is_some();
    let mut write = begin!(call);
    let user = app::identity::user_update(&mut write, id, request, hash).await?;
    let response = write.answer_tagged(StatusCode::OK, user.generation, &user).await?;
    if replaced {
        app::identity::forget_first_password(&call.app, &user.username);
    }
    Ok(response)
}

/// Deletes a user who runs nothing.
#[utoipa::path(delete, path = "/users/{id}", operation_id = "user_delete", tag = "users", params(("id" = UserId, Path)),
    responses((status = 204)))]
async fn user_delete(call: Call, Path(id): Path<UserId>) -> Reply {
    let mut write = begin!(call);
    app::identity::user_delete(&mut write, id).await?;
    write.answer_empty().await
}

/// Ends every lock of an account.
#[utoipa::path(post, path = "/users/{id}/unlock", operation_id = "user_unlock", tag = "users", params(("id" = UserId, Path)),
    responses((status = 200, body = User)))]
async fn user_unlock(call: Call, Path(id): Path<UserId>) -> Reply {
    let mut write = begin!(call);
    let user = app::identity::user_unlock(&mut write, id).await?;
    write.answer_tagged(StatusCode::OK, user.generation, &user).await
}

/// What a user and their tenant hold of their quotas.
#[utoipa::path(get, path = "/users/{id}/quota", operation_id = "user_quota", tag = "users", params(("id" = UserId, Path)),
    responses((status = 200, body = QuotaReport)))]
async fn user_quota(call: Call, Path(id): Path<UserId>) -> Reply {
    ok(&app::identity::user_quota(&call, id).await?)
}

/// Every permission there is.
#[utoipa::path(get, path = "/permissions", operation_id = "permission_list", tag = "users",
    responses((status = 200, body = Vec<Permission>)))]
async fn permission_list(call: Call) -> Reply {
    ok(&store::identity::permission_list(call.db()).await.map_err(AppError::from)?)
}

/// What every role may do, and how far.
#[utoipa::path(get, path = "/role-permissions", operation_id = "role_permission_list", tag = "users",
    responses((status = 200, body = Vec<RolePermissions>)))]
async fn role_permission_list(call: Call) -> Reply {
    ok(&store::identity::role_permission_list(call.db()).await.map_err(AppError::from)?)
}

/// Replaces all that a role may do.
#[utoipa::path(put, path = "/role-permissions/{role}", operation_id = "role_permission_replace", tag = "users",
    params(("role" = Role, Path)), request_body = RolePermissionsUpdate, responses((status = 200, body = RolePermissions)))]
async fn role_permission_replace(
    call: Call,
    Path(role): Path<Role>,
    Body(request): Body<RolePermissionsUpdate>,
) -> Reply {
    let mut write = begin!(call);
    let replaced = app::identity::role_permission_replace(&mut write, role, request).await?;
    let response = write.answer(StatusCode::OK, &replaced).await?;
    app::identity::reload_grants(&call.app).await;
    Ok(response)
}
