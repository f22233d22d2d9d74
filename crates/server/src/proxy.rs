//! The applications' own origin: a second address (or a wildcard domain) where a session's application is shown, so that
//! nothing an application serves ever runs in the console's origin.
//!
//! A one-time ticket opens it and leaves a cookie for that session only. Berth's own cookies are stripped from what goes
//! to the application and from what it sets, since browsers do not tell ports apart when they send cookies.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use berth_store as store;
use berth_types::{Error, ErrorCode, SessionId, TenantId, Timestamp, UserId, sessions::TicketPurpose};
use chrono::Duration;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;

use crate::{
    api::{call::cookie, frame::Fail},
    app::{App, AppError, workload},
    config::Config,
    keyring::token_hash,
};

/// Prefix of every cookie of Berth's own.
const COOKIE_PREFIX: &str = "berth_";
/// Hours a page may stay open before a new ticket is needed.
const ACCESS_HOURS: i64 = 12;
const ENTRY: &str = "/_berth/enter";

/// Who may see which session's application, by the hash of the cookie.
#[derive(Default)]
pub struct Visitors(std::sync::Mutex<std::collections::HashMap<String, Visit>>);

#[derive(Clone)]
struct Visit {
    session: SessionId,
    tenant: TenantId,
    user: UserId,
    port: u16,
    expires_at: Timestamp,
}

impl Visitors {
    fn admit(&self, token: &str, visit: Visit, now: Timestamp) {
        let mut visits = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        visits.retain(|_, visit| visit.expires_at > now);
        visits.insert(token_hash(token), visit);
    }

    fn find(&self, token: &str, now: Timestamp) -> Option<Visit> {
        let visits = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        visits.get(&token_hash(token)).filter(|visit| visit.expires_at > now).cloned()
    }

    /// Ends all visits of a user, at logout and when the account is closed.
    pub fn dismiss(&self, user: UserId) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).retain(|_, visit| visit.user != user);
    }
}

/// Where a browser enters a session's application.
pub fn entry_url(app: &App, session: SessionId, ticket: &str) -> String {
    format!("{}{ENTRY}?session={session}&ticket={ticket}", base_url(&app.config, app.applications_address(), session))
}

fn base_url(config: &Config, address: SocketAddr, session: SessionId) -> String {
    if !config.applications_domain.is_empty() {
        let scheme = if config.secure_cookies { "https" } else { "http" };
        let port = if config.secure_cookies { String::new() } else { format!(":{}", address.port()) };
        return format!("{scheme}://{}.{}{port}", session.0.simple(), config.applications_domain);
    }
    if config.applications_public_url.is_empty() {
        format!("http://{address}")
    } else {
        config.applications_public_url.trim_end_matches('/').to_owned()
    }
}

fn cookie_name(session: SessionId) -> String {
    format!("{COOKIE_PREFIX}app_{}", session.0.simple())
}

/// With one shared origin the cookie of the session opened last decides which application answers.
const CURRENT: &str = "berth_app_current";

/// Answers everything on the applications' address.
pub async fn serve(State(app): State<Arc<App>>, request: Request) -> Response {
    match answer(&app, request).await {
        Ok(response) => response,
        Err(Fail(error)) => {
            if let Some(internal) = &error.internal {
                tracing::info!(code = %error.code, internal, "application not shown");
            }
            let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{}\n", error.public))
                .into_response()
        }
    }
}

async fn answer(app: &Arc<App>, request: Request) -> Result<Response, Fail> {
    if request.uri().path() == ENTRY {
        return enter(app, request.uri());
    }
    let session = host_session(&app.config, request.headers())
        .or_else(|| cookie(request.headers(), CURRENT).and_then(|text| text.parse().ok()));
    let visit = session
        .and_then(|session| cookie(request.headers(), &cookie_name(session)))
        .and_then(|token| app.visitors.find(&token, app.now()));
    let visit = visit.ok_or_else(|| {
        Error::new(ErrorCode::Unauthenticated, "Open the application from Berth, with `berth session open` or in the console: this page has no ticket, or it has expired.")
    })?;
    // The right to see it may have ended since: the owner's tenant suspended, the session handed over or gone.
    let record = store::sessions::record(app.store.reader(), visit.session).await.map_err(AppError::from)?;
    if record.tenant_id != visit.tenant {
        return Err(Error::not_found("session").into());
    }
    let driver = workload::driver(app, &record)?;
    let stream = driver.dial(&workload::container(&record), visit.port).await.map_err(|error| {
        Error::new(
            ErrorCode::EngineUnavailable,
            "The application does not answer (yet). Wait a moment and load the page again.",
        )
        .with_internal(error.to_string())
    })?;
    forward(app, request, stream).await
}

fn host_session(config: &Config, headers: &HeaderMap) -> Option<SessionId> {
    if config.applications_domain.is_empty() {
        return None;
    }
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    host.strip_suffix(&format!(".{}", config.applications_domain))?.parse().ok()
}

fn enter(app: &App, uri: &Uri) -> Result<Response, Fail> {
    let now = app.now();
    let query: std::collections::HashMap<String, String> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let grant = query.get("ticket").and_then(|ticket| app.tickets.redeem(ticket, TicketPurpose::Application, now));
    let grant = grant.ok_or_else(|| {
        Error::new(
            ErrorCode::Unauthenticated,
            "This ticket is unknown, was used, or is older than a minute. Open the application from Berth again.",
        )
    })?;
    let token = crate::keyring::random_token();
    let visit = Visit {
        session: grant.session,
        tenant: grant.tenant,
        user: grant.user,
        port: grant.port.unwrap_or_default(),
        expires_at: now + Duration::hours(ACCESS_HOURS),
    };
    app.visitors.admit(&token, visit, now);
    let flags = format!(
        "Path=/; HttpOnly; SameSite=Lax; Max-Age={}{}",
        ACCESS_HOURS * 3600,
        if app.config.secure_cookies { "; Secure" } else { "" }
    );
    let mut response =
        (StatusCode::SEE_OTHER, [(header::LOCATION, "/"), (header::CACHE_CONTROL, "no-store")]).into_response();
    for pair in [format!("{}={token}", cookie_name(grant.session)), format!("{CURRENT}={}", grant.session)] {
        let value = HeaderValue::from_str(&format!("{pair}; {flags}")).map_err(|e| Error::internal(e.to_string()))?;
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(response)
}

/// Headers that belong to one connection (RFC 9110, 7.6.1).
const HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    HeaderName::from_static("keep-alive"),
];

