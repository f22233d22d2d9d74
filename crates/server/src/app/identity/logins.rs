//! Logging in, staying logged in, logging out.
//!
//! A password is checked before any transaction begins, because its hash is slow on purpose; the transaction then looks
//! again, under the lock of the account, at all that the check relied on.

use berth_store::{
    self as store, Tx,
    events::NewEvent,
    identity::{NewLogin, Refresh, Rotation, UserRecord},
};
use berth_types::{
    Error, ErrorCode, StringMap, Timestamp, UserSessionId,
    audit::AuditStatus,
    events::EventSeverity,
    identity::{LoginKind, LoginRequest, LoginResponse, Scope, TenantStatus, User, UserStatus},
};
use chrono::TimeDelta;

use super::{
    account::in_person,
    door::{FAILURES_IN_A_ROW, bar_minutes, verify_password},
};
use crate::{
    api::{
        access,
        call::{CSRF_HEADER, Origin, REFRESH_COOKIE, Visitor, Write, cookie},
    },
    app::{After, AppError, AppResult, events},
    keyring::{random_token, token_hash},
};

/// Minutes an access token works.
const ACCESS_MINUTES: i64 = 15;
/// Days a refresh token works.
const REFRESH_DAYS: i64 = 30;
/// Wrong passwords within an hour, from anywhere, that lock the account.
const FAILURES_PER_HOUR: u64 = 30;
/// Minutes such a lock lasts: as long as the failures are counted.
const LOCK_MINUTES: i64 = 60;

/// The secrets of a login as they are handed out, once.
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub csrf: String,
    pub access_expires_at: Timestamp,
    pub refresh_expires_at: Timestamp,
}

impl Tokens {
    fn new(now: Timestamp) -> Self {
        Self {
            access: random_token(),
            refresh: random_token(),
            csrf: random_token(),
            access_expires_at: now + TimeDelta::minutes(ACCESS_MINUTES),
            refresh_expires_at: now + TimeDelta::days(REFRESH_DAYS),
        }
    }

    /// What the body says: a browser's tokens are in its cookies, out of reach of scripts.
    fn response(&self, kind: LoginKind, user: User) -> LoginResponse {
        let browser = kind == LoginKind::Browser;
        LoginResponse {
            access_token: (!browser).then(|| self.access.clone()),
            refresh_token: (!browser).then(|| self.refresh.clone()),
            csrf_token: browser.then(|| self.csrf.clone()),
            access_expires_at: self.access_expires_at,
            refresh_expires_at: self.refresh_expires_at,
            user,
        }
    }
}

/// A login that succeeded.
pub struct LoggedIn {
    pub response: LoginResponse,
    /// For browsers: what their cookies hold.
    pub cookies: Option<Tokens>,
}

impl LoggedIn {
    fn new(tokens: Tokens, kind: LoginKind, user: User) -> Self {
        Self { response: tokens.response(kind, user), cookies: (kind == LoginKind::Browser).then_some(tokens) }
    }
}

fn wrong_credentials() -> AppError {
    Error::new(ErrorCode::InvalidCredentials, "The username or the password is wrong.").into()
}

pub(super) fn barred(until: Timestamp, now: Timestamp) -> AppError {
    let seconds = u64::try_from((until - now).num_milliseconds()).unwrap_or(0).div_ceil(1000).max(1);
    let minutes = seconds.div_ceil(60);
    let text = format!(
        "Too many wrong passwords. Try again in {minutes} minutes; `berth admin unlock` on the server ends the wait."
    );
    Error::new(ErrorCode::RateLimited, text).with_retry_after(seconds).into()
}

/// Names that could be somebody's; others are not even looked up.
fn plausible(username: &str) -> bool {
    (1..=254).contains(&username.len()) && !username.chars().any(char::is_control)
}

