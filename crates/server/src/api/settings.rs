//! Routes of settings.

use std::sync::Arc;

use berth_store as store;
use berth_types::settings::{SystemSetting, SystemSettingUpdate};
use http::StatusCode;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    call::{Call, begin, ok},
    extract::{Body, Path},
    frame::Reply,
};
use crate::app::{self, App, AppError};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(setting_list)).routes(routes!(setting_update, setting_reset))
}

/// Every setting with its meaning, bounds and value.
#[utoipa::path(get, path = "/settings", operation_id = "setting_list", tag = "settings",
    responses((status = 200, body = Vec<SystemSetting>)))]
async fn setting_list(call: Call) -> Reply {
    ok(&store::settings::list(call.db()).await.map_err(AppError::from)?)
}

/// Changes a setting; it is in force at once.
#[utoipa::path(put, path = "/settings/{key}", operation_id = "setting_update", tag = "settings", params(("key" = String, Path)),
    request_body = SystemSettingUpdate, responses((status = 200, body = SystemSetting)))]
async fn setting_update(call: Call, Path(key): Path<String>, Body(request): Body<SystemSettingUpdate>) -> Reply {
    let mut write = begin!(call);
    let setting = app::settings::update(&mut write, &key, request.value).await?;
    let response = write.answer(StatusCode::OK, &setting).await?;
    app::settings::reload(&call.app).await;
    Ok(response)
}

/// Takes a setting back to its default.
#[utoipa::path(delete, path = "/settings/{key}", operation_id = "setting_reset", tag = "settings", params(("key" = String, Path)),
    responses((status = 200, body = SystemSetting)))]
async fn setting_reset(call: Call, Path(key): Path<String>) -> Reply {
    let mut write = begin!(call);
    let setting = app::settings::reset(&mut write, &key).await?;
    let response = write.answer(StatusCode::OK, &setting).await?;
    app::settings::reload(&call.app).await;
    Ok(response)
}
