//! The one wrapper of every handler: a [`Call`] exists only for a caller who is logged in and may do what the route
//! does, and a [`Write`] commits a change only together with its audit row and its idempotency key.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, FromRequestParts, MatchedPath},
    response::{IntoResponse, Response},
};
use berth_store::{self as store, Tx};
use berth_types::{
    Error, ErrorCode, TenantId, Timestamp, UserId, UserSessionId,
    audit::AuditStatus,
    identity::{LoginKind, PermissionAction, PermissionScope, ResourceType, Role, Scope},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use serde::Serialize;
use uuid::Uuid;

use super::{
    access::{self, Access},
    frame::{BodyDigest, Fail, Reply, RequestId},
};
use crate::{
    app::{After, App, AppError, AppResult},
    keyring::token_hash,
};

/// Cookie of a browser's access token.
pub const ACCESS_COOKIE: &str = "berth_access";
/// Cookie of a browser's refresh token; sent only to the login routes.
pub const REFRESH_COOKIE: &str = "berth_refresh";
/// Readable by the console, which repeats it in [`CSRF_HEADER`].
pub const CSRF_COOKIE: &str = "berth_csrf";
pub const CSRF_HEADER: &str = "x-berth-csrf";

/// Where a request comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    pub request_id: String,
    pub client_ip: String,
    pub user_agent: Option<String>,
}

/// Somebody who need not be logged in.
pub struct Visitor {
    pub app: Arc<App>,
    pub route: &'static str,
    pub origin: Origin,
    pub now: Timestamp,
    pub headers: HeaderMap,
}

/// Who calls.
#[derive(Clone, Debug)]
pub struct Caller {
    pub user: UserId,
    pub tenant: TenantId,
    pub username: String,
    pub role: Role,
    pub login: UserSessionId,
    pub kind: LoginKind,
    /// The permissions an API token is limited to; empty: all of the user's.
    pub only: Vec<String>,
}

/// A caller who may do what the route does, within `scope`.
pub struct Call {
    pub app: Arc<App>,
    pub route: &'static str,
    pub caller: Caller,
    pub scope: Scope,
    pub origin: Origin,
    pub now: Timestamp,
    /// Generation from `If-Match`.
    pub if_match: Option<i64>,
    idempotency: Option<(String, String)>,
}

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = Fail;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Fail> {
        let (route, _) = matched(parts)?;
        Ok(Self { app: app.clone(), route, origin: origin(parts, app), now: app.now(), headers: parts.headers.clone() })
    }
}

impl FromRequestParts<Arc<App>> for Call {
    type Rejection = Fail;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Fail> {
        let (route, access) = matched(parts)?;
        let origin = origin(parts, app);
        let now = app.now();
        let (caller, must_change_password) = authenticate(parts, app, now).await?;
        if must_change_password && !matches!(route, "password_change" | "profile_get" | "auth_logout") {
            return Err(Error::new(
                ErrorCode::PasswordChangeRequired,
                "This password was given to you and has to be changed: POST /api/v1/profile/password, or `berth password`.",
            )
            .into());
        }
        let scope = match access {
            Access::Public | Access::LoggedIn => Some(Scope::Own(caller.tenant, caller.user)),
            Access::Permission(resource, action) => reach(app, &caller, resource, action),
        };
        let Some(scope) = scope else {
            if parts.method != Method::GET {
                deny(app, &caller, &origin, route, now).await?;
            }
            let Access::Permission(resource, action) = access else {
                return Err(Error::internal("no permission to lack").into());
            };
            return Err(Error::forbidden(format!(
                "This needs the permission {resource}.{action}, which the role {} does not have. Ask an administrator.",
                caller.role
            ))
            .into());
        };
        let idempotency = idempotency(parts, app)?;
        Ok(Self {
            app: app.clone(),
            route,
            caller,
            scope,
            origin,
            now,
            if_match: if_match(&parts.headers)?,
            idempotency,
        })
    }
}

fn matched(parts: &Parts) -> Result<(&'static str, Access), Fail> {
    let path = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
    access::of(&parts.method, path)
        .ok_or_else(|| Error::internal(format!("route {} {path} has no entry in api/access.rs", parts.method)).into())
}

fn origin(parts: &Parts, app: &App) -> Origin {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let forwarded = parts.headers.get("x-forwarded-for").and_then(|value| value.to_str().ok()).and_then(|list| {
        list.rsplit(',').map(str::trim).find(|ip| ip.parse().is_ok_and(|ip| !app.config.trusted_proxies.contains(&ip)))
    });
    let client_ip = match (peer, forwarded) {
        (Some(peer), Some(client)) if app.config.trusted_proxies.contains(&peer) => client.to_owned(),
        (Some(peer), _) => peer.to_string(),
        (None, _) => "unknown".to_owned(),
    };
    let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    Origin {
        request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default(),
        client_ip,
        user_agent: agent.map(|text| text.chars().take(255).collect()),
    }
}

