//! One way for every request: authorise, send, refresh the login once when it ran out, repeat what may be repeated.
//!
//! A POST is repeated after a broken connection only because it carries an `Idempotency-Key`; requests without one are
//! repeated only when no connection came about, and a timeout is never repeated, because the server may still be at work.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use berth_types::{ErrorCode, identity::LoginResponse};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use reqwest::{Request, Response};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;
use uuid::Uuid;

use crate::{ClientError, Result, TokenStore, Tokens};

/// Longest wait for an ordinary answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest `Retry-After` that is waited for here; a longer one is the caller's to decide.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A connection to one Berth server under one login. Cheap to clone; clones share connections and tokens.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    base: Url,
    /// The address as people write it, for messages.
    server: String,
    auth: Mutex<Auth>,
    /// Held while refreshing, so that parallel requests of this process refresh once.
    refreshing: tokio::sync::Mutex<()>,
    store: Option<Box<dyn TokenStore>>,
    retries: u32,
}

#[derive(Clone)]
enum Auth {
    None,
    /// An API token: cannot be refreshed.
    Token(String),
    Login(Tokens),
}

impl Auth {
    fn bearer(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Token(token) => Some(token),
            Self::Login(tokens) => Some(&tokens.access_token),
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("server", &self.inner.server).finish_non_exhaustive()
    }
}

/// How a [`Client`] is made.
pub struct ClientBuilder {
    server: String,
    auth: Auth,
    store: Option<Box<dyn TokenStore>>,
    user_agent: String,
    ca_file: Option<PathBuf>,
    retries: u32,
}

impl std::fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientBuilder").field("server", &self.server).finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// An API token, which lasts until it expires.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.auth = Auth::Token(token.into());
        self
    }

    /// The tokens of a login, and where refreshed ones are kept.
    #[must_use]
    pub fn login(mut self, tokens: Tokens, store: impl TokenStore + 'static) -> Self {
        self.auth = Auth::Login(tokens);
        self.store = Some(Box::new(store));
        self
    }

    /// Name and version of the program, shown in the list of logins and the audit log.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// PEM certificates to trust in addition to the system's.
    #[must_use]
    pub fn ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(file.into());
        self
    }

    /// How often a request is repeated at most; default 3.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// # Errors
    /// `Invalid` for an address that is not http or https, or a certificate file that cannot be read.
    pub fn build(self) -> Result<Client> {
        // Another library of the process may have installed its provider first; either will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let base = parse_address(&self.server)?;
        let mut http = reqwest::Client::builder()
            .user_agent(self.user_agent)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            // The API never redirects; following one could carry a token to another server.
            .redirect(reqwest::redirect::Policy::none());
        if let Some(file) = &self.ca_file {
            let unreadable =
                |why: String| ClientError::Invalid(format!("The certificates in {}: {why}", file.display()));
            let pem = std::fs::read(file).map_err(|error| unreadable(error.to_string()))?;
            let certificates =
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unreadable(error.to_string()))?;
            if certificates.is_empty() {
                return Err(unreadable("there is none in PEM form".to_owned()));
            }
            http = http.tls_certs_merge(certificates);
        }
        if base.host_str().is_some_and(is_loopback) {
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| ClientError::from_reqwest(&self.server, error))?;
        let server = written(&base);
        Ok(Client {
            inner: Arc::new(Inner {
                http,
                base,
                server,
                auth: Mutex::new(self.auth),
                refreshing: tokio::sync::Mutex::new(()),
                store: self.store,
                retries: self.retries,
            }),
        })
    }
}

fn parse_address(text: &str) -> Result<Url> {
    let invalid = |why: String| ClientError::Invalid(format!("The server's address {text:?} {why}"));
    let mut base = Url::parse(text.trim()).map_err(|error| invalid(format!("cannot be read: {error}")))?;
    if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
        return Err(invalid("must begin with http:// or https://".to_owned()));
    }
    base.set_query(None);
    base.set_fragment(None);
    Ok(base)
}

fn written(base: &Url) -> String {
    base.as_str().trim_end_matches('/').to_owned()
}

