//! `login`, `logout`, `whoami`, `password`, `profile`, `token`.

use berth_client::Tokens;
use berth_types::{
    StringMap,
    identity::{ApiTokenCreate, LoginKind, LoginRequest, PasswordChange, Profile, QuotaUsage, UserSession, UserUpdate},
};
use clap::{Args, Subcommand};

use crate::{
    context::{Context, Global},
    credentials,
    failure::Failure,
    output::{Column, local, maybe, note, number},
    parse::{Entry, Span},
    terminal,
};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct LoginArgs {
    #[command(subcommand)]
    command: Option<LoginCommand>,
    /// Asked for when it is not given
    #[arg(long, short, value_name = "NAME")]
    username: Option<String>,
    /// Read the password from the first line of stdin
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Subcommand)]
enum LoginCommand {
    /// Your logins, on every device
    List,
    /// End one of them
    Revoke { id: String },
}

#[derive(Args)]
pub struct PasswordArgs {
    /// Read two lines from stdin: the current password and the new one
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Subcommand)]
pub enum ProfileCommand {
    /// All about your account
    Show,
    /// Change your account
    Update {
        #[arg(long)]
        email: Option<String>,
        #[arg(long, value_name = "NAME")]
        full_name: Option<String>,
        /// KEY=VALUE sets a preference, KEY- removes it
        #[arg(long = "preference", value_name = "KEY=VALUE")]
        preferences: Vec<Entry>,
    },
}

#[derive(Subcommand)]
pub enum TokenCommand {
    /// Make a token; it is shown this once
    Create {
        /// What it is for
        #[arg(long)]
        name: String,
        /// How long it works, in whole days, e.g. 90d
        #[arg(long, value_name = "SPAN", default_value = "90d")]
        expires_in: Span,
        /// Only this permission of yours, e.g. session.read; may be repeated
        #[arg(long = "permission", value_name = "NAME")]
        permissions: Vec<String>,
    },
    /// Your tokens
    List,
    /// End a token
    Revoke { name: String },
}

const LOGINS: &[Column<UserSession>] = &[
    ("ID", |row| row.id.to_string()),
    ("KIND", |row| row.kind.to_string()),
    ("NAME", |row| maybe(row.name.as_ref())),
    ("THIS", |row| if row.current { "yes" } else { "" }.to_owned()),
    ("FROM", |row| maybe(row.client_ip.as_ref())),
    ("LAST USED", |row| local(row.last_used_at)),
    ("EXPIRES", |row| local(row.expires_at)),
    ("PROGRAM", |row| maybe(row.user_agent.as_ref())),
];

pub const QUOTA: &[Column<QuotaUsage>] = &[
    ("RESOURCE", |row| row.resource.clone()),
    ("USED", |row| number(row.used)),
    ("LIMIT", |row| row.limit.map_or_else(|| "unlimited".to_owned(), number)),
];

pub async fn login(global: &Global, args: LoginArgs) -> anyhow::Result<()> {
    match args.command {
        Some(LoginCommand::List) => {
            let context = Context::connect(global)?;
            return context.out.rows(&context.logins(false).await?, LOGINS);
        }
        Some(LoginCommand::Revoke { id }) => {
            let context = Context::connect(global)?;
            let login = context.login(false, &id).await?;
            context.client.login_revoke(login.id).await?;
            return context.out.done(&format!("Login {} is ended.", login.id));
        }
        None => {}
    }
    if global.token().is_some() {
        return Err(Failure::usage("log in by username and password, or use a token; not both"));
    }
    let context = Context::connect_optional(global)?;
    let server = context.client.server().to_owned();
    // Whether anything answers there, before a password is typed; and whether the file can be used, before it is sent.
    let before = context.credentials.read()?.logins.remove(&server);
    if is_open_network(&server) {
        note(&format!("Warning: {server} is not encrypted; others on the way can read the password."));
    }
    let username = match args.username {
        Some(username) => username,
        None => terminal::prompt("Username", false)?.trim().to_owned(),
    };
    let password = if args.password_stdin {
        let [password] = terminal::lines_of_stdin(["the password"])?;
        password
    } else {
        terminal::prompt("Password", true)?
    };
    let response = context.client.auth_login(&LoginRequest { username, password, kind: LoginKind::Cli }).await?;
    let tokens = Tokens::of(&response).ok_or_else(|| Failure::error("the server sent no tokens"))?;
    context.keep_login(&response.user.username, response.user.id, tokens)?;
    if credentials::directory_is_open(&context.credentials) {
        note(&format!("Warning: others may write in the directory of {}.", context.credentials.path().display()));
    }
    // The login that this one replaces would otherwise stay open, and nobody would hold its tokens.
    if let Some(before) = before {
        let old = berth_client::Client::builder(&server).token(before.tokens.access_token).retries(0);
        if let Ok(old) = with_ca(old, global).build() {
            let _ = old.auth_logout().await;
        }
    }
    if response.user.must_change_password {
        note("The password must be changed now. Run: berth password");
    }
    context.out.say(&response.user, &format!("Logged in at {server} as {}.", response.user.username))
}

