//! What can go wrong on the way to an answer, told apart by what the caller can do about it.

use std::time::Duration;

use berth_types::{ErrorCode, Problem};

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Berth answered, with a problem document.
    #[error("{}: {}", problem.title, problem.detail)]
    Problem {
        problem: Box<Problem>,
        /// From the `Retry-After` header.
        retry_after: Option<Duration>,
    },
    /// No connection came about, so nothing was done.
    #[error("Cannot reach {server}: {reason}")]
    Connect { server: String, reason: String },
    /// The connection stood but the answer did not come in time; the request may have been carried out.
    #[error("{server} did not answer in time")]
    Timeout { server: String },
    /// The connection broke; the request may have been carried out.
    #[error("The connection to {server} broke: {reason}")]
    Interrupted { server: String, reason: String },
    /// Something answered, but not as Berth does: a proxy, or another server.
    #[error("{server} answered {status}, and not as a Berth server does: {text}")]
    Unexpected { server: String, status: u16, text: String },
    /// The server is another version, or not Berth.
    #[error("The answer of {server} could not be read: {reason}")]
    Decode { server: String, reason: String },
    /// The place where tokens are kept failed.
    #[error("The login could not be kept: {0}")]
    TokenStore(#[source] std::io::Error),
    /// The client cannot be built or a request cannot be written, e.g. because of a wrong address or certificate.
    #[error("{0}")]
    Invalid(String),
}

impl ClientError {
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem { problem, .. } => Some(problem),
            _ => None,
        }
    }

    pub fn code(&self) -> Option<ErrorCode> {
        self.problem().map(|problem| problem.code)
    }

    pub fn is_not_found(&self) -> bool {
        self.code() == Some(ErrorCode::NotFound)
    }

    /// Whether the server may be restarting: a loop that waits for something should go on.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Problem { problem, .. } => {
                matches!(problem.code, ErrorCode::DatabaseUnavailable | ErrorCode::RateLimited)
            }
            Self::Connect { .. } | Self::Timeout { .. } | Self::Interrupted { .. } => true,
            Self::Unexpected { status, .. } => matches!(status, 502..=504),
            _ => false,
        }
    }

    /// Whether sending the same request again, with the same `Idempotency-Key`, has a chance within a moment.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.is_temporary() && self.code() != Some(ErrorCode::RateLimited) && !matches!(self, Self::Timeout { .. })
    }

    /// Whether the server may have carried the request out although the caller saw no answer.
    pub(crate) fn is_ambiguous(&self) -> bool {
        match self {
            Self::Interrupted { .. } | Self::Timeout { .. } => true,
            Self::Unexpected { status, .. } => matches!(status, 502 | 504),
            _ => false,
        }
    }

    pub(crate) fn from_reqwest(server: &str, error: reqwest::Error) -> Self {
        let server = server.to_owned();
        // The url may hold a ticket, so it never becomes part of a message.
        let error = error.without_url();
        if error.is_connect() {
            Self::Connect { server, reason: innermost(&error) }
        } else if error.is_timeout() {
            Self::Timeout { server }
        } else if error.is_builder() {
            Self::Invalid(innermost(&error))
        } else {
            // Also what reqwest calls a decode error, a body that broke off; JSON is read elsewhere.
            Self::Interrupted { server, reason: innermost(&error) }
        }
    }

    /// Reads an answer that is not a success.
    pub(crate) async fn from_response(server: &str, response: reqwest::Response) -> Self {
        let status = response.status();
        let location = header(&response, "location");
        let retry_after = header(&response, "retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs);
        let body = match response.bytes().await {
            Ok(body) => body,
            Err(error) => return Self::from_reqwest(server, error),
        };
        if let Ok(problem) = serde_json::from_slice::<Problem>(&body) {
            return Self::Problem { problem: Box::new(problem), retry_after };
        }
        let text = match location {
            Some(location) => format!("it redirects to {location}"),
            None => String::from_utf8_lossy(&body).chars().filter(|c| !c.is_control()).take(200).collect(),
        };
        Self::Unexpected { server: server.to_owned(), status: status.as_u16(), text }
    }
}

fn header(response: &reqwest::Response, name: &str) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

/// The last cause of a chain, which names the actual trouble ("connection refused") where the first names only the act.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
