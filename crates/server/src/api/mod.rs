//! The HTTP API: thin handlers over `app`, described by OpenAPI 3.1 that is generated from them.

pub mod access;
pub mod applications;
pub mod audit;
pub mod auth;
pub mod call;
pub mod docs;
pub mod events;
pub mod extract;
pub mod fleet;
pub mod frame;
pub mod health;
pub mod ledger;
pub mod operations;
pub mod secrets;
pub mod sessions;
pub mod settings;
pub mod sites;
pub mod streams;
pub mod tenants;
pub mod users;

use std::sync::Arc;

use axum::Router;
use http::Method;
use serde::Deserialize;
use utoipa::{
    IntoParams, Modify, OpenApi,
    openapi::{
        self,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;

use crate::{app::App, console};

#[derive(OpenApi)]
#[openapi(
    info(title = "Berth", description = "One control plane that hands out computers.", license(name = "MIT OR Apache-2.0")),
    components(schemas(berth_types::Problem)),
    modifiers(&Common)
)]
struct Document;

/// What all operations have in common.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        components.add_security_scheme("bearer", bearer);
        let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(call::ACCESS_COOKIE)));
        components.add_security_scheme("browser", cookie);
    }
}

/// `limit` and `cursor` of every list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// 1 to 500; default 100.
    #[serde(default)]
    pub limit: Option<u64>,
    /// `next_cursor` of the page before.
    #[serde(default)]
    pub cursor: Option<String>,
}

fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .merge(auth::routes())
        .merge(tenants::routes())
        .merge(users::routes())
        .merge(sites::routes())
        .merge(fleet::routes())
        .merge(applications::routes())
        .merge(sessions::routes())
        .merge(ledger::routes())
        .merge(operations::routes())
        .merge(events::routes())
        .merge(audit::routes())
        .merge(settings::routes())
        .merge(secrets::routes())
}

fn described() -> (Router<Arc<App>>, openapi::OpenApi) {
    let api = OpenApiRouter::new().nest("/api/v1", routes());
    let (router, mut document) = OpenApiRouter::with_openapi(Document::openapi()).merge(api).split_for_parts();
    finish(&mut document);
    (router, document)
}

/// Adds to every operation what the wrapper does for it: security, the common problems, the common headers.
fn finish(document: &mut openapi::OpenApi) {
    let public: Vec<&str> =
        access::ACCESS.iter().filter(|(_, access)| *access == access::Access::Public).map(|(id, _)| *id).collect();
    for (path, item) in &mut document.paths.paths {
        let operations = [
            (Method::GET, &mut item.get),
            (Method::POST, &mut item.post),
            (Method::PUT, &mut item.put),
            (Method::PATCH, &mut item.patch),
            (Method::DELETE, &mut item.delete),
        ];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            let id = operation.operation_id.clone().unwrap_or_default();
            if !public.contains(&id.as_str()) {
                operation.security = Some(vec![
                    SecurityRequirement::new("bearer", Vec::<String>::new()),
                    SecurityRequirement::new("browser", Vec::<String>::new()),
                ]);
            }
            let mut statuses =
                vec![("400", "Malformed"), ("401", "Not logged in"), ("403", "Not allowed"), ("422", "A wrong value")];
            statuses.push(("503", "The database is away"));
            if path.contains('{') || method != Method::GET {
                statuses.push(("404", "No such thing"));
            }
            // There are no files without a running container.
            if id == "session_files_get" {
                statuses.push(("409", "Not possible in the present state"));
            }
            if method != Method::GET {
                statuses.extend([
                    ("409", "Not possible in the present state"),
                    ("413", "Too large"),
                    ("415", "Wrong content type"),
                ]);
            }
            if matches!(method, Method::PATCH | Method::DELETE) || id.starts_with("node_") && method == Method::POST {
                statuses.push(("412", "Changed meanwhile"));
                let text = "The `ETag` that was read: refused with 412 when the thing has changed since.";
                add_header(operation, "If-Match", r#"^("[0-9]{1,18}"|\*)$"#, text);
            }
            if method == Method::POST && !id.starts_with("auth_") {
                let text = "The same key and request again get the first answer, unless it holds a secret.";
                add_header(operation, "Idempotency-Key", "^[!-~]{1,128}$", text);
            }
            // Hashing a password waits for its turn, and may have to give up.
            if id.starts_with("auth_") || matches!(id.as_str(), "password_change" | "user_create" | "user_update") {
                statuses.push(("429", "Too many attempts"));
            }
            if id.starts_with("session_") || id == "ticket_create" {
                statuses.extend([("502", "The engine is away"), ("504", "The engine does not answer")]);
            }
            for (status, text) in statuses {
                let problem = openapi::ResponseBuilder::new()
                    .description(text)
                    .content(
                        "application/problem+json",
                        openapi::ContentBuilder::new().schema(Some(openapi::Ref::from_schema_name("Problem"))).build(),
                    )
                    .build();
                operation.responses.responses.entry(status.to_owned()).or_insert_with(|| openapi::RefOr::T(problem));
            }
        }
    }
}

