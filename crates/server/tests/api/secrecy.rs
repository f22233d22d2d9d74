//! Passwords, tokens and secret values come in and never go out: not in answers, events, audit rows or the log.

use std::{
    io::Write,
    sync::{Arc, LazyLock, Mutex},
};

use berth_types::identity::Role;
use http::Method;
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::support::{Options, Server};

/// Everything that this process has logged, from `debug` up.
static LOG: LazyLock<Arc<Mutex<Vec<u8>>>> = LazyLock::new(|| {
    let log = Arc::<Mutex<Vec<u8>>>::default();
    let shared = log.clone();
    tracing_subscriber::fmt()
        .with_env_filter("trace,hyper=debug,hyper_util=debug,mio=info,polling=info")
        .with_ansi(false)
        .with_writer(move || Sink(shared.clone()))
        .init();
    log
});

struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Base64 of a text, as a sealed or encoded secret would not be.
fn encoded(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_secret_never_comes_out() {
    let log = LOG.clone();
    let mut server = Server::start(Options::default()).await;
    server.application("quiet", "sleep infinity").await;
    let admin = server.admin.clone();
    let mut secrets: Vec<String> = vec![admin.token.clone()];
    let mut hide = |text: &str| {
        secrets.push(text.to_owned());
        text.to_owned()
    };
    let post = |path: &str, body| server.post(path, &admin, body);

    // Passwords: right, wrong, given, changed, of a malformed request.
    let given = hide("given-password-5d1c");
    let user = json!({"username": "ada", "password": given, "role": Role::User});
    let id = post("/users", user).send().await.expect(201).body["id"].as_str().unwrap().to_owned();
    let wrong = hide("wrong-password-91ab");
    let login = |password: &str| {
        server.ask(Method::POST, "/auth/login").json(&json!({"username": "ada", "password": password, "kind": "cli"}))
    };
    login(&wrong).send().await.expect(401);
    let tokens = login(&given).send().await.expect(200).body;
    let access = hide(tokens["access_token"].as_str().unwrap());
    let refresh = hide(tokens["refresh_token"].as_str().unwrap());
    let new = hide("changed-password-77f0");
    let change = json!({"current_password": given, "new_password": new});
    server.ask(Method::POST, "/profile/password").by(&access).json(&change).send().await.expect(204);
    let refreshed = server.ask(Method::POST, "/auth/refresh").json(&json!({"refresh_token": refresh})).send().await;
    for key in ["access_token", "refresh_token"] {
        if let Some(token) = refreshed.body[key].as_str() {
            hide(token);
        }
    }
    let reset = hide("reset-password-c2d4");
    server
        .ask(Method::PATCH, &format!("/users/{id}"))
        .by(&admin.token)
        .json(&json!({"password": reset}))
        .send()
        .await
        .expect(200);
    let misplaced = hide("misplaced-password-08e1");
    post("/users", json!({"username": "bob", "password": misplaced, "role": "emperor"})).send().await.expect(422);
    post("/users", json!({"username": "bob", "password": {"really": misplaced}})).send().await.expect(422);

    // Browser tokens, API tokens, tickets.
    let browser =
        server.ask(Method::POST, "/auth/login").json(&json!({"username": "ada", "password": reset, "kind": "browser"}));
    for cookie in browser.send().await.expect(200).headers.get_all("set-cookie") {
        let value = cookie.to_str().unwrap().split_once('=').unwrap().1.split(';').next().unwrap();
        hide(value);
    }
    let token = post("/api-tokens", json!({"name": "robot"})).send().await.expect(201).body["token"]
        .as_str()
        .unwrap()
        .to_owned();
    hide(&token);

    // Secrets, in a workload too.
    let value = hide("secret-value-3b9a");
    post("/secrets", json!({"name": "api-key", "value": value})).send().await.expect(201);
    post("/secrets", json!({"name": "api-key", "value": value})).send().await.expect(409);
    let launch = json!({"application": "quiet", "environment_variables": {"KEY": {"secret": "api-key"}}});
    let session = server.launch_of(&admin, launch).await;
    let running = server.running(session).await;
    let spec = server.sim().spec_of(&Server::container(&running)).unwrap();
    assert!(spec.env.contains(&("KEY".to_owned(), value.clone())), "the workload did not get its secret");
    let ticket =
        post(&format!("/sessions/{session}/tickets"), json!({"purpose": "terminal"})).send().await.expect(201).body;
    hide(ticket["url"].as_str().unwrap().rsplit_once('=').unwrap().1);
    let typed = hide("typed-word-6e55");
    post(&format!("/sessions/{session}/exec"), json!({"command": ["echo", typed]})).send().await.expect(200);

    // The engine fails while the secret is in its hands.
    server.gate().twice(true);
    server.stop_session(session, 0).await;
    server.settles().await;

    // Answers.
    let document = server.ask(Method::GET, "/openapi.json").send().await.expect(200).body;
    let mut looked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let operation = item["get"]["operationId"].as_str().unwrap_or_default();
        if operation.is_empty() || operation == "event_stream" {
            continue;
        }
        let path = path.strip_prefix("/api/v1").unwrap();
        let path = match path {
            _ if path.starts_with("/sessions/{id}/files") => continue,
            _ if path.starts_with("/sessions/") => path.replace("{id}", &session.to_string()),
            _ if path.starts_with("/users/") => path.replace("{id}", &id),
            _ if path.starts_with("/tenants/") => path.replace("{id}", &server.tenant.to_string()),
            _ if path.starts_with("/nodes/") => path.replace("{id}", &server.machine().node().to_string()),
            _ if path.contains('{') => continue,
            _ => path.to_owned(),
        };
        let answer = server.get(&path, &admin).send().await;
        assert!(answer.status.is_success() || answer.status == 409, "{path}: {}", answer.text);
        absent(&secrets, &answer.text, &path);
        looked += 1;
    }
    assert!(looked > 20, "only {looked} answers were looked at");

    // Rows: every text of every table but the sealed and the hashed is in a dump of the file.
    let app = server.app();
    let tables = server
        .on_runtime(async move {
            let mut texts = Vec::new();
            for table in [
                "system_events",
                "audit_logs",
                "operations",
                "sessions",
                "idempotency_keys",
                "users",
                "user_sessions",
                "secrets",
            ] {
                let statement =
                    sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, format!("SELECT * FROM {table}"));
                let rows = app.store.reader().query_all_raw(statement).await.unwrap();
                assert!(!rows.is_empty() || table == "idempotency_keys", "{table} is empty");
                texts.push((table, format!("{rows:?}")));
            }
            texts
        })
        .await;
    for (table, text) in tables {
        absent(&secrets, &text, table);
    }
    server.settles().await;
    server.stop().await;

    let text = String::from_utf8_lossy(&log.lock().unwrap()).into_owned();
    assert!(text.contains("request refused") && text.contains("berth_server"), "the log was not captured");
    absent(&secrets, &text, "the log");
}

#[track_caller]
fn absent(secrets: &[String], text: &str, place: &str) {
    for secret in secrets.iter().filter(|secret| secret.len() >= 8) {
        for form in [secret.clone(), encoded(secret)] {
            if let Some(at) = text.find(&form) {
                let from = (0..=at.saturating_sub(200)).rev().find(|from| text.is_char_boundary(*from)).unwrap_or(0);
                panic!("{place} holds {form:?}: …{}", &text[from..at]);
            }
        }
    }
}
