//! Reading requests: every fault becomes a problem that names the field. JSON that cannot be parsed at all is a 400, a
//! value that is wrong a 422.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use berth_types::{Error, ErrorCode};
use http::{header, request::Parts};
use serde::de::DeserializeOwned;

use super::frame::{Fail, too_large};
use crate::app::App;

/// A JSON body.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Fail;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Fail> {
        let (parts, body) = request.into_parts();
        let media = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let essence = media.split(';').next().unwrap_or_default().trim();
        let bytes =
            axum::body::to_bytes(body, app.config.max_body_bytes).await.map_err(|e| too_large(app, &e.to_string()))?;
        // A POST without a body stands for "all defaults" where the type allows it.
        let bytes = if bytes.is_empty() && essence.is_empty() { bytes::Bytes::from_static(b"{}") } else { bytes };
        if !essence.is_empty() && essence != "application/json" {
            return Err(Error::new(ErrorCode::UnsupportedMediaType, "Send Content-Type: application/json.").into());
        }
        parse_json(&bytes).map(Self).map_err(Fail)
    }
}

/// # Errors
/// `malformed_request` for what is not JSON, `invalid_value` naming the field for anything else.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        match inner.classify() {
            serde_json::error::Category::Data => field_fault(&path, &inner.to_string()),
            _ => Error::new(ErrorCode::MalformedRequest, format!("The body is not valid JSON: {inner}.")),
        }
    })?;
    deserializer.end().map_err(|error| {
        Error::new(ErrorCode::MalformedRequest, format!("The body holds more than one JSON value: {error}."))
    })?;
    Ok(value)
}

fn field_fault(path: &str, text: &str) -> Error {
    let text = text.rsplit_once(" at line ").map_or(text, |(text, _)| text);
    let named = ["unknown field `", "missing field `"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix).and_then(|rest| rest.split_once('`')).map(|(name, _)| name));
    let field = match (path, named) {
        ("." | "", Some(name)) => name.to_owned(),
        // serde_path_to_error counts the unknown key as part of the path.
        (path, Some(name)) if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        (path, Some(name)) => format!("{path}.{name}"),
        ("." | "", None) => "body".to_owned(),
        (path, None) => path.to_owned(),
    };
    Error::invalid(field, text.to_owned())
}

/// The query string.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Query<T> {
    type Rejection = Fail;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Fail> {
        axum::extract::Query::try_from_uri(&parts.uri).map(|query| Self(query.0)).map_err(|error| {
            let text = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            let (path, message) = match text.split_once(": ") {
                Some((path, message)) if !path.contains(' ') => (path.to_owned(), message.to_owned()),
                _ => (String::new(), text),
            };
            let fault = field_fault(&path, &message);
            Fail(if fault.fields.iter().any(|f| f.field == "body") { Error::invalid("query", message) } else { fault })
        })
    }
}

/// The parameters of the path.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<App>> for Path<T> {
    type Rejection = Fail;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Fail> {
        match axum::extract::Path::<T>::from_request_parts(parts, app).await {
            Ok(path) => Ok(Self(path.0)),
            Err(rejection) => Err(Error::invalid("id", format!("in the path: {}", rejection.body_text())).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use berth_types::sessions::SessionLaunch;

    use super::*;

    fn fields(json: &str) -> (ErrorCode, Vec<String>) {
        let error = parse_json::<SessionLaunch>(json.as_bytes()).unwrap_err();
        (error.code, error.fields.into_iter().map(|f| f.field).collect())
    }

    #[test]
    fn faults_name_their_field() {
        assert_eq!(fields("{"), (ErrorCode::MalformedRequest, vec![]));
        assert_eq!(fields("{} {}").0, ErrorCode::InvalidValue);
        assert_eq!(fields("{}"), (ErrorCode::InvalidValue, vec!["application".into()]));
        assert_eq!(fields(r#"{"application":"web","cpus":1}"#), (ErrorCode::InvalidValue, vec!["cpus".into()]));
        assert_eq!(
            fields(r#"{"application":"web","priority":"high"}"#),
            (ErrorCode::InvalidValue, vec!["priority".into()])
        );
        assert_eq!(
            fields(r#"{"application":"web","resource_constraints":{"gpu":1}}"#),
            (ErrorCode::InvalidValue, vec!["resource_constraints.gpu".into()])
        );
    }
}
