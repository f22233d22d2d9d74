//! Tenants, users, roles, permissions, logins and quotas; and [`Scope`], which every store call takes.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{PermissionId, StringMap, TenantId, UserId, UserSessionId, validate::Checker};

text_enum! {
    TenantStatus = "tenant_status" {
        Active = "active",
        /// No new work; nothing is stopped.
        Inactive = "inactive",
        /// Its users cannot log in, its workloads are stopped, nothing is deleted.
        Suspended = "suspended",
    }
}

text_enum! {
    Role = "user_role" {
        Admin = "admin",
        /// Runs infrastructure.
        Operator = "operator",
        TenantAdmin = "tenant_admin",
        Teacher = "teacher",
        User = "user",
        Readonly = "readonly",
    }
}

text_enum! {
    UserStatus = "user_status" {
        Active = "active",
        /// Disabled by an admin.
        Inactive = "inactive",
        /// Locked by an admin, or until `account_locked_until`.
        Locked = "locked",
    }
}

text_enum! {
    LoginKind = "login_kind" { Browser = "browser", Cli = "cli", ApiToken = "api_token" }
}

text_enum! {
    ResourceType = "permission_resource_type" {
        Tenant = "tenant",
        User = "user",
        UserGroup = "user_group",
        Instance = "instance",
        InstanceSet = "instance_set",
        Storage = "storage",
        Network = "network",
        Image = "image",
        Server = "server",
        EdgeDc = "edge_dc",
        Place = "place",
        Template = "template",
        Session = "session",
        Class = "class",
        Cluster = "cluster",
        CloudBox = "cloud_box",
        StoragePool = "storage_pool",
        AuditLog = "audit_log",
        SystemEvent = "system_event",
        Settings = "settings",
    }
}

text_enum! {
    PermissionAction = "permission_action" {
        Create = "create",
        Read = "read",
        Update = "update",
        Delete = "delete",
        Manage = "manage",
        /// Terminals, consoles, commands inside a workload, its application.
        Execute = "execute",
    }
}

text_enum! {
    /// How far a role's permission reaches.
    PermissionScope = "permission_scope" { Own = "own", Tenant = "tenant", Any = "any" }
}

/// Whose rows a store call may see or touch. Outside its scope a row does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything: platform administrators, and Berth's own tasks.
    Platform,
    /// One tenant's rows.
    Tenant(TenantId),
    /// One user's own rows.
    Own(TenantId, UserId),
}

impl Scope {
    /// The only tenant in reach; `None` means any.
    pub fn tenant(self) -> Option<TenantId> {
        match self {
            Self::Platform => None,
            Self::Tenant(tenant) | Self::Own(tenant, _) => Some(tenant),
        }
    }

    /// The only owner in reach; `None` means any.
    pub fn owner(self) -> Option<UserId> {
        match self {
            Self::Own(_, user) => Some(user),
            _ => None,
        }
    }

    /// Whether a row of that tenant and owner is in reach.
    pub fn covers(self, tenant: TenantId, owner: Option<UserId>) -> bool {
        self.tenant().is_none_or(|t| t == tenant) && self.owner().is_none_or(|o| Some(o) == owner)
    }
}

/// Upper bounds of what one tenant or user may hold at a time. Absent means unlimited at this level.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaConfig {
    /// Sessions that hold an allocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<i64>,
    /// Cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// GB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_gb: Option<f64>,
    /// GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<f64>,
    /// GB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_gb: Option<f64>,
    /// Sessions that may wait in the queue; the setting `sessions.max_waiting_per_user` applies to users without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_sessions: Option<i64>,
}

impl QuotaConfig {
    pub fn check(&self, field: &str, checker: &mut Checker) {
        for (name, value) in [("sessions", self.sessions), ("waiting_sessions", self.waiting_sessions)] {
            if let Some(value) = value {
                checker.range(&format!("{field}.{name}"), value, 0, 1_000_000);
            }
        }
        if let Some(value) = self.cpu {
            checker.cores(&format!("{field}.cpu"), value);
        }
        for (name, value) in [("memory_gb", self.memory_gb), ("storage_gb", self.storage_gb)] {
            if let Some(value) = value {
                checker.gb(&format!("{field}.{name}"), value);
            }
        }
        if let Some(value) = self.gpu {
            checker.cores(&format!("{field}.gpu"), value);
        }
    }
}