async fn authenticate(parts: &Parts, app: &App, now: Timestamp) -> Result<(Caller, bool), Fail> {
    let bearer = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer ")));
    let by_cookie = bearer.is_none();
    let token = bearer.map(str::to_owned).or_else(|| cookie(&parts.headers, ACCESS_COOKIE));
    let absent =
        || Error::new(ErrorCode::Unauthenticated, "Log in with `berth login`, or send Authorization: Bearer <token>.");
    let token = token.filter(|token| (16..=256).contains(&token.len())).ok_or_else(absent)?;
    let login =
        store::identity::login_by_token(app.store.reader(), &token_hash(&token), now).await.map_err(AppError::from)?;
    let login = login.ok_or_else(|| {
        Error::new(ErrorCode::Unauthenticated, "This token is unknown, has expired or was revoked. Log in again.")
    })?;
    if by_cookie && login.kind != LoginKind::Browser {
        return Err(absent().into());
    }
    if by_cookie && !matches!(parts.method, Method::GET | Method::HEAD) {
        let sent = parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok()).map(token_hash);
        if sent.is_none() || sent != login.csrf_hash {
            return Err(Error::new(
                ErrorCode::CsrfRequired,
                "Repeat the login's csrf_token in the header X-Berth-CSRF.",
            )
            .into());
        }
    }
    app.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(login.id, now);
    let caller = Caller {
        user: login.user_id,
        tenant: login.tenant_id,
        username: login.username,
        role: login.role,
        login: login.id,
        kind: login.kind,
        only: login.permissions,
    };
    Ok((caller, login.must_change_password))
}

/// A cookie's value.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(';'))
        .find_map(|pair| pair.trim().split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()))
}

/// How far the caller reaches with that permission; `None`: not at all.
pub fn reach(app: &App, caller: &Caller, resource: ResourceType, action: PermissionAction) -> Option<Scope> {
    if !caller.only.is_empty() && !caller.only.iter().any(|name| *name == format!("{resource}.{action}")) {
        return None;
    }
    Some(match *app.grants().get(&(caller.role, resource, action))? {
        PermissionScope::Any => Scope::Platform,
        PermissionScope::Tenant => Scope::Tenant(caller.tenant),
        PermissionScope::Own => Scope::Own(caller.tenant, caller.user),
    })
}

/// Writes down that somebody tried what they may not.
async fn deny(app: &App, caller: &Caller, origin: &Origin, route: &str, now: Timestamp) -> AppResult<()> {
    let tx = app.store.begin().await?;
    store::audit::insert(&tx, entry(caller, origin, route, AuditStatus::Denied, None, Default::default()), now).await?;
    tx.commit().await?;
    Ok(())
}

fn entry(
    caller: &Caller,
    origin: &Origin,
    route: &str,
    status: AuditStatus,
    resource_id: Option<Uuid>,
    details: berth_types::StringMap,
) -> store::audit::NewAudit {
    store::audit::NewAudit {
        tenant_id: Some(caller.tenant),
        user_id: Some(caller.user),
        username: caller.username.clone(),
        action: route.to_owned(),
        resource_type: access::subject(route).to_owned(),
        resource_id,
        details,
        ip_address: Some(origin.client_ip.clone()),
        user_agent: origin.user_agent.clone(),
        request_id: Some(origin.request_id.clone()),
        status,
    }
}

fn idempotency(parts: &Parts, app: &App) -> Result<Option<(String, String)>, Fail> {
    let Some(value) = parts.headers.get("idempotency-key") else { return Ok(None) };
    let key =
        value.to_str().ok().filter(|key| (1..=128).contains(&key.len()) && key.chars().all(|c| c.is_ascii_graphic()));
    let Some(key) = key else {
        return Err(Error::invalid("Idempotency-Key", "must have 1 to 128 printable ASCII characters").into());
    };
    let digest = parts.extensions.get::<BodyDigest>().map(|digest| digest.0.clone()).unwrap_or_default();
    // The same key for another path is another request.
    let request = format!("{} {} {digest}", parts.method, parts.uri.path());
    Ok(Some((key.to_owned(), app.keyring.fingerprint(&request))))
}

fn if_match(headers: &HeaderMap) -> Result<Option<i64>, Fail> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let generation = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).and_then(|text| text.parse().ok());
    generation.map(Some).ok_or_else(|| Error::invalid("If-Match", "must be the ETag of a GET, e.g. \"3\", or *").into())
}

impl Call {
    /// How far the caller reaches with another permission than the route's own.
    pub fn reach(&self, resource: ResourceType, action: PermissionAction) -> Option<Scope> {
        reach(&self.app, &self.caller, resource, action)
    }

    pub fn db(&self) -> &store::Reader {
        self.app.store.reader()
    }

