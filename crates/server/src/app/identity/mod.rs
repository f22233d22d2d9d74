//! Identity: logging in and what guards it, and what one user may make of tenants, users and roles.

mod account;
mod door;
mod logins;
mod quotas;
mod recovery;
mod roles;
mod tenants;
mod users;

pub use account::{api_token_create, password_change, password_set, profile, profile_update};
pub use door::{Door, hash_password};
pub use logins::{LoggedIn, Tokens, login, login_revoke, logout, refresh};
pub use quotas::{quota_report, tenant_quota, user_quota};
pub use recovery::{ensure_first_admin, forget_first_password, reset_password, unlock};
pub use roles::{reload_grants, role_permission_replace};
pub use tenants::{platform_only, tenant_create, tenant_delete, tenant_update};
pub use users::{user_create, user_delete, user_unlock, user_update};