/// An address in the one form that [`Client::server`] has as well, so that it can be compared.
///
/// # Errors
/// `Invalid` for an address that is not http or https.
pub fn server_address(text: &str) -> Result<String> {
    parse_address(text).map(|base| written(&base))
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether a request may be sent again when nobody knows if it arrived.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    Harmless,
    OnlyUnsent,
}

/// An error together with whether an earlier try of the same request may have been carried out.
pub(crate) struct Failure {
    error: ClientError,
    maybe_done: bool,
}

impl From<Failure> for ClientError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl Client {
    /// `server` is an address such as `https://berth.example.org`.
    pub fn builder(server: impl Into<String>) -> ClientBuilder {
        ClientBuilder {
            server: server.into(),
            auth: Auth::None,
            store: None,
            user_agent: concat!("berth-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            ca_file: None,
            retries: 3,
        }
    }

    /// The server's address, without a slash at its end.
    pub fn server(&self) -> &str {
        &self.inner.server
    }

    /// Whether requests carry a token or login at all.
    pub fn is_authenticated(&self) -> bool {
        self.auth().bearer().is_some()
    }

    fn auth(&self) -> Auth {
        self.inner.auth.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_auth(&self, auth: Auth) {
        *self.inner.auth.lock().unwrap_or_else(PoisonError::into_inner) = auth;
    }

    pub(crate) fn adopt(&self, response: &LoginResponse) {
        if let Some(tokens) = Tokens::of(response) {
            self.set_auth(Auth::Login(tokens));
        }
    }

    pub(crate) fn forget(&self) {
        self.set_auth(Auth::None);
    }

    /// The address of a route under `/api/v1`; each segment is encoded.
    pub(crate) fn route(&self, segments: &[&str]) -> Url {
        let mut url = self.inner.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v1"]).extend(segments);
        }
        url
    }

    /// A path as the server gave it, e.g. in a ticket.
    pub(crate) fn absolute(&self, path_or_url: &str) -> Result<Url> {
        let text = if path_or_url.starts_with('/') {
            format!("{}{path_or_url}", self.inner.server)
        } else {
            path_or_url.to_owned()
        };
        Url::parse(&text)
            .map_err(|error| ClientError::Decode { server: self.inner.server.clone(), reason: error.to_string() })
    }

    pub(crate) fn request(&self, method: Method, url: Url) -> Request {
        let mut request = Request::new(method, url);
        *request.timeout_mut() = Some(ANSWER_TIMEOUT);
        request
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, segments: &[&str], query: &impl Serialize) -> Result<T> {
        let request = self.with_query(self.request(Method::GET, self.route(segments)), query)?;
        let response = self.execute(request, Repeat::Harmless).await?;
        self.decode(response).await
    }

    /// A POST with an `Idempotency-Key`.
    pub(crate) async fn post<T: DeserializeOwned>(&self, segments: &[&str], body: &impl Serialize) -> Result<T> {
        let response = self.post_raw(segments, body).await?;
        self.decode(response).await
    }

    pub(crate) async fn post_raw(&self, segments: &[&str], body: &impl Serialize) -> Result<Response> {
        let mut request = self.with_json(self.request(Method::POST, self.route(segments)), body)?;
        with_idempotency_key(request.headers_mut());
        Ok(self.execute(request, Repeat::Harmless).await?)
    }

    /// A POST whose answer holds a secret, which the server does not keep for repetitions.
    pub(crate) async fn post_unkeyed<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        body: &impl Serialize,
    ) -> Result<T> {
        let request = self.with_json(self.request(Method::POST, self.route(segments)), body)?;
        let response = self.execute(request, Repeat::OnlyUnsent).await?;
        self.decode(response).await
    }