async fn forward(
    app: &App,
    mut request: Request,
    stream: Box<dyn berth_drivers::container::AsyncReadWrite>,
) -> Result<Response, Fail> {
    let away = |error: hyper::Error| {
        Fail(
            Error::new(ErrorCode::EngineUnavailable, "The application broke the connection off.")
                .with_internal(error.to_string()),
        )
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(away)?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "application connection ended");
        }
    });
    let upgrading = request.headers().get(header::UPGRADE).cloned();
    let peer = request.extensions().get::<axum::extract::ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_string());
    let on_upgrade = upgrading.is_some().then(|| hyper::upgrade::on(&mut request));
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    parts.uri = path.parse().map_err(|_| Error::invalid("path", "cannot be passed on"))?;
    clean_request(&mut parts.headers, upgrading.as_ref());
    let scheme = if app.config.secure_cookies { "https" } else { "http" };
    parts.headers.insert("x-forwarded-proto", HeaderValue::from_static(scheme));
    if let Some(peer) = peer.and_then(|peer| HeaderValue::from_str(&peer).ok()) {
        parts.headers.insert("x-forwarded-for", peer);
    }
    let mut response = sender.send_request(http::Request::from_parts(parts, body)).await.map_err(away)?;
    clean_response(response.headers_mut(), upgrading.is_some());
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let theirs = hyper::upgrade::on(&mut response);
        if let Some(ours) = on_upgrade {
            tokio::spawn(async move {
                if let (Ok(ours), Ok(theirs)) = (ours.await, theirs.await) {
                    let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(ours), &mut TokioIo::new(theirs)).await;
                }
            });
        }
    }
    Ok(response.map(Body::new))
}

/// Takes Berth's cookies and the hop's headers from what goes to the application.
fn clean_request(headers: &mut HeaderMap, upgrading: Option<&HeaderValue>) {
    for name in HOP {
        headers.remove(name);
    }
    headers.remove(header::UPGRADE);
    headers
        .remove(header::AUTHORIZATION)
        .filter(|value| !value.as_bytes().starts_with(b"Bearer "))
        .map(|value| headers.insert(header::AUTHORIZATION, value));
    if let Some(protocol) = upgrading {
        headers.insert(header::UPGRADE, protocol.clone());
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    let kept: Vec<String> = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(';'))
        .map(str::trim)
        .filter(|pair| !pair.is_empty() && !pair.starts_with(COOKIE_PREFIX))
        .map(str::to_owned)
        .collect();
    headers.remove(header::COOKIE);
    if let Some(value) = (!kept.is_empty()).then(|| HeaderValue::from_str(&kept.join("; ")).ok()).flatten() {
        headers.insert(header::COOKIE, value);
    }
}

/// Takes cookies that pose as Berth's, and the hop's headers, from what the application answers.
fn clean_response(headers: &mut HeaderMap, upgrading: bool) {
    for name in HOP.iter().filter(|name| !upgrading || **name != header::CONNECTION) {
        headers.remove(name);
    }
    let kept: Vec<HeaderValue> = headers
        .get_all(header::SET_COOKIE)
        .iter()
        .filter(|value| !value.as_bytes().trim_ascii_start().starts_with(COOKIE_PREFIX.as_bytes()))
        .cloned()
        .collect();
    headers.remove(header::SET_COOKIE);
    for value in kept {
        headers.append(header::SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_of_berth_are_stripped_both_ways() {
        let mut request = HeaderMap::new();
        request.insert(header::COOKIE, HeaderValue::from_static("a=1; berth_access=secret; b=2"));
        request.append(header::COOKIE, HeaderValue::from_static("berth_csrf=x"));
        request.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer secret"));
        clean_request(&mut request, None);
        assert_eq!(request.get(header::COOKIE).unwrap(), "a=1; b=2");
        assert!(!request.contains_key(header::AUTHORIZATION));
        let mut response = HeaderMap::new();
        response.append(header::SET_COOKIE, HeaderValue::from_static("berth_access=fixed; Path=/"));
        response.append(header::SET_COOKIE, HeaderValue::from_static(" berth_csrf=fixed"));
        response.append(header::SET_COOKIE, HeaderValue::from_static("theirs=1"));
        clean_response(&mut response, false);
        assert_eq!(response.get_all(header::SET_COOKIE).iter().collect::<Vec<_>>(), ["theirs=1"]);
    }

    #[test]
    fn a_host_names_its_session() {
        let config = Config { applications_domain: "apps.example.org".to_owned(), ..Config::default() };
        let session = SessionId::new();
        let host = |text: &str| HeaderMap::from_iter([(header::HOST, HeaderValue::from_str(text).unwrap())]);
        let simple = session.0.simple();
        assert_eq!(host_session(&config, &host(&format!("{simple}.apps.example.org:443"))), Some(session));
        assert_eq!(host_session(&config, &host("apps.example.org")), None);
        assert_eq!(host_session(&config, &host(&format!("{simple}.evil.org"))), None);
    }
}
