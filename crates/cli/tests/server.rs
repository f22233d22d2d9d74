//! Every noun of the CLI against the real server: `berth up` with simulated nodes and no engine, one server per test.
#![expect(clippy::unwrap_used, reason = "a test ends where something is missing")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

const PASSWORD: &str = "a long enough password";
const LONGEST_WAIT: Duration = Duration::from_secs(60);

struct Server {
    child: Child,
    /// Kept open: the server has more to say than the line that is read.
    _stdout: BufReader<ChildStdout>,
    url: String,
    home: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command did.
struct Done {
    arguments: String,
    code: i32,
    stdout: String,
    stderr: String,
}

impl Done {
    fn ok(self) -> String {
        assert_eq!(self.code, 0, "berth {}: {}{}", self.arguments, self.stdout, self.stderr);
        self.stdout
    }

    /// That it failed so, and said so.
    fn fails(&self, code: i32, saying: &str) {
        let text = format!("berth {}: {} {}{}", self.arguments, self.code, self.stdout, self.stderr);
        assert_eq!(self.code, code, "{text}");
        assert!(self.stderr.contains(saying), "{text}");
    }
}

fn binary(config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
    command.env_clear().env("XDG_CONFIG_HOME", config).env("TZ", "UTC");
    command
}

fn finish(mut command: Command, arguments: &[&str], input: &str) -> Done {
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that does not read its input may have gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Done {
        arguments: arguments.join(" "),
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Server {
    /// A fresh installation with two simulated nodes, and admin logged in with a password of its own.
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = binary(home.path());
        command
            .args(["up", "--listen", "127.0.0.1:0", "--applications-listen", "127.0.0.1:0", "--sim", "2", "--data-dir"])
            .arg(home.path().join("data"))
            .env("BERTH_DOCKER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(home.path().join("log")).unwrap());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let log = || std::fs::read_to_string(home.path().join("log")).unwrap();
        let address = line.split_whitespace().find(|word| word.starts_with("http://"));
        let url =
            address.unwrap_or_else(|| panic!("no address in {line:?}: {}", log())).trim_end_matches('.').to_owned();
        let server = Self { child, _stdout: stdout, url, home };
        let first = std::fs::read_to_string(server.home.path().join("data/first-admin-password")).unwrap();
        let first = first.trim();
        server.log_in("admin", "admin", first);
        server.as_user("admin", &["tenant", "list"]).fails(1, "Run: berth password");
        server.say("admin", &["password", "--password-stdin"], &format!("{first}\n{PASSWORD}\n")).ok();
        server.log_in("admin", "admin", PASSWORD);
        server
    }

    fn config(&self, who: &str) -> PathBuf {
        self.home.path().join(format!("config-{who}"))
    }

    fn say(&self, who: &str, arguments: &[&str], input: &str) -> Done {
        finish(binary(&self.config(who)), arguments, input)
    }

    fn log_in(&self, who: &str, username: &str, password: &str) {
        let arguments = ["login", "--server", &self.url, "--username", username, "--password-stdin"];
        self.say(who, &arguments, &format!("{password}\n")).ok();
    }

    fn as_user(&self, who: &str, arguments: &[&str]) -> Done {
        self.say(who, arguments, "")
    }

    fn run(&self, arguments: &[&str]) -> String {
        self.as_user("admin", arguments).ok()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let text = self.run(&[arguments, &["--output", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }

    /// Reads until `holds`; the deadline only bounds a failure.
    fn until(&self, arguments: &[&str], holds: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let value = self.json(arguments);
            if holds(&value) {
                return value;
            }
            assert!(begun.elapsed() < LONGEST_WAIT, "{arguments:?}: {value}");
            std::thread::yield_now();
        }
    }
}

fn names<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|row| row[key].as_str().unwrap()).collect()
}

#[test]
fn tenants_users_and_roles() {
    let server = Server::start();
    assert!(server.run(&["whoami"]).starts_with("admin (admin) of "));
    server.run(&["tenant", "create", "school", "--quota-cpu", "8", "--quota-memory", "16GB"]);
    let tenant = server.json(&["tenant", "update", "school", "--quota-cpu", "unlimited", "--quota-sessions", "5"]);
    assert_eq!(tenant["quota_config"], serde_json::json!({"sessions": 5, "memory_gb": 16.0}));
    assert!(names(&server.json(&["tenant", "list"]), "name").contains(&"school"));
    assert!(server.run(&["tenant", "quota", "school"]).contains("memory_gb"));

    let create = ["user", "create", "ada", "--tenant", "school", "--role", "tenant_admin", "--password-stdin"];
    server.say("admin", &create, &format!("{PASSWORD}\n")).ok();
    server.say("admin", &create, &format!("{PASSWORD}\n")).fails(5, "exists");
    server.log_in("ada", "ada", PASSWORD);
    server.as_user("ada", &["session", "list"]).fails(1, "Run: berth password");
    let new = "another long password";
    server
        .say("ada", &["password", "--password-stdin"], &format!("wrong password\n{new}\n"))
        .fails(1, "current_password");
    server.say("ada", &["password", "--password-stdin"], &format!("{PASSWORD}\n{new}\n")).ok();
    server.log_in("ada", "ada", new);
    server.as_user("ada", &["session", "list"]).ok();
    server.as_user("ada", &["setting", "set", "nodes.late_seconds", "60"]).fails(1, "permission");
    server.as_user("ada", &["profile", "update", "--email", "ada@example.org", "--preference", "theme=dark"]).ok();
    let ada = server.json(&["user", "show", "ada"]);
    assert_eq!((ada["email"].as_str(), ada["preferences"]["theme"].as_str()), (Some("ada@example.org"), Some("dark")));
    server.as_user("ada", &["profile", "update", "--email", "nonsense"]).fails(1, "email: must be an address");
    let by_id = server.json(&["user", "show", ada["id"].as_str().unwrap()]);
    assert_eq!(by_id["username"], "ada");
    let updated = server.json(&["user", "update", "ada", "--role", "user", "--quota-sessions", "2"]);
    assert_eq!((updated["role"].as_str(), updated["quota_config"]["sessions"].as_i64()), (Some("user"), Some(2)));
    assert!(server.run(&["user", "quota", "ada"]).contains("Of the tenant:"));
    server.run(&["user", "unlock", "ada"]);

    assert!(server.run(&["permission", "list"]).contains("session.read"));
    assert!(server.run(&["role-permission", "show", "readonly"]).lines().count() > 1);
    let role = server.json(&["role-permission", "grant", "readonly", "session.execute=own"]);
    assert!(role["grants"].to_string().contains("session.execute"));
    let role = server.json(&["role-permission", "withdraw", "readonly", "session.execute"]);
    assert!(!role["grants"].to_string().contains("session.execute"));
    server.as_user("admin", &["role-permission", "withdraw", "readonly", "session.execute"]).fails(4, "does not have");

    server.as_user("admin", &["user", "delete", "ada"]).fails(2, "--yes");
    server.run(&["user", "delete", "ada", "--yes"]);
    server.run(&["tenant", "delete", "school", "--yes"]);
    server.as_user("admin", &["tenant", "show", "school"]).fails(4, "school");
    let audit = server.json(&["audit", "list", "--action", "tenant_delete"]);
    assert_eq!(names(&audit, "username"), ["admin"]);
}

#[test]
fn logins_refresh_and_tokens_work_and_end() {
    let server = Server::start();
    let file = server.config("admin").join("berth/credentials.json");
    let mut kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let login = &mut kept["logins"][server.url.as_str()];
    let refresh = login["refresh_token"].clone();
    // What an access token that ran out is to the server: one that it does not know.
    login["access_token"] = "an-access-token-that-ran-out".into();
    std::fs::write(&file, kept.to_string()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| server.run(&["whoami"]));
        }
    });
    let kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_ne!(kept["logins"][server.url.as_str()]["refresh_token"], refresh, "refreshed, once for all six");

