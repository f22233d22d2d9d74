//! One method per route of the API, named as its operationId.
//!
//! Methods that change something by POST send an `Idempotency-Key`, except those whose answer holds a secret.
//! `generation` of the updates goes into `If-Match`; a stale one is refused with `precondition_failed`.
//! Each returns the errors of [`ClientError`](crate::ClientError).
#![expect(clippy::missing_errors_doc, reason = "all alike, said once above")]

use std::time::Duration;

use berth_types::{
    ApplicationId, EdgeDataCenterId, NodeId, OperationId, ResourcePoolId, SecretId, SessionId, SystemEventId, TenantId,
    UserId, UserSessionId,
    allocations::{Allocation, UsageRecord},
    applications::{Application, ApplicationCreate, ApplicationUpdate},
    audit::{AuditFilter, AuditLog},
    events::{EventFilter, SystemEvent},
    fleet::Fleet,
    identity::{
        ApiTokenCreate, ApiTokenCreated, LoginRequest, LoginResponse, PasswordChange, Permission, Profile, QuotaReport,
        QuotaUsage, RefreshRequest, Role, RolePermissions, RolePermissionsUpdate, Tenant, TenantCreate, TenantFilter,
        TenantUpdate, User, UserCreate, UserFilter, UserSession, UserUpdate,
    },
    metrics::{MetricFilter, MetricPoint},
    operations::{Operation, OperationFilter},
    page::Page,
    sessions::{
        Accepted, Session, SessionCheck, SessionExec, SessionExecResult, SessionExtend, SessionFilter, SessionLaunch,
        SessionStop, Ticket, TicketCreate,
    },
    settings::{Secret, SecretCreate, SystemSetting, SystemSettingUpdate},
    sites::{
        EdgeDataCenter, EdgeDataCenterCreate, EdgeDataCenterUpdate, NetworkTopology, Node, NodeDetail, NodeDrain,
        NodeFilter, NodeUpdate, ResourcePool, ResourcePoolCreate, ResourcePoolUpdate,
    },
};
use http::{HeaderValue, Method, header};
use serde::Serialize;

use crate::{
    AllocationFilter, ByteStream, Client, PageQuery, Result, StreamItems, UsageRecordFilter, transport::Repeat,
};

/// A body for routes that take none.
#[derive(Serialize)]
struct Empty {}

/// Logins, the caller's own account and API tokens.
impl Client {
    /// Logs in; the client uses the new login from then on. Keeping the tokens is the caller's.
    pub async fn auth_login(&self, login: &LoginRequest) -> Result<LoginResponse> {
        let request = self.with_json(self.request(Method::POST, self.route(&["auth", "login"])), login)?;
        let response = self.execute_unauthenticated(request, Repeat::OnlyUnsent).await?;
        let response = self.decode(response).await?;
        self.adopt(&response);
        Ok(response)
    }

    /// Exchanges a refresh token, which then is used up. Happens by itself when a login runs out.
    pub async fn auth_refresh(&self, refresh_token: Option<String>) -> Result<LoginResponse> {
        let request = self.request(Method::POST, self.route(&["auth", "refresh"]));
        let request = self.with_json(request, &RefreshRequest { refresh_token })?;
        let response = self.execute_unauthenticated(request, Repeat::OnlyUnsent).await?;
        let response = self.decode(response).await?;
        self.adopt(&response);
        Ok(response)
    }

    /// Ends this login on the server and forgets its tokens.
    pub async fn auth_logout(&self) -> Result<()> {
        self.post_raw(&["auth", "logout"], &Empty {}).await?;
        self.forget();
        Ok(())
    }

    pub async fn profile_get(&self) -> Result<Profile> {
        self.get(&["profile"], &()).await
    }

    /// Of `update` only preferences, email and full_name may be present.
    pub async fn profile_update(&self, update: &UserUpdate) -> Result<User> {
        self.patch(&["profile"], update, None).await
    }

    pub async fn password_change(&self, change: &PasswordChange) -> Result<()> {
        let request = self.with_json(self.request(Method::POST, self.route(&["profile", "password"])), change)?;
        self.execute(request, Repeat::OnlyUnsent).await?;
        Ok(())
    }

    pub async fn login_list(&self, query: &PageQuery) -> Result<Page<UserSession>> {
        self.get(&["logins"], query).await
    }

    pub async fn login_revoke(&self, id: UserSessionId) -> Result<()> {
        self.delete(&["logins", &id.to_string()]).await.map(drop)
    }

    pub async fn api_token_create(&self, create: &ApiTokenCreate) -> Result<ApiTokenCreated> {
        self.post_unkeyed(&["api-tokens"], create).await
    }
}