/// One limit and what is used of it, in people's units.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct QuotaUsage {
    /// sessions, cpu, memory_gb, gpu, storage_gb
    pub resource: String,
    pub used: f64,
    /// Absent: unlimited.
    pub limit: Option<f64>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct QuotaReport {
    pub user: Vec<QuotaUsage>,
    pub tenant: Vec<QuotaUsage>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Tenant {
    pub id: TenantId,
    pub name: String,
    pub description: Option<String>,
    pub status: TenantStatus,
    pub admin_user_id: Option<UserId>,
    /// 100 to 4000; allocated when a network first needs one.
    pub vlan_id: Option<i32>,
    pub quota_config: QuotaConfig,
    pub generation: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub created_by: Option<UserId>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantCreate {
    pub name: String,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub quota_config: QuotaConfig,
}

impl TenantCreate {
    /// # Errors
    /// `invalid_value`.
    pub fn validate(&self) -> crate::Result<()> {
        let mut checker = Checker::new();
        checker.name("name", &self.name);
        if let Some(text) = &self.description {
            checker.text("description", text, 1000);
        }
        self.quota_config.check("quota_config", &mut checker);
        checker.finish()
    }
}

/// Absent fields stay as they are.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantUpdate {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<TenantStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_user_id: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_config: Option<QuotaConfig>,
}

impl TenantUpdate {
    /// # Errors
    /// `invalid_value`.
    pub fn validate(&self) -> crate::Result<()> {
        let mut checker = Checker::new();
        if let Some(name) = &self.name {
            checker.name("name", name);
        }
        if let Some(text) = &self.description {
            checker.text("description", text, 1000);
        }
        if let Some(quota) = &self.quota_config {
            quota.check("quota_config", &mut checker);
        }
        checker.finish()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct User {
    pub id: UserId,
    pub tenant_id: TenantId,
    pub username: String,
    pub email: Option<String>,
    pub full_name: Option<String>,
    pub role: Role,
    pub status: UserStatus,
    pub last_login_at: Option<DateTime<Utc>>,
    pub failed_login_attempts: i32,
    pub account_locked_until: Option<DateTime<Utc>>,
    pub must_change_password: bool,
    pub preferences: StringMap,
    /// Core-hours per period; null: unlimited.
    pub quota_cpu_hours: Option<f64>,
    /// GB-hours per period; null: unlimited.
    pub quota_memory_gb_hours: Option<f64>,
    pub quota_storage_gb: Option<f64>,
    pub quota_config: QuotaConfig,
    pub generation: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserCreate {
    pub username: String,
    /// At least 10 characters; the user must change it at the first login.
    pub password: String,
    #[serde(default)]
    pub email: Option<String>,
    #[serde(default)]
    pub full_name: Option<String>,
    #[serde(default = "default_role")]
    pub role: Role,
    /// Absent: the caller's tenant.
    #[serde(default)]
    pub tenant_id: Option<TenantId>,
    #[serde(default)]
    pub quota_storage_gb: Option<f64>,
    #[serde(default)]
    pub quota_config: QuotaConfig,
}

impl std::fmt::Debug for UserCreate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserCreate")
            .field("username", &self.username)
            .field("role", &self.role)
            .field("tenant_id", &self.tenant_id)
            .finish_non_exhaustive()
    }
}

fn default_role() -> Role {
    Role::User
}

/// The shortest password accepted, in characters; NIST SP 800-63B asks for at least 8.
pub const MIN_PASSWORD: usize = 10;

/// Password rules, the same wherever one is set.
pub fn check_password(field: &str, password: &str, checker: &mut Checker) {
    let length = password.chars().count();
    checker.require((MIN_PASSWORD..=256).contains(&length), field, "must have 10 to 256 characters");
}

fn check_email(field: &str, email: &str, checker: &mut Checker) {
    let ok = email.len() <= 254
        && !email.chars().any(|c| c.is_control() || c.is_whitespace())
        && email
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.') && !domain.contains('@'));
    checker.require(ok, field, "must be an address such as name@example.org");
}

impl UserCreate {
    /// # Errors
    /// `invalid_value`.
    pub fn validate(&self) -> crate::Result<()> {
        let mut checker = Checker::new();
        checker.slug("username", &self.username);
        check_password("password", &self.password, &mut checker);
        if let Some(email) = &self.email {
            check_email("email", email, &mut checker);
        }
        if let Some(name) = &self.full_name {
            checker.text("full_name", name, 200);
        }
        if let Some(gb) = self.quota_storage_gb {
            checker.gb("quota_storage_gb", gb);
        }
        self.quota_config.check("quota_config", &mut checker);
        checker.finish()
    }
}

/// Absent fields stay as they are.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserUpdate {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// `active` also unlocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<UserStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferences: Option<StringMap>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_cpu_hours: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_memory_gb_hours: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_storage_gb: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_config: Option<QuotaConfig>,
    /// A new initial password; all of the user's logins end and it must be changed at the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl std::fmt::Debug for UserUpdate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserUpdate")
            .field("email", &self.email)
            .field("full_name", &self.full_name)
            .field("role", &self.role)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl UserUpdate {
    /// # Errors
    /// `invalid_value`.
    pub fn validate(&self) -> crate::Result<()> {
        let mut checker = Checker::new();
        if let Some(email) = &self.email {
            check_email("email", email, &mut checker);
        }
        if let Some(name) = &self.full_name {
            checker.text("full_name", name, 200);
        }
        if let Some(preferences) = &self.preferences {
            checker.string_map("preferences", preferences);
        }
        if let Some(hours) = self.quota_cpu_hours {
            checker.cores("quota_cpu_hours", hours);
        }
        for (field, value) in
            [("quota_memory_gb_hours", self.quota_memory_gb_hours), ("quota_storage_gb", self.quota_storage_gb)]
        {
            if let Some(value) = value {
                checker.gb(field, value);
            }
        }
        if let Some(quota) = &self.quota_config {
            quota.check("quota_config", &mut checker);
        }
        if let Some(password) = &self.password {
            check_password("password", password, &mut checker);
        }
        checker.finish()
    }
}

/// What users change about themselves. Absent fields stay as they are.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileUpdate {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferences: Option<StringMap>,
}

#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    pub username: String,
    pub password: String,
    /// browser: tokens come as HttpOnly cookies. cli: they come in the body.
    #[serde(default = "default_login_kind")]
    pub kind: LoginKind,
}