fn with_ca(builder: berth_client::ClientBuilder, global: &Global) -> berth_client::ClientBuilder {
    match global.ca_file() {
        Some(file) => builder.ca_file(file),
        None => builder,
    }
}

/// Plain HTTP to another machine.
fn is_open_network(server: &str) -> bool {
    let Some(rest) = server.strip_prefix("http://") else {
        return false;
    };
    let host = rest.split('/').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    host != "localhost" && !host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

pub async fn logout(global: &Global) -> anyhow::Result<()> {
    if global.token().is_some() {
        return Err(Failure::usage("this would end the token that is in use; end it with: berth token revoke"));
    }
    let context = Context::connect_optional(global)?;
    let server = context.client.server().to_owned();
    let result = if context.client.is_authenticated() { context.client.auth_logout().await } else { Ok(()) };
    // The tokens go even when the server is away: who logs out wants them off this machine.
    context.credentials.update(|credentials| {
        credentials.logins.remove(&server);
        if credentials.current.as_deref() == Some(server.as_str()) {
            credentials.current = None;
        }
    })?;
    match result {
        Ok(()) => context.out.done(&format!("Logged out at {server}.")),
        Err(error) if error.code() == Some(berth_types::ErrorCode::Unauthenticated) => {
            context.out.done(&format!("Logged out at {server}."))
        }
        Err(error) => {
            note("The tokens were removed here, but the server was not told:");
            Err(error.into())
        }
    }
}

pub async fn whoami(context: &Context) -> anyhow::Result<()> {
    let profile = context.client.profile_get().await?;
    context.out.say(&profile, &sentence(&profile, context.client.server()))?;
    if context.out.format == crate::output::Format::Table {
        context.out.rows(&profile.quota.user, QUOTA)?;
    }
    Ok(())
}

fn sentence(profile: &Profile, server: &str) -> String {
    format!("{} ({}) of {} at {server}", profile.user.username, profile.user.role, profile.tenant.name)
}

pub async fn password(context: &Context, args: PasswordArgs) -> anyhow::Result<()> {
    let [current_password, new_password] = if args.password_stdin {
        terminal::lines_of_stdin(["the current password", "the new password"])?
    } else {
        [terminal::prompt("Current password", true)?, terminal::new_password("New password")?]
    };
    context.client.password_change(&PasswordChange { current_password, new_password }).await?;
    context.out.done("The password is changed.")
}

pub async fn profile(context: &Context, command: ProfileCommand) -> anyhow::Result<()> {
    match command {
        ProfileCommand::Show => context.out.show(&context.client.profile_get().await?),
        ProfileCommand::Update { email, full_name, preferences } => {
            let mut update = UserUpdate { email, full_name, ..UserUpdate::default() };
            if !preferences.is_empty() {
                let mut map: StringMap = context.client.profile_get().await?.user.preferences;
                Entry::apply(&preferences, &mut map);
                update.preferences = Some(map);
            }
            super::require_change(&update)?;
            context.out.show(&context.client.profile_update(&update).await?)
        }
    }
}

pub async fn token(context: &Context, command: TokenCommand) -> anyhow::Result<()> {
    match command {
        TokenCommand::Create { name, expires_in, permissions } => {
            let expires_in_days = expires_in.seconds() / 86_400;
            if expires_in_days * 86_400 != expires_in.seconds() {
                return Err(Failure::usage("--expires-in must be whole days, e.g. 90d"));
            }
            let created =
                context.client.api_token_create(&ApiTokenCreate { name, expires_in_days, permissions }).await?;
            note("This token is shown only now:");
            context.out.say(&created, &created.token)
        }
        TokenCommand::List => context.out.rows(&context.logins(true).await?, LOGINS),
        TokenCommand::Revoke { name } => {
            let token = context.login(true, &name).await?;
            context.client.login_revoke(token.id).await?;
            context.out.done(&format!("Token {} is ended.", token.name.unwrap_or_else(|| token.id.to_string())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_to_others_is_warned_of() {
        for server in ["http://127.0.0.1:7600", "http://localhost", "http://[::1]:7600/x", "https://example.org"] {
            assert!(!is_open_network(server), "{server}");
        }
        for server in ["http://example.org", "http://10.0.0.1:7600", "http://[2001:db8::1]/"] {
            assert!(is_open_network(server), "{server}");
        }
    }
}