/// `POST /auth/login`
///
/// # Errors
/// `invalid_credentials`, `rate_limited` while the address is barred, `forbidden` for a right password of somebody who
/// may not log in.
pub async fn login(visitor: &Visitor, request: LoginRequest) -> AppResult<LoggedIn> {
    let Visitor { app, origin, now, .. } = visitor;
    let now = *now;
    if request.kind == LoginKind::ApiToken {
        return Err(
            Error::invalid("kind", "must be browser or cli; API tokens are made with POST /api/v1/api-tokens").into()
        );
    }
    if request.password.len() > 4 * 256 {
        return Err(Error::invalid("password", "must have at most 256 characters").into());
    }
    // What cannot be a name is neither looked up nor remembered, however long it is.
    let name = Some(request.username.to_ascii_lowercase()).filter(|name| plausible(name)).unwrap_or_default();
    let known = match name.as_str() {
        "" => None,
        name => store::identity::user_by_name(app.store.reader(), name).await?,
    };
    let until = match &known {
        Some(user) => store::identity::barred_until(app.store.reader(), user.id, &origin.client_ip, now).await?,
        None => app.door.stranger_barred_until(&name, &origin.client_ip, now),
    };
    if let Some(until) = until {
        note_refusal(visitor, known.as_ref(), &name, AuditStatus::Denied, "address_barred").await?;
        return Err(barred(until, now));
    }
    let right = verify_password(app, known.as_ref().map(|user| user.password_hash.clone()), request.password).await?;
    let Some(seen) = known else {
        app.door.note_stranger(&name, &origin.client_ip, now);
        note_refusal(visitor, None, &name, AuditStatus::Failure, "unknown_user").await?;
        return Err(wrong_credentials());
    };
    let tx = app.store.begin().await?;
    let mut after = After::default();
    let guess = weigh(&tx, &seen, &origin.client_ip, right, &mut after, now).await?;
    let (status, reason, error) = match guess {
        Guess::Right(user) => {
            let tenant = store::identity::tenant_get(&tx, Scope::Platform, user.tenant_id).await?;
            match refusal(&user, tenant.status, now) {
                None => return admit(visitor, tx, *user, request.kind).await,
                Some((reason, text)) => (AuditStatus::Denied, reason, Error::forbidden(text).into()),
            }
        }
        Guess::Wrong(reason) => (AuditStatus::Failure, reason, wrong_credentials()),
        Guess::Barred(until) => (AuditStatus::Denied, "address_barred", barred(until, now)),
    };
    store::audit::insert(&tx, entry(origin, visitor.route, Some(&seen), &name, status, reason), now).await?;
    tx.commit().await?;
    after.run(app);
    Err(error)
}

async fn admit(visitor: &Visitor, tx: Tx, user: UserRecord, kind: LoginKind) -> AppResult<LoggedIn> {
    let Visitor { origin, now, .. } = visitor;
    let tokens = Tokens::new(*now);
    let login = NewLogin {
        tenant_id: user.tenant_id,
        user_id: user.id,
        kind,
        name: None,
        session_token_hash: token_hash(&tokens.access),
        refresh_token_hash: Some(token_hash(&tokens.refresh)),
        csrf_hash: (kind == LoginKind::Browser).then(|| token_hash(&tokens.csrf)),
        permissions: Vec::new(),
        access_expires_at: tokens.access_expires_at,
        expires_at: tokens.refresh_expires_at,
        client_ip: Some(origin.client_ip.clone()),
        user_agent: origin.user_agent.clone(),
    };
    let shown = store::identity::note_login(&tx, user.id, &origin.client_ip, *now).await?;
    let login = store::identity::login_insert(&tx, login, *now).await?;
    let mut audit = entry(origin, visitor.route, Some(&user), &user.username, AuditStatus::Success, kind.as_str());
    audit.resource_id = Some(login.id.0);
    store::audit::insert(&tx, audit, *now).await?;
    tx.commit().await?;
    Ok(LoggedIn::new(tokens, kind, shown))
}

