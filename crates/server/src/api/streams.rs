//! WebSockets of terminals, followed logs and ports. The ticket in the URL is all the authority they have: it was given
//! to one caller for one session and one purpose, and works once.

use std::sync::Arc;

use axum::{
    Router,
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::Response,
    routing::get,
};
use berth_drivers::{DriverError, container::TerminalSize};
use berth_store::{self as store, sessions::SessionRecord};
use berth_types::{Error, ErrorCode, sessions::TicketPurpose};
use futures::{SinkExt, StreamExt, stream::SplitSink};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    extract::Query,
    frame::{Fail, Reply},
};
use crate::{
    app::{App, AppError, workload},
    tickets::Grant,
};

/// Bytes of one WebSocket frame that carries a port's data.
const CHUNK: usize = 32 * 1024;
/// How long the other side may take to close after this one has.
const CLOSE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/streams/terminal", get(terminal))
        .route("/api/v1/streams/logs", get(logs))
        .route("/api/v1/streams/port", get(port))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketQuery {
    ticket: String,
}

async fn redeem(app: &App, query: &TicketQuery, purpose: TicketPurpose) -> Result<(Grant, SessionRecord), Fail> {
    let grant = app.tickets.redeem(&query.ticket, purpose, app.now()).ok_or_else(|| {
        Error::new(
            ErrorCode::Unauthenticated,
            "This ticket is unknown, was used, or is older than a minute. Ask for a new one.",
        )
    })?;
    let session = store::sessions::record(app.store.reader(), grant.session).await.map_err(AppError::from)?;
    Ok((grant, session))
}

fn upgrade(
    request: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<WebSocketUpgrade, Fail> {
    request.map_err(|error| {
        Error::new(ErrorCode::MalformedRequest, format!("This path speaks WebSocket: {error}.")).into()
    })
}

type Upgrade = Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>;

async fn terminal(State(app): State<Arc<App>>, Query(query): Query<TicketQuery>, request: Upgrade) -> Reply {
    let request = upgrade(request)?;
    let (grant, session) = redeem(&app, &query, TicketPurpose::Terminal).await?;
    let size = TerminalSize { columns: 80, rows: 24 };
    let exec = workload::terminal(&app, &session, grant.command, size).await?;
    Ok(request.on_upgrade(move |socket| run_terminal(socket, exec)))
}

/// What a client may say in text frames.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum TerminalControl {
    Resize { cols: u16, rows: u16 },
}

async fn run_terminal(socket: WebSocket, exec: berth_drivers::container::ExecSession) {
    let (mut sender, mut receiver) = socket.split();
    let berth_drivers::container::ExecSession { mut output, mut input, control } = exec;
    let sizes = control.clone();
    let typing = async move {
        // What is typed after the command's end goes nowhere, and must not keep its last words from being shown.
        let mut open = true;
        while let Some(Ok(message)) = receiver.next().await {
            match message {
                Message::Binary(bytes) => {
                    open = open && input.write_all(&bytes).await.is_ok() && input.flush().await.is_ok();
                }
                Message::Text(text) => {
                    if let Ok(TerminalControl::Resize { cols, rows }) = serde_json::from_str(&text) {
                        let size = TerminalSize { columns: cols.max(1), rows: rows.max(1) };
                        resize(sizes.as_ref(), size).await;
                    }
                }
                Message::Close(_) => break,
                Message::Ping(_) | Message::Pong(_) => {}
            }
        }
    };
    let showing = async {
        while let Some(chunk) = output.next().await {
            let Ok(chunk) = chunk else { break };
            if sender.send(Message::Binary(chunk.bytes)).await.is_err() {
                return;
            }
        }
        let exit_code = control.exit_code().await.ok().flatten();
        let text = serde_json::json!({ "exit_code": exit_code }).to_string();
        let _ = sender.send(Message::Text(text.into())).await;
        let _ = sender.close().await;
    };
    // A closed browser drops the command's terminal. An ended command closes the socket, which is read until the other
    // side has closed as well: dropping it with something unread would reset it, and the exit code with it.
    tokio::pin!(typing);
    tokio::select! {
        () = &mut typing => {}
        () = showing => {
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, typing).await;
        }
    }
}

/// Engines refuse to resize a terminal whose command has not begun yet, and a client tells its size first: so for half a
/// second it is tried again, and what was typed after it waits.
async fn resize(control: &dyn berth_drivers::container::ExecControl, size: TerminalSize) {
    for _ in 0..25 {
        match control.resize(size).await {
            Ok(()) => return,
            Err(error) => tracing::debug!(%error, "terminal not resized"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn logs(State(app): State<Arc<App>>, Query(query): Query<TicketQuery>, request: Upgrade) -> Reply {
    let request = upgrade(request)?;
    let (_, session) = redeem(&app, &query, TicketPurpose::Logs).await?;
    let stream = workload::log(&app, &session, Some(1000), true).await?;
    Ok(request.on_upgrade(move |socket| run_logs(socket, stream)))
}

async fn run_logs(socket: WebSocket, mut stream: workload::Bytestream) {
    let (mut sender, mut receiver) = socket.split();
    let sending = async {
        while let Some(Ok(bytes)) = stream.next().await {
            if sender.send(Message::Binary(bytes)).await.is_err() {
                return;
            }
        }
        let _ = sender.close().await;
    };
    tokio::select! {
        () = sending => {}
        () = async { while let Some(Ok(_)) = receiver.next().await {} } => {}
    }
}

async fn port(
    State(app): State<Arc<App>>,
    Query(query): Query<TicketQuery>,
    request: Upgrade,
) -> Result<Response, Fail> {
    let request = upgrade(request)?;
    let (grant, session) = redeem(&app, &query, TicketPurpose::PortForward).await?;
    let port = grant.port.unwrap_or_default();
    let driver = workload::driver(&app, &session)?;
    let stream = driver.dial(&workload::container(&session), port).await.map_err(|error| no_listener(error, port))?;
    Ok(request.on_upgrade(move |socket| run_port(socket, stream)))
}

fn no_listener(error: DriverError, port: u16) -> Fail {
    let text = format!("Nothing answers on port {port} of this session. Is the program listening on 0.0.0.0?");
    Error::new(ErrorCode::EngineUnavailable, text).with_internal(error.to_string()).into()
}

async fn run_port(socket: WebSocket, stream: Box<dyn berth_drivers::container::AsyncReadWrite>) {
    let (mut sender, mut receiver) = socket.split();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let upward = async move {
        while let Some(Ok(message)) = receiver.next().await {
            match message {
                // An empty frame is the end of the input: after a close frame nothing more could be sent back.
                Message::Binary(bytes) if bytes.is_empty() && writer.shutdown().await.is_ok() => {}
                Message::Binary(bytes) if writer.write_all(&bytes).await.is_ok() => {}
                Message::Binary(_) => return,
                Message::Close(_) => break,
                _ => {}
            }
        }
        let _ = writer.shutdown().await;
    };
    let downward = async move {
        let mut buffer = vec![0; CHUNK];
        while let Ok(count @ 1..) = reader.read(&mut buffer).await {
            let bytes = bytes::Bytes::copy_from_slice(&buffer[..count]);
            if sender.send(Message::Binary(bytes)).await.is_err() {
                return;
            }
        }
        close(sender).await;
    };
    // The far side's last bytes still have to arrive after this side has said all it had to say.
    tokio::pin!(downward);
    tokio::select! {
        () = upward => downward.await,
        () = &mut downward => {}
    }
}

async fn close(mut sender: SplitSink<WebSocket, Message>) {
    let _ = sender.close().await;
}
