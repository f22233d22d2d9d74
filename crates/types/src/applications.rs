//! The catalogue of what a session can run.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApplicationId, StringMap, TenantId,
    sessions::{MAX_RUNTIME_MINUTES, NetworkPolicyKind, SessionType},
    validate::Checker,
};

text_enum! {
    /// What a session's application port speaks.
    ApplicationProtocol = "application_protocol" {
        /// Terminal only.
        None = "none",
        Http = "http",
        Vnc = "vnc",
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Application {
    pub id: ApplicationId,
    /// Absent: of every tenant.
    pub tenant_id: Option<TenantId>,
    pub name: String,
    pub title: String,
    pub description: Option<String>,
    /// Name of an icon of the console.
    pub icon: Option<String>,
    pub container_image: String,
    pub command: Vec<String>,
    pub session_type: SessionType,
    pub protocol: ApplicationProtocol,
    pub port: Option<i32>,
    /// What a terminal runs; empty: `/bin/sh`.
    pub shell: Vec<String>,
    pub environment_variables: StringMap,
    pub default_cpu: f64,
    pub default_memory_gb: f64,
    pub default_storage_gb: f64,
    pub default_gpu: i64,
    pub default_max_runtime_minutes: i64,
    pub default_network_policy: NetworkPolicyKind,
    /// Shipped with Berth and made on the node, without any registry.
    pub builtin: bool,
    /// Shipped as an entry, but never run by Berth's own tests.
    pub untested: bool,
    pub enabled: bool,
    pub generation: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicationCreate {
    pub name: String,
    pub title: String,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub icon: Option<String>,
    pub container_image: String,
    #[serde(default)]
    pub command: Vec<String>,
    #[serde(default = "default_session_type")]
    pub session_type: SessionType,
    #[serde(default = "default_protocol")]
    pub protocol: ApplicationProtocol,
    #[serde(default)]
    pub port: Option<i32>,
    #[serde(default)]
    pub shell: Vec<String>,
    #[serde(default)]
    pub environment_variables: StringMap,
    #[serde(default = "default_cpu")]
    pub default_cpu: f64,
    #[serde(default = "default_memory_gb")]
    pub default_memory_gb: f64,
    #[serde(default = "default_storage_gb")]
    pub default_storage_gb: f64,
    #[serde(default)]
    pub default_gpu: i64,
    #[serde(default = "default_max_runtime_minutes")]
    pub default_max_runtime_minutes: i64,
    #[serde(default = "default_network_policy")]
    pub default_network_policy: NetworkPolicyKind,
    #[serde(default = "default_enabled")]
    pub enabled: bool,
}

fn default_session_type() -> SessionType {
    SessionType::Interactive
}
fn default_protocol() -> ApplicationProtocol {
    ApplicationProtocol::None
}
fn default_cpu() -> f64 {
    0.5
}
fn default_memory_gb() -> f64 {
    0.5
}
fn default_storage_gb() -> f64 {
    1.0
}
fn default_max_runtime_minutes() -> i64 {
    480
}
fn default_network_policy() -> NetworkPolicyKind {
    NetworkPolicyKind::Default
}
fn default_enabled() -> bool {
    true
}

/// An image reference: `[registry/]name[:tag][@digest]`.
fn check_image(field: &str, image: &str, checker: &mut Checker) {
    let ok = (1..=255).contains(&image.len())
        && image.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@".contains(c))
        && image.starts_with(|c: char| c.is_ascii_alphanumeric());
    checker.require(ok, field, "must be an image reference such as docker.io/library/debian:12");
}

impl ApplicationCreate {
    /// # Errors
    /// `invalid_value`.
    pub fn validate(&self) -> crate::Result<()> {
        let mut checker = Checker::new();
        checker.slug("name", &self.name);
        checker.name("title", &self.title);
        if let Some(text) = &self.description {
            checker.text("description", text, 1000);
        }
        if let Some(icon) = &self.icon {
            checker.slug("icon", icon);
        }
        check_image("container_image", &self.container_image, &mut checker);
        for (field, words) in [("command", &self.command), ("shell", &self.shell)] {
            checker.require(
                words.len() <= 256 && !words.iter().any(|w| w.contains('\0')),
                field,
                "must have at most 256 words",
            );
        }
        checker.string_map("environment_variables", &self.environment_variables);
        if let Some(port) = self.port {
            checker.range("port", port, 1, 65_535);
        }
        checker.require(
            self.protocol == ApplicationProtocol::None || self.port.is_some(),
            "port",
            "must be given when protocol is http or vnc",
        );
        checker.range("default_cpu", self.default_cpu, 0.01, 4096.0);
        checker.range("default_memory_gb", self.default_memory_gb, 8.0 / 1024.0, 65_536.0);
        checker.range("default_storage_gb", self.default_storage_gb, 0.0, 1_048_576.0);
        checker.range("default_gpu", self.default_gpu, 0, 1024);
        checker.range("default_max_runtime_minutes", self.default_max_runtime_minutes, 1, MAX_RUNTIME_MINUTES);
        checker.finish()
    }
}

/// Absent fields stay as they are.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicationUpdate {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_image: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_cpu: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_memory_gb: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_storage_gb: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_max_runtime_minutes: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

impl ApplicationUpdate {
    /// # Errors
    /// `invalid_value`.
    pub fn validate(&self) -> crate::Result<()> {
        let mut checker = Checker::new();
        if let Some(title) = &self.title {
            checker.name("title", title);
        }
        if let Some(text) = &self.description {
            checker.text("description", text, 1000);
        }
        if let Some(image) = &self.container_image {
            check_image("container_image", image, &mut checker);
        }
        if let Some(cpu) = self.default_cpu {
            checker.range("default_cpu", cpu, 0.01, 4096.0);
        }
        if let Some(memory) = self.default_memory_gb {
            checker.range("default_memory_gb", memory, 8.0 / 1024.0, 65_536.0);
        }
        if let Some(storage) = self.default_storage_gb {
            checker.range("default_storage_gb", storage, 0.0, 1_048_576.0);
        }
        if let Some(minutes) = self.default_max_runtime_minutes {
            checker.range("default_max_runtime_minutes", minutes, 1, MAX_RUNTIME_MINUTES);
        }
        checker.finish()
    }
}
