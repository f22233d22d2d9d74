//! What each route asks of its caller. One table, by operation id; a route that is missing here cannot be called, and a
//! test fails the build.

use std::{collections::HashMap, sync::OnceLock};

use berth_types::identity::{PermissionAction, ResourceType};
use http::Method;

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Public,
    /// To be logged in; the route concerns the caller's own account.
    LoggedIn,
    Permission(ResourceType, PermissionAction),
}

use Access::{LoggedIn, Permission, Public};
use PermissionAction::{Create, Delete, Execute, Manage, Read, Update};
use ResourceType::{AuditLog, EdgeDc, Server, Session, Settings, SystemEvent, Template, Tenant, User};

/// Operation id → access. The part before the last `_…` verb names the thing.
pub const ACCESS: &[(&str, Access)] = &[
    ("auth_login", Public),
    ("auth_refresh", Public),
    ("auth_logout", LoggedIn),
    ("profile_get", LoggedIn),
    ("profile_update", LoggedIn),
    ("password_change", LoggedIn),
    ("login_list", LoggedIn),
    ("login_revoke", LoggedIn),
    ("api_token_create", LoggedIn),
    ("tenant_list", Permission(Tenant, Read)),
    ("tenant_create", Permission(Tenant, Create)),
    ("tenant_get", Permission(Tenant, Read)),
    ("tenant_update", Permission(Tenant, Update)),
    ("tenant_delete", Permission(Tenant, Delete)),
    ("tenant_quota", Permission(Tenant, Read)),
    ("user_list", Permission(User, Read)),
    ("user_create", Permission(User, Create)),
    ("user_get", Permission(User, Read)),
    ("user_update", Permission(User, Update)),
    ("user_delete", Permission(User, Delete)),
    ("user_unlock", Permission(User, Update)),
    ("user_quota", Permission(User, Read)),
    ("permission_list", LoggedIn),
    ("role_permission_list", LoggedIn),
    ("role_permission_replace", Permission(Settings, Manage)),
    ("edge_data_center_list", Permission(EdgeDc, Read)),
    ("edge_data_center_create", Permission(EdgeDc, Create)),
    ("edge_data_center_get", Permission(EdgeDc, Read)),
    ("edge_data_center_update", Permission(EdgeDc, Update)),
    ("edge_data_center_delete", Permission(EdgeDc, Delete)),
    ("resource_pool_list", Permission(EdgeDc, Read)),
    ("resource_pool_create", Permission(EdgeDc, Create)),
    ("resource_pool_get", Permission(EdgeDc, Read)),
    ("resource_pool_update", Permission(EdgeDc, Update)),
    ("resource_pool_delete", Permission(EdgeDc, Delete)),
    ("fleet_get", Permission(Server, Read)),
    ("node_list", Permission(Server, Read)),
    ("node_get", Permission(Server, Read)),
    ("node_update", Permission(Server, Update)),
    ("node_delete", Permission(Server, Delete)),
    ("node_drain", Permission(Server, Manage)),
    ("node_activate", Permission(Server, Manage)),
    ("node_maintenance", Permission(Server, Manage)),
    ("node_decommission", Permission(Server, Manage)),
    ("node_metrics", Permission(Server, Read)),
    ("network_topology_list", Permission(Server, Read)),
    ("application_list", Permission(Template, Read)),
    ("application_create", Permission(Template, Create)),
    ("application_get", Permission(Template, Read)),
    ("application_update", Permission(Template, Update)),
    ("application_delete", Permission(Template, Delete)),
    ("session_list", Permission(Session, Read)),
    ("session_launch", Permission(Session, Create)),
    ("session_check", Permission(Session, Create)),
    ("session_get", Permission(Session, Read)),
    ("session_stop", Permission(Session, Update)),
    ("session_pause", Permission(Session, Update)),
    ("session_resume", Permission(Session, Update)),
    ("session_extend", Permission(Session, Update)),
    ("session_logs", Permission(Session, Execute)),
    ("session_exec", Permission(Session, Execute)),
    ("session_files_get", Permission(Session, Execute)),
    ("session_files_put", Permission(Session, Execute)),
    ("ticket_create", Permission(Session, Execute)),
    ("session_metrics", Permission(Session, Read)),
    ("session_events", Permission(Session, Read)),
    ("session_allocations", Permission(Session, Read)),
    ("allocation_list", Permission(Session, Read)),
    ("usage_record_list", Permission(Session, Read)),
    ("operation_list", Permission(Session, Read)),
    ("operation_get", Permission(Session, Read)),
    ("operation_retry", Permission(Session, Update)),
    ("event_list", Permission(SystemEvent, Read)),
    ("event_acknowledge", Permission(SystemEvent, Update)),
    ("event_resolve", Permission(SystemEvent, Update)),
    ("event_stream", LoggedIn),
    ("audit_log_list", Permission(AuditLog, Read)),
    ("setting_list", Permission(Settings, Read)),
    ("setting_update", Permission(Settings, Update)),
    ("setting_reset", Permission(Settings, Update)),
    ("secret_list", LoggedIn),
    ("secret_create", LoggedIn),
    ("secret_delete", LoggedIn),
];

type Routes = HashMap<(Method, String), (&'static str, Access)>;

fn routes() -> &'static Routes {
    static ROUTES: OnceLock<Routes> = OnceLock::new();
    ROUTES.get_or_init(|| {
        let table: HashMap<&str, Access> = ACCESS.iter().copied().collect();
        let mut routes = Routes::new();
        for (method, path, operation_id) in super::operations() {
            if let Some((id, access)) = table.get_key_value(operation_id.as_str()) {
                routes.insert((method, path), (*id, *access));
            }
        }
        routes
    })
}

/// The operation id and access of a route by its method and matched path.
pub fn of(method: &Method, path: &str) -> Option<(&'static str, Access)> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    routes().get(&(method.clone(), path.to_owned())).copied()
}

/// The noun of an operation id: `session_launch` → `session`.
pub fn subject(operation_id: &str) -> &str {
    operation_id.rsplit_once('_').map_or(operation_id, |(noun, _)| noun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_says_what_it_asks() {
        let listed: std::collections::BTreeSet<_> = ACCESS.iter().map(|(id, _)| (*id).to_owned()).collect();
        assert_eq!(listed.len(), ACCESS.len(), "an operation id stands twice");
        let routed: std::collections::BTreeSet<_> =
            super::super::operations().into_iter().map(|(_, _, id)| id).collect();
        let missing: Vec<_> = routed.difference(&listed).collect();
        let dead: Vec<_> = listed.difference(&routed).collect();
        assert!(
            missing.is_empty() && dead.is_empty(),
            "routes without access: {missing:?}; access without route: {dead:?}"
        );
    }
}
