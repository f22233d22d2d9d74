//! `tenant` and `user`.

use berth_client::collect;
use berth_types::identity::{
    QuotaConfig, Role, Tenant, TenantCreate, TenantFilter, TenantStatus, TenantUpdate, User, UserCreate, UserFilter,
    UserStatus, UserUpdate,
};
use clap::Subcommand;

use super::{Confirm, ListArgs, QuotaArgs, auth::QUOTA, insist, require_change};
use crate::{
    context::Context,
    output::{Column, Format, maybe, maybe_local, print},
    parse::{amount, size},
    terminal,
};

#[derive(Subcommand)]
pub enum TenantCommand {
    /// All tenants you may see
    List {
        #[command(flatten)]
        list: ListArgs,
        /// Part of the name or the description
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
    },
    /// One tenant
    Show { tenant: String },
    /// Make a tenant
    Create {
        name: String,
        #[arg(long)]
        description: Option<String>,
        #[command(flatten)]
        quota: QuotaArgs,
    },
    /// Change a tenant
    Update {
        tenant: String,
        #[arg(long)]
        name: Option<String>,
        #[arg(long)]
        description: Option<String>,
        /// active, inactive (no new work) or suspended (no logins, work is stopped)
        #[arg(long)]
        status: Option<TenantStatus>,
        /// The user who administers it
        #[arg(long, value_name = "USER")]
        admin: Option<String>,
        #[command(flatten)]
        quota: QuotaArgs,
    },
    /// Delete a tenant without users
    Delete {
        tenant: String,
        #[command(flatten)]
        confirm: Confirm,
    },
    /// What is used of its quota
    Quota { tenant: String },
}

