//! What surrounds every request: an id, a span, a time, the security headers, and the rendering of errors. A handler
//! returns its error as a value; only here does it become a problem document, so the id is in it and the internal text
//! goes to the log and nowhere else.

use std::{sync::Arc, time::Instant};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use berth_types::{Error, ErrorCode};
use http::{HeaderName, HeaderValue, StatusCode, header};
use tracing::Instrument;

use crate::app::App;

/// Where a request's id travels: in the answer's header, in problems, in the log and in the audit row.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The request's id, for handlers.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// SHA-256 of a body sent with an `Idempotency-Key`.
#[derive(Clone, Debug)]
pub struct BodyDigest(pub String);

/// An error on its way out.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Fail(#[from] pub Error);

pub type Reply = Result<Response, Fail>;

impl From<crate::app::AppError> for Fail {
    fn from(error: crate::app::AppError) -> Self {
        Self(error.0)
    }
}

#[derive(Clone)]
struct Failure(Error);

impl IntoResponse for Fail {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(Failure(self.0));
        response
    }
}

/// The outermost layer.
pub async fn frame(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|text| (8..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
        .map_or_else(|| uuid::Uuid::now_v7().simple().to_string(), str::to_owned);
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let span = tracing::info_span!("request", id, %method, path = request.uri().path());
    request.extensions_mut().insert(RequestId(id.clone()));
    let started = Instant::now();
    let digested = digest_body(&app, request).await;
    let mut response = match digested {
        Ok(request) => next.run(request).instrument(span.clone()).await,
        Err(error) => Fail(error).into_response(),
    };
    let elapsed = started.elapsed();
    if let Some(Failure(error)) = response.extensions_mut().remove::<Failure>() {
        let _entered = span.enter();
        match (&error.internal, error.code.status()) {
            (Some(internal), 500..) => tracing::error!(code = %error.code, internal, "request failed"),
            (Some(internal), _) => tracing::info!(code = %error.code, internal, "request refused"),
            (None, _) => tracing::debug!(code = %error.code, public = error.public, "request refused"),
        }
        render(&mut response, &error, &id);
    } else if matches!(response.status(), StatusCode::METHOD_NOT_ALLOWED) {
        render(
            &mut response,
            &Error::new(ErrorCode::MethodNotAllowed, "See the Allow header for what this path takes."),
            &id,
        );
    }
    let status = response.status().as_u16();
    app.telemetry.request(&route, method.as_str(), status, elapsed);
    tracing::debug!(parent: &span, status, ms = elapsed.as_secs_f64() * 1000.0, "answered");
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn render(response: &mut Response, error: &Error, request_id: &str) {
    let problem = error.problem(request_id);
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(value) = error.retry_after.and_then(|seconds| HeaderValue::from_str(&seconds.to_string()).ok()) {
        headers.insert(header::RETRY_AFTER, value);
    }
    *response.body_mut() = Body::from(body);
}

/// Reads a body ahead where an `Idempotency-Key` has to be bound to it.
async fn digest_body(app: &App, request: Request) -> Result<Request, Error> {
    if !request.headers().contains_key("idempotency-key") {
        return Ok(request);
    }
    let (mut parts, body) = request.into_parts();
    let bytes =
        axum::body::to_bytes(body, app.config.max_body_bytes).await.map_err(|e| too_large(app, &e.to_string()))?;
    use sha2::Digest;
    let digest = crate::keyring::hex(&sha2::Sha256::digest(&bytes));
    parts.extensions.insert(BodyDigest(digest));
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// The error of a body over the limit.
pub fn too_large(app: &App, internal: &str) -> Error {
    let limit = app.config.max_body_bytes;
    Error::new(ErrorCode::PayloadTooLarge, format!("The body must have at most {limit} bytes.")).with_internal(internal)
}

/// For paths that no route has.
pub async fn no_such_path() -> Fail {
    Fail(Error::new(
        ErrorCode::NotFound,
        "There is nothing at this path. GET /api/v1/openapi.json lists what there is.",
    ))
}
