//! What an engine answered, reduced to what a caller may have to decide upon.

/// Why a driver call failed; the caller chooses between retry, report and repair by this alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriverErrorKind {
    /// The container, network or path is not there.
    NotFound,
    /// The name is taken by something that is not ours (other labels or another shape).
    AlreadyExists,
    /// Not possible in the present state, such as pausing what does not run.
    Conflict,
    /// The engine refused a value.
    InvalidRequest,
    /// The image is not on the engine.
    ImageNotFound,
    /// The registry refused the image, or could not be reached.
    ImagePull,
    /// The engine's disk is full.
    NoSpace,
    /// This engine or this host cannot do it; the message names the remedy.
    Unsupported,
    /// The engine is away: nothing was sent to it, or it said itself that it cannot serve now.
    Unavailable,
    /// The engine took the call and did not answer in time; it may have been done.
    Timeout,
    /// The connection broke after the call was sent; it may have been done.
    Ambiguous,
    /// Anything else, including an answer that cannot be read.
    Internal,
}

impl DriverErrorKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::Conflict => "conflict",
            Self::InvalidRequest => "invalid_request",
            Self::ImageNotFound => "image_not_found",
            Self::ImagePull => "image_pull",
            Self::NoSpace => "no_space",
            Self::Unsupported => "unsupported",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Ambiguous => "ambiguous",
            Self::Internal => "internal",
        }
    }
}

impl std::fmt::Display for DriverErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// `message` is internal text, for the log and never for a user; it holds no environment value and no credential.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{kind}: {message}")]
pub struct DriverError {
    pub kind: DriverErrorKind,
    pub message: String,
}

impl DriverError {
    pub fn new(kind: DriverErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// `what` names the thing, e.g. `container berth-1-1`.
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(DriverErrorKind::NotFound, format!("there is no {what}"))
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(DriverErrorKind::Conflict, message)
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(DriverErrorKind::InvalidRequest, message)
    }

    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(DriverErrorKind::Unsupported, message)
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(DriverErrorKind::Unavailable, message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(DriverErrorKind::Internal, message)
    }

    /// Whether the same call may succeed later without anybody changing anything. True for a call that may have been
    /// done already, because every verb of a driver may be repeated.
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            DriverErrorKind::Unavailable
                | DriverErrorKind::Timeout
                | DriverErrorKind::Ambiguous
                | DriverErrorKind::Internal
                | DriverErrorKind::ImagePull
                | DriverErrorKind::NoSpace
        )
    }

    /// Whether the call may have taken effect although it failed.
    pub const fn may_have_happened(&self) -> bool {
        matches!(self.kind, DriverErrorKind::Timeout | DriverErrorKind::Ambiguous)
    }
}

pub type Result<T, E = DriverError> = std::result::Result<T, E>;