/// Tenants, users, roles.
impl Client {
    pub async fn tenant_list(&self, filter: &TenantFilter) -> Result<Page<Tenant>> {
        self.get(&["tenants"], filter).await
    }

    pub async fn tenant_create(&self, create: &TenantCreate) -> Result<Tenant> {
        self.post(&["tenants"], create).await
    }

    pub async fn tenant_get(&self, id: TenantId) -> Result<Tenant> {
        self.get(&["tenants", &id.to_string()], &()).await
    }

    pub async fn tenant_update(&self, id: TenantId, update: &TenantUpdate, generation: Option<i64>) -> Result<Tenant> {
        self.patch(&["tenants", &id.to_string()], update, generation).await
    }

    pub async fn tenant_delete(&self, id: TenantId) -> Result<()> {
        self.delete(&["tenants", &id.to_string()]).await.map(drop)
    }

    pub async fn tenant_quota(&self, id: TenantId) -> Result<Vec<QuotaUsage>> {
        self.get(&["tenants", &id.to_string(), "quota"], &()).await
    }

    pub async fn user_list(&self, filter: &UserFilter) -> Result<Page<User>> {
        self.get(&["users"], filter).await
    }

    pub async fn user_create(&self, create: &UserCreate) -> Result<User> {
        self.post(&["users"], create).await
    }

    pub async fn user_get(&self, id: UserId) -> Result<User> {
        self.get(&["users", &id.to_string()], &()).await
    }

    pub async fn user_update(&self, id: UserId, update: &UserUpdate, generation: Option<i64>) -> Result<User> {
        self.patch(&["users", &id.to_string()], update, generation).await
    }

    pub async fn user_delete(&self, id: UserId) -> Result<()> {
        self.delete(&["users", &id.to_string()]).await.map(drop)
    }

    pub async fn user_unlock(&self, id: UserId) -> Result<User> {
        self.post(&["users", &id.to_string(), "unlock"], &Empty {}).await
    }

    pub async fn user_quota(&self, id: UserId) -> Result<QuotaReport> {
        self.get(&["users", &id.to_string(), "quota"], &()).await
    }

    pub async fn permission_list(&self) -> Result<Vec<Permission>> {
        self.get(&["permissions"], &()).await
    }

    pub async fn role_permission_list(&self) -> Result<Vec<RolePermissions>> {
        self.get(&["role-permissions"], &()).await
    }

    pub async fn role_permission_replace(&self, role: Role, update: &RolePermissionsUpdate) -> Result<RolePermissions> {
        self.put(&["role-permissions", role.as_str()], update).await
    }
}

/// Sites and nodes.
impl Client {
    pub async fn edge_data_center_list(&self, query: &PageQuery) -> Result<Page<EdgeDataCenter>> {
        self.get(&["edge-data-centers"], query).await
    }

    pub async fn edge_data_center_create(&self, create: &EdgeDataCenterCreate) -> Result<EdgeDataCenter> {
        self.post(&["edge-data-centers"], create).await
    }

    pub async fn edge_data_center_get(&self, id: EdgeDataCenterId) -> Result<EdgeDataCenter> {
        self.get(&["edge-data-centers", &id.to_string()], &()).await
    }

    pub async fn edge_data_center_update(
        &self,
        id: EdgeDataCenterId,
        update: &EdgeDataCenterUpdate,
        generation: Option<i64>,
    ) -> Result<EdgeDataCenter> {
        self.patch(&["edge-data-centers", &id.to_string()], update, generation).await
    }

    pub async fn edge_data_center_delete(&self, id: EdgeDataCenterId) -> Result<()> {
        self.delete(&["edge-data-centers", &id.to_string()]).await.map(drop)
    }

    pub async fn resource_pool_list(&self, query: &PageQuery) -> Result<Page<ResourcePool>> {
        self.get(&["resource-pools"], query).await
    }

    pub async fn resource_pool_create(&self, create: &ResourcePoolCreate) -> Result<ResourcePool> {
        self.post(&["resource-pools"], create).await
    }

    pub async fn resource_pool_get(&self, id: ResourcePoolId) -> Result<ResourcePool> {
        self.get(&["resource-pools", &id.to_string()], &()).await
    }

    pub async fn resource_pool_update(
        &self,
        id: ResourcePoolId,
        update: &ResourcePoolUpdate,
        generation: Option<i64>,
    ) -> Result<ResourcePool> {
        self.patch(&["resource-pools", &id.to_string()], update, generation).await
    }

    pub async fn resource_pool_delete(&self, id: ResourcePoolId) -> Result<()> {
        self.delete(&["resource-pools", &id.to_string()]).await.map(drop)
    }

    pub async fn fleet_get(&self) -> Result<Fleet> {
        self.get(&["fleet"], &()).await
    }

    pub async fn node_list(&self, filter: &NodeFilter) -> Result<Page<Node>> {
        self.get(&["nodes"], filter).await
    }

