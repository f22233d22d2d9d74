//! Pulling on a real Docker Engine from a registry played by a small server on the loopback interface, from which
//! engines pull without TLS.

#![expect(clippy::unwrap_used, reason = "all of this is test code")]

mod support;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use berth_drivers::container::{PullProgress, RegistryAuth};
use berth_drivers::{ContainerDriver, DriverErrorKind};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

struct Registry {
    address: String,
    /// Paths of requests so far.
    requests: Arc<Mutex<Vec<String>>>,
}

type Contents = HashMap<String, (&'static str, Vec<u8>)>;

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// `good:1` can be pulled.
fn contents() -> Contents {
    let mut layer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    let content: Vec<u8> = (0..2_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    layer.append_data(&mut header, "data", content.as_slice()).unwrap();
    let layer = layer.into_inner().unwrap();
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": { "Cmd": ["/data"] },
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
    })
    .to_string()
    .into_bytes();
    let manifest = |layer_digest: &str| {
        serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": config.len(), "digest": digest(&config),
            },
            "layers": [{
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "size": layer.len(), "digest": layer_digest,
            }],
        })
        .to_string()
        .into_bytes()
    };
    let mut contents = Contents::from([("/v2/".to_owned(), ("application/json", b"{}".to_vec()))]);
    let manifest = manifest(&digest(&layer));
    let kind = "application/vnd.docker.distribution.manifest.v2+json";
    contents.insert(format!("/v2/good/manifests/{}", digest(&manifest)), (kind, manifest.clone()));
    contents.insert("/v2/good/manifests/1".to_owned(), (kind, manifest));
    contents.insert(format!("/v2/good/blobs/{}", digest(&config)), ("application/octet-stream", config.clone()));
    contents.insert(format!("/v2/good/blobs/{}", digest(&layer)), ("application/octet-stream", layer.clone()));
    contents
}

impl Registry {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (contents, seen) = (Arc::new(contents()), requests.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, contents.clone(), seen.clone()));
            }
        });
        Self { address, requests }
    }

    fn requests(&self, part: &str) -> usize {
        self.requests.lock().unwrap().iter().filter(|line| line.contains(part)).count()
    }
}

async fn serve(stream: TcpStream, contents: Arc<Contents>, seen: Arc<Mutex<Vec<String>>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if !matches!(stream.read_line(&mut head).await, Ok(1..)) {
                return;
            }
        }
        let mut words = head.split_whitespace();
        let (method, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
        seen.lock().unwrap().push(format!("{method} {path}"));
        let (status, kind, body) = if path.starts_with("/v2/secret/") {
            ("401 Unauthorized", "application/json", br#"{"errors":[{"code":"UNAUTHORIZED"}]}"#.as_slice())
        } else {
            match contents.get(&path) {
                Some((kind, body)) => ("200 OK", *kind, body.as_slice()),
                None => {
                    ("404 Not Found", "application/json", br#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#.as_slice())
                }
            }
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nDocker-Content-Digest: {}\r\n\r\n",
            body.len(),
            digest(body)
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        if method == "HEAD" {
            continue;
        }
        if stream.write_all(body).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_pulled_once_with_progress_and_clear_refusals() {
    let Some(engine) = support::docker("registry").await else {
        return;
    };
    let registry = Registry::start().await;
    let reference = |name: &str| format!("{}/{name}:1", registry.address);
    let driver = engine.driver.clone();

    let seen = Arc::new(Mutex::new(Vec::<PullProgress>::new()));
    let pulls = (0..5).map(|_| {
        let (driver, reference, seen) = (driver.clone(), reference("good"), seen.clone());
        let progress = Arc::new(move |step| seen.lock().unwrap().push(step));
        async move { driver.pull_image(&reference, None, Some(progress)).await }
    });
    let results = futures::future::join_all(pulls).await;
    let first = results[0].clone().unwrap();
    assert!(results.iter().all(|result| result.as_ref().ok() == Some(&first)), "{results:?}");
    let layers = registry.requests("GET /v2/good/blobs/");
    assert_eq!(layers, 2, "one configuration and one layer, for five who asked");
    assert_eq!(driver.image_present(&reference("good")).await.unwrap(), Some(first));
    let percent = seen.lock().unwrap().iter().map(|step| step.percent).fold(0.0, f64::max);
    assert_eq!(percent, 100.0);
    assert!(seen.lock().unwrap().iter().any(|step| step.total_bytes > 2_000_000));

    // Again: the tag is asked for anew, and nothing is transferred.
    driver.pull_image(&reference("good"), None, None).await.unwrap();
    assert_eq!(registry.requests("GET /v2/good/blobs/"), layers);
    driver.ensure_image_absent(&reference("good")).await.unwrap();

    let error = driver.pull_image(&reference("nowhere"), None, None).await.unwrap_err();
    assert_eq!(error.kind, DriverErrorKind::ImageNotFound, "{error}");
    assert!(!error.is_retryable());

    let auth = RegistryAuth { username: "anna".to_owned(), password: "hunter2-secret".to_owned(), server: None };
    let error = driver.pull_image(&reference("secret"), Some(&auth), None).await.unwrap_err();
    assert_eq!(error.kind, DriverErrorKind::ImageNotFound, "{error}");
    assert!(!error.to_string().contains("hunter2") && !format!("{auth:?}").contains("hunter2"));

    // A registry that is away: port 9 of this machine.
    let error = driver.pull_image("127.0.0.1:9/any:1", None, None).await.unwrap_err();
    assert_eq!(error.kind, DriverErrorKind::ImagePull, "{error}");
    assert!(error.is_retryable());
    engine.finish().await;
}