/// What a password turned out to be, under the lock of its account.
pub(super) enum Guess {
    Right(Box<UserRecord>),
    /// Why, for the audit row.
    Wrong(&'static str),
    /// Another wrong one came first and was one too many.
    Barred(Timestamp),
}

/// Counts a guess. The account's row is locked, so that guesses made at the same moment are weighed one after another.
pub(super) async fn weigh(
    tx: &Tx,
    seen: &UserRecord,
    client_ip: &str,
    right: bool,
    after: &mut After,
    now: Timestamp,
) -> AppResult<Guess> {
    store::allocations::lock_quotas(tx, &[], &[seen.id]).await?;
    if let Some(until) = store::identity::barred_until(tx, seen.id, client_ip, now).await? {
        return Ok(Guess::Barred(until));
    }
    let user = match store::identity::user_record(tx, Scope::Platform, seen.id).await {
        Ok(user) => user,
        Err(store::StoreError::NotFound(_)) => return Ok(Guess::Wrong("deleted")),
        Err(error) => return Err(error.into()),
    };
    if user.password_hash != seen.password_hash {
        return Ok(Guess::Wrong("password_just_changed"));
    }
    if right {
        return Ok(Guess::Right(Box::new(user)));
    }
    let failures = store::identity::note_login_failure(tx, user.id, client_ip, now).await?;
    if failures.in_a_row >= FAILURES_IN_A_ROW {
        let until = now + TimeDelta::minutes(bar_minutes(failures.bar_level));
        store::identity::bar_address(tx, user.id, client_ip, until, failures.bar_level + 1).await?;
    }
    if failures.within_hour >= FAILURES_PER_HOUR && user.status == UserStatus::Active {
        store::identity::lock_user(tx, user.id, Some(now + TimeDelta::minutes(LOCK_MINUTES)), now).await?;
        let text = format!(
            "{} had {FAILURES_PER_HOUR} wrong passwords within an hour and is locked for {LOCK_MINUTES} minutes.",
            user.username
        );
        let event = NewEvent {
            severity: EventSeverity::Warning,
            tenant_id: Some(user.tenant_id),
            user_id: Some(user.id),
            ..NewEvent::new("account_locked", text)
        };
        events::note(tx, after, event, now).await?;
    }
    Ok(Guess::Wrong("wrong_password"))
}

/// Why somebody may not log in although the password is right: a word for the audit row and a text for them.
fn refusal(user: &UserRecord, tenant: TenantStatus, now: Timestamp) -> Option<(&'static str, String)> {
    if tenant == TenantStatus::Suspended {
        return Some((
            "tenant_suspended",
            "Your tenant is suspended. Ask the administrator of this installation.".to_owned(),
        ));
    }
    match (user.status, user.account_locked_until) {
        (UserStatus::Active, _) => None,
        (UserStatus::Locked, Some(until)) if until <= now => None,
        (UserStatus::Locked, Some(until)) => {
            let until = until.format("%Y-%m-%d %H:%M");
            Some((
                "account_locked",
                format!(
                    "This account is locked until {until} UTC because of wrong passwords. An administrator can unlock it."
                ),
            ))
        }
        (UserStatus::Locked, None) => {
            Some(("account_locked", "This account is locked. An administrator can unlock it.".to_owned()))
        }
        (UserStatus::Inactive, _) => {
            Some(("account_inactive", "This account is switched off. Ask an administrator.".to_owned()))
        }
    }
}

async fn note_refusal(
    visitor: &Visitor,
    user: Option<&UserRecord>,
    name: &str,
    status: AuditStatus,
    reason: &str,
) -> AppResult<()> {
    let tx = visitor.app.store.begin().await?;
    store::audit::insert(&tx, entry(&visitor.origin, visitor.route, user, name, status, reason), visitor.now).await?;
    tx.commit().await?;
    Ok(())
}

pub(super) fn entry(
    origin: &Origin,
    route: &str,
    user: Option<&UserRecord>,
    username: &str,
    status: AuditStatus,
    reason: &str,
) -> store::audit::NewAudit {
    let username: String = username.chars().filter(|c| !c.is_control()).take(63).collect();
    store::audit::NewAudit {
        tenant_id: user.map(|user| user.tenant_id),
        user_id: user.map(|user| user.id),
        username: user.map_or(username, |user| user.username.clone()),
        action: route.to_owned(),
        resource_type: access::subject(route).to_owned(),
        resource_id: None,
        details: StringMap::from([("reason".to_owned(), reason.to_owned())]),
        ip_address: Some(origin.client_ip.clone()),
        user_agent: origin.user_agent.clone(),
        request_id: Some(origin.request_id.clone()),
        status,
    }
}

/// `POST /auth/refresh`: new tokens for the refresh token in the body, or else in the browser's cookie.
///
/// # Errors
/// `unauthenticated` for a token that is not in force. One that was in force before has been copied: its login ends.
/// `csrf_required` for a cookie without its header.
pub async fn refresh(visitor: &Visitor, token: Option<String>) -> AppResult<LoggedIn> {
    let Visitor { app, origin, now, headers, .. } = visitor;
    let now = *now;
    let again = || {
        AppError(Error::new(
            ErrorCode::Unauthenticated,
            "The refresh token is unknown, has expired or was revoked. Log in again.",
        ))
    };
    let by_cookie = token.is_none();
    let token = token
        .or_else(|| cookie(headers, REFRESH_COOKIE))
        .filter(|token| (16..=256).contains(&token.len()))
        .ok_or_else(again)?;
    let hash = token_hash(&token);
    let tx = app.store.begin().await?;
    let row = match store::identity::login_by_refresh(&tx, &hash, now).await? {
        None => return Err(again()),
        Some(Refresh::Current(row)) => row,
        Some(Refresh::Reused(row)) => {
            store::identity::login_revoke(&tx, row.user_id, row.id, now).await?;
            let user = store::identity::user_record(&tx, Scope::Platform, row.user_id).await?;
            let text = format!(
                "A refresh token of {} was used a second time: somebody may have copied it. That login was ended.",
                user.username
            );
            let event = NewEvent {
                severity: EventSeverity::Warning,
                tenant_id: Some(user.tenant_id),
                user_id: Some(user.id),
                ..NewEvent::new("refresh_token_reused", text)
            };
            let mut after = After::default();
            events::note(&tx, &mut after, event, now).await?;
            let mut audit =
                entry(origin, visitor.route, Some(&user), &user.username, AuditStatus::Denied, "refresh_token_reused");
            audit.resource_id = Some(row.id.0);
            store::audit::insert(&tx, audit, now).await?;
            tx.commit().await?;
            after.run(app);
            return Err(again());
        }
    };
    if by_cookie {
        if row.kind != LoginKind::Browser {
            return Err(again());
        }
        let sent = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok()).map(token_hash);
        if sent.is_none() || sent != row.csrf_hash {
            return Err(Error::new(
                ErrorCode::CsrfRequired,
                "Repeat the login's csrf_token in the header X-Berth-CSRF.",
            )
            .into());
        }
    }
    let user = store::identity::user_record(&tx, Scope::Platform, row.user_id).await.map_err(|_| again())?;
    let tenant = store::identity::tenant_get(&tx, Scope::Platform, user.tenant_id).await?;
    if refusal(&user, tenant.status, now).is_some() {
        return Err(again());
    }
    let tokens = Tokens::new(now);
    let rotation = Rotation {
        session_token_hash: token_hash(&tokens.access),
        refresh_token_hash: token_hash(&tokens.refresh),
        csrf_hash: (row.kind == LoginKind::Browser).then(|| token_hash(&tokens.csrf)),
        access_expires_at: tokens.access_expires_at,
        expires_at: tokens.refresh_expires_at,
    };
    store::identity::login_rotate(&tx, row.id, &hash, rotation, now).await?;
    let mut audit = entry(origin, visitor.route, Some(&user), &user.username, AuditStatus::Success, row.kind.as_str());
    audit.resource_id = Some(row.id.0);
    store::audit::insert(&tx, audit, now).await?;
    tx.commit().await?;
    Ok(LoggedIn::new(tokens, row.kind, store::identity::user_of(user)))
}

