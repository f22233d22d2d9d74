//! Settings an operator changes while Berth runs, and sealed secrets.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{SecretId, TenantId, UserId, validate::Checker};

/// A typed setting: what it does, its bounds, and its value until somebody changes it.
#[derive(Clone, Copy, Debug)]
pub struct SettingSpec {
    pub key: &'static str,
    pub description: &'static str,
    pub default: i64,
    pub min: i64,
    pub max: i64,
}

macro_rules! settings {
    ($($(#[$meta:meta])* $name:ident = $key:literal, $default:literal, $min:literal ..= $max:literal, $text:literal;)+) => {
        $($(#[$meta])* pub const $name: SettingSpec =
            SettingSpec { key: $key, description: $text, default: $default, min: $min, max: $max };)+
        /// Every setting there is.
        pub const ALL: &[SettingSpec] = &[$($name),+];
    };
}

settings! {
    MAX_WAITING_PER_USER = "sessions.max_waiting_per_user", 100, 0..=100000,
        "How many sessions one user may have waiting in the queue.";
    START_DEADLINE_MINUTES = "sessions.start_deadline_minutes", 15, 1..=1440,
        "Minutes a session may take from its placement until it runs, image pull included, before it fails.";
    STOP_GRACE_SECONDS = "sessions.stop_grace_seconds", 10, 0..=600,
        "Seconds an application gets to end by itself before it is killed.";
    NODE_LATE_SECONDS = "nodes.late_seconds", 45, 15..=3600,
        "Seconds without a heartbeat after which a node counts as late.";
    NODE_OFFLINE_SECONDS = "nodes.offline_seconds", 120, 30..=86400,
        "Seconds without a heartbeat after which a node counts as offline and takes nothing new.";
    NODE_LOST_MINUTES = "nodes.lost_minutes", 15, 1..=10080,
        "Minutes offline after which a node's sessions fail with node_lost.";
    EVENT_RETENTION_DAYS = "events.retention_days", 90, 1..=3650,
        "Days that events are kept.";
    LOG_MAX_MIB = "sessions.log_max_mib", 10, 1..=1024,
        "MiB of log kept per session; older lines go first.";
    LOG_RETENTION_DAYS = "sessions.log_retention_days", 14, 1..=3650,
        "Days that the log of an ended session is kept.";
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SystemSetting {
    pub key: String,
    pub value: i64,
    pub default: i64,
    pub min: i64,
    pub max: i64,
    pub description: String,
    /// Absent: the default is in force.
    pub updated_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SystemSettingUpdate {
    pub value: i64,
}

/// A sealed secret without its value: that never leaves Berth but into a container's environment.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Secret {
    pub id: SecretId,
    pub tenant_id: TenantId,
    /// Absent: the whole tenant's.
    pub user_id: Option<UserId>,
    pub name: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretCreate {
    pub name: String,
    /// At most 32768 bytes.
    pub value: String,
    /// Of the whole tenant instead of the caller's own; needs the permission user.manage.
    #[serde(default)]
    pub tenant_wide: bool,
}

impl std::fmt::Debug for SecretCreate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretCreate").field("name", &self.name).finish_non_exhaustive()
    }
}

impl SecretCreate {
    /// # Errors
    /// `invalid_value`.
    pub fn validate(&self) -> crate::Result<()> {
        let mut checker = Checker::new();
        checker.slug("name", &self.name);
        let ok = self.value.len() <= 32_768 && !self.value.contains('\0') && !self.value.is_empty();
        checker.require(ok, "value", "must have 1 to 32768 bytes and no NUL");
        checker.finish()
    }
}
