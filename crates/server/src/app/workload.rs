//! What people do inside a session: its log, commands, files, terminals and ports. None of it changes what Berth wants
//! of the session, so it goes to the engine at once and through no operation.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use berth_drivers::{
    ContainerDriver, DriverError, DriverErrorKind,
    container::{ExecSession, ExecSpec, LogOptions, OutputStream, TerminalSize},
    names,
};
use berth_store::sessions::SessionRecord;
use berth_types::{
    Error, ErrorCode,
    sessions::{SessionExec, SessionExecResult, Ticket, TicketCreate, TicketPurpose},
};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream::BoxStream};
use tokio::time::timeout;

use super::{App, AppError, AppResult, sessions::must_run};
use crate::{
    api::call::Call,
    engine::log_path,
    tickets::{Grant, expiry},
};

/// Bytes kept of each stream of a command that runs to its end.
const EXEC_OUTPUT: usize = 1 << 20;

/// Bytes for an HTTP body.
pub type Bytestream = BoxStream<'static, Result<Bytes, DriverError>>;

/// The container of the present attempt.
pub fn container(session: &SessionRecord) -> String {
    names::session_container(session.id, i64::from(session.attempt))
}

/// The log of the container while there is one, else what was kept of it.
///
/// # Errors
/// `engine_unavailable`, `internal` when the kept log cannot be read.
pub async fn log(app: &App, session: &SessionRecord, tail: Option<u64>, follow: bool) -> AppResult<Bytestream> {
    if let (Some(node), true) = (session.scheduled_node_id, session.status.is_allocated()) {
        let driver = app.engines.container(node)?;
        let options = LogOptions { follow, tail, ..LogOptions::default() };
        match driver.logs(&container(session), &options).await {
            Ok(stream) => return Ok(stream.map_ok(|chunk| chunk.bytes).boxed()),
            // Not made yet, or just removed: the kept log, if there is one, tells more.
            Err(error) if error.kind == DriverErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    kept_log(app, session, tail).await
}

async fn kept_log(app: &App, session: &SessionRecord, tail: Option<u64>) -> AppResult<Bytestream> {
    let bytes = match tokio::fs::read(log_path(&app.config, session.id)).await {
        Ok(bytes) => Bytes::from(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Bytes::new(),
        Err(error) => return Err(Error::internal(format!("kept log: {error}")).into()),
    };
    let start = tail.map_or(0, |lines| last_lines(&bytes, lines));
    Ok(futures::stream::once(async move { Ok(bytes.slice(start..)) }).boxed())
}

/// Where the last `lines` lines begin.
fn last_lines(bytes: &[u8], lines: u64) -> usize {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if lines == 0 {
        return bytes.len();
    }
    let mut breaks = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(index, _)| index);
    usize::try_from(lines - 1).ok().and_then(|skip| breaks.nth(skip)).map_or(0, |index| index + 1)
}

/// Runs a command to its end.
///
/// # Errors
/// `state_conflict` when it does not run, `invalid_value`, `engine_timeout` when it takes longer than it may.
pub async fn exec(app: &App, session: &SessionRecord, request: SessionExec) -> AppResult<SessionExecResult> {
    if request.command.is_empty() || request.command.iter().any(|word| word.contains('\0')) {
        return Err(Error::invalid("command", "must have at least one word and no NUL").into());
    }
    let seconds = request.timeout_seconds.unwrap_or(60);
    if !(1..=600).contains(&seconds) {
        return Err(Error::invalid("timeout_seconds", "must be from 1 to 600").into());
    }
    let driver = app.engines.container(must_run(session)?)?;
    let spec = ExecSpec { command: request.command, ..ExecSpec::default() };
    let run = async {
        let mut running = driver.exec(&container(session), &spec).await?;
        let mut outputs = [Vec::new(), Vec::new()];
        let mut truncated = false;
        while let Some(chunk) = running.output.next().await {
            let chunk = chunk?;
            let output = &mut outputs[usize::from(chunk.stream == OutputStream::Stderr)];
            let room = EXEC_OUTPUT - output.len();
            truncated |= chunk.bytes.len() > room;
            output.extend_from_slice(&chunk.bytes[..chunk.bytes.len().min(room)]);
        }
        let exit_code = running.control.exit_code().await?;
        let [stdout, stderr] = outputs.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok::<_, AppError>(SessionExecResult { exit_code, stdout, stderr, truncated })
    };
    let limit = Duration::from_secs(seconds.unsigned_abs());
    timeout(limit, run).await.unwrap_or_else(|_| {
        let text = format!("The command still ran after {seconds} seconds; it may go on inside. Raise timeout_seconds, or use a terminal.");
        Err(Error::new(berth_types::ErrorCode::EngineTimeout, text).into())
    })
}

fn absolute(path: &str) -> AppResult<()> {
    if path.starts_with('/') && path.len() <= 4096 && !path.contains('\0') && !path.split('/').any(|part| part == "..")
    {
        Ok(())
    } else {
        Err(Error::invalid("path", "must be an absolute path inside the session, without \"..\"").into())
    }
}

/// A file or directory as a tar archive.
///
/// # Errors
/// `not_found`, `state_conflict`, `invalid_value`, `engine_unavailable`.
pub async fn copy_out(app: &App, session: &SessionRecord, path: &str) -> AppResult<Bytestream> {
    absolute(path)?;
    let driver = app.engines.container(must_run(session)?)?;
    driver.copy_out(&container(session), path).await.map_err(|error| path_error(error, path))
}

/// Unpacks a tar archive into a directory of the session.
///
/// # Errors
/// `not_found`, `state_conflict`, `invalid_value`, `payload_too_large`, `engine_unavailable`.
pub async fn copy_in(
    app: &App,
    session: &SessionRecord,
    path: &str,
    body: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
) -> AppResult<()> {
    absolute(path)?;
    let driver = app.engines.container(must_run(session)?)?;
    let most = app.config.max_upload_bytes;
    // The engine only hears that the upload ended too soon: whoever sent it is told why.
    let too_large = Arc::new(AtomicBool::new(false));
    let noted = too_large.clone();
    let mut size = 0;
    let body = body.map(move |bytes| {
        let bytes = bytes.map_err(|error| DriverError::invalid(format!("the upload broke off: {error}")))?;
        size += bytes.len();
        if size > most {
            noted.store(true, Ordering::Relaxed);
            return Err(DriverError::invalid("the upload is larger than max_upload_bytes"));
        }
        Ok(bytes)
    });
    driver.copy_in(&container(session), path, body.boxed()).await.map_err(|error| {
        if too_large.load(Ordering::Relaxed) {
            let text = format!("An upload must have at most {most} bytes. Send the files in several parts.");
            return Error::new(ErrorCode::PayloadTooLarge, text).with_internal(error.to_string()).into();
        }
        path_error(error, path)
    })
}

fn path_error(error: DriverError, path: &str) -> AppError {
    match error.kind {
        DriverErrorKind::NotFound => Error::new(ErrorCode::NotFound, format!("There is no {path} in the session."))
            .with_internal(error.to_string())
            .into(),
        DriverErrorKind::InvalidRequest => {
            Error::invalid("body", "must be a tar archive that fits into that directory")
                .with_internal(error.to_string())
                .into()
        }
        _ => error.into(),
    }
}

/// An interactive terminal.
///
/// # Errors
/// `state_conflict` when it does not run, `engine_unavailable`.
pub async fn terminal(
    app: &App,
    session: &SessionRecord,
    command: Option<Vec<String>>,
    size: TerminalSize,
) -> AppResult<ExecSession> {
    let driver = app.engines.container(must_run(session)?)?;
    let shell = if session.shell.0.is_empty() { vec!["/bin/sh".to_owned()] } else { session.shell.0.clone() };
    let spec = ExecSpec {
        command: command.unwrap_or(shell),
        env: vec![("TERM".to_owned(), "xterm-256color".to_owned())],
        tty: true,
        stdin: true,
        size: Some(size),
        ..ExecSpec::default()
    };
    Ok(driver.exec(&container(session), &spec).await?)
}

/// The engine of a running session.
///
/// # Errors
/// `state_conflict` when it does not run, `engine_unavailable`.
pub fn driver(app: &App, session: &SessionRecord) -> AppResult<Arc<dyn ContainerDriver>> {
    app.engines.container(must_run(session)?)
}

/// A one-time ticket.
///
/// # Errors
/// `state_conflict`, `invalid_value`.
pub fn ticket(call: &Call, session: &SessionRecord, request: TicketCreate) -> AppResult<Ticket> {
    let app = &call.app;
    let port = match request.purpose {
        TicketPurpose::PortForward => Some(
            request.port.filter(|port| *port > 0).ok_or_else(|| Error::invalid("port", "must be from 1 to 65535"))?,
        ),
        TicketPurpose::Application => {
            let port = session.application_port.and_then(|port| u16::try_from(port).ok());
            Some(port.ok_or_else(|| Error::conflict("This application has no page to open. Use a terminal."))?)
        }
        _ => None,
    };
    if port.is_some() && !super::sessions::has_network(session) {
        return Err(
            Error::conflict("This session has no network (network_policy none), so no port can be reached.").into()
        );
    }
    if request.command.as_ref().is_some_and(|command| command.is_empty() || command.iter().any(|w| w.contains('\0'))) {
        return Err(Error::invalid("command", "must have at least one word and no NUL").into());
    }
    if request.purpose != TicketPurpose::Logs {
        must_run(session)?;
    }
    let expires_at = expiry(call.now);
    let grant = Grant {
        purpose: request.purpose,
        session: session.id,
        tenant: session.tenant_id,
        user: call.caller.user,
        port,
        command: request.command,
        expires_at,
    };
    let token = app.tickets.issue(grant, call.now);
    let url = match request.purpose {
        TicketPurpose::Terminal => format!("/api/v1/streams/terminal?ticket={token}"),
        TicketPurpose::Logs => format!("/api/v1/streams/logs?ticket={token}"),
        TicketPurpose::PortForward => format!("/api/v1/streams/port?ticket={token}"),
        TicketPurpose::Application => crate::proxy::entry_url(app, session.id, &token),
    };
    Ok(Ticket { url, expires_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_the_last_lines() {
        let text = b"one\ntwo\nthree\n";
        let tail = |lines| std::str::from_utf8(&text[last_lines(text, lines)..]).unwrap();
        assert_eq!(tail(0), "");
        assert_eq!(tail(1), "three\n");
        assert_eq!(tail(2), "two\nthree\n");
        assert_eq!(tail(9), "one\ntwo\nthree\n");
    }

    #[test]
    fn paths_stay_inside() {
        assert!(absolute("/home/x").is_ok());
        for wrong in ["home", "/a/../b", "/a\0b", ""] {
            assert!(absolute(wrong).is_err(), "{wrong:?}");
        }
    }
}
