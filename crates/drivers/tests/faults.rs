//! An engine that is missing, silent, slow, full or cut off, played by a small server on a socket: what the driver says
//! of each, and that it never hangs and never asks more than it has to.
#![expect(clippy::unwrap_used, reason = "all of this is test code")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use berth_drivers::container::{ContainerSpec, ContainerStatus};
use berth_drivers::docker::{DockerDriver, DockerOptions};
use berth_drivers::{ContainerDriver, DriverErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// What to do with a request, by its first line.
enum Answer {
    Json(u16, &'static str),
    /// Never answers.
    Silence,
    /// Reads the request and closes.
    Hangup,
    /// Closes in the middle of the answer.
    Half,
}

struct FakeEngine {
    path: PathBuf,
    requests: Arc<Mutex<Vec<String>>>,
    _directory: tempfile::TempDir,
}

impl FakeEngine {
    fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("engine.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::new(answer), requests.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), seen.clone()));
            }
        });
        Self { path, requests, _directory: directory }
    }

    fn driver(&self) -> DockerDriver {
        driver(&self.path)
    }

    /// The requests so far, without those by which the driver gets to know its engine.
    fn requests(&self) -> Vec<String> {
        let seen = self.requests.lock().unwrap();
        seen.iter().filter(|line| !line.ends_with("/version") && !line.ends_with("/info")).cloned().collect()
    }
}

fn driver(path: &Path) -> DockerDriver {
    DockerDriver::new(DockerOptions {
        endpoint: format!("unix://{}", path.display()),
        query_timeout: Duration::from_millis(300),
        change_timeout: Duration::from_millis(300),
        ..Default::default()
    })
    .unwrap()
}

async fn serve(
    mut stream: UnixStream,
    answer: Arc<dyn Fn(&str) -> Answer + Send + Sync>,
    seen: Arc<Mutex<Vec<String>>>,
) {
    let mut request = Vec::new();
    let mut buffer = [0; 8192];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        request.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, value)| value.parse::<usize>().unwrap());
        if body.len() < length {
            continue;
        }
        let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
        seen.lock().unwrap().push(line.clone());
        let answer = match line.as_str() {
            _ if line.ends_with("/version") => Answer::Json(200, r#"{"ApiVersion":"1.41","Version":"20.10"}"#),
            _ if line.ends_with("/info") => Answer::Json(200, r#"{"Driver":"overlay2","InitBinary":"docker-init"}"#),
            _ => answer(&line),
        };
        match answer {
            Answer::Json(status, body) => {
                let head = format!(
                    "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all(head.as_bytes()).await.unwrap();
                stream.write_all(body.as_bytes()).await.unwrap();
            }
            Answer::Silence => std::future::pending().await,
            Answer::Hangup => return,
            Answer::Half => {
                stream.write_all(b"HTTP/1.1 200 x\r\nContent-Length: 500\r\n\r\n{\"Id\":").await.unwrap();
                return;
            }
        }
        request.clear();
    }
}

fn spec() -> ContainerSpec {
    ContainerSpec { name: "berth-1-1".to_owned(), image: "image:1".to_owned(), ..Default::default() }
}

#[tokio::test]
async fn a_missing_socket_and_a_dead_one_are_unavailable() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("engine.sock");
    assert_eq!(driver(&path).ping().await.unwrap_err().kind, DriverErrorKind::Unavailable);
    // A socket that nobody serves any more is what a killed engine leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let error = driver(&path).ensure_container(&spec()).await.unwrap_err();
    assert_eq!(error.kind, DriverErrorKind::Unavailable);
    assert!(error.is_retryable() && !error.may_have_happened());
}

