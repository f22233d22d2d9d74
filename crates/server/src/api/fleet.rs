//! The route of the fleet at a glance.

use std::sync::Arc;

use berth_types::fleet::Fleet;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    call::{Call, ok},
    frame::Reply,
};
use crate::app::{self, App};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(fleet_get))
}

/// The whole installation at a glance: what there is and what is held of it, by resource, node, tenant and user.
#[utoipa::path(get, path = "/fleet", operation_id = "fleet_get", tag = "nodes", responses((status = 200, body = Fleet)))]
async fn fleet_get(call: Call) -> Reply {
    ok(&app::fleet::get(&call).await?)
}
