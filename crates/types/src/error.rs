//! The one error of the API: what a caller may read, and apart from it what only the log may hold.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

text_enum! {
    /// Stable machine-readable codes of problem documents.
    ErrorCode = "error_code" {
        /// The body or a parameter could not be read at all.
        MalformedRequest = "malformed_request",
        Unauthenticated = "unauthenticated",
        InvalidCredentials = "invalid_credentials",
        PasswordChangeRequired = "password_change_required",
        Forbidden = "forbidden",
        CsrfRequired = "csrf_required",
        NotFound = "not_found",
        MethodNotAllowed = "method_not_allowed",
        AlreadyExists = "already_exists",
        StateConflict = "state_conflict",
        InUse = "in_use",
        QuotaExceeded = "quota_exceeded",
        InsufficientCapacity = "insufficient_capacity",
        PreconditionFailed = "precondition_failed",
        PayloadTooLarge = "payload_too_large",
        UnsupportedMediaType = "unsupported_media_type",
        InvalidValue = "invalid_value",
        IdempotencyKeyReused = "idempotency_key_reused",
        RateLimited = "rate_limited",
        Internal = "internal",
        EngineUnavailable = "engine_unavailable",
        DatabaseUnavailable = "database_unavailable",
        EngineTimeout = "engine_timeout",
    }
}

impl ErrorCode {
    /// The HTTP status that carries this code.
    pub const fn status(self) -> u16 {
        match self {
            Self::MalformedRequest => 400,
            Self::Unauthenticated | Self::InvalidCredentials => 401,
            Self::PasswordChangeRequired | Self::Forbidden | Self::CsrfRequired => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::AlreadyExists
            | Self::StateConflict
            | Self::InUse
            | Self::QuotaExceeded
            | Self::InsufficientCapacity => 409,
            Self::PreconditionFailed => 412,
            Self::PayloadTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::InvalidValue | Self::IdempotencyKeyReused => 422,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::EngineUnavailable => 502,
            Self::DatabaseUnavailable => 503,
            Self::EngineTimeout => 504,
        }
    }

    /// The `title` of the problem document.
    pub const fn title(self) -> &'static str {
        match self {
            Self::MalformedRequest => "The request could not be read",
            Self::Unauthenticated => "Log in first",
            Self::InvalidCredentials => "Username or password is wrong",
            Self::PasswordChangeRequired => "Change your password first",
            Self::Forbidden => "You may not do this",
            Self::CsrfRequired => "The X-Berth-CSRF header is missing or wrong",
            Self::NotFound => "There is no such thing",
            Self::MethodNotAllowed => "This path does not take that method",
            Self::AlreadyExists => "A thing of that name exists",
            Self::StateConflict => "Not possible in the present state",
            Self::InUse => "Still in use",
            Self::QuotaExceeded => "This would exceed a quota",
            Self::InsufficientCapacity => "There is not enough free capacity",
            Self::PreconditionFailed => "Somebody changed it meanwhile",
            Self::PayloadTooLarge => "The request is too large",
            Self::UnsupportedMediaType => "That content type is not understood",
            Self::InvalidValue => "A value is wrong",
            Self::IdempotencyKeyReused => "That Idempotency-Key was used for another request",
            Self::RateLimited => "Too many attempts",
            Self::Internal => "Berth failed",
            Self::EngineUnavailable => "The engine is away",
            Self::DatabaseUnavailable => "The database is away",
            Self::EngineTimeout => "The engine did not answer in time",
        }
    }
}

/// One value at fault: where it stands, what is wrong and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// JSON path of the value, e.g. `resource_constraints.gpu_memory_gb`.
    pub field: String,
    pub message: String,
}

/// RFC 9457 problem document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `about:blank`; `code` says what it is.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    pub code: ErrorCode,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldError>,
    pub request_id: String,
}

/// What went wrong: `public` for the caller, `internal` for the log only.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code}: {public}{}", internal.as_ref().map(|text| format!(" [{text}]")).unwrap_or_default())]
pub struct Error {
    pub code: ErrorCode,
    pub public: String,
    pub internal: Option<String>,
    pub fields: Vec<FieldError>,
    /// Seconds, for the `Retry-After` header.
    pub retry_after: Option<u64>,
}

impl Error {
    pub fn new(code: ErrorCode, public: impl Into<String>) -> Self {
        Self { code, public: public.into(), internal: None, fields: Vec::new(), retry_after: None }
    }

    /// A failure of Berth itself; the caller learns only that it happened and the request id.
    pub fn internal(text: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, "Something failed inside Berth. Its log tells more under the request id.")
            .with_internal(text)
    }

    /// `what` is a noun such as "session".
    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("There is no such {what}, or you may not see it."))
    }

    pub fn forbidden(public: impl Into<String>) -> Self {
        Self::new(ErrorCode::Forbidden, public)
    }

    pub fn conflict(public: impl Into<String>) -> Self {
        Self::new(ErrorCode::StateConflict, public)
    }

    /// One wrong value; `message` says what would be right.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid_fields(vec![FieldError { field: field.into(), message: message.into() }])
    }

    pub fn invalid_fields(fields: Vec<FieldError>) -> Self {
        let public = fields.iter().map(|f| format!("{}: {}", f.field, f.message)).collect::<Vec<_>>().join("; ");
        Self { fields, ..Self::new(ErrorCode::InvalidValue, public) }
    }

    #[must_use]
    pub fn with_internal(mut self, text: impl Into<String>) -> Self {
        self.internal = Some(text.into());
        self
    }

    /// `seconds` until a repetition has a chance.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub fn problem(&self, request_id: &str) -> Problem {
        Problem {
            kind: "about:blank".to_owned(),
            title: self.code.title().to_owned(),
            status: self.code.status(),
            detail: self.public.clone(),
            code: self.code,
            fields: self.fields.clone(),
            request_id: request_id.to_owned(),
        }
    }
}