    let token = server.run(&["token", "create", "--name", "ci", "--expires-in", "1d", "--permission", "session.read"]);
    let with_token = |arguments: &[&str]| {
        let mut command = binary(&server.config("nobody"));
        command.env("BERTH_SERVER", &server.url).env("BERTH_TOKEN", token.trim());
        finish(command, arguments, "")
    };
    with_token(&["session", "list"]).ok();
    with_token(&["tenant", "create", "x"]).fails(1, "permission");
    assert!(server.run(&["token", "list"]).contains("ci"));
    server.run(&["token", "revoke", "ci"]);
    with_token(&["session", "list"]).fails(3, "berth login");

    server.log_in("second", "admin", PASSWORD);
    let logins = server.json(&["login", "list"]);
    let other = logins.as_array().unwrap().iter().find(|row| row["current"] == false && row["kind"] == "cli");
    server.run(&["login", "revoke", other.unwrap()["id"].as_str().unwrap()]);
    server.as_user("second", &["whoami"]).fails(3, "Log in first");
    server.run(&["logout"]);
    server.as_user("admin", &["whoami", "--server", &server.url]).fails(3, "not logged in");
    let wrong = ["login", "--server", &server.url, "--username", "admin", "--password-stdin"];
    server.say("admin", &wrong, "not the password\n").fails(3, "wrong");
}

