//! Configuration: defaults, then one TOML file, then `BERTH_…` variables, then flags; the last one wins. Where each
//! value came from is kept, so that `berth server --check-config` can say it.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

/// Everything that must be known before the database is open. What may change while Berth runs is a setting instead.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where Berth keeps its SQLite database, key file and first password.
    pub data_dir: PathBuf,
    /// `sqlite:` or `postgres:` URL; empty means SQLite inside `data_dir`.
    pub database_url: String,
    /// Connections to PostgreSQL, or readers of SQLite.
    pub database_connections: u32,
    /// Address of API and console.
    pub listen: SocketAddr,
    /// Address of the applications' own origin, apart from the console's.
    pub applications_listen: SocketAddr,
    /// Wildcard domain of applications, e.g. `apps.example.org`: each session is `<id>.apps.example.org`. Empty: by port.
    pub applications_domain: String,
    /// What browsers reach the API by, e.g. `https://berth.example.org`. Empty: `http://<listen>`.
    pub public_url: String,
    /// What browsers reach applications by when there is no wildcard domain. Empty: `http://<applications_listen>`.
    pub applications_public_url: String,
    /// Docker Engine of this machine: a `unix://` socket, `auto`, or `none`.
    pub docker: String,
    /// Simulated nodes to add; they are marked as such.
    pub sim_nodes: u32,
    /// The pool of addresses for sessions' networks on each node.
    pub session_networks: String,
    /// Prefix length of one user's network: 28 gives 13 sessions on a node, 27 gives 29.
    pub session_network_prefix: u8,
    /// Addresses (CIDR) that sessions must never reach, besides the nodes themselves.
    pub session_denied_networks: Vec<String>,
    /// Largest JSON body accepted, bytes.
    pub max_body_bytes: usize,
    /// Largest upload into a session, bytes.
    pub max_upload_bytes: usize,
    /// Operations carried out at the same time.
    pub operation_workers: usize,
    /// Milliseconds an engine call may take before it counts as not answered.
    pub engine_timeout_ms: u64,
    /// Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<std::net::IpAddr>,
    /// Set the `Secure` flag on cookies: on when browsers come by https.
    pub secure_cookies: bool,
    /// `text` or `json`.
    pub log_format: String,
    /// `tracing` filter, e.g. `info` or `berth_server=debug`.
    pub log_filter: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: default_data_dir(),
            database_url: String::new(),
            database_connections: 8,
            listen: SocketAddr::from(([127, 0, 0, 1], 7600)),
            applications_listen: SocketAddr::from(([127, 0, 0, 1], 7601)),
            applications_domain: String::new(),
            public_url: String::new(),
            applications_public_url: String::new(),
            docker: "auto".to_owned(),
            sim_nodes: 0,
            session_networks: "10.213.0.0/16".to_owned(),
            session_network_prefix: 27,
            session_denied_networks: vec!["169.254.0.0/16".to_owned()],
            max_body_bytes: 1 << 20,
            max_upload_bytes: 1 << 30,
            operation_workers: 16,
            engine_timeout_ms: 30_000,
            trusted_proxies: Vec::new(),
            secure_cookies: false,
            log_format: "text".to_owned(),
            log_filter: "info,sqlx=warn,sea_orm=warn,hyper=warn".to_owned(),
        }
    }
}

fn default_data_dir() -> PathBuf {
    let base = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")));
    base.unwrap_or_else(|| PathBuf::from(".")).join("berth")
}

/// A configuration and where each key's value came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// key → `default`, `file …`, `variable BERTH_…` or `flag`
    pub sources: BTreeMap<String, String>,
}

/// What is wrong with the configuration, in words for the person who wrote it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// Merges file, environment and flags over the defaults.
///
/// # Errors
/// An unreadable file, an unknown key, or a value of the wrong type, named with its source.
pub fn load(
    file: Option<&std::path::Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: impl IntoIterator<Item = (&'static str, String)>,
) -> Result<Loaded, ConfigError> {
    let defaults = toml::Table::try_from(Config::default()).map_err(|e| ConfigError(e.to_string()))?;
    let mut table = defaults.clone();
    let mut sources: BTreeMap<String, String> = table.keys().map(|k| (k.clone(), "default".to_owned())).collect();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|e| ConfigError(format!("{}: {e}", path.display())))?;
        let layer: toml::Table = text.parse().map_err(|e| ConfigError(format!("{}: {e}", path.display())))?;
        for (key, value) in layer {
            if !defaults.contains_key(&key) {
                return Err(ConfigError(format!("{}: unknown key `{key}`", path.display())));
            }
            sources.insert(key.clone(), format!("file {}", path.display()));
            table.insert(key, value);
        }
    }
    for (name, value) in environment {
        let Some(key) = name.strip_prefix("BERTH_").map(str::to_lowercase) else { continue };
        // Other BERTH_ variables belong to the client, the scripts or the tests.
        if let Some(default) = defaults.get(&key) {
            table
                .insert(key.clone(), typed(default, &value).map_err(|e| ConfigError(format!("variable {name}: {e}")))?);
            sources.insert(key, format!("variable {name}"));
        }
    }
    for (key, value) in flags {
        if let Some(default) = defaults.get(key) {
            table.insert(key.to_owned(), typed(default, &value).map_err(|e| ConfigError(format!("flag {key}: {e}")))?);
            sources.insert(key.to_owned(), "flag".to_owned());
        }
    }
    let config: Config = table.try_into().map_err(|e: toml::de::Error| ConfigError(e.message().to_owned()))?;
    check(&config)?;
    Ok(Loaded { config, sources })
}