fn add_header(operation: &mut openapi::path::Operation, name: &str, pattern: &str, description: &str) {
    let schema = openapi::ObjectBuilder::new().schema_type(openapi::schema::Type::String).pattern(Some(pattern));
    let header = openapi::path::ParameterBuilder::new()
        .name(name)
        .parameter_in(openapi::path::ParameterIn::Header)
        .required(openapi::Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build();
    operation.parameters.get_or_insert_with(Vec::new).push(openapi::RefOr::T(header));
}

/// The OpenAPI document.
pub fn document() -> openapi::OpenApi {
    described().1
}

/// Method, path and operation id of every route.
pub fn operations() -> Vec<(Method, String, String)> {
    let mut all = Vec::new();
    for (path, item) in document().paths.paths {
        let operations = [
            (Method::GET, item.get),
            (Method::POST, item.post),
            (Method::PUT, item.put),
            (Method::PATCH, item.patch),
            (Method::DELETE, item.delete),
        ];
        for (method, operation) in operations {
            if let Some(id) = operation.and_then(|operation| operation.operation_id) {
                all.push((method, path.clone(), id));
            }
        }
    }
    all
}

/// Everything this server answers on its main address.
pub fn router(app: Arc<App>) -> Router {
    let (api, document) = described();
    let text: Arc<str> = serde_json::to_string(&document).unwrap_or_default().into();
    let described = axum::routing::get(move || {
        let text = text.to_string();
        async move { ([(http::header::CONTENT_TYPE, "application/json")], text) }
    });
    api.route("/api/v1/openapi.json", described)
        .merge(health::routes())
        .merge(streams::routes())
        .fallback(console::fallback)
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(panicked))
        .layer(axum::middleware::from_fn_with_state(app.clone(), frame::frame))
        .with_state(app)
}

fn panicked(reason: Box<dyn std::any::Any + Send + 'static>) -> http::Response<axum::body::Body> {
    use axum::response::IntoResponse;
    let text = reason
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| reason.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "no message".to_owned());
    frame::Fail(berth_types::Error::internal(format!("a handler panicked: {text}"))).into_response()
}

/// Refuses page sizes outside of 1 to 500.
pub(crate) fn check_limit(limit: Option<u64>) -> Result<(), frame::Fail> {
    match limit {
        Some(0 | 501..) => Err(berth_types::Error::invalid("limit", "must be from 1 to 500").into()),
        _ => Ok(()),
    }
}

/// Refuses filters that no name or message can match, of which PostgreSQL would refuse NUL with an error of its own.
pub(crate) fn check_text(field: &str, text: Option<&str>) -> Result<(), frame::Fail> {
    match text {
        Some(text) if text.chars().any(char::is_control) => {
            Err(berth_types::Error::invalid(field, "must not contain control characters").into())
        }
        Some(text) if text.chars().count() > 200 => {
            Err(berth_types::Error::invalid(field, "must have at most 200 characters").into())
        }
        _ => Ok(()),
    }
}

/// Refuses times that not both databases can hold, and spans that run backwards.
pub(crate) fn check_span(
    since: Option<berth_types::Timestamp>,
    until: Option<berth_types::Timestamp>,
) -> Result<(), frame::Fail> {
    use chrono::Datelike;
    for (field, time) in [("since", since), ("until", until)] {
        if time.is_some_and(|time| !(1970..=9999).contains(&time.year())) {
            return Err(berth_types::Error::invalid(field, "must be a time between 1970 and 9999").into());
        }
    }
    match (since, until) {
        (Some(since), Some(until)) if since > until => {
            Err(berth_types::Error::invalid("since", "must not be later than until").into())
        }
        _ => Ok(()),
    }
}
