//! What every command that talks to a server needs: the client, the format, and who is logged in.

use std::path::{Path, PathBuf};

use berth_client::{Client, Tokens, server_address};
use berth_types::UserId;
use clap::Args;

use crate::{
    credentials::{CredentialsFile, StoredLogin},
    failure::{Exit, Failure},
    output::{Format, Output},
};

/// Where `berth up` listens when nothing else is said.
pub const DEFAULT_SERVER: &str = "http://127.0.0.1:7600";

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// How results are written
    #[arg(long, short, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
    /// The server's address; default: the one logged in to last, else http://127.0.0.1:7600
    #[arg(long, global = true, value_name = "URL", env = "BERTH_SERVER", hide_env_values = true)]
    pub server: Option<String>,
    /// An API token instead of the stored login (the variable keeps it out of the process list)
    #[arg(long, global = true, value_name = "TOKEN", env = "BERTH_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// PEM certificates to trust besides the system's
    #[arg(long, global = true, value_name = "FILE", env = "BERTH_CA_FILE", hide_env_values = true)]
    pub ca_file: Option<PathBuf>,
}

impl Global {
    /// A variable that is set to nothing counts as not set.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref().map(str::trim).filter(|token| !token.is_empty())
    }

    pub fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref().filter(|file| !file.as_os_str().is_empty())
    }
}

pub struct Context {
    pub client: Client,
    pub out: Output,
    pub credentials: CredentialsFile,
    /// Of the stored login; a token does not say whose it is.
    user_id: Option<UserId>,
}

impl Context {
    /// For a command that needs a login.
    pub fn connect(global: &Global) -> anyhow::Result<Self> {
        let context = Self::connect_optional(global)?;
        if !context.client.is_authenticated() {
            let server = context.client.server();
            return Err(Failure::of(
                Exit::NotLoggedIn,
                format!("not logged in at {server}. Run: berth login --server {server}"),
            ));
        }
        Ok(context)
    }

    /// With a login when there is one.
    pub fn connect_optional(global: &Global) -> anyhow::Result<Self> {
        let credentials = CredentialsFile::of_user()?;
        let mut login = None;
        let mut current = None;
        if global.token().is_none() || global.server.is_none() {
            let mut stored = credentials.read()?;
            current = stored.current.take();
            let server = server_of(global, current.as_deref())?;
            login = stored.logins.remove(&server);
        }
        let server = server_of(global, current.as_deref())?;
        let mut builder = Client::builder(&server).user_agent(concat!("berth/", env!("CARGO_PKG_VERSION")));
        if let Some(file) = global.ca_file() {
            builder = builder.ca_file(file);
        }
        let mut user_id = None;
        match (global.token(), login) {
            (Some(token), _) => builder = builder.token(token),
            (None, Some(login)) => {
                user_id = Some(login.user_id);
                builder = builder.login(login.tokens, StoredLogin { file: credentials.clone(), server });
            }
            (None, None) => {}
        }
        let client = builder.build()?;
        Ok(Self { client, out: Output { format: global.output }, credentials, user_id })
    }

    /// Keeps a login and makes its server the one that commands talk to.
    pub fn keep_login(&self, username: &str, user_id: UserId, tokens: Tokens) -> anyhow::Result<()> {
        let server = self.client.server().to_owned();
        let login = crate::credentials::Login { username: username.to_owned(), user_id, tokens };
        self.credentials.update(|credentials| {
            credentials.current = Some(server.clone());
            credentials.logins.insert(server, login);
        })?;
        Ok(())
    }

    /// Whose sessions a name means.
    pub async fn caller(&self) -> anyhow::Result<UserId> {
        match self.user_id {
            Some(id) => Ok(id),
            None => Ok(self.client.profile_get().await?.user.id),
        }
    }
}

/// The address in the form in which it is a key of the credentials.
fn server_of(global: &Global, current: Option<&str>) -> anyhow::Result<String> {
    let given = global.server.as_deref().filter(|server| !server.is_empty());
    server_address(given.or(current).unwrap_or(DEFAULT_SERVER)).map_err(|error| Failure::usage(error.to_string()))
}
