//! Typed client of Berth's HTTP API: one method per route, named as the route's operationId.
//!
//! What every caller would otherwise do by itself, and slightly wrong, is done here once: refreshing a login that ran
//! out, sending the same `Idempotency-Key` again when a connection broke and nobody knows whether the request arrived,
//! turning problem documents into errors, and opening WebSockets over the same TLS and proxy settings as everything else.

mod error;
mod filters;
mod pages;
mod routes;
mod streams;
mod tokens;
mod transport;

pub use error::ClientError;
pub use filters::{AllocationFilter, PageQuery, UsageRecordFilter};
pub use pages::collect;
pub use streams::{ByteStream, StreamItem, StreamItems, WebSocket};
pub use tokens::{LockedTokens, TokenStore, Tokens};
pub use transport::{Client, ClientBuilder, server_address};

pub use reqwest::Body;
pub use tokio_tungstenite::tungstenite::Message;

pub type Result<T, E = ClientError> = std::result::Result<T, E>;
