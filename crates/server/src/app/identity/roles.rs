//! Rules of what roles may do.

use berth_store as store;
use berth_types::{
    Error,
    identity::{
        PermissionAction, PermissionScope, ResourceType, Role, RoleGrant, RolePermissions, RolePermissionsUpdate,
    },
};

use super::users::may_handle;
use crate::{
    api::call::{Call, Write},
    app::{App, AppError, AppResult},
    tasks::housekeeping,
};

pub(super) fn parse_permission(name: &str) -> Option<(ResourceType, PermissionAction)> {
    let (resource, action) = name.split_once('.')?;
    Some((resource.parse().ok()?, action.parse().ok()?))
}

fn reaches(scope: PermissionScope) -> u8 {
    match scope {
        PermissionScope::Own => 0,
        PermissionScope::Tenant => 1,
        PermissionScope::Any => 2,
    }
}

/// `PUT /role-permissions/{role}`
///
/// # Errors
/// `invalid_value` for an unknown permission or one that stands twice, `forbidden` for what the caller may not give,
/// `state_conflict` for an admin role that could not be mended any more.
pub async fn role_permission_replace(
    write: &mut Write<'_>,
    role: Role,
    request: RolePermissionsUpdate,
) -> AppResult<RolePermissions> {
    let call = write.call;
    must_handle_role(call, role)?;
    let grants = call.app.grants();
    let mut names = std::collections::HashSet::new();
    for (index, grant) in request.grants.iter().enumerate() {
        let field = format!("grants[{index}].permission_name");
        let name = &grant.permission_name;
        let Some((resource, action)) = parse_permission(name) else {
            return Err(Error::invalid(
                field,
                format!("there is no permission {name:?}; GET /api/v1/permissions lists them"),
            )
            .into());
        };
        if !names.insert((resource, action)) {
            return Err(Error::invalid(field, format!("{name} stands twice")).into());
        }
        let own = grants.get(&(call.caller.role, resource, action));
        if call.caller.role != Role::Admin && own.is_none_or(|own| reaches(*own) < reaches(grant.scope)) {
            return Err(Error::forbidden(format!(
                "You cannot give {name} with the scope {}: your role does not have it.",
                grant.scope
            ))
            .into());
        }
    }
    let manages = |grant: &RoleGrant| grant.permission_name == "settings.manage" && grant.scope == PermissionScope::Any;
    if role == Role::Admin && !request.grants.iter().any(manages) {
        return Err(Error::conflict(
            "The role admin keeps settings.manage with the scope any; without it nobody could give rights back.",
        )
        .into());
    }
    let replaced = store::identity::role_permission_replace(&write.tx, role, &request.grants).await?;
    write.detail("role", role);
    write.detail("grants", replaced.grants.len());
    Ok(replaced)
}

fn must_handle_role(call: &Call, role: Role) -> AppResult<()> {
    if call.caller.role == Role::Admin || (may_handle(call.caller.role, role) && role != call.caller.role) {
        return Ok(());
    }
    Err(Error::forbidden(format!("The role {} may not change what the role {role} may do.", call.caller.role)).into())
}

/// Puts committed grants in force in this process; the others read them at their next look.
pub async fn reload_grants(app: &App) {
    match housekeeping::load_grants(&app.store).await {
        Ok(grants) => app.set_grants(grants),
        Err(AppError(error)) => tracing::warn!(%error, "grants not reloaded"),
    }
}