    pub async fn node_get(&self, id: NodeId) -> Result<NodeDetail> {
        self.get(&["nodes", &id.to_string()], &()).await
    }

    pub async fn node_update(&self, id: NodeId, update: &NodeUpdate, generation: Option<i64>) -> Result<NodeDetail> {
        self.patch(&["nodes", &id.to_string()], update, generation).await
    }

    pub async fn node_delete(&self, id: NodeId) -> Result<()> {
        self.delete(&["nodes", &id.to_string()]).await.map(drop)
    }

    /// The operation ends when nothing runs on the node any more.
    pub async fn node_drain(&self, id: NodeId, drain: &NodeDrain) -> Result<Operation> {
        self.post(&["nodes", &id.to_string(), "drain"], drain).await
    }

    pub async fn node_activate(&self, id: NodeId) -> Result<NodeDetail> {
        self.post(&["nodes", &id.to_string(), "activate"], &Empty {}).await
    }

    pub async fn node_maintenance(&self, id: NodeId) -> Result<NodeDetail> {
        self.post(&["nodes", &id.to_string(), "maintenance"], &Empty {}).await
    }

    pub async fn node_decommission(&self, id: NodeId) -> Result<NodeDetail> {
        self.post(&["nodes", &id.to_string(), "decommission"], &Empty {}).await
    }

    pub async fn node_metrics(&self, id: NodeId, filter: &MetricFilter) -> Result<Vec<MetricPoint>> {
        self.get(&["nodes", &id.to_string(), "metrics"], filter).await
    }

    pub async fn network_topology_list(&self, query: &PageQuery) -> Result<Page<NetworkTopology>> {
        self.get(&["network-topologies"], query).await
    }
}

/// The catalogue.
impl Client {
    pub async fn application_list(&self, query: &PageQuery) -> Result<Page<Application>> {
        self.get(&["applications"], query).await
    }

    pub async fn application_create(&self, create: &ApplicationCreate) -> Result<Application> {
        self.post(&["applications"], create).await
    }

    pub async fn application_get(&self, id: ApplicationId) -> Result<Application> {
        self.get(&["applications", &id.to_string()], &()).await
    }

    pub async fn application_update(
        &self,
        id: ApplicationId,
        update: &ApplicationUpdate,
        generation: Option<i64>,
    ) -> Result<Application> {
        self.patch(&["applications", &id.to_string()], update, generation).await
    }

    pub async fn application_delete(&self, id: ApplicationId) -> Result<()> {
        self.delete(&["applications", &id.to_string()]).await.map(drop)
    }
}

/// Sessions.
impl Client {
    pub async fn session_list(&self, filter: &SessionFilter) -> Result<Page<Session>> {
        self.get(&["sessions"], filter).await
    }

    pub async fn session_launch(&self, launch: &SessionLaunch) -> Result<Session> {
        self.post(&["sessions"], launch).await
    }

    pub async fn session_check(&self, launch: &SessionLaunch) -> Result<SessionCheck> {
        self.post(&["sessions", "check"], launch).await
    }

    pub async fn session_get(&self, id: SessionId) -> Result<Session> {
        self.get(&["sessions", &id.to_string()], &()).await
    }

    pub async fn session_stop(&self, id: SessionId, stop: &SessionStop) -> Result<Accepted> {
        self.post(&["sessions", &id.to_string(), "stop"], stop).await
    }

    pub async fn session_pause(&self, id: SessionId) -> Result<Accepted> {
        self.post(&["sessions", &id.to_string(), "pause"], &Empty {}).await
    }

    pub async fn session_resume(&self, id: SessionId) -> Result<Accepted> {
        self.post(&["sessions", &id.to_string(), "resume"], &Empty {}).await
    }

    pub async fn session_extend(&self, id: SessionId, extend: &SessionExtend) -> Result<Session> {
        self.post(&["sessions", &id.to_string(), "extend"], extend).await
    }

    /// The last `tail` lines (absent: all), and with `follow` what comes until the session ends.
    pub async fn session_logs(&self, id: SessionId, tail: Option<u64>, follow: bool) -> Result<ByteStream> {
        #[derive(Serialize)]
        struct Query {
            #[serde(skip_serializing_if = "Option::is_none")]
            tail: Option<u64>,
            follow: bool,
        }
        self.stream(&["sessions", &id.to_string(), "logs"], &Query { tail, follow }).await
    }