#[test]
fn sites_nodes_applications_settings_and_secrets() {
    let server = Server::start();
    server.run(&["edge-data-center", "create", "north", "--location", "Hall 2"]);
    server.run(&["edge-data-center", "update", "north", "--status", "maintenance"]);
    server.run(&["resource-pool", "create", "gpus", "--edge-data-center", "north", "--scheduling-policy", "bin_pack"]);
    assert!(server.run(&["resource-pool", "list"]).contains("bin_pack"));
    server.as_user("admin", &["edge-data-center", "delete", "north", "--yes"]).fails(5, "resource pools");
    server.run(&["resource-pool", "update", "gpus", "--status", "disabled"]);
    server.run(&["resource-pool", "delete", "gpus", "--yes"]);
    server.run(&["edge-data-center", "delete", "north", "--yes"]);
    server.run(&["network-topology", "list"]);

    let nodes = server.until(&["node", "list"], |nodes| nodes.as_array().unwrap().len() >= 2);
    let all = names(&nodes, "name");
    let (node, other) = (all[0], all[1]);
    let change = ["node", "update", node, "--label", "zone=a", "--label", "disk=ssd", "--reservation", "memory=1GB"];
    server.run(&[&change[..], &["--overcommit", "cpu=2.0", "--max-per-session", "cpu=2"]].concat());
    let shown = server.json(&["node", "update", node, "--label", "disk-", "--label", "rack=7"]);
    assert_eq!(shown["labels"]["zone"], "a");
    assert_eq!(shown["labels"]["rack"], "7");
    assert_eq!(shown["labels"]["disk"], Value::Null);
    let resource = |kind: &str| {
        shown["resources"].as_array().unwrap().iter().find(|row| row["resource_type"] == kind).unwrap().clone()
    };
    assert_eq!(resource("memory")["reservation_capacity"], 1024);
    assert_eq!(resource("cpu")["constraints"]["overcommit_ratio"], 2.0);
    assert_eq!(resource("cpu")["constraints"]["max_per_workload"], 2000);
    assert!(server.run(&["node", "show", node]).contains("\nresources:\n"));
    server.as_user("admin", &["node", "update", node, "--overcommit", "cpu=99"]).fails(1, "overcommit_ratio");
    server.run(&["node", "drain", other, "--deadline", "0", "--wait"]);
    server.run(&["node", "maintenance", other]);
    server.run(&["node", "activate", other]);
    server.run(&["node", "metrics", node]);
    server.as_user("admin", &["node", "decommission", other]).fails(2, "--yes");
    server.run(&["node", "decommission", other, "--yes"]);

    let create = ["application", "create", "counter", "--title", "Counter", "--image", "docker.io/library/busybox:1"];
    server.run(&[&create[..], &["--type", "batch", "--memory", "64MB", "--", "sh", "-c", "echo 1"]].concat());
    let shown = server.json(&["application", "show", "counter"]);
    assert_eq!((shown["command"][2].as_str(), shown["default_memory_gb"].as_f64()), (Some("echo 1"), Some(0.0625)));
    server.run(&["application", "update", "counter", "--enabled", "false"]);
    assert!(server.run(&["application", "list"]).contains("disabled"));
    server.run(&["application", "delete", "counter", "--yes"]);

    server.run(&["setting", "set", "nodes.late_seconds", "60"]);
    server.as_user("admin", &["setting", "set", "nodes.late_seconds", "1"]).fails(1, "value");
    assert!(server.run(&["setting", "list"]).contains("nodes.late_seconds"));
    server.run(&["setting", "reset", "nodes.late_seconds"]);
    let settings = server.json(&["setting", "list"]);
    let late = settings.as_array().unwrap().iter().find(|row| row["key"] == "nodes.late_seconds").unwrap().clone();
    assert_eq!(late["value"], late["default"]);

    server.say("admin", &["secret", "create", "db-password"], "hunter2 hunter2\n").ok();
    assert!(!server.run(&["secret", "list", "-o", "json"]).contains("hunter2"));
    server.run(&["secret", "delete", "db-password", "--yes"]);
}

