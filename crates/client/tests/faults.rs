//! What the client does when an answer does not come as it should. The other side is scripted here, because no healthy
//! server can be made to break off at a given byte.
#![expect(clippy::unwrap_used, reason = "a test ends where something is missing")]

use std::{
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use berth_client::{Client, ClientError, LockedTokens, TokenStore, Tokens};
use berth_types::{ErrorCode, SessionId, TenantId, identity::TenantCreate, sessions::SessionExec};
use futures::StreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What the scripted server does with one request.
#[derive(Clone)]
enum Step {
    /// Status line, extra headers, body.
    Answer(&'static str, &'static str, String),
    /// An answer that stops in the middle: headers, and the part of the body that still comes.
    Cut(&'static str, &'static str),
    /// Read the request, then close without a word.
    Break,
}

fn answer(status: &'static str, body: impl Into<String>) -> Step {
    Step::Answer(status, "", body.into())
}

fn problem(status: &'static str, code: ErrorCode, headers: &'static str) -> Step {
    let body = berth_types::Error::new(code, "detail").problem("request-1");
    Step::Answer(status, headers, serde_json::to_string(&body).unwrap())
}

struct Script {
    server: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Script {
    /// One step per request; one more request than steps is answered with 500 and seen in `requests`.
    async fn run(steps: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        tokio::spawn(async move {
            let mut steps = steps.into_iter();
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                let request = read_request(&mut connection).await;
                seen.lock().unwrap().push(request);
                let step = steps.next().unwrap_or_else(|| answer("500 Script Ended", ""));
                let text = match step {
                    Step::Answer(status, headers, body) => {
                        let length = body.len();
                        format!(
                            "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
                        )
                    }
                    Step::Cut(headers, part) => format!("HTTP/1.1 200 OK\r\n{headers}connection: close\r\n\r\n{part}"),
                    Step::Break => String::new(),
                };
                connection.write_all(text.as_bytes()).await.unwrap();
            }
        });
        Self { server, requests }
    }

    fn client(&self) -> Client {
        Client::builder(&self.server).token("an-api-token").build().unwrap()
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn read_request(connection: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = connection.read(&mut chunk).await.unwrap();
        bytes.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            if body.len() >= length {
                return String::from_utf8(bytes).unwrap();
            }
        }
        assert!(count > 0, "the request broke off");
    }
}

fn header(request: &str, name: &str) -> Option<String> {
    request.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

fn tenant() -> String {
    serde_json::json!({
        "id": TenantId::new(), "name": "school", "status": "active", "quota_config": {}, "generation": 1,
        "created_at": "2026-11-21T03:30:00Z", "updated_at": "2026-11-21T03:30:00Z"
    })
    .to_string()
}

fn create() -> TenantCreate {
    TenantCreate { name: "school".to_owned(), description: None, quota_config: Default::default() }
}

#[tokio::test]
async fn a_post_that_broke_off_is_repeated_under_the_same_key() {
    let script = Script::run(vec![Step::Break, Step::Break, answer("201 Created", tenant())]).await;
    assert_eq!(script.client().tenant_create(&create()).await.unwrap().name, "school");
    let requests = script.requests();
    let keys: Vec<_> = requests.iter().map(|request| header(request, "idempotency-key").unwrap()).collect();
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert_eq!(header(&requests[0], "authorization").unwrap(), "Bearer an-api-token");
}

#[tokio::test]
async fn two_posts_have_two_keys() {
    let script = Script::run(vec![answer("201 Created", tenant()), answer("201 Created", tenant())]).await;
    script.client().tenant_create(&create()).await.unwrap();
    script.client().tenant_create(&create()).await.unwrap();
    let requests = script.requests();
    assert_ne!(header(&requests[0], "idempotency-key"), header(&requests[1], "idempotency-key"));
}

#[tokio::test]
async fn repetition_is_bounded() {
    let script = Script::run(vec![Step::Break; 10]).await;
    let error = script.client().tenant_create(&create()).await.unwrap_err();
    assert!(matches!(error, ClientError::Interrupted { .. }), "{error}");
    assert_eq!(script.requests().len(), 4);
}

#[tokio::test]
async fn a_command_in_a_session_is_never_run_twice() {
    let script = Script::run(vec![Step::Break, answer("200 OK", "{}")]).await;
    let exec = SessionExec { command: vec!["rm".to_owned()], timeout_seconds: None };
    let error = script.client().session_exec(SessionId::new(), &exec).await.unwrap_err();
    assert!(matches!(error, ClientError::Interrupted { .. }), "{error}");
    assert_eq!(script.requests().len(), 1);
    assert_eq!(header(&script.requests()[0], "idempotency-key"), None);
}

#[tokio::test]
async fn a_delete_that_broke_off_and_then_finds_nothing_was_done() {
    let script = Script::run(vec![Step::Break, problem("404 Not Found", ErrorCode::NotFound, "")]).await;
    script.client().tenant_delete(TenantId::new()).await.unwrap();
    let script = Script::run(vec![problem("404 Not Found", ErrorCode::NotFound, "")]).await;
    assert!(script.client().tenant_delete(TenantId::new()).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn an_update_with_a_generation_is_not_repeated() {
    let script = Script::run(vec![Step::Break, answer("200 OK", tenant())]).await;
    let update = berth_types::identity::TenantUpdate::default();
    let error = script.client().tenant_update(TenantId::new(), &update, Some(7)).await.unwrap_err();
    assert!(matches!(error, ClientError::Interrupted { .. }), "{error}");
    assert_eq!(header(&script.requests()[0], "if-match").unwrap(), "\"7\"");
    assert_eq!(script.requests().len(), 1);
}

#[tokio::test]
async fn retry_after_is_waited_for_only_when_short() {
    let away = |headers| problem("503 Service Unavailable", ErrorCode::DatabaseUnavailable, headers);
    let script = Script::run(vec![away("retry-after: 1\r\n"), answer("200 OK", r#"{"items":[]}"#)]).await;
    let begun = Instant::now();
    script.client().tenant_list(&Default::default()).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let script = Script::run(vec![away("retry-after: 600\r\n"), answer("200 OK", r#"{"items":[]}"#)]).await;
    match script.client().tenant_list(&Default::default()).await.unwrap_err() {
        ClientError::Problem { retry_after, .. } => assert_eq!(retry_after, Some(Duration::from_secs(600))),
        other => panic!("{other}"),
    }
    assert_eq!(script.requests().len(), 1);
}

#[tokio::test]
async fn answers_of_others_are_told_apart() {
    let script = Script::run(vec![answer("418 Teapot", "<html>I am\x1b[31m a teapot</html>")]).await;
    match script.client().profile_get().await.unwrap_err() {
        ClientError::Unexpected { status: 418, text, .. } => assert!(!text.contains('\x1b') && text.contains("teapot")),
        other => panic!("{other}"),
    }
    let script =
        Script::run(vec![Step::Answer("302 Found", "location: https://elsewhere.example/\r\n", String::new())]).await;
    let error = script.client().profile_get().await.unwrap_err();
    assert!(error.to_string().contains("redirects to https://elsewhere.example/"), "{error}");
    let script = Script::run(vec![answer("200 OK", r#"{"hello":1}"#)]).await;
    let error = script.client().profile_get().await.unwrap_err();
    assert!(matches!(error, ClientError::Decode { .. }), "{error}");
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_interrupted() {
    let cut = "transfer-encoding: chunked\r\n";
    let script =
        Script::run(vec![Step::Cut(cut, "5\r\nline1\r\n"), Step::Cut("content-length: 100\r\n", "{\"items\":")]).await;
    let mut log = script.client().session_logs(SessionId::new(), None, true).await.unwrap();
    assert_eq!(log.next().await.unwrap().unwrap(), "line1");
    let error = log.next().await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::Interrupted { .. }) && error.is_temporary(), "{error}");
    let error = script.client().tenant_list(&Default::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Interrupted { .. }), "{error}");
}

#[tokio::test]
async fn a_closed_port_is_a_connect_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error =
        Client::builder(&server).token("an-api-token").retries(1).build().unwrap().profile_get().await.unwrap_err();
    match error {
        ClientError::Connect { server: named, reason } => {
            assert_eq!(named, server);
            assert!(reason.contains("refused"), "{reason}");
        }
        other => panic!("{other}"),
    }
}

/// Tokens in memory, as another process would find them in the file.
#[derive(Clone)]
struct Memory {
    kept: Arc<Mutex<Option<Tokens>>>,
}

impl TokenStore for Memory {
    fn lock(&self) -> io::Result<Box<dyn LockedTokens>> {
        Ok(Box::new(self.clone()))
    }
}

impl LockedTokens for Memory {
    fn read(&mut self) -> io::Result<Option<Tokens>> {
        Ok(self.kept.lock().unwrap().clone())
    }

    fn on_tokens(&mut self, tokens: &Tokens) -> io::Result<()> {
        *self.kept.lock().unwrap() = Some(tokens.clone());
        Ok(())
    }
}

fn tokens(access: &str) -> Tokens {
    let time = "2026-11-21T03:30:00Z".parse().unwrap();
    Tokens {
        access_token: access.to_owned(),
        refresh_token: format!("refresh-of-{access}"),
        access_expires_at: time,
        refresh_expires_at: time,
    }
}

fn refreshed(access: &str) -> String {
    let time = "2026-11-21T03:30:00Z";
    let user = serde_json::json!({
        "id": TenantId::new(), "tenant_id": TenantId::new(), "username": "u", "role": "user", "status": "active",
        "failed_login_attempts": 0, "must_change_password": false, "preferences": {}, "quota_config": {},
        "generation": 1, "created_at": time, "updated_at": time
    });
    serde_json::json!({
        "access_token": access, "refresh_token": format!("refresh-of-{access}"), "access_expires_at": time,
        "refresh_expires_at": time, "user": user
    })
    .to_string()
}

fn logged_in(script: &Script, access: &str, kept: Option<Tokens>) -> (Client, Memory) {
    let memory = Memory { kept: Arc::new(Mutex::new(kept)) };
    let client = Client::builder(&script.server).login(tokens(access), memory.clone()).build().unwrap();
    (client, memory)
}

fn unauthenticated() -> Step {
    problem("401 Unauthorized", ErrorCode::Unauthenticated, "")
}

#[tokio::test]
async fn a_login_that_ran_out_is_refreshed_and_kept() {
    let script =
        Script::run(vec![unauthenticated(), answer("200 OK", refreshed("two")), answer("201 Created", tenant())]).await;
    let (client, memory) = logged_in(&script, "one", Some(tokens("one")));
    client.tenant_create(&create()).await.unwrap();
    assert_eq!(memory.kept.lock().unwrap().as_ref().unwrap().access_token, "two");
    let requests = script.requests();
    assert!(requests[1].contains("/auth/refresh") && requests[1].contains("refresh-of-one"), "{}", requests[1]);
    assert_eq!(header(&requests[1], "authorization"), None, "a dead token has no place there");
    assert_eq!(header(&requests[2], "authorization").unwrap(), "Bearer two");
    assert_eq!(header(&requests[0], "idempotency-key"), header(&requests[2], "idempotency-key"));
}

#[tokio::test]
async fn what_another_process_refreshed_is_adopted() {
    let script = Script::run(vec![unauthenticated(), answer("200 OK", r#"{"items":[]}"#)]).await;
    let (client, _) = logged_in(&script, "one", Some(tokens("two")));
    client.tenant_list(&Default::default()).await.unwrap();
    let requests = script.requests();
    assert_eq!(requests.len(), 2, "no refresh was needed");
    assert_eq!(header(&requests[1], "authorization").unwrap(), "Bearer two");
}

#[tokio::test]
async fn a_login_that_is_over_says_so_once() {
    let script = Script::run(vec![unauthenticated(), unauthenticated()]).await;
    let (client, _) = logged_in(&script, "one", Some(tokens("one")));
    let error = client.tenant_list(&Default::default()).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::Unauthenticated));
    assert_eq!(script.requests().len(), 2, "one try, one refresh");
    let script = Script::run(vec![unauthenticated()]).await;
    let (client, _) = logged_in(&script, "one", None);
    let error = client.tenant_list(&Default::default()).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::Unauthenticated));
    assert_eq!(script.requests().len(), 1, "logged out by another process: nothing to refresh with");
}

#[tokio::test]
async fn an_api_token_is_not_refreshed() {
    let script = Script::run(vec![unauthenticated()]).await;
    let error = script.client().tenant_list(&Default::default()).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::Unauthenticated));
    assert_eq!(script.requests().len(), 1);
}