    /// Runs a command to its end. Waits as long as the command may take; never repeated, for it may have run.
    pub async fn session_exec(&self, id: SessionId, exec: &SessionExec) -> Result<SessionExecResult> {
        let seconds = u64::try_from(exec.timeout_seconds.unwrap_or(60)).unwrap_or(60);
        let request = self.request(Method::POST, self.route(&["sessions", &id.to_string(), "exec"]));
        let mut request = self.with_json(request, exec)?;
        *request.timeout_mut() = Some(Duration::from_secs(seconds + 30));
        let response = self.execute(request, Repeat::OnlyUnsent).await?;
        self.decode(response).await
    }

    /// The file or directory at `path` as a tar archive.
    pub async fn session_files_get(&self, id: SessionId, path: &str) -> Result<ByteStream> {
        self.stream(&["sessions", &id.to_string(), "files"], &[("path", path)]).await
    }

    /// Unpacks a tar archive into the directory `path`. The body exists once, so nothing is repeated; a login that ran
    /// out is not refreshed, so make another call (such as [`Self::session_get`]) before.
    pub async fn session_files_put(&self, id: SessionId, path: &str, archive: reqwest::Body) -> Result<()> {
        let request = self.request(Method::PUT, self.route(&["sessions", &id.to_string(), "files"]));
        let mut request = self.with_query(request, &[("path", path)])?;
        *request.timeout_mut() = None;
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
        *request.body_mut() = Some(archive);
        self.execute(request, Repeat::OnlyUnsent).await?;
        Ok(())
    }

    /// A ticket for [`Client::open_web_socket`], or an application's URL.
    pub async fn ticket_create(&self, id: SessionId, create: &TicketCreate) -> Result<Ticket> {
        self.post_unkeyed(&["sessions", &id.to_string(), "tickets"], create).await
    }

    pub async fn session_metrics(&self, id: SessionId, filter: &MetricFilter) -> Result<Vec<MetricPoint>> {
        self.get(&["sessions", &id.to_string(), "metrics"], filter).await
    }

    pub async fn session_events(&self, id: SessionId, query: &PageQuery) -> Result<Page<SystemEvent>> {
        self.get(&["sessions", &id.to_string(), "events"], query).await
    }

    pub async fn session_allocations(&self, id: SessionId) -> Result<Vec<Allocation>> {
        self.get(&["sessions", &id.to_string(), "allocations"], &()).await
    }
}

/// The ledger, operations, events, the audit log.
impl Client {
    pub async fn allocation_list(&self, filter: &AllocationFilter) -> Result<Page<Allocation>> {
        self.get(&["allocations"], filter).await
    }

    pub async fn usage_record_list(&self, filter: &UsageRecordFilter) -> Result<Page<UsageRecord>> {
        self.get(&["usage-records"], filter).await
    }

    pub async fn operation_list(&self, filter: &OperationFilter) -> Result<Page<Operation>> {
        self.get(&["operations"], filter).await
    }

    pub async fn operation_get(&self, id: OperationId) -> Result<Operation> {
        self.get(&["operations", &id.to_string()], &()).await
    }

    pub async fn operation_retry(&self, id: OperationId) -> Result<Operation> {
        self.post(&["operations", &id.to_string(), "retry"], &Empty {}).await
    }

    pub async fn event_list(&self, filter: &EventFilter) -> Result<Page<SystemEvent>> {
        self.get(&["events"], filter).await
    }

    pub async fn event_acknowledge(&self, id: SystemEventId) -> Result<SystemEvent> {
        self.post(&["events", &id.to_string(), "acknowledge"], &Empty {}).await
    }

    pub async fn event_resolve(&self, id: SystemEventId) -> Result<SystemEvent> {
        self.post(&["events", &id.to_string(), "resolve"], &Empty {}).await
    }

    /// What changes from now on, until the connection ends.
    pub async fn event_stream(&self) -> Result<StreamItems> {
        self.stream_items(&["events", "stream"]).await
    }

    pub async fn audit_log_list(&self, filter: &AuditFilter) -> Result<Page<AuditLog>> {
        self.get(&["audit-logs"], filter).await
    }
}

/// Settings and secrets.
impl Client {
    pub async fn setting_list(&self) -> Result<Vec<SystemSetting>> {
        self.get(&["settings"], &()).await
    }

    pub async fn setting_update(&self, key: &str, update: &SystemSettingUpdate) -> Result<SystemSetting> {
        self.put(&["settings", key], update).await
    }

    /// Back to the default.
    pub async fn setting_reset(&self, key: &str) -> Result<()> {
        self.delete(&["settings", key]).await.map(drop)
    }

    pub async fn secret_list(&self, query: &PageQuery) -> Result<Page<Secret>> {
        self.get(&["secrets"], query).await
    }

    pub async fn secret_create(&self, create: &SecretCreate) -> Result<Secret> {
        self.post(&["secrets"], create).await
    }

    pub async fn secret_delete(&self, id: SecretId) -> Result<()> {
        self.delete(&["secrets", &id.to_string()]).await.map(drop)
    }
}
