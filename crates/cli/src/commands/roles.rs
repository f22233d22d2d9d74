//! `permission` and `role-permission`.

use berth_types::identity::{Permission, Role, RoleGrant, RolePermissions, RolePermissionsUpdate};
use clap::Subcommand;
use serde::Serialize;

use crate::{
    context::Context,
    failure::Failure,
    output::{Column, Format, maybe},
    parse::grant,
};

#[derive(Subcommand)]
pub enum PermissionCommand {
    /// Everything that can be permitted
    List,
}

#[derive(Subcommand)]
pub enum RolePermissionCommand {
    /// What every role may do
    List,
    /// What one role may do
    Show { role: Role },
    /// Replace all that a role may do
    Replace {
        role: Role,
        /// e.g. session.read=tenant; the scope is own, tenant or any; may be repeated
        #[arg(long = "grant", value_name = "PERMISSION=SCOPE", value_parser = grant, required = true)]
        grants: Vec<RoleGrant>,
    },
    /// Let a role do more, or with another scope
    Grant {
        role: Role,
        #[arg(value_name = "PERMISSION=SCOPE", value_parser = grant, required = true)]
        grants: Vec<RoleGrant>,
    },
    /// Let a role do less
    Withdraw {
        role: Role,
        #[arg(value_name = "PERMISSION", required = true)]
        permissions: Vec<String>,
    },
}

#[derive(Serialize)]
struct Row {
    role: Role,
    grant: RoleGrant,
}

const PERMISSIONS: &[Column<Permission>] =
    &[("PERMISSION", |row| row.permission_name.clone()), ("DESCRIPTION", |row| maybe(row.description.as_ref()))];

const GRANTS: &[Column<Row>] = &[
    ("ROLE", |row| row.role.to_string()),
    ("PERMISSION", |row| row.grant.permission_name.clone()),
    ("SCOPE", |row| row.grant.scope.to_string()),
];

pub async fn permission(context: &Context, command: PermissionCommand) -> anyhow::Result<()> {
    match command {
        PermissionCommand::List => context.out.rows(&context.client.permission_list().await?, PERMISSIONS),
    }
}

pub async fn role_permission(context: &Context, command: RolePermissionCommand) -> anyhow::Result<()> {
    match command {
        RolePermissionCommand::List => {
            let roles = context.client.role_permission_list().await?;
            if context.out.format != Format::Table {
                return context.out.show(&roles);
            }
            table(context, &roles)
        }
        RolePermissionCommand::Show { role } => show(context, one(context, role).await?),
        RolePermissionCommand::Replace { role, grants } => {
            show(context, context.client.role_permission_replace(role, &RolePermissionsUpdate { grants }).await?)
        }
        RolePermissionCommand::Grant { role, grants } => {
            let mut all = one(context, role).await?.grants;
            all.retain(|old| !grants.iter().any(|new| new.permission_name == old.permission_name));
            all.extend(grants);
            show(context, context.client.role_permission_replace(role, &RolePermissionsUpdate { grants: all }).await?)
        }
        RolePermissionCommand::Withdraw { role, permissions } => {
            let mut grants = one(context, role).await?.grants;
            let missing = permissions.iter().find(|name| !grants.iter().any(|grant| grant.permission_name == **name));
            if let Some(name) = missing {
                return Err(Failure::not_found(format!("{role} does not have {name}")));
            }
            grants.retain(|grant| !permissions.contains(&grant.permission_name));
            show(context, context.client.role_permission_replace(role, &RolePermissionsUpdate { grants }).await?)
        }
    }
}

async fn one(context: &Context, role: Role) -> anyhow::Result<RolePermissions> {
    let roles = context.client.role_permission_list().await?;
    let found = roles.into_iter().find(|permissions| permissions.role == role);
    found.ok_or_else(|| Failure::not_found(format!("you may not see the role {role}")))
}

fn show(context: &Context, role: RolePermissions) -> anyhow::Result<()> {
    if context.out.format != Format::Table {
        return context.out.show(&role);
    }
    table(context, &[role])
}

fn table(context: &Context, roles: &[RolePermissions]) -> anyhow::Result<()> {
    let rows: Vec<Row> = roles
        .iter()
        .flat_map(|role| role.grants.iter().map(|grant| Row { role: role.role, grant: grant.clone() }))
        .collect();
    context.out.rows(&rows, GRANTS)
}
