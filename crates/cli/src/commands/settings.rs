//! `setting` and `secret`.

use std::io::{self, IsTerminal, Read};

use berth_client::{PageQuery, collect};
use berth_types::settings::{Secret, SecretCreate, SystemSetting, SystemSettingUpdate};
use clap::Subcommand;

use super::{Confirm, ListArgs};
use crate::{
    context::Context,
    output::{Column, local, maybe_local},
    terminal,
};

#[derive(Subcommand)]
pub enum SettingCommand {
    /// All settings with their bounds
    List,
    /// Change a setting
    Set {
        key: String,
        #[arg(allow_negative_numbers = true)]
        value: i64,
    },
    /// Back to the default
    Reset { key: String },
}

#[derive(Subcommand)]
pub enum SecretCommand {
    /// Your secrets and your tenant's, without their values
    List(ListArgs),
    /// Make a secret; its value is read from stdin to its end, without one line break there
    Create {
        name: String,
        /// Of the whole tenant instead of your own
        #[arg(long)]
        tenant_wide: bool,
    },
    /// Delete a secret
    Delete {
        secret: String,
        #[command(flatten)]
        confirm: Confirm,
    },
}

const SETTINGS: &[Column<SystemSetting>] = &[
    ("KEY", |row| row.key.clone()),
    ("VALUE", |row| row.value.to_string()),
    ("DEFAULT", |row| row.default.to_string()),
    ("BOUNDS", |row| format!("{}..{}", row.min, row.max)),
    ("CHANGED", |row| maybe_local(row.updated_at)),
    ("WHAT", |row| row.description.clone()),
];

const SECRETS: &[Column<Secret>] = &[
    ("NAME", |row| row.name.clone()),
    ("OF", |row| if row.user_id.is_some() { "user" } else { "tenant" }.to_owned()),
    ("CHANGED", |row| local(row.updated_at)),
    ("ID", |row| row.id.to_string()),
];

pub async fn setting(context: &Context, command: SettingCommand) -> anyhow::Result<()> {
    let (client, out) = (&context.client, context.out);
    match command {
        SettingCommand::List => out.rows(&client.setting_list().await?, SETTINGS),
        SettingCommand::Set { key, value } => {
            let setting = client.setting_update(&key, &SystemSettingUpdate { value }).await?;
            out.say(&setting, &format!("{} is {} now.", setting.key, setting.value))
        }
        SettingCommand::Reset { key } => {
            client.setting_reset(&key).await?;
            out.done(&format!("{key} is back to its default."))
        }
    }
}

pub async fn secret(context: &Context, command: SecretCommand) -> anyhow::Result<()> {
    let (client, out) = (&context.client, context.out);
    match command {
        SecretCommand::List(list) => {
            let page = collect(list.limit, |limit, cursor| async move {
                client.secret_list(&PageQuery { limit: Some(limit), cursor }).await
            });
            out.list(&page.await?, SECRETS)
        }
        SecretCommand::Create { name, tenant_wide } => {
            let value = if io::stdin().is_terminal() { terminal::prompt("Value", true)? } else { value_of_stdin()? };
            let created = client.secret_create(&SecretCreate { name, value, tenant_wide }).await?;
            out.say(&created, &format!("Secret {} is made ({}).", created.name, created.id))
        }
        SecretCommand::Delete { secret, confirm } => {
            let secret = context.secret(&secret).await?;
            terminal::confirm(confirm.yes, &format!("Delete secret {}?", secret.name))?;
            client.secret_delete(secret.id).await?;
            out.done(&format!("Secret {} is deleted.", secret.name))
        }
    }
}

/// All of stdin, without the line break that `echo` adds.
fn value_of_stdin() -> anyhow::Result<String> {
    let mut value = String::new();
    io::stdin().read_to_string(&mut value)?;
    if value.ends_with('\n') {
        value.pop();
        if value.ends_with('\r') {
            value.pop();
        }
    }
    Ok(value)
}