fn typed(like: &toml::Value, text: &str) -> Result<toml::Value, String> {
    Ok(match like {
        toml::Value::Integer(_) => {
            toml::Value::Integer(text.parse().map_err(|_| format!("{text:?} is not a whole number"))?)
        }
        toml::Value::Boolean(_) => {
            toml::Value::Boolean(text.parse().map_err(|_| format!("{text:?} is not true or false"))?)
        }
        toml::Value::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            toml::Value::Array(items.map(|item| toml::Value::String(item.to_owned())).collect())
        }
        _ => toml::Value::String(text.to_owned()),
    })
}

fn check(config: &Config) -> Result<(), ConfigError> {
    let fail = |text: String| Err(ConfigError(text));
    if !matches!(config.log_format.as_str(), "text" | "json") {
        return fail(format!("log_format: {:?} is neither text nor json", config.log_format));
    }
    if !(config.database_url.is_empty()
        || ["sqlite:", "postgres:", "postgresql:"].iter().any(|p| config.database_url.starts_with(p)))
    {
        return fail("database_url: must begin with sqlite: or postgres:".to_owned());
    }
    if !(matches!(config.docker.as_str(), "auto" | "none") || config.docker.starts_with("unix://")) {
        return fail("docker: must be auto, none or unix://<socket>".to_owned());
    }
    if config.listen == config.applications_listen && config.listen.port() != 0 {
        return fail(
            "applications_listen: must differ from listen, so that applications have an origin of their own".to_owned(),
        );
    }
    if crate::subnets::Pool::parse(&config.session_networks, config.session_network_prefix).is_none() {
        return fail("session_networks: must be an IPv4 network such as 10.213.0.0/16, larger than session_network_prefix (at most 29)".to_owned());
    }
    if config.operation_workers == 0 || config.database_connections == 0 {
        return fail("operation_workers and database_connections: must be at least 1".to_owned());
    }
    Ok(())
}

impl Config {
    /// The database URL in force.
    pub fn database_url(&self) -> String {
        if self.database_url.is_empty() {
            format!("sqlite://{}", self.data_dir.join("berth.sqlite").display())
        } else {
            self.database_url.clone()
        }
    }

    /// `database_url` without a password, for people and logs.
    pub fn database_label(&self) -> String {
        let url = self.database_url();
        match url::Url::parse(&url) {
            Ok(mut parsed) if parsed.password().is_some() => {
                let _ = parsed.set_password(Some("***"));
                parsed.to_string()
            }
            _ => url,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_layers_win_and_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("berth.toml");
        std::fs::write(&file, "docker = \"none\"\noperation_workers = 3\n").unwrap();
        let environment =
            [("BERTH_OPERATION_WORKERS".to_owned(), "5".to_owned()), ("BERTH_TOKEN".to_owned(), "x".to_owned())];
        let loaded = load(Some(&file), environment, [("sim_nodes", "2".to_owned())]).unwrap();
        assert_eq!(
            (loaded.config.operation_workers, loaded.config.sim_nodes, loaded.config.docker.as_str()),
            (5, 2, "none")
        );
        assert_eq!(loaded.sources["operation_workers"], "variable BERTH_OPERATION_WORKERS");
        assert_eq!(loaded.sources["sim_nodes"], "flag");
        assert_eq!(loaded.sources["listen"], "default");
    }

    #[test]
    fn faults_name_the_key() {
        let error =
            |name: &str, value: &str| load(None, [(name.to_owned(), value.to_owned())], []).unwrap_err().to_string();
        assert!(error("BERTH_OPERATION_WORKERS", "many").contains("BERTH_OPERATION_WORKERS"));
        assert!(error("BERTH_DOCKER", "tcp://x").contains("docker"));
        assert!(error("BERTH_SESSION_NETWORKS", "10.0.0.0/30").contains("session_networks"));
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("berth.toml");
        std::fs::write(&file, "lisen = 1\n").unwrap();
        assert!(load(Some(&file), [], []).unwrap_err().to_string().contains("lisen"));
    }
}
