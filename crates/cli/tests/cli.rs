//! The binary as scripts meet it: exit codes, where output goes, what is asked and what is refused. The server is
//! played here, because these are answers that a healthy one gives rarely; `make demo` runs the binary against a real one.
#![expect(clippy::unwrap_used, reason = "a test ends where something is missing")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use berth_types::{Error, ErrorCode};
use serde_json::{Value, json};

const TIME: &str = "2026-11-21T03:30:00Z";
const ID: &str = "0199b0a4-0000-7000-8000-000000000001";
const OTHER_ID: &str = "0199b0a4-0000-7000-8000-000000000002";

/// A played server: answers of one path, and what was asked.
#[derive(Clone, Default)]
struct Played {
    seen: Arc<Mutex<Vec<Asked>>>,
}

struct Asked {
    method: String,
    path: String,
    bearer: Option<String>,
}

struct Server {
    url: String,
    played: Played,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let played = Played::default();
        let router = Router::new().fallback(answer).with_state(played.clone());
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, played, _runtime: runtime }
    }

    fn asked(&self, method: &str, path: &str) -> bool {
        self.played.seen.lock().unwrap().iter().any(|asked| asked.method == method && asked.path == path)
    }

    fn bearers(&self) -> Vec<Option<String>> {
        self.played.seen.lock().unwrap().iter().map(|asked| asked.bearer.clone()).collect()
    }
}

fn problem(error: Error) -> Response {
    let problem = error.problem("request-7");
    (StatusCode::from_u16(problem.status).unwrap(), Json(problem)).into_response()
}

async fn answer(State(played): State<Played>, request: Request) -> Response {
    let method = request.method().to_string();
    let path = request.uri().path().trim_start_matches("/api/v1").to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let bearer = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    played.seen.lock().unwrap().push(Asked { method: method.clone(), path: path.clone(), bearer });
    let list = |items: Value| Json(json!({ "items": items })).into_response();
    match (method.as_str(), path.as_str()) {
        ("POST", "/auth/login") => Json(login()).into_response(),
        ("POST", "/auth/logout") => StatusCode::NO_CONTENT.into_response(),
        ("GET", "/tenants") => list(json!([tenant(ID, "school"), tenant(OTHER_ID, "lab")])),
        ("GET", "/profile") => Json(json!({
            "user": user(), "tenant": tenant(ID, "school"), "grants": [], "quota": {"user": [], "tenant": []}
        }))
        .into_response(),
        ("GET", "/sessions") if query.contains("search=twice") => {
            list(json!([session(ID, "twice"), session(OTHER_ID, "twice")]))
        }
        ("GET", "/sessions") if query.contains("search=web") => {
            list(json!([session(ID, "web"), session(OTHER_ID, "web2")]))
        }
        ("GET", "/sessions") => list(json!([])),
        ("POST", "/sessions") => problem(Error::invalid("cpu_request", "must be from 0.01 to 4096")),
        ("POST", path) if path.ends_with("/exec") => {
            Json(json!({"exit_code": 37, "stdout": "out\n", "stderr": "err\n", "truncated": false})).into_response()
        }
        ("GET", path) if path.ends_with("/logs") => "line\n".repeat(200_000).into_response(),
        ("GET", "/nodes") => problem(Error::forbidden("This needs the permission server.read.")),
        ("GET", "/users") => problem(Error::new(ErrorCode::DatabaseUnavailable, "Try later.").with_retry_after(60)),
        ("DELETE", _) => problem(Error::new(ErrorCode::InUse, "It has users.")),
        ("GET", "/settings") => problem(Error::new(ErrorCode::Unauthenticated, "This token is unknown.")),
        _ => problem(Error::not_found("thing")),
    }
}

fn tenant(id: &str, name: &str) -> Value {
    json!({"id": id, "name": name, "status": "active", "quota_config": {"cpu": 4.0}, "generation": 1,
        "created_at": TIME, "updated_at": TIME})
}

fn user() -> Value {
    json!({"id": ID, "tenant_id": ID, "username": "ada", "role": "user", "status": "active", "failed_login_attempts": 0,
        "must_change_password": true, "preferences": {}, "quota_config": {}, "generation": 1, "created_at": TIME,
        "updated_at": TIME})
}

fn login() -> Value {
    json!({"access_token": "access-token-of-login", "refresh_token": "refresh-token-of-login", "access_expires_at": TIME,
        "refresh_expires_at": TIME, "user": user()})
}

fn session(id: &str, name: &str) -> Value {
    json!({"id": id, "tenant_id": ID, "user_id": ID, "username": "ada", "session_name": name,
        "session_type": "interactive", "application": "web", "container_image": "i", "command": [], "status": "running",
        "desired_state": "running", "generation": 1, "attempt": 1, "priority": 5, "preemptible": false,
        "privileged": false, "max_runtime_minutes": 60, "cpu_request": 1.0, "cpu_limit": 1.0, "memory_request_gb": 1.0,
        "memory_limit_gb": 1.0, "gpu_request": 0.0, "storage_request_gb": 1.0, "network_policy": "default",
        "environment_variables": {}, "resource_constraints": {}, "placement_preferences": {}, "actual_node_ids": [],
        "created_at": TIME, "updated_at": TIME})
}

