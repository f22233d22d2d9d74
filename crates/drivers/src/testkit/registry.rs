//! A registry of images played by a small server on the loopback interface, from which engines pull without TLS. It can
//! be slow, refuse, and break off, as real ones do.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::builtin_images;
use crate::container::ImageConfig;

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// How the registry gives an image away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// At once.
    Served,
    /// Its layer takes about so long.
    Slow(Duration),
    /// Only to others.
    Denied,
    /// The connection breaks before the answer.
    Broken,
}

/// An image of one layer, under the tag `1`.
pub struct Image {
    pub name: String,
    pub manner: Manner,
    /// The root filesystem as a tar archive.
    pub layer: Vec<u8>,
    pub config: ImageConfig,
    /// In the words of the OCI image specification, e.g. `amd64`.
    pub architecture: String,
}

impl Image {
    /// The built-in image with a file more, so that it runs, and no engine has its layer from before.
    ///
    /// # Errors
    /// There is no static busybox on this machine.
    pub fn runnable(name: &str, manner: Manner, architecture: &str) -> io::Result<Self> {
        let root = builtin_images::root_filesystem(Path::new("/bin/busybox")).map_err(io::Error::other)?;
        let mut layer = tar::Builder::new(Vec::new());
        append_noise(&mut layer, &format!("noise-{}", uuid::Uuid::new_v4()), 2_000_000)?;
        let mut layer = layer.into_inner()?;
        // Without the mark of the end: the root filesystem follows.
        layer.truncate(layer.len() - 1024);
        layer.extend_from_slice(&root);
        Ok(Self {
            name: name.to_owned(),
            manner,
            layer,
            config: builtin_images::config(),
            architecture: architecture.to_owned(),
        })
    }

    /// An image of one file that nobody runs.
    ///
    /// # Errors
    /// Only when there is no memory left.
    pub fn of_bytes(name: &str, manner: Manner, size: u32) -> io::Result<Self> {
        let mut layer = tar::Builder::new(Vec::new());
        append_noise(&mut layer, "data", size)?;
        Ok(Self {
            name: name.to_owned(),
            manner,
            layer: layer.into_inner()?,
            config: ImageConfig { command: vec!["/data".to_owned()], ..ImageConfig::default() },
            architecture: "amd64".to_owned(),
        })
    }
}

/// A file of many different bytes.
fn append_noise(archive: &mut tar::Builder<Vec<u8>>, path: &str, size: u32) -> io::Result<()> {
    let content: Vec<u8> = (0..size).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, path, content.as_slice())
}

struct Answer {
    content_type: &'static str,
    body: Vec<u8>,
    manner: Manner,
}

type Answers = HashMap<String, Answer>;

/// The server. Dropping it ends it.
pub struct Registry {
    /// `127.0.0.1:PORT`
    pub address: String,
    requests: Arc<Mutex<Vec<String>>>,
    task: AbortHandle,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Registry {
    /// # Errors
    /// No port is free.
    pub async fn start(images: Vec<Image>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answers, seen) = (Arc::new(answers(images)), requests.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answers.clone(), seen.clone()));
            }
        });
        Ok(Self { address, requests, task: task.abort_handle() })
    }

    /// What an image here is pulled by.
    pub fn reference(&self, name: &str) -> String {
        format!("{}/{name}:1", self.address)
    }

    /// How many requests so far had this in their line, e.g. `GET /v2/web/blobs/`.
    pub fn requests(&self, part: &str) -> usize {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.iter().filter(|line| line.contains(part)).count()
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn answers(images: Vec<Image>) -> Answers {
    let whole = |content_type, body, manner| Answer { content_type, body, manner };
    let mut answers = Answers::from([("/v2/".to_owned(), whole("application/json", b"{}".to_vec(), Manner::Served))]);
    for image in images {
        let Image { name, manner, layer, config, architecture } = image;
        let env: Vec<_> = config.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let config = json!({
            "architecture": architecture, "os": "linux",
            "config": {
                "Cmd": config.command, "Env": env, "User": config.user.unwrap_or_default(),
                "WorkingDir": config.working_dir.unwrap_or_default(),
            },
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
        })
        .to_string()
        .into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": config.len(), "digest": digest(&config),
            },
            "layers": [{
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "size": layer.len(), "digest": digest(&layer),
            }],
        })
        .to_string()
        .into_bytes();
        // Only the layer is worth being slow about.
        let head = if matches!(manner, Manner::Slow(_)) { Manner::Served } else { manner };
        let octets = "application/octet-stream";
        answers.insert(format!("/v2/{name}/manifests/{}", digest(&manifest)), whole(MANIFEST, manifest.clone(), head));
        answers.insert(format!("/v2/{name}/manifests/1"), whole(MANIFEST, manifest, head));
        answers.insert(format!("/v2/{name}/blobs/{}", digest(&config)), whole(octets, config, head));
        answers.insert(format!("/v2/{name}/blobs/{}", digest(&layer)), whole(octets, layer, manner));
    }
    answers
}

async fn serve(stream: TcpStream, answers: Arc<Answers>, seen: Arc<Mutex<Vec<String>>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if !matches!(stream.read_line(&mut head).await, Ok(1..)) {
                return;
            }
        }
        let mut words = head.split_whitespace();
        let (Some(method), Some(path)) = (words.next(), words.next()) else { return };
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{method} {path}"));
        let refusal = |code: &str| json!({ "errors": [{ "code": code, "message": "no" }] }).to_string().into_bytes();
        let (status, content_type, body, pace) = match answers.get(path) {
            Some(Answer { manner: Manner::Broken, .. }) => return,
            Some(Answer { manner: Manner::Denied, .. }) => {
                ("401 Unauthorized", "application/json", refusal("UNAUTHORIZED"), None)
            }
            Some(Answer { content_type, body, manner }) => {
                let pace = if let Manner::Slow(whole) = manner { Some(*whole) } else { None };
                ("200 OK", *content_type, body.clone(), pace)
            }
            None => ("404 Not Found", "application/json", refusal("MANIFEST_UNKNOWN"), None),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nDocker-Content-Digest: {}\r\n\r\n",
            body.len(),
            digest(&body)
        );
        if stream.write_all(head.as_bytes()).await.is_err() {
            return;
        }
        if method != "HEAD" && send(&mut stream, &body, pace).await.is_err() {
            return;
        }
    }
}

async fn send(stream: &mut BufReader<TcpStream>, body: &[u8], pace: Option<Duration>) -> io::Result<()> {
    const PARTS: u32 = 50;
    let Some(whole) = pace else { return stream.write_all(body).await };
    for part in body.chunks(body.len().div_ceil(PARTS as usize).max(1)) {
        stream.write_all(part).await?;
        tokio::time::sleep(whole / PARTS).await;
    }
    Ok(())
}
