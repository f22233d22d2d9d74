//! How a command ends: exit codes that scripts can rely on, and errors in words on stderr.

use std::io::{self, Write};

use berth_client::ClientError;
use berth_types::ErrorCode;
use serde::Serialize;

use crate::output::Format;

/// Shown by `berth --help`; scripts rely on it.
pub const EXIT_CODES: &str = "Exit codes: 0 done, 1 error, 2 wrong usage, 3 not logged in, 4 not found, 5 conflict or quota, \
6 server, engine or database away (try again later). `session exec` and `session terminal` end with the command's own code.";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Error = 1,
    Usage = 2,
    NotLoggedIn = 3,
    NotFound = 4,
    Conflict = 5,
    Unavailable = 6,
}

/// A failure found on this side.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    pub exit: Exit,
    pub text: String,
}

impl Failure {
    pub fn of(exit: Exit, text: impl Into<String>) -> anyhow::Error {
        Self { exit, text: text.into() }.into()
    }

    pub fn error(text: impl Into<String>) -> anyhow::Error {
        Self::of(Exit::Error, text)
    }

    pub fn usage(text: impl Into<String>) -> anyhow::Error {
        Self::of(Exit::Usage, text)
    }

    pub fn not_found(text: impl Into<String>) -> anyhow::Error {
        Self::of(Exit::NotFound, text)
    }
}

/// The reader of our output has gone (`berth … | head`): nothing to say, and no failure.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe))
}

pub fn exit_code(error: &anyhow::Error) -> Exit {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.exit;
    }
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::Problem { problem, .. }) => match problem.code {
            ErrorCode::Unauthenticated | ErrorCode::InvalidCredentials => Exit::NotLoggedIn,
            ErrorCode::NotFound => Exit::NotFound,
            ErrorCode::EngineUnavailable
            | ErrorCode::DatabaseUnavailable
            | ErrorCode::EngineTimeout
            | ErrorCode::RateLimited => Exit::Unavailable,
            code if matches!(code.status(), 409 | 412) => Exit::Conflict,
            _ => Exit::Error,
        },
        Some(ClientError::Connect { .. } | ClientError::Timeout { .. } | ClientError::Interrupted { .. }) => {
            Exit::Unavailable
        }
        Some(ClientError::Unexpected { status: 502..=504, .. }) => Exit::Unavailable,
        _ => Exit::Error,
    }
}

/// Writes an error to stderr: a problem as the server gave it, anything else in words.
pub fn report(error: &anyhow::Error, format: Format, server: Option<&str>) {
    let text = match format {
        Format::Table => words(error, server),
        Format::Json | Format::Yaml => document(error, format),
    };
    let _ = io::stderr().write_all(text.as_bytes());
}

fn words(error: &anyhow::Error, server: Option<&str>) -> String {
    let mut text = String::new();
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::Problem { problem, retry_after }) => {
            text.push_str(&format!("berth: {}\n", problem.title));
            if problem.fields.is_empty() {
                text.push_str(&format!("  {}\n", problem.detail));
            }
            for field in &problem.fields {
                text.push_str(&format!("  {}: {}\n", field.field, field.message));
            }
            if let Some(pause) = retry_after {
                text.push_str(&format!("  Try again in {} seconds.\n", pause.as_secs()));
            }
            match problem.code {
                ErrorCode::Unauthenticated => text.push_str(&format!("  Run: berth login{}\n", option(server))),
                ErrorCode::PasswordChangeRequired => text.push_str("  Run: berth password\n"),
                _ => {}
            }
            text.push_str(&format!("  (request {})\n", problem.request_id));
        }
        Some(ClientError::Connect { reason, .. }) => {
            let hint = if reason.contains("certificate") {
                "Trust its authority with --ca-file or BERTH_CA_FILE."
            } else {
                "Is the server running there? Choose another with --server or BERTH_SERVER."
            };
            text.push_str(&format!("berth: {error}\n  {hint}\n"));
        }
        _ => text.push_str(&format!("berth: {error:#}\n")),
    }
    text
}

fn option(server: Option<&str>) -> String {
    server.map(|server| format!(" --server {server}")).unwrap_or_default()
}

fn document(error: &anyhow::Error, format: Format) -> String {
    #[derive(Serialize)]
    struct Other {
        title: String,
        exit_code: i32,
    }
    let other = Other { title: format!("{error:#}"), exit_code: exit_code(error) as i32 };
    let problem = error.downcast_ref::<ClientError>().and_then(ClientError::problem);
    let text = match (format, problem) {
        (Format::Yaml, Some(problem)) => serde_yaml::to_string(problem).ok(),
        (Format::Yaml, None) => serde_yaml::to_string(&other).ok(),
        (_, Some(problem)) => serde_json::to_string_pretty(problem).ok().map(|text| text + "\n"),
        (_, None) => serde_json::to_string_pretty(&other).ok().map(|text| text + "\n"),
    };
    text.unwrap_or_else(|| format!("berth: {error:#}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(code: ErrorCode) -> anyhow::Error {
        let problem = Box::new(berth_types::Error::invalid("cpu_request", "must be from 0.01 to 4096").problem("r-1"));
        let problem = Box::new(berth_types::Problem { code, title: code.title().to_owned(), ..*problem });
        ClientError::Problem { problem, retry_after: None }.into()
    }

    #[test]
    fn exit_codes_are_as_documented() {
        for (code, exit) in [
            (ErrorCode::Unauthenticated, Exit::NotLoggedIn),
            (ErrorCode::InvalidCredentials, Exit::NotLoggedIn),
            (ErrorCode::NotFound, Exit::NotFound),
            (ErrorCode::QuotaExceeded, Exit::Conflict),
            (ErrorCode::InsufficientCapacity, Exit::Conflict),
            (ErrorCode::PreconditionFailed, Exit::Conflict),
            (ErrorCode::EngineUnavailable, Exit::Unavailable),
            (ErrorCode::InvalidValue, Exit::Error),
            (ErrorCode::Forbidden, Exit::Error),
        ] {
            assert_eq!(exit_code(&problem(code)), exit, "{code}");
        }
        let connect = ClientError::Connect { server: "s".to_owned(), reason: "refused".to_owned() };
        assert_eq!(exit_code(&connect.into()), Exit::Unavailable);
        assert_eq!(exit_code(&Failure::usage("x")), Exit::Usage);
        assert_eq!(exit_code(&anyhow::anyhow!("x")), Exit::Error);
    }

    #[test]
    fn words_name_title_field_and_request() {
        let text = words(&problem(ErrorCode::InvalidValue), None);
        assert_eq!(text, "berth: A value is wrong\n  cpu_request: must be from 0.01 to 4096\n  (request r-1)\n");
        assert!(
            words(&problem(ErrorCode::Unauthenticated), Some("http://h")).contains("berth login --server http://h")
        );
    }

    #[test]
    fn json_is_the_problem_itself() {
        let text = document(&problem(ErrorCode::InvalidValue), Format::Json);
        let back: berth_types::Problem = serde_json::from_str(&text).unwrap();
        assert_eq!(back.fields[0].field, "cpu_request");
    }

    #[test]
    fn a_closed_pipe_is_recognised() {
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe)).context("writing");
        assert!(is_broken_pipe(&error));
        assert!(!is_broken_pipe(&anyhow::anyhow!("other")));
    }
}