/// The binary with nothing of this machine's user around it.
fn berth(home: &Path, server: Option<&Server>, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
    command.env_clear().env("XDG_CONFIG_HOME", home).env("TZ", "UTC").args(arguments);
    if let Some(server) = server {
        command.env("BERTH_SERVER", &server.url).env("BERTH_TOKEN", "an-api-token-of-ada");
    }
    command.stdin(Stdio::null());
    command
}

fn run(server: &Server, arguments: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    berth(home.path(), Some(server), arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn exit_codes_are_as_documented() {
    let server = Server::start();
    for (arguments, expected) in [
        (&["tenant", "list"][..], 0),
        (&["node", "list"], 1),
        (&["session", "launch", "--application", "web"], 1),
        (&["tenant", "update", "school"], 2),
        (&["tenant", "destroy"], 2),
        (&["session", "launch", "--application", "web", "--memory", "2 potatoes"], 2),
        (&["setting", "list"], 3),
        (&["tenant", "show", "no-such-tenant"], 4),
        (&["session", "show", "no-such-session"], 4),
        (&["session", "show", ID], 4),
        (&["tenant", "delete", "school", "--yes"], 5),
        (&["user", "list"], 6),
    ] {
        let output = run(&server, arguments);
        assert_eq!(code(&output), expected, "{arguments:?}: {}{}", stdout(&output), stderr(&output));
        if expected != 0 {
            assert_eq!(stdout(&output), "", "{arguments:?}");
            assert_ne!(stderr(&output), "", "{arguments:?}");
        }
    }
}

#[test]
fn a_number_that_cannot_be_is_refused_by_its_own_option() {
    let server = Server::start();
    let launch = ["session", "launch", "--application", "web"];
    let create = ["application", "create", "web", "--title", "Web", "--image", "web:1"];
    for (command, option, value, allowed) in [
        (&launch[..], "--cpu", "-3", "not a number from 0 up"),
        (&launch, "--cpu-limit", "-0.5", "not a number from 0 up"),
        (&launch, "--memory", "-2GB", "not a number from 0 up"),
        (&launch, "--storage", "-1", "not a number from 0 up"),
        (&launch, "--gpu", "-1", "not a whole number from 0 up"),
        (&launch, "--gpu", "0.5", "not a whole number from 0 up"),
        (&launch, "--gpu-share", "-0.25", "not a number from 0 up"),
        (&launch, "--min-bandwidth", "-100", "not a whole number from 0 up"),
        (&launch, "--priority", "-3", "not in 1..=10"),
        (&launch, "--max-runtime", "-8h", "not a span of time such as 90s"),
        (&launch, "--cpu", "--preemptible", "not a number from 0 up"),
        (&create, "--cpu", "-1", "not a number from 0 up"),
        (&create, "--port", "-80", "not in 1..=65535"),
        (&["session", "list"], "--limit", "-5", "not a whole number from 0 up"),
        (&["session", "logs", "web"], "--tail", "-5", "not a whole number from 0 up"),
        (&["session", "extend", "web"], "<SPAN>", "-30", "not a span of time such as 90s"),
        (&["user", "create", "ada"], "--quota-sessions", "-1", "not a number from 0 up, nor \"unlimited\""),
    ] {
        let given = if option.starts_with('<') { vec![value] } else { vec![option, value] };
        let output = run(&server, &[command, &given].concat());
        let text = stderr(&output);
        let refused = format!("invalid value '{value}' for '{option}");
        assert!(
            code(&output) == 2 && text.contains(&refused) && text.contains(allowed),
            "{command:?} {given:?}: {text}"
        );
    }
    assert!(!server.asked("POST", "/sessions"));
}

#[test]
fn a_server_that_is_not_there_is_unavailable() {
    let home = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let output = berth(home.path(), None, &["whoami", "--server", &url, "--token", "an-api-token"]).output().unwrap();
    assert_eq!(code(&output), 6, "{}", stderr(&output));
    assert!(stderr(&output).contains(&url) && stderr(&output).contains("refused"), "{}", stderr(&output));
}

#[test]
fn who_is_not_logged_in_is_told_how() {
    let home = tempfile::tempdir().unwrap();
    let output = berth(home.path(), None, &["whoami"]).output().unwrap();
    assert_eq!(code(&output), 3);
    assert!(stderr(&output).contains("Run: berth login --server http://127.0.0.1:7600"), "{}", stderr(&output));
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "asking leaves nothing behind");
}

#[test]
fn errors_name_field_and_request_and_are_problems_in_json() {
    let server = Server::start();
    let launch = ["session", "launch", "--application", "web"];
    let text = stderr(&run(&server, &launch));
    assert_eq!(text, "berth: A value is wrong\n  cpu_request: must be from 0.01 to 4096\n  (request request-7)\n");
    let output = run(&server, &[&launch[..], &["--output", "json"]].concat());
    let problem: berth_types::Problem = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((problem.code, problem.fields[0].field.as_str()), (ErrorCode::InvalidValue, "cpu_request"));
    let output = run(&server, &["tenant", "show", "nobody", "-o", "json"]);
    let other: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(other["exit_code"], 4);
}

#[test]
fn results_come_as_table_json_and_yaml() {
    let server = Server::start();
    let table = stdout(&run(&server, &["tenant", "list"]));
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("NAME    STATUS  QUOTA    DESCRIPTION  ID"), "{table}");
    assert!(lines[1].starts_with("school  active  cpu=4.0"), "{table}");
    let json: Value = serde_json::from_slice(&run(&server, &["tenant", "list", "-o", "json"]).stdout).unwrap();
    assert_eq!(json[1]["name"], "lab");
    let yaml = stdout(&run(&server, &["tenant", "list", "-o", "yaml"]));
    assert!(yaml.contains("  name: lab\n"), "{yaml}");
}