#[tokio::test]
async fn an_engine_that_comes_later_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("engine.sock");
    let driver = driver(&path);
    assert_eq!(driver.ping().await.unwrap_err().kind, DriverErrorKind::Unavailable);
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer: Arc<dyn Fn(&str) -> Answer + Send + Sync> = Arc::new(|_: &str| Answer::Json(200, "\"OK\""));
            tokio::spawn(serve(stream, answer, Arc::default()));
        }
    });
    driver.ping().await.unwrap();
}

#[tokio::test]
async fn a_silent_engine_is_a_timeout_for_every_call() {
    let engine = FakeEngine::start(|_| Answer::Silence);
    let driver = engine.driver();
    let start = std::time::Instant::now();
    let errors = [
        driver.ping().await.unwrap_err(),
        driver.ensure_container(&spec()).await.unwrap_err(),
        driver.start_container("berth-1-1").await.unwrap_err(),
        driver.stop_container("berth-1-1", Duration::from_millis(100)).await.unwrap_err(),
        driver.inspect_container("berth-1-1").await.unwrap_err(),
        driver.list_containers(&Default::default()).await.unwrap_err(),
        driver.stats("berth-1-1").await.unwrap_err(),
        driver.logs("berth-1-1", &Default::default()).await.err().unwrap(),
        driver.events(&Default::default(), None).await.err().unwrap(),
        driver.dial("berth-1-1", 80).await.err().unwrap(),
        driver.ensure_container_absent("berth-1-1").await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind, DriverErrorKind::Timeout, "{error}");
        assert!(error.is_retryable() && error.may_have_happened());
    }
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_lost_answer_is_ambiguous() {
    let engine = FakeEngine::start(|line| if line.contains("/start") { Answer::Half } else { Answer::Hangup });
    let driver = engine.driver();
    let create = driver.ensure_container(&spec()).await.unwrap_err();
    assert_eq!(create.kind, DriverErrorKind::Ambiguous, "{create}");
    assert!(create.is_retryable() && create.may_have_happened());
    let engine = FakeEngine::start(|_| Answer::Half);
    let inspect = engine.driver().inspect_container("berth-1-1").await.unwrap_err();
    assert_eq!(inspect.kind, DriverErrorKind::Ambiguous, "{inspect}");
}

#[tokio::test]
async fn a_full_disk_and_other_refusals_have_their_kinds() {
    for (status, text, kind) in [
        (500, r#"{"message":"write /x: no space left on device"}"#, DriverErrorKind::NoSpace),
        (404, r#"{"message":"No such image: image:1"}"#, DriverErrorKind::ImageNotFound),
        (400, r#"{"message":"bad parameter"}"#, DriverErrorKind::InvalidRequest),
        (503, r#"{"message":"shutting down"}"#, DriverErrorKind::Unavailable),
        (500, "not even JSON", DriverErrorKind::Internal),
    ] {
        let engine = FakeEngine::start(move |_| Answer::Json(status, text));
        assert_eq!(engine.driver().ensure_container(&spec()).await.unwrap_err().kind, kind, "{text}");
    }
}

#[tokio::test]
async fn an_answer_that_quotes_a_secret_is_cleaned() {
    let engine = FakeEngine::start(|_| Answer::Json(400, r#"{"message":"cannot use hunter2-secret"}"#));
    let spec = ContainerSpec { env: vec![("PASSWORD".to_owned(), "hunter2-secret".to_owned())], ..spec() };
    let error = engine.driver().ensure_container(&spec).await.unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_launch_is_two_requests() {
    let engine = FakeEngine::start(|line| {
        if line.contains("/create") { Answer::Json(201, r#"{"Id":"1","Warnings":[]}"#) } else { Answer::Json(204, "") }
    });
    let driver = engine.driver();
    assert_eq!(driver.ensure_container(&spec()).await.unwrap().status, ContainerStatus::Created);
    driver.start_container("berth-1-1").await.unwrap();
    assert_eq!(
        engine.requests(),
        ["POST /v1.41/containers/create?name=berth-1-1&platform=", "POST /v1.41/containers/berth-1-1/start"]
    );
}
