//! The fleet at a glance.

use berth_store as store;
use berth_types::{
    fleet::Fleet,
    identity::{PermissionAction, ResourceType},
};

use super::AppResult;
use crate::api::call::Call;

/// `GET /fleet`: nodes are infrastructure and seen as a whole; who holds how much of them, as far as the caller may read
/// sessions.
///
/// # Errors
/// The database is away.
pub async fn get(call: &Call) -> AppResult<Fleet> {
    let people = call.reach(ResourceType::Session, PermissionAction::Read);
    Ok(store::overview::fleet(call.db(), people, call.now).await?)
}