#[test]
fn a_command_in_a_session_gives_its_output_and_exit_code() {
    let server = Server::start();
    let output = run(&server, &["session", "exec", "web", "--", "sh", "-c", "exit 37"]);
    assert_eq!((code(&output), stdout(&output).as_str(), stderr(&output).as_str()), (37, "out\n", "err\n"));
    assert!(server.asked("POST", &format!("/sessions/{ID}/exec")), "the name is taken exactly, not web2");
}

#[test]
fn an_ambiguous_name_lists_the_ids() {
    let server = Server::start();
    let output = run(&server, &["session", "stop", "twice"]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains(ID) && stderr(&output).contains(OTHER_ID), "{}", stderr(&output));
}

#[test]
fn nothing_is_destroyed_without_a_yes() {
    let server = Server::start();
    let output = run(&server, &["tenant", "delete", "school"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("--yes"), "{}", stderr(&output));
    assert!(!server.asked("DELETE", &format!("/tenants/{ID}")));
    run(&server, &["tenant", "delete", "school", "--yes"]);
    assert!(server.asked("DELETE", &format!("/tenants/{ID}")));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let server = Server::start();
    let home = tempfile::tempdir().unwrap();
    for arguments in [&["completion", "zsh"][..], &["session", "logs", "web"]] {
        let mut child =
            berth(home.path(), Some(&server), arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!((child.wait().unwrap().code(), text.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn completion_scripts_are_scripts() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = berth(home.path(), None, &["completion", shell]).output().unwrap();
        assert_eq!(code(&output), 0);
        assert!(stdout(&output).contains("port-forward"), "{shell}");
    }
    let script = berth(home.path(), None, &["completion", "bash"]).output().unwrap().stdout;
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(&script).unwrap();
    assert!(bash.wait().unwrap().success());
}

#[test]
fn a_login_is_kept_used_and_forgotten() {
    let server = Server::start();
    let home = tempfile::tempdir().unwrap();
    let arguments = ["login", "--server", &server.url, "--username", "ada", "--password-stdin"];
    let mut child = berth(home.path(), None, &arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"a-password\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stderr(&output).contains("berth password"), "the forced change is announced: {}", stderr(&output));
    let file = home.path().join("berth/credentials.json");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));

    let output = berth(home.path(), None, &["tenant", "list"]).output().unwrap();
    assert_eq!(code(&output), 0, "the server is remembered: {}", stderr(&output));
    assert_eq!(server.bearers().last().unwrap().as_deref(), Some("Bearer access-token-of-login"));

    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = berth(home.path(), None, &["tenant", "list"]).output().unwrap();
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("chmod 600"), "{}", stderr(&output));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();

    let output = berth(home.path(), None, &["logout"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(server.asked("POST", "/auth/logout"));
    assert!(!std::fs::read_to_string(&file).unwrap().contains("token-of-login"));
    assert_eq!(code(&berth(home.path(), None, &["tenant", "list"]).output().unwrap()), 3);
}

#[test]
fn a_password_cannot_be_asked_for_without_a_terminal() {
    let server = Server::start();
    let home = tempfile::tempdir().unwrap();
    let output = Command::new("setsid")
        .arg("--wait")
        .arg(env!("CARGO_BIN_EXE_berth"))
        .args(["login", "--server", &server.url, "--username", "ada"])
        .env("XDG_CONFIG_HOME", home.path())
        .env_remove("BERTH_TOKEN")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(code(&output), 2, "{}", stderr(&output));
    assert!(stderr(&output).contains("Password is missing"), "{}", stderr(&output));
    assert!(!server.asked("POST", "/auth/login"));
}
