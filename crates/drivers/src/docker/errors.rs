//! From what bollard, hyper and the engine say to a [`DriverErrorKind`].

use bollard::errors::Error as BollardError;

use crate::{DriverError, DriverErrorKind};

/// `what` is the call in words, without any value that could be secret.
pub(super) fn convert(what: &str, error: &BollardError) -> DriverError {
    match error {
        BollardError::DockerResponseServerError { status_code, message } => from_status(what, *status_code, message),
        BollardError::DockerStreamError { error } => from_status(what, 500, error),
        BollardError::SocketNotFoundError(text) => {
            DriverError::unavailable(format!("{what}: the engine cannot be reached: {text}"))
        }
        BollardError::RequestTimeoutError => {
            DriverError::new(DriverErrorKind::Timeout, format!("{what}: the engine did not answer in time"))
        }
        BollardError::HyperResponseError { err } => {
            DriverError::new(DriverErrorKind::Ambiguous, format!("{what}: the connection broke: {err}"))
        }
        BollardError::IOError { err } => {
            DriverError::new(DriverErrorKind::Ambiguous, format!("{what}: the connection broke: {err}"))
        }
        BollardError::JsonSerdeError { err } if err.is_eof() => {
            DriverError::new(DriverErrorKind::Ambiguous, format!("{what}: the answer was cut off"))
        }
        other => DriverError::internal(format!("{what}: {other}")),
    }
}

/// Docker has few status codes and says the rest in words; the words are those of moby and of Podman.
pub(super) fn from_status(what: &str, status: u16, message: &str) -> DriverError {
    let lower = message.to_ascii_lowercase();
    let says = |texts: &[&str]| texts.iter().any(|text| lower.contains(text));
    let kind = if says(&["no space left on device", "disk quota exceeded"]) {
        DriverErrorKind::NoSpace
    } else if status == 404 && says(&["no such image", "image not known", "unable to find image"]) {
        DriverErrorKind::ImageNotFound
    } else if says(&["could not select device driver", "storage-opt is supported only"]) {
        DriverErrorKind::Unsupported
    } else if says(&[
        "pool overlaps",
        "networks have same bridge name",
        "has active endpoints",
        "subnet is already used",
    ]) {
        DriverErrorKind::Conflict
    } else {
        match status {
            400 => DriverErrorKind::InvalidRequest,
            404 => DriverErrorKind::NotFound,
            409 => DriverErrorKind::Conflict,
            406 | 501 => DriverErrorKind::Unsupported,
            502 | 503 => DriverErrorKind::Unavailable,
            504 => DriverErrorKind::Timeout,
            403 => DriverErrorKind::Conflict,
            _ => DriverErrorKind::Internal,
        }
    };
    DriverError::new(kind, format!("{what}: {} (status {status})", message.trim()))
}

/// Takes secrets out of a message of the engine, which may quote what it was sent.
pub(super) fn redact(mut error: DriverError, secrets: &[(String, String)]) -> DriverError {
    for (_, value) in secrets.iter().filter(|(_, value)| value.len() >= 4) {
        if error.message.contains(value.as_str()) {
            error.message = error.message.replace(value.as_str(), "[hidden]");
        }
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_follow_status_and_words() {
        let kind = |status, message| from_status("test", status, message).kind;
        assert_eq!(kind(404, "No such image: a:b"), DriverErrorKind::ImageNotFound);
        assert_eq!(kind(404, "No such container: a"), DriverErrorKind::NotFound);
        assert_eq!(kind(500, "write /x: no space left on device"), DriverErrorKind::NoSpace);
        assert_eq!(kind(403, "Pool overlaps with other one on this address space"), DriverErrorKind::Conflict);
        assert_eq!(kind(500, "could not select device driver \"nvidia\""), DriverErrorKind::Unsupported);
        assert_eq!(kind(503, ""), DriverErrorKind::Unavailable);
        assert_eq!(kind(500, "oops"), DriverErrorKind::Internal);
    }

    #[test]
    fn secrets_are_hidden() {
        let error = DriverError::internal("bad value hunter22 in a=1");
        let secrets = [("P".to_owned(), "hunter22".to_owned()), ("A".to_owned(), "1".to_owned())];
        assert_eq!(redact(error, &secrets).message, "bad value [hidden] in a=1");
    }
}
