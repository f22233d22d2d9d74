//! What people do to their own account: profile, password, API tokens.

use berth_store::{self as store, identity::NewLogin};
use berth_types::{
    Error,
    audit::AuditStatus,
    identity::{
        ApiTokenCreate, ApiTokenCreated, LoginKind, PasswordChange, Profile, ProfileUpdate, RoleGrant, Scope, User,
        UserUpdate, check_password,
    },
    validate::Checker,
};
use chrono::TimeDelta;

use super::{
    door::{hash_password, verify_password},
    logins::{Guess, barred, entry, weigh},
    quotas::quota_report,
    roles::parse_permission,
};
use crate::{
    api::call::{Call, Caller, Write},
    app::{After, AppResult},
    keyring::{random_token, token_hash},
};

/// Refuses tokens of programs what concerns the account itself: a token must not outlive or outgrow itself.
pub(super) fn in_person(caller: &Caller) -> AppResult<()> {
    match caller.kind {
        LoginKind::ApiToken => Err(Error::forbidden("An API token cannot do this. Log in with your password.").into()),
        LoginKind::Browser | LoginKind::Cli => Ok(()),
    }
}

/// `GET /profile`
///
/// # Errors
/// The database is away.
pub async fn profile(call: &Call) -> AppResult<Profile> {
    let caller = &call.caller;
    let record = store::identity::user_record(call.db(), Scope::Platform, caller.user).await?;
    let tenant = store::identity::tenant_get(call.db(), Scope::Platform, caller.tenant).await?;
    let grants = call.app.grants();
    let mut grants: Vec<RoleGrant> = grants
        .iter()
        .filter(|((role, ..), _)| *role == caller.role)
        .map(|((_, resource, action), scope)| RoleGrant {
            permission_name: format!("{resource}.{action}"),
            scope: *scope,
        })
        .filter(|grant| caller.only.is_empty() || caller.only.contains(&grant.permission_name))
        .collect();
    grants.sort_by(|a, b| a.permission_name.cmp(&b.permission_name));
    let quota = quota_report(call, &record, &tenant).await?;
    Ok(Profile { user: store::identity::user_of(record), tenant, grants, quota })
}

/// `PATCH /profile`
///
/// # Errors
/// `invalid_value`, `precondition_failed`, `already_exists` for the address.
pub async fn profile_update(write: &mut Write<'_>, request: ProfileUpdate) -> AppResult<User> {
    let call = write.call;
    in_person(&call.caller)?;
    let update = UserUpdate {
        email: request.email,
        full_name: request.full_name,
        preferences: request.preferences,
        ..UserUpdate::default()
    };
    update.validate()?;
    write.subject(call.caller.user);
    let own = Scope::Own(call.caller.tenant, call.caller.user);
    Ok(store::identity::user_update(&write.tx, own, call.caller.user, &update, None, call.if_match, call.now).await?)
}

/// `POST /profile/password`. Takes no transaction from the wrapper: a wrong password is counted and written down too.
///
/// # Errors
/// `invalid_value` naming the field, `rate_limited` after too many wrong ones.
pub async fn password_change(call: &Call, request: PasswordChange) -> AppResult<String> {
    in_person(&call.caller)?;
    let mut checker = Checker::new();
    check_password("new_password", &request.new_password, &mut checker);
    checker.require(
        request.new_password != request.current_password,
        "new_password",
        "must differ from the present one",
    );
    checker.require(request.current_password.len() <= 4 * 256, "current_password", "must have at most 256 characters");
    checker.finish()?;
    let (app, now, origin) = (&call.app, call.now, &call.origin);
    let seen = store::identity::user_record(call.db(), Scope::Platform, call.caller.user).await?;
    if let Some(until) = store::identity::barred_until(call.db(), seen.id, &origin.client_ip, now).await? {
        return Err(barred(until, now));
    }
    if !verify_password(app, Some(seen.password_hash.clone()), request.current_password).await? {
        let tx = app.store.begin().await?;
        let mut after = After::default();
        let guess = weigh(&tx, &seen, &origin.client_ip, false, &mut after, now).await?;
        let reason = if matches!(guess, Guess::Barred(_)) { "address_barred" } else { "wrong_password" };
        let audit = entry(origin, call.route, Some(&seen), &seen.username, AuditStatus::Failure, reason);
        store::audit::insert(&tx, audit, now).await?;
        tx.commit().await?;
        after.run(app);
        return Err(match guess {
            Guess::Barred(until) => barred(until, now),
            _ => Error::invalid("current_password", "is not your present password").into(),
        });
    }
    hash_password(app, &request.new_password).await
}

/// The second half of [`password_change`]: the new hash goes in, and every other login ends.
///
/// # Errors
/// The database is away.
pub async fn password_set(write: &mut Write<'_>, hash: String) -> AppResult<()> {
    let call = write.call;
    let user = call.caller.user;
    write.subject(user);
    store::identity::set_password(&write.tx, user, hash, false, call.now).await?;
    let ended = store::identity::logins_revoke(&write.tx, user, Some(call.caller.login), call.now).await?;
    write.detail("logins_ended", ended);
    Ok(())
}

/// `POST /api-tokens`
///
/// # Errors
/// `invalid_value` for a permission that does not exist or that the caller does not have.
pub async fn api_token_create(write: &mut Write<'_>, request: ApiTokenCreate) -> AppResult<ApiTokenCreated> {
    let call = write.call;
    in_person(&call.caller)?;
    request.validate()?;
    let mut permissions = request.permissions;
    permissions.sort();
    permissions.dedup();
    let grants = call.app.grants();
    for name in &permissions {
        let (resource, action) = parse_permission(name).ok_or_else(|| {
            Error::invalid(
                "permissions",
                format!("there is no permission {name:?}; GET /api/v1/permissions lists them"),
            )
        })?;
        if !grants.contains_key(&(call.caller.role, resource, action)) {
            return Err(
                Error::invalid("permissions", format!("your role {} does not have {name}", call.caller.role)).into()
            );
        }
    }
    // The prefix lets scanners of leaked secrets know it.
    let token = format!("berth_{}", random_token());
    let expires_at = call.now + TimeDelta::days(request.expires_in_days);
    let login = NewLogin {
        tenant_id: call.caller.tenant,
        user_id: call.caller.user,
        kind: LoginKind::ApiToken,
        name: Some(request.name),
        session_token_hash: token_hash(&token),
        refresh_token_hash: None,
        csrf_hash: None,
        permissions,
        access_expires_at: expires_at,
        expires_at,
        client_ip: Some(call.origin.client_ip.clone()),
        user_agent: call.origin.user_agent.clone(),
    };
    let login = store::identity::login_insert(&write.tx, login, call.now).await?;
    write.subject(login.id);
    write.detail("name", login.name.clone().unwrap_or_default());
    Ok(ApiTokenCreated { token, login })
}
