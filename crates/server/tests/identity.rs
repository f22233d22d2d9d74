//! Identity and administration over the API: the real router and rules over a real database, without listeners and
//! without background tasks, so that time stands still until a test moves it. Everything runs on SQLite, and on
//! PostgreSQL too.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{
    future::Future,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use axum::{Router, body::Body, extract::ConnectInfo};
use berth_server::{
    api,
    app::{self, App, LiveEvent},
    clock::Clock,
    config::Config,
};
use berth_store::{self as store, Connection, Store, StoreConfig};
use berth_types::{TenantId, Timestamp, UserId};
use chrono::TimeDelta;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

// ---- the place where tests happen

struct Site {
    app: Arc<App>,
    router: Router,
    directory: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    #[track_caller]
    fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    fn text(&self, pointer: &str) -> String {
        self.body
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("no {pointer} in {}", self.body))
            .to_owned()
    }

    fn cookie(&self, name: &str) -> String {
        let values = self.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap());
        let mut found = values.filter_map(|value| value.strip_prefix(name)?.strip_prefix('=')?.split(';').next());
        found.next().unwrap_or_else(|| panic!("no cookie {name}")).to_owned()
    }
}

struct Ask<'a> {
    method: Method,
    path: &'a str,
    token: Option<&'a str>,
    ip: &'a str,
    headers: Vec<(&'a str, String)>,
    body: Option<Value>,
}

fn ask<'a>(method: &str, path: &'a str) -> Ask<'a> {
    Ask { method: method.parse().unwrap(), path, token: None, ip: "192.0.2.1", headers: Vec::new(), body: None }
}

impl<'a> Ask<'a> {
    fn by(mut self, token: &'a str) -> Self {
        self.token = Some(token);
        self
    }

    fn from(mut self, ip: &'a str) -> Self {
        self.ip = ip;
        self
    }

    fn with(mut self, name: &'a str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    fn json(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    async fn raw(self, site: &Site) -> http::Response<Body> {
        let mut request = Request::builder().method(self.method).uri(format!("/api/v1{}", self.path));
        if let Some(token) = self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let body = match self.body {
            Some(json) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(json.to_string())
            }
            None => Body::empty(),
        };
        let address: SocketAddr = format!("{}:40000", self.ip).parse().unwrap();
        let request = request.extension(ConnectInfo(address)).body(body).unwrap();
        site.router.clone().oneshot(request).await.unwrap()
    }

    async fn send(self, site: &Site) -> Answer {
        let (parts, body) = self.raw(site).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

fn start() -> Timestamp {
    "2026-03-02T08:00:00Z".parse().unwrap()
}

fn postgres() -> Option<String> {
    static URL: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("BERTH_TEST_POSTGRES_URL").ok());
    let skip = std::env::var("BERTH_SKIP_POSTGRES").is_ok_and(|value| value == "1");
    assert!(
        URL.is_some() || skip,
        "BERTH_TEST_POSTGRES_URL is not set; BERTH_SKIP_POSTGRES=1 skips the tests on PostgreSQL"
    );
    URL.clone()
}

async fn site(database_url: String) -> Site {
    let directory = tempfile::tempdir().unwrap();
    let config = Config {
        data_dir: directory.path().join("data"),
        database_url,
        docker: "none".to_owned(),
        sim_nodes: 2,
        ..Config::default()
    };
    let app = berth_server::open(config, Clock::manual(start())).await.unwrap();
    let router = api::router(app.clone());
    Site { app, router, directory }
}

/// Runs a test on both databases.
async fn on_both<F: Future<Output = ()>>(test: impl Fn(Arc<Site>) -> F) {
    println!("on SQLite");
    test(Arc::new(site(String::new()).await)).await;
    let Some(server) = postgres() else { return };
    println!("on PostgreSQL");
    let database = format!("berth_test_{}", uuid::Uuid::now_v7().simple());
    let root = Store::open(&StoreConfig::new(&server)).await.unwrap();
    root.writer().execute_unprepared(&format!("CREATE DATABASE {database}")).await.unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    let site = Arc::new(site(format!("{base}/{database}")).await);
    test(site.clone()).await;
    site.app.store.clone().close().await.unwrap();
    root.writer().execute_unprepared(&format!("DROP DATABASE {database} WITH (FORCE)")).await.unwrap();
}

const PASSWORD: &str = "a good password 1";

impl Site {
    fn advance(&self, by: TimeDelta) {
        self.app.clock.advance(by);
    }

    fn first_password_file(&self) -> PathBuf {
        self.directory.path().join("data").join("first-admin-password")
    }

    async fn try_login(&self, username: &str, password: &str, ip: &str) -> Answer {
        ask("POST", "/auth/login").from(ip).json(json!({"username": username, "password": password})).send(self).await
    }

    async fn login(&self, username: &str, password: &str) -> String {
        self.try_login(username, password, "192.0.2.1").await.expect(200).text("/access_token")
    }

    /// The first admin, with a password of their own.
    async fn admin(&self) -> String {
        let first = app::identity::ensure_first_admin(&self.app).await.unwrap().unwrap();
        let token = self.login("admin", &first).await;
        let change = json!({"current_password": first, "new_password": PASSWORD});
        ask("POST", "/profile/password").by(&token).json(change).send(self).await.expect(204);
        token
    }

    /// A user with a password of their own: token and id.
    async fn user(&self, admin: &str, username: &str, role: &str, tenant: Option<&str>) -> (String, String) {
        let mut create = json!({"username": username, "password": "given password", "role": role});
        if let Some(tenant) = tenant {
            create["tenant_id"] = json!(tenant);
        }
        let user = ask("POST", "/users").by(admin).json(create).send(self).await.expect(201);
        let token = self.login(username, "given password").await;
        let change = json!({"current_password": "given password", "new_password": PASSWORD});
        ask("POST", "/profile/password").by(&token).json(change).send(self).await.expect(204);
        (token, user.text("/id"))
    }

    async fn tenant(&self, admin: &str, name: &str) -> String {
        ask("POST", "/tenants").by(admin).json(json!({"name": name})).send(self).await.expect(201).text("/id")
    }

    async fn own_tenant(&self, token: &str) -> String {
        ask("GET", "/profile").by(token).send(self).await.expect(200).text("/tenant/id")
    }

    async fn events(&self, admin: &str, event_type: &str) -> usize {
        let path = format!("/events?event_type={event_type}");
        ask("GET", &path).by(admin).send(self).await.expect(200).body["items"].as_array().unwrap().len()
    }
}

// ---- logging in