impl std::fmt::Debug for LoginRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginRequest")
            .field("username", &self.username)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

fn default_login_kind() -> LoginKind {
    LoginKind::Cli
}

/// Tokens of a login. For `kind` browser the two tokens are absent here and set as cookies.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct LoginResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// For browsers: repeat it in `X-Berth-CSRF` on every changing request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csrf_token: Option<String>,
    pub access_expires_at: DateTime<Utc>,
    pub refresh_expires_at: DateTime<Utc>,
    pub user: User,
}

impl std::fmt::Debug for LoginResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginResponse")
            .field("access_expires_at", &self.access_expires_at)
            .field("refresh_expires_at", &self.refresh_expires_at)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// Absent: taken from the browser's cookie.
    #[serde(default)]
    pub refresh_token: Option<String>,
}

impl std::fmt::Debug for RefreshRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RefreshRequest").finish_non_exhaustive()
    }
}

#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    pub current_password: String,
    pub new_password: String,
}

impl std::fmt::Debug for PasswordChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordChange").finish_non_exhaustive()
    }
}

/// A login, or an API token, as its owner sees it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UserSession {
    pub id: UserSessionId,
    pub kind: LoginKind,
    pub name: Option<String>,
    /// Whether this very request came through it.
    pub current: bool,
    pub client_ip: Option<String>,
    pub user_agent: Option<String>,
    pub expires_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiTokenCreate {
    pub name: String,
    /// 1 to 366.
    #[serde(default = "default_token_days")]
    pub expires_in_days: i64,
    /// Only these permissions (names as in `GET /permissions`); empty: all of the user's.
    #[serde(default)]
    pub permissions: Vec<String>,
}

fn default_token_days() -> i64 {
    90
}

impl ApiTokenCreate {
    /// # Errors
    /// `invalid_value`.
    pub fn validate(&self) -> crate::Result<()> {
        let mut checker = Checker::new();
        checker.name("name", &self.name);
        checker.range("expires_in_days", self.expires_in_days, 1, 366);
        checker.require(self.permissions.len() <= 200, "permissions", "must have at most 200 entries");
        checker.finish()
    }
}

/// The only answer that ever holds the token.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct ApiTokenCreated {
    pub token: String,
    pub login: UserSession,
}

impl std::fmt::Debug for ApiTokenCreated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiTokenCreated").field("login", &self.login).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Permission {
    pub id: PermissionId,
    pub resource_type: ResourceType,
    pub action: PermissionAction,
    /// `<resource_type>.<action>`
    pub permission_name: String,
    pub description: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleGrant {
    /// `<resource_type>.<action>`
    pub permission_name: String,
    pub scope: PermissionScope,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RolePermissions {
    pub role: Role,
    pub grants: Vec<RoleGrant>,
}

/// Replaces all grants of a role.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RolePermissionsUpdate {
    pub grants: Vec<RoleGrant>,
}

/// The caller: who, what they may do, what is left of their quota.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Profile {
    pub user: User,
    pub tenant: Tenant,
    pub grants: Vec<RoleGrant>,
    pub quota: QuotaReport,
}

/// Filters of `GET /tenants`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct TenantFilter {
    /// 1 to 500; default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Part of the name or the description, whatever its case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
}

/// Filters of `GET /users`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct UserFilter {
    /// 1 to 500; default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Part of the username, the full name or the e-mail address, whatever its case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<UserStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<TenantId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_password_and_no_token() {
        let login: LoginRequest = serde_json::from_str(r#"{"username":"ada","password":"swordfish-1"}"#).unwrap();
        let create: UserCreate = serde_json::from_str(r#"{"username":"ada","password":"swordfish-2"}"#).unwrap();
        let update = UserUpdate { password: Some("swordfish-3".to_owned()), ..Default::default() };
        let change =
            PasswordChange { current_password: "swordfish-4".to_owned(), new_password: "swordfish-5".to_owned() };
        let refresh = RefreshRequest { refresh_token: Some("swordfish-6".to_owned()) };
        let text = format!("{login:?} {create:?} {update:?} {change:?} {refresh:?}");
        assert!(text.contains("ada") && !text.contains("swordfish"), "{text}");
    }
}
