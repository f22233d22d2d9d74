//! The way to an engine and to its containers. The driver asks only for connections, so an engine behind an agent's
//! tunnel needs another [`HostAccess`] and no other driver.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bollard::BollardRequest;
use bollard::errors::Error as BollardError;
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};

use crate::container::AsyncReadWrite;
use crate::{DriverError, Result};

/// Opens connections on the host of an engine.
#[async_trait]
pub trait HostAccess: Send + Sync + 'static {
    async fn connect_engine(&self) -> io::Result<Box<dyn AsyncReadWrite>>;

    /// To a container's address, as only its host can reach it.
    async fn connect_tcp(&self, address: SocketAddr) -> io::Result<Box<dyn AsyncReadWrite>>;

    /// Whether that host is this one, so that its files and its firewall are ours.
    fn is_local(&self) -> bool;
}

/// An engine on this machine, or on another one by plain TCP (whose containers are then out of reach of `dial`, unless
/// that network is routed).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectAccess {
    Unix(PathBuf),
    Tcp(String),
}

impl DirectAccess {
    /// Takes `unix:///path`, `/path`, `tcp://host:port` or `http://host:port`.
    pub fn parse(endpoint: &str) -> Result<Self> {
        if let Some(path) = endpoint.strip_prefix("unix://") {
            return Ok(Self::Unix(path.into()));
        }
        if endpoint.starts_with('/') {
            return Ok(Self::Unix(endpoint.into()));
        }
        match endpoint.strip_prefix("tcp://").or_else(|| endpoint.strip_prefix("http://")) {
            Some(address) if !address.is_empty() => Ok(Self::Tcp(address.trim_end_matches('/').to_owned())),
            _ => Err(DriverError::invalid("an engine's endpoint is unix:///path/to.sock or tcp://host:port")),
        }
    }
}

#[async_trait]
impl HostAccess for DirectAccess {
    async fn connect_engine(&self) -> io::Result<Box<dyn AsyncReadWrite>> {
        Ok(match self {
            Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Self::Tcp(address) => Box::new(TcpStream::connect(address).await?),
        })
    }

    async fn connect_tcp(&self, address: SocketAddr) -> io::Result<Box<dyn AsyncReadWrite>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }

    fn is_local(&self) -> bool {
        matches!(self, Self::Unix(_))
    }
}

/// Sends one request over a connection of its own. A failure to connect comes back as `SocketNotFoundError`, which
/// nothing else here produces: it alone proves that the engine has seen nothing of the request.
pub(super) async fn send<B>(
    access: Arc<dyn HostAccess>,
    mut request: Request<B>,
) -> Result<Response<Incoming>, BollardError>
where
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = access.connect_engine().await.map_err(|error| BollardError::SocketNotFoundError(error.to_string()))?;
    if let Some(path) = request.uri().path_and_query().cloned() {
        *request.uri_mut() = Uri::from(path);
    }
    request.headers_mut().insert(HOST, HeaderValue::from_static("engine"));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "connection to the engine broke");
        }
    });
    Ok(sender.send_request(request).await?)
}

/// Bollard's view of the same. Bollard agrees on a version and then leaves it out of its paths, so that the engine would
/// answer in its newest one; `version` (such as `/v1.41`) puts it back once it is known.
pub(super) fn bollard_transport(
    access: Arc<dyn HostAccess>,
    version: Arc<OnceLock<String>>,
) -> impl Fn(BollardRequest) -> futures::future::BoxFuture<'static, Result<Response<Incoming>, BollardError>> + Send + Sync
{
    move |mut request| {
        if let Some(version) = version.get()
            && let Some(path) = request.uri().path_and_query().map(|path| path.as_str())
            && !path.starts_with("/v1.")
            && let Ok(versioned) = format!("{version}{path}").parse()
        {
            *request.uri_mut() = versioned;
        }
        Box::pin(send(access.clone(), request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        assert_eq!(DirectAccess::parse("unix:///run/a.sock").unwrap(), DirectAccess::Unix("/run/a.sock".into()));
        assert_eq!(DirectAccess::parse("/run/a.sock").unwrap(), DirectAccess::Unix("/run/a.sock".into()));
        assert_eq!(DirectAccess::parse("tcp://h:2375/").unwrap(), DirectAccess::Tcp("h:2375".to_owned()));
        assert!(DirectAccess::parse("ftp://h").is_err());
        assert!(DirectAccess::parse("").is_err());
    }
}