    /// A PATCH; `generation` goes into `If-Match`, and then only one of two callers who read the same row wins.
    pub(crate) async fn patch<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        body: &impl Serialize,
        generation: Option<i64>,
    ) -> Result<T> {
        let mut request = self.with_json(self.request(Method::PATCH, self.route(segments)), body)?;
        let mut repeat = Repeat::Harmless;
        if let Some(generation) = generation {
            // A repetition of one that was carried out would meet its own new generation and look like a conflict.
            repeat = Repeat::OnlyUnsent;
            request.headers_mut().insert(header::IF_MATCH, ascii(&format!("\"{generation}\"")));
        }
        let response = self.execute(request, repeat).await?;
        self.decode(response).await
    }

    pub(crate) async fn put<T: DeserializeOwned>(&self, segments: &[&str], body: &impl Serialize) -> Result<T> {
        let request = self.with_json(self.request(Method::PUT, self.route(segments)), body)?;
        let response = self.execute(request, Repeat::Harmless).await?;
        self.decode(response).await
    }

    /// A DELETE. When the first try broke off and the second finds nothing, the first was carried out.
    pub(crate) async fn delete(&self, segments: &[&str]) -> Result<Option<Response>> {
        match self.execute(self.request(Method::DELETE, self.route(segments)), Repeat::Harmless).await {
            Ok(response) => Ok(Some(response)),
            Err(failure) if failure.maybe_done && failure.error.is_not_found() => Ok(None),
            Err(failure) => Err(failure.error),
        }
    }

    pub(crate) fn with_query(&self, request: Request, query: &impl Serialize) -> Result<Request> {
        let built = reqwest::RequestBuilder::from_parts(self.inner.http.clone(), request).query(query).build();
        built.map_err(|error| self.broken(error))
    }

    pub(crate) fn with_json(&self, mut request: Request, body: &impl Serialize) -> Result<Request> {
        let body = serde_json::to_vec(body).map_err(|error| ClientError::Invalid(error.to_string()))?;
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(body.into());
        Ok(request)
    }

    pub(crate) async fn decode<T: DeserializeOwned>(&self, response: Response) -> Result<T> {
        let body = response.bytes().await.map_err(|error| self.broken(error))?;
        serde_json::from_slice(&body).map_err(|error| ClientError::Decode {
            server: self.inner.server.clone(),
            reason: format!("{error}; is the server of another version?"),
        })
    }

    pub(crate) fn broken(&self, error: reqwest::Error) -> ClientError {
        ClientError::from_reqwest(&self.inner.server, error)
    }

    /// Sends without a token: for logging in, and for tickets.
    pub(crate) async fn execute_unauthenticated(&self, request: Request, repeat: Repeat) -> Result<Response> {
        Ok(self.send(request, repeat, &Auth::None).await.map_err(|(failure, _)| failure)?)
    }

    /// Sends with the caller's token, and when that ran out, once more with a refreshed one.
    pub(crate) async fn execute(&self, request: Request, repeat: Repeat) -> Result<Response, Failure> {
        let auth = self.auth();
        let (failure, request) = match self.send(request, repeat, &auth).await {
            Ok(response) => return Ok(response),
            Err(failed) => failed,
        };
        let maybe_done = failure.maybe_done;
        match (auth, request) {
            (Auth::Login(used), Some(request)) if failure.error.code() == Some(ErrorCode::Unauthenticated) => {
                if !self.refresh(&used).await.map_err(|error| Failure { error, maybe_done })? {
                    return Err(failure);
                }
                let again = self.send(request, repeat, &self.auth()).await;
                again.map_err(|(again, _)| Failure { error: again.error, maybe_done: maybe_done || again.maybe_done })
            }
            _ => Err(failure),
        }
    }

    /// Sends and repeats as `repeat` allows. A failure comes with the request, unless its body was a stream.
    async fn send(
        &self,
        mut request: Request,
        repeat: Repeat,
        auth: &Auth,
    ) -> Result<Response, (Failure, Option<Request>)> {
        if let Some(bearer) = auth.bearer() {
            let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {bearer}")) else {
                let error = ClientError::Invalid("The token has characters that no token has".to_owned());
                return Err((Failure { error, maybe_done: false }, None));
            };
            value.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        let mut repetitions = 0;
        let mut maybe_done = false;
        loop {
            // A body that streams exists once; such a request has one try.
            let (now, again) = match request.try_clone() {
                Some(clone) => (clone, Some(request)),
                None => (request, None),
            };
            let error = match self.inner.http.execute(now).await {
                Ok(response)
                    if response.status().is_success() || response.status() == StatusCode::SWITCHING_PROTOCOLS =>
                {
                    return Ok(response);
                }
                Ok(response) => ClientError::from_response(&self.inner.server, response).await,
                Err(error) => self.broken(error),
            };
            maybe_done |= error.is_ambiguous();
            let unsent = matches!(error, ClientError::Connect { .. });
            let may =
                error.is_repeatable() && (unsent || repeat == Repeat::Harmless) && repetitions < self.inner.retries;
            let pause = match &error {
                ClientError::Problem { retry_after: Some(pause), .. } => *pause,
                _ => backoff(repetitions),
            };
            request = match again {
                Some(again) if may && pause <= LONGEST_PAUSE => again,
                again => return Err((Failure { error, maybe_done }, again)),
            };
            repetitions += 1;
            tokio::time::sleep(pause).await;
        }
    }

    /// Gets a new pair for `used`, or adopts the one that another request or process got meanwhile.
    /// `false`: the login is over.
    async fn refresh(&self, used: &Tokens) -> Result<bool> {
        let _one_at_a_time = self.inner.refreshing.lock().await;
        let Auth::Login(mut current) = self.auth() else {
            return Ok(false);
        };
        if current.access_token != used.access_token {
            return Ok(true);
        }
        let mut locked = None;
        if self.inner.store.is_some() {
            let client = self.clone();
            let lock = tokio::task::spawn_blocking(move || match &client.inner.store {
                Some(store) => store.lock().map(Some),
                None => Ok(None),
            });
            locked = lock
                .await
                .map_err(|error| ClientError::Invalid(error.to_string()))?
                .map_err(ClientError::TokenStore)?;
        }
        if let Some(locked) = &mut locked {
            match locked.read().map_err(ClientError::TokenStore)? {
                // Logged out by another process.
                None => return Ok(false),
                Some(kept) if kept.access_token != used.access_token => {
                    self.set_auth(Auth::Login(kept));
                    return Ok(true);
                }
                Some(kept) => current = kept,
            }
        }
        match self.auth_refresh(Some(current.refresh_token)).await {
            Ok(response) => {
                if let (Some(tokens), Some(locked)) = (Tokens::of(&response), &mut locked) {
                    locked.on_tokens(&tokens).map_err(ClientError::TokenStore)?;
                }
                Ok(true)
            }
            Err(error) if matches!(error.code(), Some(ErrorCode::Unauthenticated | ErrorCode::InvalidCredentials)) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

fn with_idempotency_key(headers: &mut HeaderMap) {
    headers.insert("idempotency-key", ascii(&Uuid::now_v7().to_string()));
}

/// A header value of text that this crate wrote itself.
fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// 100 ms, 200 ms, 400 ms …, each with up to half as much again by chance, so that many clients do not come back at once.
fn backoff(repetitions: u32) -> Duration {
    let base = 100u64 << repetitions.min(5);
    let chance = u64::from(Uuid::new_v4().as_bytes()[0]);
    Duration::from_millis(base + base * chance / 512)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_keep_a_prefix_and_encode_segments() {
        let client = Client::builder("https://example.org/berth/?x=1").build().unwrap();
        assert_eq!(client.server(), "https://example.org/berth");
        assert_eq!(
            client.route(&["settings", "a/b c"]).as_str(),
            "https://example.org/berth/api/v1/settings/a%2Fb%20c"
        );
        assert_eq!(
            client.absolute("/api/v1/streams/logs?ticket=T").unwrap().as_str(),
            "https://example.org/berth/api/v1/streams/logs?ticket=T"
        );
    }

    #[test]
    fn addresses_that_are_none_are_refused() {
        assert_eq!(server_address("HTTP://Example.org:80/").unwrap(), "http://example.org");
        for address in ["", "localhost:7600", "ftp://x", "unix:///run/berth.sock"] {
            let error = Client::builder(address).build().unwrap_err();
            assert!(matches!(error, ClientError::Invalid(_)), "{address}: {error}");
        }
    }

    #[test]
    fn backoff_grows_and_is_bounded() {
        for repetitions in 0..40 {
            let pause = backoff(repetitions).as_millis();
            let base = 100u128 << repetitions.min(5);
            assert!((base..base * 3 / 2).contains(&pause), "{pause}");
        }
    }
}