/// `POST /auth/logout`: ends the login that the request came by.
///
/// # Errors
/// The database is away.
pub async fn logout(write: &mut Write<'_>) -> AppResult<()> {
    let caller = &write.call.caller;
    write.subject(caller.login);
    match store::identity::login_revoke(&write.tx, caller.user, caller.login, write.call.now).await {
        // Another request ended it first.
        Ok(()) | Err(store::StoreError::NotFound(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// `DELETE /logins/{id}`
///
/// # Errors
/// `not_found`.
pub async fn login_revoke(write: &mut Write<'_>, id: UserSessionId) -> AppResult<()> {
    let call = write.call;
    if id != call.caller.login {
        in_person(&call.caller)?;
    }
    write.subject(id);
    Ok(store::identity::login_revoke(&write.tx, call.caller.user, id, call.now).await?)
}

#[cfg(test)]
mod tests {
    use berth_types::{
        TenantId, UserId,
        identity::{QuotaConfig, Role},
    };

    use super::*;

    #[test]
    fn a_right_password_is_not_enough() {
        let now = Timestamp::UNIX_EPOCH;
        let user = |status, until| UserRecord {
            id: UserId::new(),
            tenant_id: TenantId::new(),
            username: "ada".to_owned(),
            email: None,
            full_name: None,
            password_hash: String::new(),
            role: Role::User,
            status,
            must_change_password: false,
            last_login_at: None,
            failed_login_attempts: 0,
            account_locked_until: until,
            preferences: store::Json(StringMap::new()),
            quota_cpu_millicore_seconds: None,
            quota_memory_mib_seconds: None,
            quota_storage_mib: None,
            quota_config: store::Json(QuotaConfig::default()),
            generation: 1,
            created_at: now,
            updated_at: now,
            deleted_at: None,
        };
        let word = |user: &UserRecord, tenant| refusal(user, tenant, now).map(|(word, _)| word);
        let active = user(UserStatus::Active, None);
        assert_eq!(word(&active, TenantStatus::Active), None);
        assert_eq!(word(&active, TenantStatus::Inactive), None);
        assert_eq!(word(&active, TenantStatus::Suspended), Some("tenant_suspended"));
        assert_eq!(word(&user(UserStatus::Inactive, None), TenantStatus::Active), Some("account_inactive"));
        assert_eq!(word(&user(UserStatus::Locked, None), TenantStatus::Active), Some("account_locked"));
        let later = now + TimeDelta::seconds(1);
        assert_eq!(word(&user(UserStatus::Locked, Some(later)), TenantStatus::Active), Some("account_locked"));
        assert_eq!(word(&user(UserStatus::Locked, Some(now)), TenantStatus::Active), None);
    }
}