    /// Begins a change.
    ///
    /// # Errors
    /// The database is away, or the `Idempotency-Key` was used for another request. A repeated request comes out as
    /// `Begun::Replay` with the first one's answer.
    pub async fn begin(&self) -> Result<Begun<'_>, Fail> {
        let tx = self.app.store.begin().await.map_err(AppError::from)?;
        if let Some((key, hash)) = &self.idempotency {
            let earlier =
                store::idempotency::find(&tx, self.caller.user, key, self.now).await.map_err(AppError::from)?;
            if let Some(earlier) = earlier {
                if earlier.request_hash != *hash {
                    return Err(Error::new(
                        ErrorCode::IdempotencyKeyReused,
                        "Use a new Idempotency-Key for a new request; this one was used with another path or body.",
                    )
                    .into());
                }
                return Ok(Begun::Replay(replay(&earlier)));
            }
        }
        Ok(Begun::Fresh(self.write(tx, true)))
    }

    /// Begins a change whose answer holds a secret: it is never kept, so an `Idempotency-Key` has no effect.
    ///
    /// # Errors
    /// The database is away.
    pub async fn begin_unrepeatable(&self) -> Result<Write<'_>, Fail> {
        let tx = self.app.store.begin().await.map_err(AppError::from)?;
        Ok(self.write(tx, false))
    }

    fn write(&self, tx: Tx, repeatable: bool) -> Write<'_> {
        Write { call: self, tx, after: After::default(), repeatable, subject: None, details: Default::default() }
    }
}

/// The start of a change: a transaction, or the answer that the same request got before.
pub enum Begun<'call> {
    Fresh(Write<'call>),
    Replay(Response),
}

/// Begins a change, or returns the answer of the same request's first run.
macro_rules! begin {
    ($call:expr) => {
        match $call.begin().await? {
            $crate::api::call::Begun::Fresh(write) => write,
            $crate::api::call::Begun::Replay(response) => return Ok(response),
        }
    };
}
pub(crate) use begin;

/// A change under way. Dropping it undoes everything.
pub struct Write<'call> {
    pub call: &'call Call,
    pub tx: Tx,
    pub after: After,
    repeatable: bool,
    subject: Option<Uuid>,
    details: berth_types::StringMap,
}

impl Write<'_> {
    /// What the change is about, for the audit row.
    pub fn subject(&mut self, id: impl Into<Uuid>) {
        self.subject = Some(id.into());
    }

    /// A detail for the audit row; never a secret.
    pub fn detail(&mut self, key: &str, value: impl ToString) {
        self.details.insert(key.to_owned(), value.to_string().chars().take(255).collect());
    }

    /// Commits the change with its audit row, and answers.
    pub async fn answer(self, status: StatusCode, body: &impl Serialize) -> Reply {
        self.finish(status, None, Some(body)).await
    }

    /// As [`Write::answer`], with the generation as `ETag`.
    pub async fn answer_tagged(self, status: StatusCode, generation: i64, body: &impl Serialize) -> Reply {
        self.finish(status, Some(generation), Some(body)).await
    }

    /// Commits the change with its audit row, and answers 204.
    pub async fn answer_empty(self) -> Reply {
        self.finish(StatusCode::NO_CONTENT, None, None::<&()>).await
    }

    /// Commits what there is with its audit row, before something follows that no transaction can hold.
    pub async fn commit(self) -> Result<(), Fail> {
        self.finish(StatusCode::OK, None, None::<&()>).await.map(drop)
    }

    async fn finish(self, status: StatusCode, generation: Option<i64>, body: Option<&impl Serialize>) -> Reply {
        let Self { call, tx, after, repeatable, subject, details } = self;
        let audit = entry(&call.caller, &call.origin, call.route, AuditStatus::Success, subject, details);
        store::audit::insert(&tx, audit, call.now).await.map_err(AppError::from)?;
        let json = body.map(serde_json::to_value).transpose().map_err(|e| Error::internal(e.to_string()))?;
        if let Some((key, hash)) = call.idempotency.as_ref().filter(|_| repeatable) {
            let record = store::idempotency::Record {
                request_hash: hash.clone(),
                status_code: i32::from(status.as_u16()),
                response: json.clone(),
            };
            store::idempotency::insert(&tx, call.caller.user, key, call.route, &record, call.now)
                .await
                .map_err(AppError::from)?;
        }
        tx.commit().await.map_err(AppError::from)?;
        after.run(&call.app);
        Ok(respond(status, generation, json.as_ref()))
    }
}

fn replay(earlier: &store::idempotency::Record) -> Response {
    let status = u16::try_from(earlier.status_code).ok().and_then(|code| StatusCode::from_u16(code).ok());
    let mut response = respond(status.unwrap_or(StatusCode::OK), None, earlier.response.as_ref());
    response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    response
}

fn respond(status: StatusCode, generation: Option<i64>, body: Option<&serde_json::Value>) -> Response {
    let mut response = match body {
        Some(json) => (status, axum::Json(json)).into_response(),
        None => status.into_response(),
    };
    if let Some(value) = generation.and_then(|g| HeaderValue::from_str(&format!("\"{g}\"")).ok()) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

/// 200 with a body.
pub fn ok(body: &impl Serialize) -> Reply {
    Ok((StatusCode::OK, axum::Json(body)).into_response())
}

/// 200 with a body and its generation as `ETag`.
pub fn ok_tagged(generation: i64, body: &impl Serialize) -> Reply {
    let json = serde_json::to_value(body).map_err(|e| Error::internal(e.to_string()))?;
    Ok(respond(StatusCode::OK, Some(generation), Some(&json)))
}
