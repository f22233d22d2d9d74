//! Answers that do not end at once: logs, archives, server-sent events, WebSockets.
//!
//! WebSockets are opened over the HTTP client's own connection (an upgrade), so that certificates, proxies and problem
//! documents work as for every other request and no second TLS stack is configured.

use std::{pin::Pin, time::Duration};

use berth_types::sessions::Ticket;
use bytes::{Buf, Bytes, BytesMut};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use http::{HeaderValue, Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::{client::generate_key, derive_accept_key},
        protocol::Role,
    },
};
use uuid::Uuid;

use crate::{Client, ClientError, Result, transport::Repeat};

/// Longest wait for the beginning of an answer that then streams for as long as it takes.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest single server-sent event; anything larger is not one of Berth's.
const MAX_EVENT: usize = 1 << 20;

pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;
pub type StreamItems = Pin<Box<dyn Stream<Item = Result<StreamItem>> + Send>>;
pub type WebSocket = WebSocketStream<reqwest::Upgraded>;

/// One server-sent event: something changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StreamItem {
    /// session, node, operation or event.
    #[serde(rename = "type")]
    pub kind: String,
    pub id: Option<Uuid>,
    #[serde(flatten)]
    pub rest: serde_json::Map<String, serde_json::Value>,
}

impl Client {
    pub(crate) async fn stream(&self, segments: &[&str], query: &impl Serialize) -> Result<ByteStream> {
        let mut request = self.with_query(self.request(Method::GET, self.route(segments)), query)?;
        *request.timeout_mut() = None;
        let begun = tokio::time::timeout(BEGIN_TIMEOUT, self.execute(request, Repeat::Harmless)).await;
        let response = begun.map_err(|_| ClientError::Timeout { server: self.server().to_owned() })??;
        let client = self.clone();
        Ok(Box::pin(response.bytes_stream().map_err(move |error| client.broken(error))))
    }

    pub(crate) async fn stream_items(&self, segments: &[&str]) -> Result<StreamItems> {
        let bytes = self.stream(segments, &()).await?;
        Ok(items(bytes, self.server().to_owned()))
    }

    /// Opens the WebSocket of a ticket; it works once.
    ///
    /// # Errors
    /// A problem when the ticket ran out; the transport's.
    pub async fn open_web_socket(&self, ticket: &Ticket) -> Result<WebSocket> {
        let mut request = self.request(Method::GET, self.absolute(&ticket.url)?);
        *request.timeout_mut() = None;
        let key = generate_key();
        let headers = request.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(
            header::SEC_WEBSOCKET_KEY,
            HeaderValue::from_str(&key).map_err(|error| ClientError::Invalid(error.to_string()))?,
        );
        let unexpected = |status: StatusCode, text: &str| ClientError::Unexpected {
            server: self.server().to_owned(),
            status: status.as_u16(),
            text: text.to_owned(),
        };
        let begun =
            tokio::time::timeout(BEGIN_TIMEOUT, self.execute_unauthenticated(request, Repeat::OnlyUnsent)).await;
        let response = begun.map_err(|_| ClientError::Timeout { server: self.server().to_owned() })??;
        let status = response.status();
        if status != StatusCode::SWITCHING_PROTOCOLS {
            return Err(unexpected(status, "it did not open a WebSocket"));
        }
        let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT).and_then(|value| value.to_str().ok());
        if accepted != Some(derive_accept_key(key.as_bytes()).as_str()) {
            return Err(unexpected(status, "its WebSocket handshake is wrong"));
        }
        let upgraded = response.upgrade().await.map_err(|error| self.broken(error))?;
        Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await)
    }
}

/// Splits a `text/event-stream` into events and reads their `data` as JSON.
fn items(bytes: ByteStream, server: String) -> StreamItems {
    struct State {
        bytes: ByteStream,
        parser: EventParser,
        server: String,
    }
    let state = State { bytes, parser: EventParser::default(), server };
    Box::pin(stream::try_unfold(state, |mut state| async move {
        loop {
            if let Some(data) = state.parser.next() {
                let item = serde_json::from_str(&data)
                    .map_err(|error| ClientError::Decode { server: state.server.clone(), reason: error.to_string() })?;
                return Ok(Some((item, state)));
            }
            match state.bytes.next().await {
                Some(chunk) => state.parser.push(&chunk?, &state.server)?,
                None => return Ok(None),
            }
        }
    }))
}

/// The part of the event stream format that carries data: `data:` lines up to an empty line; the rest is skipped.
#[derive(Default)]
struct EventParser {
    buffer: BytesMut,
    data: String,
}

impl EventParser {
    fn push(&mut self, chunk: &[u8], server: &str) -> Result<()> {
        self.buffer.extend_from_slice(chunk);
        if self.buffer.len() + self.data.len() > MAX_EVENT {
            return Err(ClientError::Decode { server: server.to_owned(), reason: "an event is too large".to_owned() });
        }
        Ok(())
    }

    fn next(&mut self) -> Option<String> {
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line = self.buffer.split_to(end);
            self.buffer.advance(1);
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches('\r');
            if line.is_empty() {
                if !self.data.is_empty() {
                    return Some(std::mem::take(&mut self.data));
                }
            } else if let Some(text) = line.strip_prefix("data:") {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(text.strip_prefix(' ').unwrap_or(text));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(chunks: &[&str]) -> Vec<String> {
        let mut parser = EventParser::default();
        let mut all = Vec::new();
        for chunk in chunks {
            parser.push(chunk.as_bytes(), "s").unwrap();
            while let Some(data) = parser.next() {
                all.push(data);
            }
        }
        all
    }

    #[test]
    fn events_survive_any_cut() {
        let text =
            ": hello\r\nevent: x\ndata: {\"a\":1}\r\n\r\n\n: keep-alive\n\ndata:one\ndata: two\n\ndata: unfinished";
        let expected = vec!["{\"a\":1}".to_owned(), "one\ntwo".to_owned()];
        assert_eq!(parse(&[text]), expected);
        for cut in 0..text.len() {
            assert_eq!(parse(&[&text[..cut], &text[cut..]]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut parser = EventParser::default();
        let chunk = vec![b'x'; MAX_EVENT + 1];
        assert!(matches!(parser.push(&chunk, "s"), Err(ClientError::Decode { .. })));
    }

    #[test]
    fn items_keep_what_they_do_not_know() {
        let item: StreamItem = serde_json::from_str(
            "{\"type\":\"session\",\"id\":\"0199b0a4-0000-7000-8000-000000000000\",\"status\":\"running\"}",
        )
        .unwrap();
        assert_eq!(item.kind, "session");
        assert_eq!(item.rest["status"], "running");
    }
}
