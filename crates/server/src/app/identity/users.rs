//! Rules of users: nobody handles a role above their own, nobody takes away their own rights, one admin always stays.

use berth_store::{
    self as store, Tx,
    identity::{NewUser, UserRecord},
};
use berth_types::{
    Error, UserId,
    identity::{Role, Scope, User, UserCreate, UserStatus, UserUpdate},
};

use super::account::in_person;
use crate::{
    api::call::{Call, Write},
    app::AppResult,
};

/// How high a role stands: nobody gives or handles one above their own.
fn standing(role: Role) -> u8 {
    match role {
        Role::Readonly => 0,
        Role::User => 1,
        Role::Teacher => 2,
        Role::TenantAdmin => 3,
        Role::Operator => 4,
        Role::Admin => 5,
    }
}

/// Whether `actor` may give the role `subject`, or change somebody who has it. Those who run the installation are made
/// and changed by admins alone.
pub(super) fn may_handle(actor: Role, subject: Role) -> bool {
    match (actor, subject) {
        (Role::Admin, _) => true,
        (_, Role::Admin | Role::Operator) => false,
        _ => standing(subject) <= standing(actor),
    }
}

fn must_handle(call: &Call, role: Role) -> AppResult<()> {
    if may_handle(call.caller.role, role) {
        return Ok(());
    }
    Err(Error::forbidden(format!("The role {} may not make or change users with the role {role}.", call.caller.role))
        .into())
}

/// `POST /users`; the password is hashed already.
///
/// # Errors
/// `invalid_value`, `forbidden`, `already_exists`.
pub async fn user_create(write: &mut Write<'_>, request: UserCreate, password_hash: String) -> AppResult<User> {
    let call = write.call;
    must_handle(call, request.role)?;
    let tenant = request.tenant_id.unwrap_or(call.caller.tenant);
    if !call.scope.covers(tenant, None) || store::identity::tenant_get(&write.tx, call.scope, tenant).await.is_err() {
        return Err(Error::invalid("tenant_id", "there is no such tenant, or you may not add users to it").into());
    }
    let user = NewUser {
        tenant_id: tenant,
        username: request.username,
        email: request.email,
        full_name: request.full_name,
        role: request.role,
        password_hash,
        must_change_password: true,
        quota_storage_gb: request.quota_storage_gb,
        quota_config: request.quota_config,
    };
    let user = store::identity::user_insert(&write.tx, user, call.now).await?;
    write.subject(user.id);
    write.detail("username", &user.username);
    write.detail("role", user.role);
    Ok(user)
}

/// What an update would do to the caller's own account, if that is what it is about.
fn check_own_update(call: &Call, before: &UserRecord, request: &UserUpdate) -> AppResult<()> {
    if before.id != call.caller.user {
        return Ok(());
    }
    if request.password.is_some() {
        return Err(Error::forbidden("Change your own password with POST /api/v1/profile/password.").into());
    }
    if request.role.is_some_and(|role| role != before.role)
        || request.status.is_some_and(|status| status != before.status)
    {
        return Err(Error::conflict("Nobody changes their own role or status. Ask another administrator.").into());
    }
    let quotas = request.quota_cpu_hours.is_some()
        || request.quota_memory_gb_hours.is_some()
        || request.quota_storage_gb.is_some()
        || request.quota_config.is_some();
    if quotas && matches!(call.scope, Scope::Own(..)) {
        return Err(Error::forbidden("Your quota is set by an administrator.").into());
    }
    Ok(())
}

/// `PATCH /users/{id}`; the hash is that of `request.password`.
///
/// # Errors
/// `not_found`, `forbidden`, `state_conflict`, `precondition_failed`, `already_exists`.
pub async fn user_update(
    write: &mut Write<'_>,
    id: UserId,
    request: UserUpdate,
    password_hash: Option<String>,
) -> AppResult<User> {
    let call = write.call;
    let before = store::identity::user_record(&write.tx, call.scope, id).await?;
    check_own_update(call, &before, &request)?;
    if id == call.caller.user {
        in_person(&call.caller)?;
    } else {
        must_handle(call, before.role)?;
    }
    if let Some(role) = request.role.filter(|role| *role != before.role) {
        must_handle(call, role)?;
    }
    let loses_admin = request.role.is_some_and(|role| role != Role::Admin)
        || request.status.is_some_and(|status| status != UserStatus::Active);
    if before.role == Role::Admin && loses_admin {
        keep_an_admin(&write.tx, id).await?;
    }
    let after =
        store::identity::user_update(&write.tx, call.scope, id, &request, password_hash, call.if_match, call.now)
            .await?;
    write.subject(id);
    write.detail("username", &after.username);
    if request.role.is_some() {
        write.detail("role", after.role);
    }
    if request.status.is_some() {
        write.detail("status", after.status);
    }
    if request.password.is_some() || after.status != UserStatus::Active {
        let ended = store::identity::logins_revoke(&write.tx, id, None, call.now).await?;
        write.detail("logins_ended", ended);
    }
    Ok(after)
}

/// Refuses what would leave the installation without an admin who can log in.
async fn keep_an_admin(tx: &Tx, except: UserId) -> AppResult<()> {
    if store::identity::other_admins(tx, except).await? == 0 {
        return Err(Error::conflict("This is the last active admin. Make another one first.").into());
    }
    Ok(())
}

/// `DELETE /users/{id}`
///
/// # Errors
/// `not_found`, `forbidden`, `in_use` while they run something, `state_conflict`, `precondition_failed`.
pub async fn user_delete(write: &mut Write<'_>, id: UserId) -> AppResult<()> {
    let call = write.call;
    let user = store::identity::user_record(&write.tx, call.scope, id).await?;
    if id == call.caller.user {
        return Err(Error::conflict("Nobody deletes themselves. Ask another administrator.").into());
    }
    must_handle(call, user.role)?;
    if user.role == Role::Admin {
        keep_an_admin(&write.tx, id).await?;
    }
    store::identity::user_delete(&write.tx, call.scope, id, call.if_match, call.now).await?;
    write.subject(id);
    write.detail("username", &user.username);
    Ok(())
}

/// `POST /users/{id}/unlock`
///
/// # Errors
/// `not_found`, `forbidden`.
pub async fn user_unlock(write: &mut Write<'_>, id: UserId) -> AppResult<User> {
    let call = write.call;
    let user = store::identity::user_record(&write.tx, call.scope, id).await?;
    if id == call.caller.user {
        return Err(Error::conflict("You are logged in: there is nothing to unlock.").into());
    }
    must_handle(call, user.role)?;
    write.subject(id);
    write.detail("username", &user.username);
    Ok(store::identity::user_unlock(&write.tx, call.scope, id, call.now).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_handles_a_role_above_their_own() {
        for &actor in Role::ALL {
            for &subject in Role::ALL {
                let infrastructure = matches!(subject, Role::Admin | Role::Operator);
                let expected = actor == Role::Admin || (!infrastructure && standing(subject) <= standing(actor));
                assert_eq!(may_handle(actor, subject), expected, "{actor} {subject}");
            }
        }
        assert!(!may_handle(Role::Operator, Role::Operator));
        assert!(may_handle(Role::TenantAdmin, Role::TenantAdmin));
        assert!(!may_handle(Role::Teacher, Role::TenantAdmin));
    }
}