#[tokio::test]
async fn the_first_admin_must_change_the_password_that_was_made_up() {
    on_both(|site| async move {
        let first = app::identity::ensure_first_admin(&site.app).await.unwrap().unwrap();
        assert_eq!(first.len(), 20);
        let file = site.first_password_file();
        assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), first);
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(app::identity::ensure_first_admin(&site.app).await.unwrap().is_none());

        let login = site.try_login("ADMIN", &first, "192.0.2.1").await.expect(200);
        assert_eq!(login.body["user"]["must_change_password"], true);
        let token = login.text("/access_token");
        let refused = ask("GET", "/users").by(&token).send(&site).await.expect(403);
        assert_eq!(refused.text("/code"), "password_change_required");
        ask("GET", "/profile").by(&token).send(&site).await.expect(200);

        let change = |current: &str, new: &str| json!({"current_password": current, "new_password": new});
        let short =
            ask("POST", "/profile/password").by(&token).json(change(&first, "short")).send(&site).await.expect(422);
        assert_eq!(short.text("/fields/0/field"), "new_password");
        let same =
            ask("POST", "/profile/password").by(&token).json(change(&first, &first)).send(&site).await.expect(422);
        assert_eq!(same.text("/fields/0/field"), "new_password");
        let wrong =
            ask("POST", "/profile/password").by(&token).json(change("wrong", PASSWORD)).send(&site).await.expect(422);
        assert_eq!(wrong.text("/fields/0/field"), "current_password");
        assert!(file.exists());
        let other = site.login("admin", &first).await;
        // Repeated with the same key, the answer is the first one's, although the old password is wrong by now.
        for _ in 0..2 {
            let request = ask("POST", "/profile/password").by(&token).with("idempotency-key", "change-1");
            request.json(change(&first, PASSWORD)).send(&site).await.expect(204);
        }
        assert!(!file.exists());
        ask("GET", "/users").by(&token).send(&site).await.expect(200);
        ask("GET", "/users").by(&other).send(&site).await.expect(401);
        site.try_login("admin", &first, "192.0.2.1").await.expect(401);
        site.try_login("admin", PASSWORD, "192.0.2.1").await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn an_address_is_barred_after_five_wrong_passwords_whether_the_name_exists_or_not() {
    on_both(|site| async move {
        let admin = site.admin().await;
        site.user(&admin, "ada", "user", None).await;
        let mut seen = Vec::new();
        for name in ["ada", "ghost"] {
            let mut answers = Vec::new();
            for round in 0..3 {
                for _ in 0..5 {
                    let answer = site.try_login(name, "wrong password", "192.0.2.9").await.expect(401);
                    answers.push((answer.text("/code"), answer.text("/detail"), String::new()));
                }
                // Now even the right password is of no use from there.
                let barred = site.try_login(name, PASSWORD, "192.0.2.9").await.expect(429);
                let after = barred.headers[header::RETRY_AFTER].to_str().unwrap().to_owned();
                assert_eq!(after, (900 * (1 << round)).to_string());
                answers.push((barred.text("/code"), barred.text("/detail"), after));
                site.advance(TimeDelta::seconds(900 * (1 << round) - 1));
                site.try_login(name, PASSWORD, "192.0.2.9").await.expect(429);
                site.advance(TimeDelta::seconds(1));
            }
            seen.push(answers);
            // Other addresses are not concerned, and other accounts are not from this one.
            site.try_login("admin", PASSWORD, "192.0.2.9").await.expect(200);
        }
        assert_eq!(seen[0], seen[1], "answers tell whether a name exists");
        site.try_login("ada", PASSWORD, "192.0.2.9").await.expect(200);
        // The success forgot all: four more wrong ones bar nobody.
        for _ in 0..4 {
            site.try_login("ada", "wrong password", "192.0.2.9").await.expect(401);
        }
        site.try_login("ada", PASSWORD, "192.0.2.9").await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn guesses_at_the_same_moment_are_counted_one_after_another() {
    on_both(|site| async move {
        let admin = site.admin().await;
        site.user(&admin, "ada", "user", None).await;
        let guesses = (0..12).map(|_| site.try_login("ada", "wrong password", "192.0.2.9"));
        let statuses: Vec<u16> =
            futures::future::join_all(guesses).await.iter().map(|answer| answer.status.as_u16()).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 5, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 7, "{statuses:?}");
    })
    .await;
}

#[tokio::test]
async fn thirty_failures_from_anywhere_lock_the_account_for_an_hour() {
    on_both(|site| async move {
        let admin = site.admin().await;
        let (token, id) = site.user(&admin, "ada", "user", None).await;
        // Four from each address, so that none of them is barred.
        let guess = async |network: u8, count: usize| {
            for number in 0..count {
                let ip = format!("198.51.{network}.{}", 10 + number / 4);
                site.try_login("ada", "wrong password", &ip).await.expect(401);
            }
        };
        guess(1, 29).await;
        ask("GET", "/profile").by(&token).send(&site).await.expect(200);
        assert_eq!(site.events(&admin, "account_locked").await, 0);
        site.try_login("ada", "wrong password", "192.0.2.99").await.expect(401);
        assert_eq!(site.events(&admin, "account_locked").await, 1);
        let user = ask("GET", &format!("/users/{id}")).by(&admin).send(&site).await.expect(200);
        assert_eq!(
            (user.text("/status"), user.text("/account_locked_until")),
            ("locked".to_owned(), "2026-03-02T09:00:00Z".to_owned())
        );
        // A wrong password learns nothing of the lock; the right one does. Tokens given before do not work either.
        site.try_login("ada", "wrong password", "192.0.2.98").await.expect(401);
        let locked = site.try_login("ada", PASSWORD, "192.0.2.97").await.expect(403);
        assert!(locked.text("/detail").contains("locked until 2026-03-02 09:00"), "{}", locked.body);
        ask("GET", "/profile").by(&token).send(&site).await.expect(401);
        let freed = ask("POST", &format!("/users/{id}/unlock")).by(&admin).send(&site).await.expect(200);
        assert_eq!(freed.text("/status"), "active");
        site.login("ada", PASSWORD).await;

        // The lock ends by itself, and `berth admin unlock` ends it too.
        guess(2, 30).await;
        site.try_login("ada", PASSWORD, "192.0.2.97").await.expect(403);
        site.advance(TimeDelta::minutes(60));
        site.try_login("ada", PASSWORD, "192.0.2.97").await.expect(200);
        guess(3, 30).await;
        site.try_login("ada", PASSWORD, "192.0.2.97").await.expect(403);
        app::identity::unlock(&site.app, "ADA").await.unwrap();
        site.try_login("ada", PASSWORD, "192.0.2.97").await.expect(200);
        let unknown = app::identity::unlock(&site.app, "nobody").await.unwrap_err();
        assert_eq!(unknown.0.code, berth_types::ErrorCode::NotFound);
        let new = app::identity::reset_password(&site.app, "ada").await.unwrap();
        site.try_login("ada", PASSWORD, "192.0.2.97").await.expect(401);
        let login = site.try_login("ada", &new, "192.0.2.97").await.expect(200);
        assert_eq!(login.body["user"]["must_change_password"], true);
    })
    .await;
}

#[tokio::test]
async fn a_refresh_token_works_once_and_its_reuse_ends_the_login() {
    on_both(|site| async move {
        let admin = site.admin().await;
        site.user(&admin, "ada", "user", None).await;
        let refresh = |token: &str| ask("POST", "/auth/refresh").json(json!({"refresh_token": token}));
        let login = site.try_login("ada", PASSWORD, "192.0.2.1").await.expect(200);
        let (access, old) = (login.text("/access_token"), login.text("/refresh_token"));
        site.advance(TimeDelta::minutes(15));
        ask("GET", "/profile").by(&access).send(&site).await.expect(401);
        let second = refresh(&old).send(&site).await.expect(200);
        let access = second.text("/access_token");
        assert_ne!(second.text("/refresh_token"), old);
        ask("GET", "/profile").by(&access).send(&site).await.expect(200);

        refresh(&old).send(&site).await.expect(401);
        ask("GET", "/profile").by(&access).send(&site).await.expect(401);
        refresh(&second.text("/refresh_token")).send(&site).await.expect(401);
        let admin = site.login("admin", PASSWORD).await;
        assert_eq!(site.events(&admin, "refresh_token_reused").await, 1);

        // Thirty days, and no longer; no refresh for those who may not log in.
        let login = site.try_login("ada", PASSWORD, "192.0.2.1").await.expect(200);
        site.advance(TimeDelta::days(30));
        refresh(&login.text("/refresh_token")).send(&site).await.expect(401);
        let login = site.try_login("ada", PASSWORD, "192.0.2.1").await.expect(200);
        let admin = site.login("admin", PASSWORD).await;
        let path = format!("/users/{}", login.text("/user/id"));
        ask("PATCH", &path).by(&admin).json(json!({"status": "inactive"})).send(&site).await.expect(200);
        refresh(&login.text("/refresh_token")).send(&site).await.expect(401);
        site.try_login("ada", PASSWORD, "192.0.2.1").await.expect(403);
        ask("POST", "/auth/refresh").json(json!({"refresh_token": "x"})).send(&site).await.expect(401);
        ask("POST", "/auth/refresh").send(&site).await.expect(401);
    })
    .await;
}

#[tokio::test]
async fn browsers_get_cookies_that_need_the_csrf_header() {
    on_both(|site| async move {
        site.admin().await;
        let body = json!({"username": "admin", "password": PASSWORD, "kind": "browser"});
        let login = ask("POST", "/auth/login").json(body).send(&site).await.expect(200);
        assert!(login.body.get("access_token").is_none() && login.body.get("refresh_token").is_none());
        let csrf = login.text("/csrf_token");
        assert_eq!(login.cookie("berth_csrf"), csrf);
        let access = format!("berth_access={}", login.cookie("berth_access"));
        let refresh = format!("berth_refresh={}", login.cookie("berth_refresh"));
        let set: Vec<_> = login.headers.get_all(header::SET_COOKIE).iter().map(|v| v.to_str().unwrap()).collect();
        assert!(
            set.iter().all(|v| v.contains("SameSite=Strict"))
                && set.iter().filter(|v| v.contains("HttpOnly")).count() == 2
        );

        ask("GET", "/profile").with("cookie", &access).send(&site).await.expect(200);
        let rename = || ask("PATCH", "/profile").with("cookie", &access).json(json!({"full_name": "The Admin"}));
        assert_eq!(rename().send(&site).await.expect(403).text("/code"), "csrf_required");
        rename().with("x-berth-csrf", "wrong").send(&site).await.expect(403);
        rename().with("x-berth-csrf", &csrf).send(&site).await.expect(200);
        // A program's token is no browser's cookie.
        let token = site.login("admin", PASSWORD).await;
        ask("GET", "/profile").with("cookie", format!("berth_access={token}")).send(&site).await.expect(401);

        ask("POST", "/auth/refresh").with("cookie", &refresh).send(&site).await.expect(403);
        let renewed = ask("POST", "/auth/refresh")
            .with("cookie", &refresh)
            .with("x-berth-csrf", &csrf)
            .send(&site)
            .await
            .expect(200);
        ask("GET", "/profile").with("cookie", &access).send(&site).await.expect(401);
        let access = format!("berth_access={}", renewed.cookie("berth_access"));
        let csrf = renewed.text("/csrf_token");
        let out = ask("POST", "/auth/logout")
            .with("cookie", &access)
            .with("x-berth-csrf", &csrf)
            .send(&site)
            .await
            .expect(204);
        let cleared: Vec<_> =
            out.headers.get_all(header::SET_COOKIE).iter().map(|v| v.to_str().unwrap().to_owned()).collect();
        assert!(cleared.len() == 3 && cleared.iter().all(|v| v.contains("Max-Age=0")), "{cleared:?}");
        ask("GET", "/profile").with("cookie", &access).send(&site).await.expect(401);
    })
    .await;
}

#[tokio::test]
async fn nonsense_at_the_door_is_refused_and_never_an_error_of_ours() {
    on_both(|site| async move {
        let admin = site.admin().await;
        site.try_login("a\u{0}b", "x", "192.0.2.1").await.expect(401);
        site.try_login("", "", "192.0.2.1").await.expect(401);
        site.try_login(&"x".repeat(5000), "x", "192.0.2.1").await.expect(401);
        site.try_login("admin", &"x".repeat(5000), "192.0.2.1").await.expect(422);
        let kind = json!({"username": "admin", "password": PASSWORD, "kind": "api_token"});
        ask("POST", "/auth/login").json(kind).send(&site).await.expect(422);
        for path in [
            "/events?event_type=%00",
            "/audit-logs?action=%00",
            "/users?cursor=%00",
            "/users?cursor=AAAA",
            "/users?limit=0",
            "/users?limit=501",
            "/users?wrong=1",
            "/nodes?resource_pool_id=x",
            "/allocations?status=lost",
            "/operations?subject_id=1",
            "/usage-records?cursor=zzz",
            "/secrets?cursor=zzz",
            "/logins?cursor=zzz",
        ] {
            ask("GET", path).by(&admin).send(&site).await.expect(422);
        }
        ask("PUT", "/settings/%00").by(&admin).json(json!({"value": 1})).send(&site).await.expect(404);
        ask("GET", "/users/not-an-id").by(&admin).send(&site).await.expect(422);
        ask("PUT", "/role-permissions/king").by(&admin).json(json!({"grants": []})).send(&site).await.expect(422);
        let audit = ask("GET", "/audit-logs?action=auth_login").by(&admin).send(&site).await.expect(200);
        let rows = audit.body["items"].as_array().unwrap();
        let unknown = rows.iter().filter(|row| row["details"]["reason"] == "unknown_user").count();
        assert_eq!(unknown, 3, "{}", audit.body);
        assert!(
            rows.iter().any(|row| row["status"] == "success"
                && row["username"] == "admin"
                && row["ip_address"] == "192.0.2.1")
        );
        assert!(!audit.body.to_string().contains(PASSWORD));
    })
    .await;
}

// ---- one's own account

#[tokio::test]
async fn api_tokens_are_shown_once_and_never_grow() {
    on_both(|site| async move {
        let admin = site.admin().await;
        let (token, _) = site.user(&admin, "ada", "user", None).await;
        let create = |body: Value| ask("POST", "/api-tokens").by(&token).json(body);
        create(json!({"name": "ci", "permissions": ["session.fly"]})).send(&site).await.expect(422);
        create(json!({"name": "ci", "permissions": ["settings.manage"]})).send(&site).await.expect(422);
        create(json!({"name": "ci", "expires_in_days": 367})).send(&site).await.expect(422);
        let limited = create(json!({"name": "ci", "permissions": ["session.read"], "expires_in_days": 2}))
            .send(&site)
            .await
            .expect(201);
        let whole = create(json!({"name": "all"})).with("idempotency-key", "same").send(&site).await.expect(201);
        let again = create(json!({"name": "all"})).with("idempotency-key", "same").send(&site).await.expect(201);
        assert_ne!(whole.text("/token"), again.text("/token"));
        let (limited, whole) = (limited.text("/token"), whole.text("/token"));
        assert!(limited.starts_with("berth_"));
        let list = ask("GET", "/logins").by(&token).send(&site).await.expect(200);
        assert!(!list.body.to_string().contains(&limited) && list.body["items"].as_array().unwrap().len() == 4);

        ask("GET", "/sessions").by(&limited).send(&site).await.expect(200);
        ask("POST", "/sessions").by(&limited).json(json!({"application": "terminal"})).send(&site).await.expect(403);
        ask("GET", "/secrets").by(&limited).send(&site).await.expect(403);
        let profile = ask("GET", "/profile").by(&limited).send(&site).await.expect(200);
        assert_eq!(profile.body["grants"], json!([{"permission_name": "session.read", "scope": "own"}]));
        ask("POST", "/sessions").by(&whole).json(json!({"application": "terminal"})).send(&site).await.expect(201);
        // Not even an unlimited one makes another one, or touches the account.
        for token in [&limited, &whole] {
            ask("POST", "/api-tokens").by(token).json(json!({"name": "more"})).send(&site).await.expect(403);
            ask("PATCH", "/profile").by(token).json(json!({"full_name": "X"})).send(&site).await.expect(403);
            let change = json!({"current_password": PASSWORD, "new_password": "another password"});
            ask("POST", "/profile/password").by(token).json(change).send(&site).await.expect(403);
        }
        site.advance(TimeDelta::days(2));
        ask("GET", "/sessions").by(&limited).send(&site).await.expect(401);
        ask("GET", "/sessions").by(&whole).send(&site).await.expect(200);
        ask("POST", "/auth/logout").by(&whole).send(&site).await.expect(204);
        ask("GET", "/sessions").by(&whole).send(&site).await.expect(401);
    })
    .await;
}

#[tokio::test]
async fn people_see_and_end_their_own_logins_only() {
    on_both(|site| async move {
        let admin = site.admin().await;
        let (ada, _) = site.user(&admin, "ada", "user", None).await;
        let second = site.login("ada", PASSWORD).await;
        let (bob, _) = site.user(&admin, "bob", "user", None).await;
        let list = ask("GET", "/logins").by(&ada).send(&site).await.expect(200);
        let items = list.body["items"].as_array().unwrap().clone();
        assert_eq!(items.len(), 2);
        let other = items.iter().find(|item| item["current"] == false).unwrap()["id"].as_str().unwrap().to_owned();
        let path = format!("/logins/{other}");
        ask("DELETE", &path).by(&bob).send(&site).await.expect(404);
        ask("DELETE", &path).by(&admin).send(&site).await.expect(404);
        ask("GET", "/profile").by(&second).send(&site).await.expect(200);
        ask("DELETE", &path).by(&ada).send(&site).await.expect(204);
        ask("GET", "/profile").by(&second).send(&site).await.expect(401);
        ask("DELETE", &path).by(&ada).send(&site).await.expect(404);

        let profile = ask("GET", "/profile").by(&ada).send(&site).await.expect(200);
        let etag = profile.headers[header::ETAG].to_str().unwrap().to_owned();
        let update = |body: Value| ask("PATCH", "/profile").by(&ada).json(body);
        let unknown = update(json!({"role": "admin"})).send(&site).await.expect(422);
        assert_eq!(unknown.text("/fields/0/field"), "role");
        let change = json!({"email": "Ada@Example.org", "preferences": {"theme": "dark"}});
        let changed = update(change).with("if-match", &etag).send(&site).await.expect(200);
        assert_eq!(changed.text("/preferences/theme"), "dark");
        update(json!({"full_name": "Ada"})).with("if-match", &etag).send(&site).await.expect(412);
        update(json!({"full_name": "Ada"})).with("if-match", "wrong").send(&site).await.expect(422);
        let taken =
            ask("PATCH", "/profile").by(&bob).json(json!({"email": "ada@example.ORG"})).send(&site).await.expect(409);
        assert_eq!(
            (taken.text("/code"), taken.text("/fields/0/field")),
            ("already_exists".to_owned(), "email".to_owned())
        );
    })
    .await;
}

// ---- users

#[tokio::test]
async fn nobody_gives_rights_above_their_own() {
    on_both(|site| async move {
        let admin = site.admin().await;
        let school = site.tenant(&admin, "school").await;
        let (head, head_id) = site.user(&admin, "head", "tenant_admin", Some(&school)).await;
        let (operator, operator_id) = site.user(&admin, "olga", "operator", None).await;
        let (pupil, pupil_id) = site.user(&head, "pupil", "user", None).await;
        let (_, stranger_id) = site.user(&admin, "stranger", "user", None).await;
        let seen = ask("GET", &format!("/users/{pupil_id}")).by(&head).send(&site).await.expect(200);
        assert_eq!(seen.text("/tenant_id"), school);

        let create =
            |role: &str| json!({"username": format!("new-{role}"), "password": "given password", "role": role});
        for (role, status) in [
            ("admin", 403),
            ("operator", 403),
            ("tenant_admin", 201),
            ("teacher", 201),
            ("user", 201),
            ("readonly", 201),
        ] {
            ask("POST", "/users").by(&head).json(create(role)).send(&site).await.expect(status);
        }
        for token in [&operator, &pupil] {
            ask("POST", "/users").by(token).json(create("user")).send(&site).await.expect(403);
        }
        // Only in the own tenant; what lies outside does not exist.
        let mut elsewhere = create("user");
        elsewhere["tenant_id"] = json!(site.own_tenant(&admin).await);
        elsewhere["username"] = json!("elsewhere");
        ask("POST", "/users").by(&head).json(elsewhere).send(&site).await.expect(422);
        let patch = |token, id: &str, body: Value| {
            let (path, token): (String, &str) = (format!("/users/{id}"), token);
            let (path, token) = (path, token.to_owned());
            let site = site.clone();
            async move { ask("PATCH", &path).by(&token).json(body).send(&site).await }
        };
        patch(&head, &stranger_id, json!({"status": "locked"})).await.expect(404);
        patch(&head, &operator_id, json!({"status": "locked"})).await.expect(404);
        ask("DELETE", &format!("/users/{stranger_id}")).by(&head).send(&site).await.expect(404);
        patch(&head, &pupil_id, json!({"role": "operator"})).await.expect(403);
        patch(&head, &pupil_id, json!({"role": "teacher"})).await.expect(200);
        // Nobody changes their own role or status, or their password without the old one, or deletes themselves.
        patch(&head, &head_id, json!({"role": "user"})).await.expect(409);
        patch(&head, &head_id, json!({"status": "inactive"})).await.expect(409);
        patch(&head, &head_id, json!({"password": "another password"})).await.expect(403);
        ask("DELETE", &format!("/users/{head_id}")).by(&head).send(&site).await.expect(409);
        // An admin that a tenant's administrator can see is still above them.
        let (_, boss_id) = site.user(&admin, "boss", "admin", Some(&school)).await;
        patch(&head, &boss_id, json!({"full_name": "X"})).await.expect(403);
        ask("DELETE", &format!("/users/{boss_id}")).by(&head).send(&site).await.expect(403);
        ask("POST", &format!("/users/{boss_id}/unlock")).by(&head).send(&site).await.expect(403);

        // A new password and a lock both end the user's logins.
        let token = site.login("pupil", PASSWORD).await;
        patch(&head, &pupil_id, json!({"password": "given again 1"})).await.expect(200);
        ask("GET", "/profile").by(&token).send(&site).await.expect(401);
        let token = site.login("pupil", "given again 1").await;
        patch(&head, &pupil_id, json!({"status": "locked"})).await.expect(200);
        ask("GET", "/profile").by(&token).send(&site).await.expect(401);
        patch(&head, &pupil_id, json!({"status": "active"})).await.expect(200);
        ask("GET", "/profile").by(&token).send(&site).await.expect(401);
        site.login("pupil", "given again 1").await;
    })
    .await;
}

#[tokio::test]
async fn the_last_admin_stays_even_when_two_are_in_a_hurry() {
    on_both(|site| async move {
        let admin = site.admin().await;
        let id = ask("GET", "/profile")
            .by(&admin)
            .send(&site)
            .await
            .expect(200)
            .text("/user/id");
        let (other, other_id) = site.user(&admin, "other", "admin", None).await;
        let demote = |token: &str, id: &str| {
            let (token, path, site) = (token.to_owned(), format!("/users/{id}"), site.clone());
            async move {
                ask("PATCH", &path)
                    .by(&token)
                    .json(json!({"role": "user"}))
                    .send(&site)
                    .await
                    .status
                    .as_u16()
            }
        };
        let (one, two) = futures::join!(demote(&admin, &other_id), demote(&other, &id));
        // The loser may find out as a demoted user, at the door, or under the lock.
        assert!(one == 200 || two == 200, "{one} {two}");
        assert!([one, two].contains(&409) || [one, two].contains(&403), "{one} {two}");
        let token = if one == 200 { &admin } else { &other };
        let users = ask("GET", "/users").by(token).send(&site).await.expect(200);
        let admins = users.body["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|user| user["role"] == "admin")
            .count();
        assert_eq!(admins, 1);
    })
    .await;
}

#[tokio::test]
async fn users_and_tenants_that_still_run_something_cannot_be_deleted() {
    on_both(|site| async move {
        let admin = site.admin().await;
        let school = site.tenant(&admin, "school").await;
        let (pupil, pupil_id) = site.user(&admin, "pupil", "user", Some(&school)).await;
        let launch = json!({"application": "terminal"});
        let session = ask("POST", "/sessions").by(&pupil).json(launch).send(&site).await.expect(201).text("/id");
        let user = format!("/users/{pupil_id}");
        let tenant = format!("/tenants/{school}");
        assert_eq!(ask("DELETE", &user).by(&admin).send(&site).await.expect(409).text("/code"), "in_use");
        assert_eq!(ask("DELETE", &tenant).by(&admin).send(&site).await.expect(409).text("/code"), "in_use");
        ask("POST", &format!("/sessions/{session}/stop")).by(&pupil).json(json!({})).send(&site).await.expect(202);
        ask("DELETE", &user).by(&admin).with("if-match", "\"1\"").send(&site).await.expect(412);
        ask("DELETE", &user).by(&admin).send(&site).await.expect(204);
        ask("DELETE", &user).by(&admin).send(&site).await.expect(404);
        ask("GET", "/profile").by(&pupil).send(&site).await.expect(401);
        site.try_login("pupil", PASSWORD, "192.0.2.1").await.expect(401);
        ask("DELETE", &tenant).by(&admin).send(&site).await.expect(204);
        let default = site.own_tenant(&admin).await;
        ask("DELETE", &format!("/tenants/{default}")).by(&admin).send(&site).await.expect(409);
        // The name is free again.
        site.user(&admin, "pupil", "user", None).await;
        let twice = json!({"username": "pupil", "password": "given password"});
        let taken = ask("POST", "/users").by(&admin).json(twice).send(&site).await.expect(409);
        assert_eq!(taken.text("/fields/0/field"), "username");
    })
    .await;
}

#[tokio::test]
async fn a_request_that_is_repeated_is_done_once_and_leaves_no_trace_of_its_password() {
    on_both(|site| async move {
        let admin = site.admin().await;
        let create = |password: &str| {
            let body = json!({"username": "ada", "password": password});
            ask("POST", "/users").by(&admin).with("idempotency-key", "create-ada").json(body)
        };
        let first = create("given password").send(&site).await.expect(201);
        let again = create("given password").send(&site).await.expect(201);
        assert_eq!(first.body, again.body);
        assert_eq!(again.headers["idempotency-replayed"], "true");
        create("other password").send(&site).await.expect(422);
        // The key is bound to the body by a keyed fingerprint: the plain digest is nowhere.
        let user: UserId = ask("GET", "/profile").by(&admin).send(&site).await.text("/user/id").parse().unwrap();
        let record = store::idempotency::find(site.app.store.reader(), user, "create-ada", site.app.now())
            .await
            .unwrap()
            .unwrap();
        let body = json!({"username": "ada", "password": "given password"}).to_string();
        let plain = berth_server::keyring::token_hash(&format!(
            "POST /api/v1/users {}",
            berth_server::keyring::token_hash(&body)
        ));
        assert_ne!(record.request_hash, plain);
    })
    .await;
}

// ---- tenants

#[tokio::test]
async fn a_suspended_tenant_is_out_until_it_is_active_again() {
    on_both(|site| async move {
        let admin = site.admin().await;
        let school = site.tenant(&admin, "school").await;
        let (head, head_id) = site.user(&admin, "head", "tenant_admin", Some(&school)).await;
        let path = format!("/tenants/{school}");
        let refresh = site.try_login("head", PASSWORD, "192.0.2.1").await.expect(200).text("/refresh_token");
        let mut watcher = site.app.hub.subscribe();
        ask("PATCH", &path).by(&admin).json(json!({"status": "suspended"})).send(&site).await.expect(200);
        assert_eq!(watcher.try_recv().unwrap().kind, "event");
        // The reconciler that stops what it runs was woken.
        tokio::time::timeout(std::time::Duration::from_secs(5), site.app.nudges.sessions.notified()).await.unwrap();
        ask("GET", "/profile").by(&head).send(&site).await.expect(401);
        ask("POST", "/auth/refresh").json(json!({"refresh_token": refresh})).send(&site).await.expect(401);
        site.try_login("head", "wrong password", "192.0.2.1").await.expect(401);
        assert!(site.try_login("head", PASSWORD, "192.0.2.1").await.expect(403).text("/detail").contains("suspended"));
        ask("PATCH", &path).by(&admin).json(json!({"status": "active"})).send(&site).await.expect(200);
        let head = site.login("head", PASSWORD).await;

        // Status and quota come from above, and nobody suspends the tenant they sit in.
        ask("GET", &path).by(&head).send(&site).await.expect(200);
        ask("PATCH", &path).by(&head).json(json!({"quota_config": {"cpu": 1000.0}})).send(&site).await.expect(403);
        let own = site.own_tenant(&admin).await;
        let own = format!("/tenants/{own}");
        ask("PATCH", &own).by(&admin).json(json!({"status": "suspended"})).send(&site).await.expect(409);
        ask("PATCH", &own).by(&admin).json(json!({"name": "other"})).send(&site).await.expect(409);
        ask("GET", &own).by(&head).send(&site).await.expect(404);
        let list = ask("GET", "/tenants").by(&head).send(&site).await.expect(200);
        assert_eq!(list.body["items"].as_array().unwrap().len(), 1);
        ask("POST", "/tenants").by(&admin).json(json!({"name": "school"})).send(&site).await.expect(409);
        let (_, outsider) = site.user(&admin, "outsider", "user", None).await;
        ask("PATCH", &path).by(&admin).json(json!({"admin_user_id": outsider})).send(&site).await.expect(422);
        let patched =
            ask("PATCH", &path).by(&admin).json(json!({"admin_user_id": head_id})).send(&site).await.expect(200);
        assert_eq!(patched.text("/admin_user_id"), head_id);
    })
    .await;
}

#[tokio::test]
async fn quotas_are_reported_from_the_ledger() {
    on_both(|site| async move {
        let admin = site.admin().await;
        let school = site.tenant(&admin, "school").await;
        let (pupil, pupil_id) = site.user(&admin, "pupil", "user", Some(&school)).await;
        let user = format!("/users/{pupil_id}");
        let quota = json!({"quota_config": {"cpu": 4.0, "sessions": 3, "storage_gb": 50.0}, "quota_storage_gb": 20.0});
        ask("PATCH", &user).by(&admin).json(quota).send(&site).await.expect(200);
        ask("PATCH", &format!("/tenants/{school}"))
            .by(&admin)
            .json(json!({"quota_config": {"cpu": 10.0}}))
            .send(&site)
            .await
            .expect(200);
        placed(&site, &pupil, &school, &pupil_id).await;
        let report = ask("GET", &format!("{user}/quota")).by(&admin).send(&site).await.expect(200);
        let row = |party: &str, name: &str| {
            let rows = report.body[party].as_array().unwrap().clone();
            rows.into_iter().find(|row| row["resource"] == name).unwrap()
        };
        assert_eq!((row("user", "cpu")["used"].as_f64(), row("user", "cpu")["limit"].as_f64()), (Some(1.5), Some(4.0)));
        assert_eq!(
            (row("user", "memory_gb")["used"].as_f64(), row("user", "memory_gb")["limit"].as_f64()),
            (Some(2.0), None)
        );
        assert_eq!(row("user", "storage_gb")["limit"], 20.0);
        assert_eq!(
            (row("tenant", "cpu")["used"].as_f64(), row("tenant", "cpu")["limit"].as_f64()),
            (Some(1.5), Some(10.0))
        );
        let own = ask("GET", "/profile").by(&pupil).send(&site).await.expect(200);
        assert_eq!(own.body["quota"], report.body);
        let tenant = ask("GET", &format!("/tenants/{school}/quota")).by(&admin).send(&site).await.expect(200);
        assert_eq!(tenant.body, report.body["tenant"]);
        ask("GET", &format!("{user}/quota")).by(&pupil).send(&site).await.expect(200);
        let (stranger, _) = site.user(&admin, "stranger", "user", None).await;
        ask("GET", &format!("{user}/quota")).by(&stranger).send(&site).await.expect(404);
    })
    .await;
}

/// A session of that user that holds 1.5 cores and 2 GB on the first node, as the ledger has it.
async fn placed(site: &Site, token: &str, tenant: &str, user: &str) -> berth_types::NodeId {
    berth_server::nodes::register_simulated(&site.app).await.unwrap();
    let node = store::sites::nodes(site.app.store.reader()).await.unwrap()[0].id;
    let launch = json!({"application": "terminal"});
    let session = ask("POST", "/sessions").by(token).json(launch).send(site).await.expect(201).text("/id");
    let claim = store::allocations::Claim { cpu_millicores: 1500, memory_mib: 2048, storage_mib: 0, gpus: Vec::new() };
    let tx = site.app.store.begin().await.unwrap();
    let (tenant, user): (TenantId, UserId) = (tenant.parse().unwrap(), user.parse().unwrap());
    let claimed = store::allocations::claim(&tx, session.parse().unwrap(), tenant, user, node, &claim, site.app.now())
        .await
        .unwrap();
    assert!(claimed);
    tx.commit().await.unwrap();
    node
}

// ---- roles

#[tokio::test]
async fn what_a_role_may_do_changes_at_once_and_admins_cannot_lock_themselves_out() {
    on_both(|site| async move {
        let admin = site.admin().await;
        let (reader, _) = site.user(&admin, "reader", "readonly", None).await;
        let (operator, _) = site.user(&admin, "olga", "operator", None).await;
        let list = ask("GET", "/role-permissions").by(&reader).send(&site).await.expect(200);
        let grants = |role: &str| {
            let roles = list.body.as_array().unwrap();
            roles.iter().find(|entry| entry["role"] == role).unwrap()["grants"].as_array().unwrap().clone()
        };
        assert_eq!(list.body.as_array().unwrap().len(), 6);
        let names = ask("GET", "/permissions").by(&reader).send(&site).await.expect(200);
        assert_eq!(names.body.as_array().unwrap().len(), grants("admin").len());

        ask("GET", "/nodes").by(&reader).send(&site).await.expect(403);
        let replace = |token: &str, role: &str, grants: Vec<Value>| {
            let (token, path, site) = (token.to_owned(), format!("/role-permissions/{role}"), site.clone());
            async move { ask("PUT", &path).by(&token).json(json!({"grants": grants})).send(&site).await }
        };
        let grant = |name: &str, scope: &str| json!({"permission_name": name, "scope": scope});
        replace(&admin, "readonly", vec![grant("server.read", "any")]).await.expect(200);
        ask("GET", "/nodes").by(&reader).send(&site).await.expect(200);
        ask("GET", "/users").by(&reader).send(&site).await.expect(403);
        let unknown = replace(&admin, "readonly", vec![grant("server.fly", "any")]).await.expect(422);
        assert_eq!(unknown.text("/fields/0/field"), "grants[0].permission_name");
        replace(&admin, "readonly", vec![grant("audit_log.delete", "any")]).await.expect(422);
        replace(&admin, "readonly", vec![grant("server.read", "any"), grant("server.read", "own")]).await.expect(422);
        replace(&operator, "readonly", vec![]).await.expect(403);

        let without = |kept: &[Value]| {
            kept.iter().filter(|grant| grant["permission_name"] != "settings.manage").cloned().collect::<Vec<_>>()
        };
        replace(&admin, "admin", without(&grants("admin"))).await.expect(409);
        let mut narrowed = without(&grants("admin"));
        narrowed.push(grant("settings.manage", "tenant"));
        replace(&admin, "admin", narrowed).await.expect(409);
        // Who may change roles without being an admin gives only what they have, to those below.
        let mut more = grants("operator");
        more.push(grant("settings.manage", "any"));
        replace(&admin, "operator", more).await.expect(200);
        replace(&operator, "operator", vec![]).await.expect(403);
        replace(&operator, "admin", vec![]).await.expect(403);
        replace(&operator, "user", vec![grant("user.manage", "any")]).await.expect(403);
        replace(&operator, "user", vec![grant("session.read", "any")]).await.expect(200);
    })
    .await;
}

// ---- settings and secrets

#[tokio::test]
async fn settings_have_bounds_and_are_in_force_at_once() {
    on_both(|site| async move {
        let admin = site.admin().await;
        let (user, _) = site.user(&admin, "ada", "user", None).await;
        let spec = berth_types::settings::STOP_GRACE_SECONDS;
        let path = format!("/settings/{}", spec.key);
        let list = ask("GET", "/settings").by(&admin).send(&site).await.expect(200);
        assert_eq!(list.body.as_array().unwrap().len(), berth_types::settings::ALL.len());
        let put = |value: i64| ask("PUT", &path).by(&admin).json(json!({"value": value}));
        let refused = put(spec.max + 1).send(&site).await.expect(422);
        assert_eq!(refused.text("/fields/0/field"), "value");
        put(spec.min - 1).send(&site).await.expect(422);
        put(33).send(&site).await.expect(200);
        assert_eq!(site.app.setting(&spec), 33);
        ask("PUT", &path).by(&user).json(json!({"value": 5})).send(&site).await.expect(403);
        ask("PUT", "/settings/no.such").by(&admin).json(json!({"value": 5})).send(&site).await.expect(404);
        let reset = ask("DELETE", &path).by(&admin).send(&site).await.expect(200);
        assert_eq!((reset.body["value"].as_i64(), reset.body["updated_at"].is_null()), (Some(spec.default), true));
        assert_eq!(site.app.setting(&spec), spec.default);
        let denied = ask("GET", "/audit-logs?action=setting_update").by(&admin).send(&site).await.expect(200);
        let rows: Vec<_> = denied.body["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["status"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(rows, ["denied", "success"]);
    })
    .await;
}

#[tokio::test]
async fn secrets_go_in_and_never_out() {
    on_both(|site| async move {
        let admin = site.admin().await;
        let school = site.tenant(&admin, "school").await;
        let (head, _) = site.user(&admin, "head", "tenant_admin", Some(&school)).await;
        let (ada, ada_id) = site.user(&admin, "ada", "user", Some(&school)).await;
        let (bob, bob_id) = site.user(&admin, "bob", "user", Some(&school)).await;
        let create = |token, name: &str, value: &str, wide: bool| {
            let (token, site): (&str, _) = (token, site.clone());
            let token = token.to_owned();
            let body = json!({"name": name, "value": value, "tenant_wide": wide});
            async move { ask("POST", "/secrets").by(&token).json(body).send(&site).await }
        };
        let own = create(&ada, "key", "swordfish-ada", false).await.expect(201);
        create(&ada, "key", "again", false).await.expect(409);
        create(&ada, "key", "swordfish-school", true).await.expect(403);
        let wide = create(&head, "key", "swordfish-school", true).await.expect(201);
        create(&ada, "Bad Name", "x", false).await.expect(422);
        create(&ada, "nul", "a\u{0}b", false).await.expect(422);
        let open = |user: &str| {
            let (site, school, user) = (site.clone(), school.clone(), user.to_owned());
            async move {
                app::secrets::open(&site.app, school.parse().unwrap(), user.parse().unwrap(), "key").await.unwrap()
            }
        };
        assert_eq!(open(&ada_id).await.as_deref(), Some("swordfish-ada"));
        assert_eq!(open(&bob_id).await.as_deref(), Some("swordfish-school"));
        let elsewhere = app::secrets::open(&site.app, TenantId::new(), bob_id.parse().unwrap(), "key").await.unwrap();
        assert_eq!(elsewhere, None);

        let list = ask("GET", "/secrets").by(&ada).send(&site).await.expect(200);
        assert_eq!(list.body["items"].as_array().unwrap().len(), 2);
        let (own, wide) = (format!("/secrets/{}", own.text("/id")), format!("/secrets/{}", wide.text("/id")));
        ask("DELETE", &own).by(&bob).send(&site).await.expect(404);
        ask("DELETE", &own).by(&admin).send(&site).await.expect(404);
        ask("DELETE", &wide).by(&bob).send(&site).await.expect(403);
        ask("DELETE", &own).by(&ada).send(&site).await.expect(204);
        assert_eq!(open(&ada_id).await.as_deref(), Some("swordfish-school"));
        ask("DELETE", &wide).by(&head).send(&site).await.expect(204);
        assert_eq!(open(&ada_id).await, None);
        let audit = ask("GET", "/audit-logs").by(&admin).send(&site).await.expect(200);
        assert!(!audit.body.to_string().contains("swordfish"));
    })
    .await;
}

// ---- the catalogue

#[tokio::test]
async fn applications_belong_to_a_tenant_or_to_everybody() {
    on_both(|site| async move {
        let admin = site.admin().await;
        let school = site.tenant(&admin, "school").await;
        let (head, _) = site.user(&admin, "head", "tenant_admin", Some(&school)).await;
        let (pupil, _) = site.user(&admin, "pupil", "user", Some(&school)).await;
        let (stranger, _) = site.user(&admin, "stranger", "user", None).await;
        let body = |name: &str| json!({"name": name, "title": name, "container_image": "example.org/app:1"});
        let own = ask("POST", "/applications").by(&head).json(body("lab")).send(&site).await.expect(201);
        assert_eq!(own.text("/tenant_id"), school);
        ask("POST", "/applications").by(&head).json(body("lab")).send(&site).await.expect(409);
        ask("POST", "/applications").by(&pupil).json(body("mine")).send(&site).await.expect(403);
        let all = ask("POST", "/applications").by(&admin).json(body("all")).send(&site).await.expect(201);
        assert!(all.body["tenant_id"].is_null());
        let (own, all) = (format!("/applications/{}", own.text("/id")), format!("/applications/{}", all.text("/id")));
        ask("GET", &own).by(&pupil).send(&site).await.expect(200);
        ask("GET", &own).by(&stranger).send(&site).await.expect(404);
        ask("GET", &all).by(&pupil).send(&site).await.expect(200);
        ask("PATCH", &all).by(&head).json(json!({"title": "X"})).send(&site).await.expect(403);
        ask("DELETE", &all).by(&head).send(&site).await.expect(403);
        ask("PATCH", &own)
            .by(&head)
            .json(json!({"title": "Lab 2"}))
            .with("if-match", "\"1\"")
            .send(&site)
            .await
            .expect(200);
        ask("PATCH", &own)
            .by(&head)
            .json(json!({"title": "Lab 3"}))
            .with("if-match", "\"1\"")
            .send(&site)
            .await
            .expect(412);
        ask("DELETE", &own).by(&head).with("if-match", "\"1\"").send(&site).await.expect(412);
        ask("DELETE", &own).by(&head).send(&site).await.expect(204);
        ask("DELETE", &all).by(&admin).send(&site).await.expect(204);

        let list = ask("GET", "/applications").by(&admin).send(&site).await.expect(200);
        let builtin =
            list.body["items"].as_array().unwrap().iter().find(|item| item["builtin"] == true).unwrap().clone();
        let path = format!("/applications/{}", builtin["id"].as_str().unwrap());
        ask("DELETE", &path).by(&admin).send(&site).await.expect(409);
        ask("PATCH", &path)
            .by(&admin)
            .json(json!({"container_image": "example.org/evil:1"}))
            .send(&site)
            .await
            .expect(409);
        ask("PATCH", &path).by(&admin).json(json!({"enabled": false})).send(&site).await.expect(200);
        let launch = json!({"application": builtin["name"]});
        ask("POST", "/sessions").by(&pupil).json(launch).send(&site).await.expect(422);
    })
    .await;
}

// ---- sites

#[tokio::test]
async fn nodes_move_only_when_empty_and_go_only_by_their_states() {
    on_both(|site| async move {
        let admin = site.admin().await;
        let own = site.own_tenant(&admin).await;
        let (user, user_id) = site.user(&admin, "ada", "user", None).await;
        let node = placed(&site, &user, &own, &user_id).await;
        let path = format!("/nodes/{node}");
        let go = |verb: &str, body: Value| {
            let (site, admin, path) = (site.clone(), admin.clone(), format!("{path}{verb}"));
            async move { ask("POST", &path).by(&admin).json(body).send(&site).await }
        };
        ask("GET", &path).by(&user).send(&site).await.expect(403);
        let detail = ask("GET", &path).by(&admin).send(&site).await.expect(200);
        assert_eq!(detail.body["session_count"], 0, "a waiting session is no session here");
        let center = detail.text("/edge_data_center_id");
        let pool = json!({"name": "second", "edge_data_center_id": center});
        let pool = ask("POST", "/resource-pools").by(&admin).json(pool).send(&site).await.expect(201).text("/id");
        let patch = |body: Value| ask("PATCH", &path).by(&admin).json(body);

        assert_eq!(patch(json!({"resource_pool_id": pool})).send(&site).await.expect(409).text("/code"), "in_use");
        assert_eq!(patch(json!({"rental_mode": "exclusive"})).send(&site).await.expect(409).text("/code"), "in_use");
        patch(json!({"resource_pool_id": TenantId::new()})).send(&site).await.expect(422);
        patch(json!({"resources": [{"resource_type": "gpu", "overcommit_ratio": 2.0}]})).send(&site).await.expect(422);
        patch(json!({"resources": [{"resource_type": "cpu", "reservation_capacity": 64_001}]})).send(&site).await.expect(422);
        patch(json!({"business_ip": "x"})).send(&site).await.expect(422);
        let resources = json!({"labels": {"room": "5"}, "resources": [
            {"resource_type": "cpu", "reservation_capacity": 1000, "overcommit_ratio": 2.0, "max_per_workload": 8000}]});
        let changed = patch(resources).send(&site).await.expect(200);
        let cpu = changed.body["resources"].as_array().unwrap().iter().find(|row| row["resource_type"] == "cpu").unwrap().clone();
        assert_eq!(cpu["available_capacity"], 128_000 - 1500 - 1000);
        assert_eq!(cpu["constraints"], json!({"overcommit_ratio": 2.0, "max_per_workload": 8000}));
        patch(json!({"priority": 5})).with("if-match", "\"1\"").send(&site).await.expect(412);
        ask("DELETE", &format!("/resource-pools/{}", detail.text("/resource_pool_id"))).by(&admin).send(&site).await.expect(409);

        go("/drain", json!({"deadline_minutes": 10_081})).await.expect(422);
        let drain = go("/drain", json!({"deadline_minutes": 30})).await.expect(202);
        assert_eq!((drain.text("/kind"), drain.text("/subject_id")), ("node_drain".to_owned(), node.to_string()));
        let draining = ask("GET", &path).by(&admin).send(&site).await.expect(200);
        assert_eq!((draining.text("/admin_state"), draining.text("/drain_deadline_at")), ("draining".to_owned(), "2026-03-02T08:30:00Z".to_owned()));
        // A second drain takes the place of the first.
        let second = go("/drain", json!({})).await.expect(202).text("/id");
        let first = ask("GET", &format!("/operations/{}", drain.text("/id"))).by(&admin).send(&site).await.expect(200);
        assert_eq!(first.text("/status"), "superseded");
        ask("POST", &format!("/operations/{}/retry", drain.text("/id"))).by(&admin).send(&site).await.expect(409);
        ask("POST", &format!("/operations/{second}/retry")).by(&admin).send(&site).await.expect(200);
        assert_eq!(go("/decommission", json!({})).await.expect(409).text("/code"), "in_use");
        ask("DELETE", &path).by(&admin).send(&site).await.expect(409);
        assert_eq!(go("/maintenance", json!({})).await.expect(200).text("/admin_state"), "maintenance");
        let active = go("/activate", json!({})).await.expect(200);
        assert_eq!(active.text("/admin_state"), "active");
        assert!(active.body["drain_deadline_at"].is_null());

        // The other node is empty.
        let other = store::sites::nodes(site.app.store.reader()).await.unwrap()[1].id;
        let path = format!("/nodes/{other}");
        let moved = ask("PATCH", &path).by(&admin).json(json!({"resource_pool_id": pool, "rental_mode": "exclusive"}));
        assert_eq!(moved.send(&site).await.expect(200).text("/resource_pool_id"), pool);
        ask("DELETE", &path).by(&admin).send(&site).await.expect(409);
        ask("POST", &format!("{path}/decommission")).by(&admin).send(&site).await.expect(200);
        ask("POST", &format!("{path}/drain")).by(&admin).json(json!({})).send(&site).await.expect(409);
        ask("DELETE", &path).by(&admin).send(&site).await.expect(204);
        ask("GET", &path).by(&admin).send(&site).await.expect(404);
        assert!(site.app.engines.container(other).is_err());
        ask("DELETE", &format!("/resource-pools/{pool}")).by(&admin).send(&site).await.expect(204);
        for (event, count) in [
            ("node_draining", 2),
            ("node_maintenance", 1),
            ("node_activated", 1),
            ("node_moved", 1),
            ("node_decommissioned", 1),
            ("node_deleted", 1),
        ] {
            assert_eq!(site.events(&admin, event).await, count, "{event}");
        }
        ask("GET", &format!("/nodes/{node}/metrics?since=2026-03-03T00:00:00Z")).by(&admin).send(&site).await.expect(422);
        ask("GET", &format!("/nodes/{node}/metrics?since=-200000-01-01T00:00:00Z")).by(&admin).send(&site).await.expect(422);
        ask("GET", &format!("/nodes/{node}/metrics")).by(&admin).send(&site).await.expect(200);
        ask("GET", &format!("/nodes/{other}/metrics")).by(&admin).send(&site).await.expect(404);
        ask("GET", "/network-topologies").by(&admin).send(&site).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn data_centers_and_pools_are_kept_while_something_is_in_them() {
    on_both(|site| async move {
        let admin = site.admin().await;
        let (user, _) = site.user(&admin, "ada", "user", None).await;
        let create =
            |name: &str| ask("POST", "/edge-data-centers").by(&admin).json(json!({"name": name, "location": "Cellar"}));
        let center = create("cellar").send(&site).await.expect(201);
        create("cellar").send(&site).await.expect(409);
        create(" ").send(&site).await.expect(422);
        let path = format!("/edge-data-centers/{}", center.text("/id"));
        ask("GET", &path).by(&user).send(&site).await.expect(200);
        ask("PATCH", &path).by(&user).json(json!({"status": "offline"})).send(&site).await.expect(403);
        let patched = ask("PATCH", &path)
            .by(&admin)
            .json(json!({"status": "maintenance"}))
            .with("if-match", "\"1\"")
            .send(&site)
            .await
            .expect(200);
        assert_eq!(patched.headers[header::ETAG], "\"2\"");
        ask("PATCH", &path).by(&admin).json(json!({"name": "a\u{0}"})).send(&site).await.expect(422);
        let pool = json!({"name": "gpu", "edge_data_center_id": center.text("/id"), "scheduling_policy": "bin_pack"});
        let pool = ask("POST", "/resource-pools").by(&admin).json(pool).send(&site).await.expect(201);
        let missing = json!({"name": "x", "edge_data_center_id": TenantId::new()});
        ask("POST", "/resource-pools").by(&admin).json(missing).send(&site).await.expect(422);
        assert_eq!(ask("DELETE", &path).by(&admin).send(&site).await.expect(409).text("/code"), "in_use");
        let pool = format!("/resource-pools/{}", pool.text("/id"));
        ask("PATCH", &pool).by(&admin).json(json!({"status": "maintenance"})).send(&site).await.expect(200);
        ask("DELETE", &pool).by(&admin).send(&site).await.expect(204);
        ask("DELETE", &path).by(&admin).send(&site).await.expect(204);
        ask("GET", &path).by(&admin).send(&site).await.expect(404);
    })
    .await;
}

// ---- events

async fn next_message(body: &mut Body) -> Option<String> {
    let frame =
        tokio::time::timeout(std::time::Duration::from_secs(20), body.frame()).await.expect("nothing was sent")?;
    let bytes = frame.unwrap().into_data().unwrap();
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

#[tokio::test]
async fn a_live_stream_shows_what_its_watcher_may_see() {
    on_both(|site| async move {
        let admin = site.admin().await;
        let school = site.tenant(&admin, "school").await;
        let (head, head_id) = site.user(&admin, "head", "tenant_admin", Some(&school)).await;
        let (pupil, pupil_id) = site.user(&admin, "pupil", "user", Some(&school)).await;
        let (stranger, _) = site.user(&admin, "stranger", "user", None).await;
        let mut streams = Vec::new();
        for token in [&admin, &head, &pupil, &stranger] {
            let response = ask("GET", "/events/stream").by(token).raw(&site).await;
            assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
            let mut body = response.into_body();
            assert_eq!(next_message(&mut body).await.unwrap(), ": open");
            streams.push(body);
        }
        let publish = |kind: &'static str, tenant: Option<&str>, owner: Option<&str>, status: &str| {
            site.app.hub.publish(LiveEvent {
                kind,
                id: uuid::Uuid::nil(),
                tenant_id: tenant.map(|id| id.parse().unwrap()),
                owner: owner.map(|id| id.parse().unwrap()),
                status: Some(status.to_owned()),
            });
        };
        publish("node", None, None, "node");
        publish("session", Some(&school), Some(&head_id), "of-head");
        publish("session", Some(&school), Some(&pupil_id), "of-pupil");
        publish("event", None, None, "of-nobody");
        publish("operation", Some(&school), Some(&pupil_id), "operation");
        let last = site.own_tenant(&stranger).await;
        let stranger_id = ask("GET", "/profile").by(&stranger).send(&site).await.text("/user/id");
        for (tenant, owner) in [(&school, &pupil_id), (&last, &stranger_id)] {
            publish("session", Some(tenant), Some(owner), "last");
        }
        let expected: [&[&str]; 4] = [
            &["node", "of-head", "of-pupil", "of-nobody", "operation", "last", "last"],
            &["of-head", "of-pupil", "last"],
            &["of-pupil", "last"],
            &["last"],
        ];
        for (body, expected) in streams.iter_mut().zip(expected) {
            for status in expected {
                let message = next_message(body).await.unwrap();
                let json: Value = serde_json::from_str(message.strip_prefix("data: ").unwrap()).unwrap();
                assert_eq!(json["status"], *status);
                assert_eq!(json["id"], uuid::Uuid::nil().to_string());
            }
        }

        // Who is too slow is told so.
        for _ in 0..5000 {
            publish("session", Some(&school), Some(&pupil_id), "flood");
        }
        assert_eq!(next_message(&mut streams[2]).await.unwrap(), "data: {\"type\":\"lag\"}");

        // A stream ends with its login.
        let response = ask("GET", "/events/stream").by(&stranger).raw(&site).await;
        let mut body = response.into_body();
        next_message(&mut body).await.unwrap();
        ask("POST", "/auth/logout").by(&stranger).send(&site).await.expect(204);
        site.advance(TimeDelta::seconds(15));
        publish("session", Some(&last), Some(&stranger_id), "too late");
        assert_eq!(next_message(&mut body).await, None);
    })
    .await;
}

#[tokio::test]
async fn events_are_acknowledged_and_resolved_by_those_who_may() {
    on_both(|site| async move {
        let admin = site.admin().await;
        let (user, _) = site.user(&admin, "ada", "user", None).await;
        let session =
            ask("POST", "/sessions").by(&user).json(json!({"application": "terminal"})).send(&site).await.expect(201);
        let list = ask("GET", "/events?unresolved=true").by(&user).send(&site).await.expect(200);
        let event = list.body["items"][0].clone();
        assert_eq!(event["session_id"], session.body["id"]);
        let id = event["id"].as_str().unwrap();
        ask("POST", &format!("/events/{id}/acknowledge")).by(&user).send(&site).await.expect(403);
        let seen = ask("POST", &format!("/events/{id}/acknowledge")).by(&admin).send(&site).await.expect(200);
        assert_eq!(seen.text("/acknowledged_at"), "2026-03-02T08:00:00Z");
        ask("POST", &format!("/events/{id}/resolve")).by(&admin).send(&site).await.expect(200);
        let left = ask("GET", "/events?unresolved=true").by(&user).send(&site).await.expect(200);
        assert_eq!(left.body["items"], json!([]));
        ask("POST", &format!("/events/{}/resolve", TenantId::new())).by(&admin).send(&site).await.expect(404);
        for path in ["/allocations", "/usage-records", "/operations"] {
            assert_eq!(ask("GET", path).by(&user).send(&site).await.expect(200).body["items"], json!([]));
        }
    })
    .await;
}

// ---- machines that watch

#[tokio::test]
async fn machines_and_people_can_look_from_outside() {
    on_both(|site| async move {
        let get = |path: &str| {
            let (router, request) = (site.router.clone(), Request::get(path).body(Body::empty()).unwrap());
            async move {
                let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
                let bytes = body.collect().await.unwrap().to_bytes();
                (parts, String::from_utf8(bytes.to_vec()).unwrap())
            }
        };
        assert_eq!(get("/healthz").await.0.status, StatusCode::OK);
        assert_eq!(get("/readyz").await.0.status, StatusCode::OK);
        berth_server::nodes::register_simulated(&site.app).await.unwrap();
        let (parts, text) = get("/metrics").await;
        assert_eq!(parts.headers[header::CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
        assert!(text.contains("# TYPE berth_http_requests_total counter\n"), "{text}");
        let nodes: i64 = text
            .lines()
            .filter_map(|line| line.strip_prefix("berth_nodes{")?.rsplit(' ').next()?.parse::<i64>().ok())
            .sum();
        assert_eq!(nodes, 2, "{text}");
        let (parts, html) = get("/api/docs").await;
        let policy = parts.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && html.contains("session_launch"));
        site.app.store.clone().close().await.unwrap();
        let (parts, body) = get("/readyz").await;
        assert_eq!(
            (parts.status, parts.headers[header::CONTENT_TYPE].to_str().unwrap()),
            (StatusCode::SERVICE_UNAVAILABLE, "application/problem+json")
        );
        assert!(body.contains("database_unavailable"));
        assert_eq!(get("/healthz").await.0.status, StatusCode::OK);
        assert_eq!(get("/metrics").await.0.status, StatusCode::OK);
    })
    .await;
}
