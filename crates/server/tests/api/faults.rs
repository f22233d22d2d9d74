//! Requests that are wrong in every way a request can be, and requests that come twice.

use http::{Method, header};
use serde_json::{Value, json};

use crate::support::{Ask, Engine, Options, Person, Server, on_both};

fn launch(name: &str) -> Value {
    json!({"application": "quiet", "session_name": name, "cpu_request": 0.1, "memory_request_gb": 0.125})
}

async fn server(database: Engine) -> Server {
    let server = Server::start(Options {
        configure: |config| {
            config.max_body_bytes = 4096;
            config.max_upload_bytes = 8192;
        },
        ..Options::on(database)
    })
    .await;
    server.application("quiet", "sleep infinity").await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_a_problem_that_names_its_place() {
    let server = server(Engine::Sqlite).await;
    let admin = server.admin.clone();
    let foreign = server.new_tenant("foreign").await;
    let stranger = server.person(foreign, "stranger", berth_types::identity::Role::TenantAdmin).await;
    let session = server.launch(&admin, "quiet").await;
    server.running(session).await;
    let post = |path: &str| server.ask(Method::POST, path).by(&admin.token);
    let get = |path: &str| server.get(path, &admin);

    // Filters that no text can match.
    let long = "x".repeat(201);
    for path in ["/nodes", "/users", "/tenants", "/audit-logs", "/events", "/sessions"] {
        for text in ["a%00b", "%0A", long.as_str()] {
            get(&format!("{path}?search={text}")).send().await.problem(422, "invalid_value", &["search"]);
        }
        get(&format!("{path}?search=%25_%5C'")).send().await.expect(200);
    }
    for (filter, field) in [
        ("/nodes?status=asleep", "status"),
        ("/users?role=emperor", "role"),
        ("/operations?kind=nap", "kind"),
        ("/audit-logs?since=yesterday", "since"),
        ("/events?until=7", "until"),
        ("/events?until=%2B100000-01-01T00:00:00Z", "until"),
        ("/audit-logs?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "since"),
    ] {
        get(filter).send().await.problem(422, "invalid_value", &[field]);
    }

    // Bodies.
    for body in ["{", "", "[", "\u{0}", "{\"application\":\"quiet\"} {}", "nonsense"] {
        post("/sessions").raw("application/json", body).send().await.problem(400, "malformed_request", &[]);
    }
    let faulty: &[(&str, Value, &str)] = &[
        ("/sessions", json!({}), "application"),
        ("/sessions", json!([]), "body"),
        ("/sessions", json!({"application": "quiet", "cpus": 1}), "cpus"),
        ("/sessions", json!({"application": 7}), "application"),
        ("/sessions", json!({"application": "quiet", "priority": "high"}), "priority"),
        ("/sessions", json!({"application": "quiet", "priority": 11}), "priority"),
        ("/sessions", json!({"application": "quiet", "priority": 1e99}), "priority"),
        ("/sessions", json!({"application": "quiet", "cpu_request": -1}), "cpu_request"),
        ("/sessions", json!({"application": "quiet", "memory_request_gb": 1e300}), "memory_request_gb"),
        ("/sessions", json!({"application": "quiet", "max_runtime_minutes": 0}), "max_runtime_minutes"),
        ("/sessions", json!({"application": "quiet", "max_runtime_minutes": i64::MAX}), "max_runtime_minutes"),
        ("/sessions", json!({"application": "quiet", "resource_constraints": {"gpu": 1}}), "resource_constraints.gpu"),
        (
            "/sessions",
            json!({"application": "quiet", "environment_variables": {"A B": "x"}}),
            "environment_variables.A B",
        ),
        (
            "/sessions",
            json!({"application": "quiet", "environment_variables": {"A": {"secret": "none-such"}}}),
            "environment_variables.A.secret",
        ),
        ("/sessions", json!({"application": "quiet", "session_name": "a\u{0}b"}), "session_name"),
        ("/users", json!({"username": "x y", "password": "long enough a password"}), "username"),
        ("/users", json!({"username": "short", "password": "123"}), "password"),
        ("/users", json!({"username": "role", "password": "long enough a password", "role": "emperor"}), "role"),
        ("/tenants", json!({"name": ""}), "name"),
        ("/tenants", json!({"name": "x", "quota_config": {"sessions": -1}}), "quota_config.sessions"),
        ("/applications", json!({"name": "A B", "title": "x", "container_image": "x"}), "name"),
        ("/edge-data-centers", json!({"name": "x", "location": 5}), "location"),
        ("/resource-pools", json!({"name": "x", "edge_data_center_id": "not a uuid"}), "edge_data_center_id"),
        ("/secrets", json!({"name": "x"}), "value"),
        ("/api-tokens", json!({"name": "x", "expires_in_days": 0}), "expires_in_days"),
        ("/api-tokens", json!({"name": "x", "permissions": ["no.such"]}), "permissions"),
    ];
    for (path, body, field) in faulty {
        let answer = post(path).json(body).send().await;
        assert_eq!(answer.status, 422, "{path} {body}: {}", answer.text);
        answer.problem(422, "invalid_value", &[field]);
    }
    let on_session: &[(&str, Value, &str)] = &[
        ("stop", json!({"grace_seconds": 601}), "grace_seconds"),
        ("stop", json!({"grace": 1}), "grace"),
        ("extend", json!({"minutes": 0}), "minutes"),
        ("extend", json!({"minutes": i64::MAX}), "minutes"),
        ("exec", json!({"command": []}), "command"),
        ("exec", json!({"command": ["true"], "timeout_seconds": 601}), "timeout_seconds"),
        ("tickets", json!({"purpose": "mischief"}), "purpose"),
        ("tickets", json!({"purpose": "port_forward"}), "port"),
    ];
    for (action, body, field) in on_session {
        let answer = post(&format!("/sessions/{session}/{action}")).json(body).send().await;
        assert_eq!(answer.status, 422, "{action} {body}: {}", answer.text);
        answer.problem(422, "invalid_value", &[field]);
    }
    post("/sessions").raw("application/json", format!("\"{}\"", "x".repeat(5000))).send().await.problem(
        413,
        "payload_too_large",
        &[],
    );
    for media in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        post("/sessions").raw(media, launch("x").to_string()).send().await.problem(415, "unsupported_media_type", &[]);
    }
    let files = format!("/sessions/{session}/files?path=/tmp");
    server.ask(Method::PUT, &files).by(&admin.token).raw("application/json", "{}").send().await.problem(
        415,
        "unsupported_media_type",
        &[],
    );
    let upload = server.ask(Method::PUT, &files).by(&admin.token).raw("application/x-tar", vec![0; 8193]).send().await;
    let text = upload.problem(413, "payload_too_large", &[]).body["detail"].to_string();
    assert!(text.contains("at most 8192 bytes"), "{text}");

    // Paths.
    let absent = uuid::Uuid::now_v7();
    for collection in
        ["sessions", "users", "tenants", "nodes", "applications", "operations", "edge-data-centers", "resource-pools"]
    {
        get(&format!("/{collection}/nonsense")).send().await.problem(422, "invalid_value", &["id"]);
        get(&format!("/{collection}/{absent}")).send().await.problem(404, "not_found", &[]);
    }
    get("/nowhere").send().await.problem(404, "not_found", &[]);
    server.ask(Method::DELETE, "/sessions").by(&admin.token).send().await.problem(405, "method_not_allowed", &[]);
    // Another tenant's thing and no thing at all cannot be told apart.
    let hidden = |path: String| server.get(&path, &stranger);
    for what in ["", "/events", "/metrics", "/allocations", "/logs", "/files?path=/tmp"] {
        let real = hidden(format!("/sessions/{session}{what}")).send().await.problem(404, "not_found", &[]).body;
        let unreal = hidden(format!("/sessions/{absent}{what}")).send().await.problem(404, "not_found", &[]).body;
        assert_eq!((&real["title"], &real["detail"]), (&unreal["title"], &unreal["detail"]));
    }

    // Queries.
    for path in [
        "/sessions",
        "/users",
        "/operations",
        "/events",
        "/audit-logs",
        "/allocations",
        "/usage-records",
        "/nodes",
        "/applications",
        "/tenants",
        "/logins",
        "/secrets",
    ] {
        for limit in ["0", "501", "-1", "many", "99999999999999999999"] {
            get(&format!("{path}?limit={limit}")).send().await.problem(422, "invalid_value", &["limit"]);
        }
        get(&format!("{path}?cursor=nonsense")).send().await.problem(422, "invalid_value", &["cursor"]);
        get(&format!("{path}?limit=1&no_such=1")).send().await.problem(422, "invalid_value", &["no_such"]);
        get(&format!("{path}?limit=500")).send().await.expect(200);
    }
    get("/sessions?status=sleeping").send().await.problem(422, "invalid_value", &["status"]);
    get("/operations?status=sleeping").send().await.problem(422, "invalid_value", &["status"]);
    get("/allocations?status=sleeping").send().await.problem(422, "invalid_value", &["status"]);
    get("/sessions?sort=beauty").send().await.problem(422, "invalid_value", &["sort"]);
    get("/sessions?node_id=x").send().await.problem(422, "invalid_value", &["node_id"]);

    // Credentials.
    let anonymous = || server.ask(Method::GET, "/sessions");
    anonymous().send().await.problem(401, "unauthenticated", &[]);
    for token in ["", "x", "berth_0000000000000000000000000000000000000000000", &"y".repeat(5000)] {
        anonymous().by(token).send().await.problem(401, "unauthenticated", &[]);
    }
    anonymous().with("authorization", "Basic YWRtaW46YWRtaW4=").send().await.problem(401, "unauthenticated", &[]);
    anonymous().with("cookie", &format!("berth_access={}", admin.token)).send().await.problem(
        401,
        "unauthenticated",
        &[],
    );
    let unready = json!({"username": "nobody", "password": "certainly not", "kind": "cli"});
    server.ask(Method::POST, "/auth/login").json(&unready).send().await.problem(401, "invalid_credentials", &[]);

    // Every answer has an id; one that the caller sends is kept, if it is one.
    let answer = get("/sessions").with("x-request-id", "my-request-0001").send().await;
    assert_eq!(answer.headers["x-request-id"], "my-request-0001");
    let answer = get("/sessions").with("x-request-id", "no {id}").send().await;
    assert_ne!(answer.headers["x-request-id"], "no {id}");
    server.stop_session(session, 0).await;
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_read_the_same_only_one_changes_it() {
    let server = server(Engine::Sqlite).await;
    let admin = server.admin.clone();
    let tenant = server.new_tenant("contested").await;
    let person = server.person(tenant, "contested", berth_types::identity::Role::User).await;
    let node = server.machine().node();
    let applications = server.get("/applications", &admin).send().await.expect(200).body;
    let application = applications["items"][0]["id"].as_str().unwrap().to_owned();
    let things = [
        (format!("/tenants/{tenant}"), json!({"description": "mine"})),
        (format!("/users/{}", person.id), json!({"full_name": "mine"})),
        (format!("/nodes/{node}"), json!({"priority": 2})),
        (format!("/applications/{application}"), json!({"description": "mine"})),
    ];
    for (path, change) in things {
        let patch = |tag: &str| server.ask(Method::PATCH, &path).by(&admin.token).json(&change).with("if-match", tag);
        let tag = server.get(&path, &admin).send().await.expect(200).headers[header::ETAG].to_str().unwrap().to_owned();
        let (one, other) = tokio::join!(patch(&tag).send(), patch(&tag).send());
        let mut statuses = [one.status.as_u16(), other.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "{path}");
        patch(&tag).send().await.problem(412, "precondition_failed", &[]);
        patch("*").send().await.expect(200);
        patch("\"nonsense\"").send().await.problem(422, "invalid_value", &["If-Match"]);
    }
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_done_once() {
    on_both(async |database| {
        let server = server(database).await;
        let admin = server.admin.clone();
        let other = server.person(server.tenant, "other", berth_types::identity::Role::User).await;
        let keyed = |person: &Person, key: &str, body: &Value| -> Ask {
            server.post("/sessions", person, body.clone()).with("idempotency-key", key)
        };

        let first = keyed(&admin, "key-1", &launch("one")).send().await.expect(201);
        assert!(!first.headers.contains_key("idempotency-replayed"));
        let again = keyed(&admin, "key-1", &launch("one")).send().await.expect(201);
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!((&first.body["id"], &first.body), (&again.body["id"], &again.body));
        keyed(&admin, "key-1", &launch("two")).send().await.problem(422, "idempotency_key_reused", &[]);
        let elsewhere =
            server.post("/sessions/check", &admin, launch("one")).with("idempotency-key", "key-1").send().await;
        assert!(elsewhere.body["id"].is_null(), "another path got the first one's answer");
        // The key is the caller's own.
        let theirs = keyed(&other, "key-1", &launch("one")).send().await.expect(201);
        assert_ne!(theirs.body["id"], first.body["id"]);
        for key in ["", &"k".repeat(129), "a b"] {
            keyed(&admin, key, &launch("x")).send().await.problem(422, "invalid_value", &["Idempotency-Key"]);
        }
        // A refused request binds no key: what was wrong may be put right.
        keyed(&admin, "key-2", &json!({"application": "none-such"})).send().await;
        keyed(&admin, "key-2", &launch("right")).send().await.expect(201);

        // At the same moment.
        let body = launch("parallel");
        let mut asked: Vec<_> = Vec::new();
        for _ in 0..8 {
            asked.push(tokio::spawn(keyed(&admin, "key-3", &body).send()));
        }
        let mut ids = std::collections::BTreeSet::new();
        for answer in asked {
            let answer = answer.await.unwrap();
            // Whoever came second may be told to wait for the first, but never made a second one.
            match answer.status.as_u16() {
                201 => drop(ids.insert(answer.body["id"].as_str().unwrap().to_owned())),
                status => assert_eq!(status, 409, "{}", answer.text),
            }
        }
        assert_eq!(ids.len(), 1, "{ids:?}");
        let list = server.get("/sessions?search=parallel", &admin).send().await.expect(200).body;
        assert_eq!(list["items"].as_array().unwrap().len(), 1);

        // After a day it is a new request. What is starting would be past its deadline by then.
        let sessions = server.get("/sessions", &admin).send().await.expect(200).body;
        for session in sessions["items"].as_array().unwrap() {
            server.running(serde_json::from_value(session["id"].clone()).unwrap()).await;
        }
        server.clock.advance(chrono::Duration::hours(25));
        let late = keyed(&admin, "key-1", &launch("late")).send().await.expect(201);
        assert_ne!(late.body["id"], first.body["id"]);
        server.finish().await;
    })
    .await;
}
