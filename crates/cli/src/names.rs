//! Names to things: wherever a command names something, its id or its name will do.

use berth_client::{PageQuery, collect};
use berth_types::{
    SessionId,
    applications::Application,
    identity::{LoginKind, Tenant, TenantFilter, User, UserFilter, UserSession},
    sessions::{Session, SessionFilter},
    settings::Secret,
    sites::{EdgeDataCenter, Node, NodeFilter, ResourcePool},
};
use uuid::Uuid;

use crate::{context::Context, failure::Failure};

/// The one row that `text` names. `what` is a noun, `names` all the names of a row, `id` what tells rows apart.
fn only<T>(
    what: &str,
    text: &str,
    rows: Vec<T>,
    names: impl Fn(&T) -> Vec<&str>,
    id: impl Fn(&T) -> Uuid,
) -> anyhow::Result<T> {
    let mut found: Vec<T> =
        rows.into_iter().filter(|row| names(row).contains(&text) || id(row).to_string() == text).collect();
    match found.len() {
        0 => Err(Failure::not_found(format!("there is no {what} {text:?}, or you may not see it"))),
        1 => Ok(found.remove(0)),
        _ => {
            let ids = found.iter().map(|row| id(row).to_string()).collect::<Vec<_>>().join(", ");
            Err(Failure::error(format!("{text:?} names several {what}s; use the id: {ids}")))
        }
    }
}

macro_rules! lookups {
    ($($method:ident = $type:ty, $what:literal, $list:ident($filter:ident $(, $search:ident)?), $get:ident, $name:expr;)+) => {$(
        pub async fn $method(&self, text: &str) -> anyhow::Result<$type> {
            if let Ok(id) = text.parse::<Uuid>() {
                return Ok(self.client.$get(id.into()).await?.into());
            }
            let rows = collect(0, |limit, cursor| {
                #[allow(clippy::needless_update, reason = "one of the filters has nothing more")]
                let filter =
                    $filter { limit: Some(limit), cursor, $($search: Some(text.to_owned()),)? ..$filter::default() };
                async move { self.client.$list(&filter).await }
            });
            only($what, text, rows.await?.items, $name, |row| row.id.0)
        }
    )+};
}

impl Context {
    lookups! {
        tenant = Tenant, "tenant", tenant_list(TenantFilter, search), tenant_get, |row| vec![row.name.as_str()];
        user = User, "user", user_list(UserFilter, search), user_get, |row| vec![row.username.as_str()];
        edge_data_center = EdgeDataCenter, "edge data center", edge_data_center_list(PageQuery), edge_data_center_get,
            |row| vec![row.name.as_str()];
        resource_pool = ResourcePool, "resource pool", resource_pool_list(PageQuery), resource_pool_get, |row| vec![row.name.as_str()];
        application = Application, "application", application_list(PageQuery), application_get, |row| vec![row.name.as_str()];
    }

    pub async fn node(&self, text: &str) -> anyhow::Result<Node> {
        if let Ok(id) = text.parse::<Uuid>() {
            return Ok(self.client.node_get(id.into()).await?.node);
        }
        let rows = collect(0, |limit, cursor| {
            let search = Some(text.to_owned());
            let filter = NodeFilter { limit: Some(limit), cursor, search, ..NodeFilter::default() };
            async move { self.client.node_list(&filter).await }
        });
        only("node", text, rows.await?.items, |row| vec![row.name.as_str(), row.hostname.as_str()], |row| row.id.0)
    }

    pub async fn secret(&self, text: &str) -> anyhow::Result<Secret> {
        let rows = collect(0, |limit, cursor| async move {
            self.client.secret_list(&PageQuery { limit: Some(limit), cursor }).await
        });
        only("secret", text, rows.await?.items, |row| vec![row.name.as_str()], |row| row.id.0)
    }