#[derive(Subcommand)]
pub enum UserCommand {
    /// All users you may see
    List {
        #[command(flatten)]
        list: ListArgs,
        /// Part of the username, the full name or the e-mail address
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        #[arg(long)]
        role: Option<Role>,
        /// active, inactive or locked
        #[arg(long)]
        status: Option<UserStatus>,
        #[arg(long)]
        tenant: Option<String>,
    },
    /// One user
    Show { user: String },
    /// Make a user, who must change the password at the first login
    Create {
        username: String,
        /// admin, operator, tenant_admin, teacher, user or readonly
        #[arg(long, default_value = "user")]
        role: Role,
        /// Default: your own
        #[arg(long)]
        tenant: Option<String>,
        #[arg(long)]
        email: Option<String>,
        #[arg(long, value_name = "NAME")]
        full_name: Option<String>,
        /// Read the password from the first line of stdin
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        quota: QuotaArgs,
    },
    /// Change a user
    Update {
        user: String,
        #[arg(long)]
        email: Option<String>,
        #[arg(long, value_name = "NAME")]
        full_name: Option<String>,
        #[arg(long)]
        role: Option<Role>,
        /// active (also unlocks), inactive or locked
        #[arg(long)]
        status: Option<UserStatus>,
        /// Core-hours per period
        #[arg(long, value_name = "HOURS", value_parser = amount)]
        quota_cpu_hours: Option<f64>,
        /// GB-hours per period
        #[arg(long, value_name = "HOURS", value_parser = amount)]
        quota_memory_gb_hours: Option<f64>,
        /// Storage of the user's own, e.g. 50GB
        #[arg(long, value_name = "SIZE", value_parser = size)]
        quota_own_storage: Option<f64>,
        /// Read a new initial password from the first line of stdin; all of the user's logins end
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        quota: QuotaArgs,
    },
    /// Delete a user
    Delete {
        user: String,
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Unlock an account that was locked by wrong passwords
    Unlock { user: String },
    /// What is used of the quota, the user's and the tenant's
    Quota { user: String },
}

const TENANTS: &[Column<Tenant>] = &[
    ("NAME", |row| row.name.clone()),
    ("STATUS", |row| row.status.to_string()),
    ("QUOTA", |row| quota_words(&row.quota_config)),
    ("DESCRIPTION", |row| maybe(row.description.as_ref())),
    ("ID", |row| row.id.to_string()),
];

const USERS: &[Column<User>] = &[
    ("USERNAME", |row| row.username.clone()),
    ("ROLE", |row| row.role.to_string()),
    ("STATUS", |row| row.status.to_string()),
    ("FULL NAME", |row| maybe(row.full_name.as_ref())),
    ("LAST LOGIN", |row| maybe_local(row.last_login_at)),
    ("ID", |row| row.id.to_string()),
];

fn quota_words(quota: &QuotaConfig) -> String {
    let fields = serde_json::to_value(quota).unwrap_or_default();
    let words: Vec<_> = fields.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
    words.join(" ")
}

pub async fn tenant(context: &Context, command: TenantCommand) -> anyhow::Result<()> {
    let (client, out) = (&context.client, context.out);
    match command {
        TenantCommand::List { list, search } => {
            let page = collect(list.limit, |limit, cursor| {
                let filter = TenantFilter { limit: Some(limit), cursor, search: search.clone() };
                async move { client.tenant_list(&filter).await }
            });
            out.list(&page.await?, TENANTS)
        }
        TenantCommand::Show { tenant } => out.show(&context.tenant(&tenant).await?),
        TenantCommand::Create { name, description, quota } => {
            let quota_config = quota.over(QuotaConfig::default())?.unwrap_or_default();
            let created = client.tenant_create(&TenantCreate { name, description, quota_config }).await?;
            out.say(&created, &format!("Tenant {} is made ({}).", created.name, created.id))
        }
        TenantCommand::Update { tenant, name, description, status, admin, quota } => {
            let admin_user_id = match admin {
                Some(user) => Some(context.user(&user).await?.id),
                None => None,
            };
            let updated = insist(|| async {
                let now = context.tenant(&tenant).await?;
                let quota_config = quota.over(now.quota_config)?;
                let (name, description) = (name.clone(), description.clone());
                let update = TenantUpdate { name, description, status, admin_user_id, quota_config };
                require_change(&update)?;
                Ok(client.tenant_update(now.id, &update, Some(now.generation)).await?)
            });
            out.show(&updated.await?)
        }
        TenantCommand::Delete { tenant, confirm } => {
            let tenant = context.tenant(&tenant).await?;
            terminal::confirm(confirm.yes, &format!("Delete tenant {}?", tenant.name))?;
            client.tenant_delete(tenant.id).await?;
            out.done(&format!("Tenant {} is deleted.", tenant.name))
        }
        TenantCommand::Quota { tenant } => {
            out.rows(&client.tenant_quota(context.tenant(&tenant).await?.id).await?, QUOTA)
        }
    }
}

pub async fn user(context: &Context, command: UserCommand) -> anyhow::Result<()> {
    let (client, out) = (&context.client, context.out);
    match command {
        UserCommand::List { list, search, role, status, tenant } => {
            let tenant_id = match tenant {
                Some(tenant) => Some(context.tenant(&tenant).await?.id),
                None => None,
            };
            let page = collect(list.limit, |limit, cursor| {
                let filter = UserFilter { limit: Some(limit), cursor, search: search.clone(), role, status, tenant_id };
                async move { client.user_list(&filter).await }
            });
            out.list(&page.await?, USERS)
        }
        UserCommand::Show { user } => out.show(&context.user(&user).await?),
        UserCommand::Create { username, role, tenant, email, full_name, password_stdin, quota } => {
            let tenant_id = match tenant {
                Some(tenant) => Some(context.tenant(&tenant).await?.id),
                None => None,
            };
            let quota_config = quota.over(QuotaConfig::default())?.unwrap_or_default();
            let password = initial_password(password_stdin)?;
            let create = UserCreate {
                username,
                password,
                email,
                full_name,
                role,
                tenant_id,
                quota_storage_gb: None,
                quota_config,
            };
            let created = client.user_create(&create).await?;
            out.say(&created, &format!("User {} is made ({}).", created.username, created.id))
        }
        UserCommand::Update {
            user,
            email,
            full_name,
            role,
            status,
            quota_cpu_hours,
            quota_memory_gb_hours,
            quota_own_storage,
            password_stdin,
            quota,
        } => {
            let password = if password_stdin { Some(initial_password(true)?) } else { None };
            let updated = insist(|| async {
                let now = context.user(&user).await?;
                let update = UserUpdate {
                    email: email.clone(),
                    full_name: full_name.clone(),
                    role,
                    status,
                    preferences: None,
                    quota_cpu_hours,
                    quota_memory_gb_hours,
                    quota_storage_gb: quota_own_storage,
                    quota_config: quota.over(now.quota_config)?,
                    password: password.clone(),
                };
                require_change(&update)?;
                Ok(client.user_update(now.id, &update, Some(now.generation)).await?)
            });
            out.show(&updated.await?)
        }
        UserCommand::Delete { user, confirm } => {
            let user = context.user(&user).await?;
            terminal::confirm(confirm.yes, &format!("Delete user {}?", user.username))?;
            client.user_delete(user.id).await?;
            out.done(&format!("User {} is deleted.", user.username))
        }
        UserCommand::Unlock { user } => {
            let user = client.user_unlock(context.user(&user).await?.id).await?;
            out.say(&user, &format!("User {} is unlocked.", user.username))
        }
        UserCommand::Quota { user } => {
            let report = client.user_quota(context.user(&user).await?.id).await?;
            if out.format != Format::Table {
                return out.show(&report);
            }
            print("Of the user:\n")?;
            out.rows(&report.user, QUOTA)?;
            print("\nOf the tenant:\n")?;
            out.rows(&report.tenant, QUOTA)
        }
    }
}

fn initial_password(from_stdin: bool) -> anyhow::Result<String> {
    if from_stdin {
        let [password] = terminal::lines_of_stdin(["the password"])?;
        return Ok(password);
    }
    terminal::new_password("Initial password")
}