#[test]
fn a_session_from_launch_to_usage() {
    let server = Server::start();
    server.until(&["node", "list"], |nodes| nodes.as_array().unwrap().len() >= 2);
    server.say("admin", &["secret", "create", "key"], "sesame\n").ok();
    let check = server.json(&["session", "check", "--application", "web", "--cpu", "0.5"]);
    assert_eq!(check["fits_now"], true);
    let launch = ["session", "launch", "--application", "web", "--name", "hello", "--cpu", "0.5", "--memory", "256MB"];
    let more = ["--env", "COLOUR=blue", "--env-secret", "KEY=key", "--max-runtime", "1h", "--wait"];
    assert!(server.run(&[&launch[..], &more].concat()).contains("is running"));
    let session = server.json(&["session", "show", "hello"]);
    assert_eq!(
        (session["memory_request_gb"].as_f64(), session["max_runtime_minutes"].as_i64()),
        (Some(0.25), Some(60))
    );
    assert_eq!(session["environment_variables"]["KEY"]["secret"], "key");
    let id = session["id"].as_str().unwrap();
    assert_eq!(names(&server.json(&["session", "list", "--active", "--search", "hel"]), "id"), [id]);

    let inside = |script: &str| server.as_user("admin", &["session", "exec", "hello", "--", "sh", "-c", script]);
    assert_eq!(inside("printenv COLOUR").ok(), "blue\n");
    assert_eq!(inside("printenv KEY").ok(), "sesame\n");
    let failed = inside("echo out; echo err >&2; exit 37");
    assert_eq!((failed.code, failed.stdout.as_str(), failed.stderr.as_str()), (37, "out\n", "err\n"));
    let typed = server.say("admin", &["session", "terminal", "hello"], "stty size\nexit 5\n");
    assert_eq!(typed.code, 5, "{}{}", typed.stdout, typed.stderr);
    assert!(typed.stdout.contains("24 80"), "{}", typed.stdout);

    let here = server.home.path().join("copies");
    std::fs::create_dir_all(here.join("tree/deep")).unwrap();
    std::fs::write(here.join("tree/deep/file"), "content").unwrap();
    let tree = here.join("tree").display().to_string();
    server.run(&["session", "copy", &tree, "hello:/tmp/"]);
    server.run(&["session", "copy", &format!("{tree}/deep/file"), "hello:/tmp/renamed"]);
    server.run(&["session", "copy", "hello:/tmp/tree", &here.join("back").display().to_string()]);
    assert_eq!(std::fs::read_to_string(here.join("back/deep/file")).unwrap(), "content");
    server.run(&["session", "copy", "hello:/tmp/renamed", &here.display().to_string()]);
    assert_eq!(std::fs::read_to_string(here.join("renamed")).unwrap(), "content");
    let nowhere = here.join("x").display().to_string();
    server.as_user("admin", &["session", "copy", "hello:/no/such/file", &nowhere]).fails(4, "");
    server.as_user("admin", &["session", "copy", &tree, &nowhere]).fails(2, "NAME:/path");

    let port = server.json(&["application", "show", "web"])["port"].as_i64().unwrap();
    let mut forward = binary(&server.config("admin"))
        .args(["session", "port-forward", "hello", &format!("0:{port}")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(forward.stdout.take().unwrap()).read_line(&mut line).unwrap();
    for _ in 0..2 {
        let mut connection = TcpStream::connect(line.split(" -> ").next().unwrap()).unwrap();
        connection.write_all(b"GET /x HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = [0; 15];
        connection.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
    }
    forward.kill().unwrap();
    forward.wait().unwrap();
    assert!(server.run(&["session", "open", "hello"]).starts_with("http://"));

    server.run(&["session", "pause", "hello", "--wait"]);
    assert_eq!(server.json(&["session", "show", "hello"])["status"], "paused");
    server.run(&["session", "resume", "hello", "--wait"]);
    assert_eq!(server.json(&["session", "extend", "hello", "30m"])["max_runtime_minutes"], 90);
    server.run(&["session", "metrics", "hello"]);
    assert!(!server.json(&["session", "events", "hello"]).as_array().unwrap().is_empty());
    let amount = |rows: &Value, kind: &str| {
        let row = rows.as_array().unwrap().iter().find(|row| row["resource_type"] == kind && row["status"] == "active");
        row.map(|row| row["allocated_amount"].as_i64().unwrap())
    };
    let held = server.json(&["session", "allocations", "hello"]);
    assert_eq!((amount(&held, "cpu"), amount(&held, "memory")), (Some(500), Some(256)));

    assert!(server.run(&["session", "stop", "hello", "--grace", "1s", "--wait"]).contains("is completed"));
    let ledger = server.json(&["allocation", "list", "--session", id, "--status", "active"]);
    assert_eq!(ledger, serde_json::json!([]));
    server.as_user("admin", &["session", "exec", "hello", "--", "true"]).fails(5, "");
    server.as_user("admin", &["session", "show", "hallo"]).fails(4, "hallo");
    let operations = server.json(&["operation", "list", "--subject", id]);
    let kinds = names(&operations, "kind");
    for kind in ["session_start", "session_pause", "session_resume", "session_stop"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    server.run(&["operation", "show", operations[0]["id"].as_str().unwrap()]);
    server.run(&["usage", "list", "--session", id]);

    let batch = ["session", "launch", "--application", "terminal", "--name", "job", "--type", "batch", "--"];
    server.run(&[&batch[..], &["sh", "-c", "echo first; sleep 1; echo second; exit 3"]].concat());
    // Followed from before it runs.
    assert_eq!(server.run(&["session", "logs", "job", "--follow"]), "first\nsecond\n");
    let ended = server.json(&["session", "wait", "job", "--until", "ended"]);
    assert_eq!(ended["exit_code"], 3);
    assert_eq!(server.run(&["session", "logs", "job", "--tail", "1"]), "second\n");
    server.as_user("admin", &["session", "wait", "job"]).fails(1, "exit code 3");
    let events = server.json(&["event", "list", "--session", "job"]);
    let event = names(&events, "id")[0].to_owned();
    server.run(&["event", "ack", &event]);
    server.run(&["event", "resolve", &event]);
    let too_much = ["session", "launch", "--application", "web", "--cpu", "5000"];
    server.as_user("admin", &too_much).fails(1, "cpu_request");
    server.as_user("admin", &["session", "launch", "--application", "no-such"]).fails(1, "application");
}

#[test]
fn changes_are_watched_as_they_happen() {
    let server = Server::start();
    server.until(&["node", "list"], |nodes| nodes.as_array().unwrap().len() >= 2);
    let mut watch = binary(&server.config("admin"))
        .args(["event", "watch", "--output", "json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if sender.send(serde_json::from_str::<Value>(&line).unwrap()).is_err() {
                return;
            }
        }
    });
    // The stream has no beginning that could be waited for, so sessions are launched until one is seen.
    let begun = Instant::now();
    let item = loop {
        let launch = ["session", "launch", "--application", "terminal", "--", "true"];
        server.run(&launch);
        match receiver.recv_timeout(Duration::from_secs(2)) {
            Ok(item) if item["type"] == "session" => break item,
            _ => assert!(begun.elapsed() < LONGEST_WAIT, "no change of a session was seen"),
        }
    };
    watch.kill().unwrap();
    watch.wait().unwrap();
    assert!(item["id"].is_string(), "{item}");
}