    /// Logins, or API tokens only.
    pub async fn logins(&self, tokens: bool) -> anyhow::Result<Vec<UserSession>> {
        let rows = collect(0, |limit, cursor| async move {
            self.client.login_list(&PageQuery { limit: Some(limit), cursor }).await
        });
        let mut rows = rows.await?.items;
        rows.retain(|row| (row.kind == LoginKind::ApiToken) == tokens);
        Ok(rows)
    }

    pub async fn login(&self, tokens: bool, text: &str) -> anyhow::Result<UserSession> {
        let rows = self.logins(tokens).await?;
        let what = if tokens { "token" } else { "login" };
        only(what, text, rows, |row| row.name.as_deref().into_iter().collect(), |row| row.id.0)
    }

    /// A session by id, or one of the caller's own by name: the one that has not ended, else the newest.
    pub async fn session(&self, text: &str) -> anyhow::Result<Session> {
        if let Ok(id) = text.parse::<SessionId>() {
            return Ok(self.client.session_get(id).await?);
        }
        let caller = self.caller().await?;
        let rows = collect(0, |limit, cursor| {
            let filter = SessionFilter {
                limit: Some(limit),
                cursor,
                user_id: Some(caller),
                search: Some(text.to_owned()),
                ..SessionFilter::default()
            };
            async move { self.client.session_list(&filter).await }
        });
        pick_session(text, rows.await?.items)
    }
}

/// `rows` come newest first.
fn pick_session(text: &str, rows: Vec<Session>) -> anyhow::Result<Session> {
    let named = rows.into_iter().filter(|row| row.session_name == text);
    let (mut ended, live): (Vec<_>, Vec<_>) = named.partition(|row| row.status.is_terminal());
    if !live.is_empty() {
        return only("session", text, live, |row| vec![row.session_name.as_str()], |row| row.id.0);
    }
    if ended.is_empty() {
        let hint = "sessions of others go by their id, see: berth session list";
        return Err(Failure::not_found(format!("no session of yours is called {text:?} ({hint})")));
    }
    Ok(ended.remove(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Exit, exit_code};

    fn session(name: &str, status: &str) -> Session {
        let time = "2026-11-21T03:30:00Z";
        serde_json::from_value(serde_json::json!({
            "id": SessionId::new(), "tenant_id": Uuid::now_v7(), "user_id": Uuid::now_v7(), "username": "u",
            "session_name": name, "session_type": "interactive", "application": "web", "container_image": "i", "command": [],
            "status": status, "desired_state": "running", "generation": 1, "attempt": 1, "priority": 5,
            "preemptible": false, "privileged": false, "max_runtime_minutes": 60, "cpu_request": 1.0, "cpu_limit": 1.0,
            "memory_request_gb": 1.0, "memory_limit_gb": 1.0, "gpu_request": 0.0, "storage_request_gb": 1.0,
            "network_policy": "default", "environment_variables": {}, "resource_constraints": {},
            "placement_preferences": {}, "actual_node_ids": [], "created_at": time, "updated_at": time
        }))
        .unwrap()
    }

    #[test]
    fn a_live_session_goes_before_ended_ones() {
        let rows = vec![session("a", "completed"), session("a", "running"), session("ab", "running")];
        assert_eq!(pick_session("a", rows).unwrap().status.as_str(), "running");
    }

    #[test]
    fn the_newest_of_ended_ones() {
        let rows = vec![session("a", "failed"), session("a", "completed")];
        let newest = rows[0].id;
        assert_eq!(pick_session("a", rows).unwrap().id, newest);
    }

    #[test]
    fn two_live_ones_are_ambiguous_and_none_is_not_found() {
        let rows = vec![session("a", "running"), session("a", "paused")];
        let (first, second) = (rows[0].id, rows[1].id);
        let error = pick_session("a", rows).unwrap_err();
        assert!(error.to_string().contains(&format!("{first}, {second}")), "{error}");
        let error = pick_session("a", vec![session("ab", "running")]).unwrap_err();
        assert_eq!(exit_code(&error), Exit::NotFound);
    }
}
