//! The real server in this process: its own runtime, so that it can be killed as the kernel would; its own database;
//! simulated engines that outlive it and fail as told; and a clock that a test moves.
//!
//! Time only moves inside [`Server::until`], ten times faster than outside. So back-off, leases and deadlines pass
//! quickly, and a server that nobody looks at stands still.

#![allow(dead_code, reason = "each test binary uses a part of this module")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

pub mod gate;

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use berth_client::Client;
use berth_drivers::{
    ContainerDriver, names,
    sim::{SimEngine, SimOptions},
};
use berth_server::{Running, app::App, clock::Clock, config::Config, fsck, keyring, start_with};
use berth_store::{self as store, sites::Registration};
use berth_types::{
    NodeId, OperationId, SessionId, StringMap, TenantId, Timestamp, UserId, UserSessionId,
    facts::HostFacts,
    identity::{LoginKind, QuotaConfig, Role, TenantCreate},
    operations::{Operation, OperationStatus},
    sessions::{Session, SessionStatus},
    sites::{EngineKind, ResourceKind},
};
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt, Full};
use sea_orm::{ConnectionTrait, Database, Statement};
use serde_json::{Value, json};

#[allow(unused_imports, reason = "each test binary uses a part of this module")]
pub use gate::{Gate, Point};

/// Wall-clock limit of every wait: far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long a waiting test lets the others work between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// How far the clock moves between two looks.
const TICK: chrono::Duration = chrono::Duration::milliseconds(100);

/// Password of every person.
pub const PASSWORD: &str = "correct horse battery";

/// A hash of [`PASSWORD`] that is cheap to check; the server's own hashes are dear on purpose.
fn cheap_hash() -> String {
    use argon2::password_hash::{PasswordHasher, SaltString};
    let parameters = argon2::Params::new(8, 1, 1, None).unwrap();
    let hasher = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, parameters);
    let salt = SaltString::encode_b64(b"salt of the tests").unwrap();
    hasher.hash_password(PASSWORD.as_bytes(), &salt).unwrap().to_string()
}

/// A fixed start of time: tests never read the clock.
pub fn t0() -> Timestamp {
    "2026-03-01T08:00:00Z".parse().unwrap()
}

// ---- databases

/// Where a server keeps its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// Both databases, or only SQLite when the tester said so.
pub fn databases() -> Vec<Engine> {
    if std::env::var_os("BERTH_TEST_POSTGRES_URL").is_some() {
        return vec![Engine::Sqlite, Engine::Postgres];
    }
    assert!(
        std::env::var("BERTH_SKIP_POSTGRES").is_ok_and(|value| value == "1"),
        "BERTH_TEST_POSTGRES_URL is not set; BERTH_SKIP_POSTGRES=1 skips the tests on PostgreSQL"
    );
    println!("skipped on PostgreSQL: BERTH_SKIP_POSTGRES=1");
    vec![Engine::Sqlite]
}

/// Runs a test on each database.
pub async fn on_both<F: Future<Output = ()>>(test: impl Fn(Engine) -> F) {
    for database in databases() {
        println!("on {database:?}");
        test(database).await;
    }
}

/// A directory, and on PostgreSQL a database, of one test.
pub struct Place {
    pub directory: tempfile::TempDir,
    postgres: Option<(String, String)>,
}

impl Place {
    pub async fn new(engine: Engine) -> Arc<Self> {
        let directory = tempfile::tempdir().unwrap();
        let postgres = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => {
                let server = std::env::var("BERTH_TEST_POSTGRES_URL").unwrap();
                let database = format!("berth_test_{}", uuid::Uuid::now_v7().simple());
                let admin = Database::connect(&server).await.unwrap();
                admin.execute_unprepared(&format!("CREATE DATABASE {database}")).await.unwrap();
                admin.close().await.unwrap();
                Some((server, database))
            }
        };
        Arc::new(Self { directory, postgres })
    }

    fn url(&self) -> String {
        self.postgres.as_ref().map_or_else(String::new, |(server, database)| {
            let (server, _) = server.rsplit_once('/').unwrap();
            format!("{server}/{database}")
        })
    }

    async fn remove(&self) {
        if let Some((server, database)) = &self.postgres {
            let admin = Database::connect(server).await.unwrap();
            // PostgreSQL ends one of two transactions that wait for each other, and its caller sees a 503 for nothing.
            let statistics = format!("SELECT deadlocks FROM pg_stat_database WHERE datname = '{database}'");
            let statistics = Statement::from_string(sea_orm::DbBackend::Postgres, statistics);
            let row = admin.query_one_raw(statistics).await.unwrap().unwrap();
            let deadlocks: i64 = row.try_get_by_index(0).unwrap();
            admin.execute_unprepared(&format!("DROP DATABASE {database} WITH (FORCE)")).await.unwrap();
            admin.close().await.unwrap();
            assert_eq!(deadlocks, 0, "transactions took their locks in different orders: see PostgreSQL's log");
        }
    }
}

// ---- the server

/// How a server is to be.
pub struct Options {
    pub database: Engine,
    /// Simulated nodes.
    pub nodes: usize,
    /// Of each node.
    pub cpu_millicores: i64,
    pub memory_mib: i64,
    pub configure: fn(&mut Config),
}

impl Default for Options {
    fn default() -> Self {
        Self { database: Engine::Sqlite, nodes: 1, cpu_millicores: 64_000, memory_mib: 256 * 1024, configure: |_| {} }
    }
}

impl Options {
    pub fn on(database: Engine) -> Self {
        Self { database, ..Self::default() }
    }
}

/// One simulated machine, which outlives the server.
#[derive(Clone)]
pub struct Machine {
    pub name: String,
    pub sim: SimEngine,
    pub gate: Arc<Gate>,
    totals: BTreeMap<ResourceKind, i64>,
    node: Arc<Mutex<Option<NodeId>>>,
}

impl Machine {
    fn new(name: String, clock: &Clock, options: &Options) -> Self {
        let clock = clock.clone();
        let sim = SimEngine::open(SimOptions::new(name.clone(), Arc::new(move || clock.now()))).unwrap();
        let totals = BTreeMap::from([
            (ResourceKind::Cpu, options.cpu_millicores),
            (ResourceKind::Memory, options.memory_mib),
            (ResourceKind::Storage, 4 * 1024 * 1024),
            (ResourceKind::Gpu, 0),
            (ResourceKind::Network, 10_000),
        ]);
        Self { name, gate: Arc::new(Gate::new(sim.clone())), sim, totals, node: Arc::default() }
    }

    pub fn node(&self) -> NodeId {
        self.node.lock().unwrap().unwrap()
    }

    async fn connect(&self, app: &App) {
        let now = app.now();
        let tx = app.store.begin().await.unwrap();
        let home = store::bootstrap::run(&tx, now).await.unwrap();
        let registration = Registration {
            name: self.name.clone(),
            engine: EngineKind::Sim,
            edge_data_center_id: home.edge_data_center_id,
            resource_pool_id: home.resource_pool_id,
            facts: HostFacts {
                hostname: self.name.clone(),
                architecture: "x86_64".to_owned(),
                cpu_threads: self.totals[&ResourceKind::Cpu] / 1000,
                memory_mib: self.totals[&ResourceKind::Memory],
                ..HostFacts::default()
            },
            totals: self.totals.clone(),
            reservations: BTreeMap::new(),
            capabilities: StringMap::from([("simulated".to_owned(), "true".to_owned())]),
        };
        let (node, _) = store::sites::node_register(&tx, &registration, now).await.unwrap();
        tx.commit().await.unwrap();
        *self.node.lock().unwrap() = Some(node.id);
        app.engines.insert(node.id, self.gate.clone());
    }
}

/// Somebody with a token.
#[derive(Clone)]
pub struct Person {
    pub id: UserId,
    pub tenant: TenantId,
    pub login: UserSessionId,
    pub username: String,
    pub token: String,
}

/// A server at work.
pub struct Server {
    running: Option<Running>,
    runtime: Option<tokio::runtime::Runtime>,
    app: Option<Arc<App>>,
    config: Config,
    place: Arc<Place>,
    pub clock: Clock,
    pub machines: Vec<Machine>,
    pub admin: Person,
    pub tenant: TenantId,
    /// Failed operations that the test wants.
    expected_failures: Vec<OperationId>,
}

impl Server {
    pub async fn start(options: Options) -> Self {
        let place = Place::new(options.database).await;
        let clock = Clock::manual(t0());
        let machines = (1..=options.nodes).map(|n| Machine::new(format!("machine-{n}"), &clock, &options)).collect();
        let mut config = Config {
            data_dir: place.directory.path().to_owned(),
            database_url: place.url(),
            database_connections: 4,
            listen: ([127, 0, 0, 1], 0).into(),
            applications_listen: ([127, 0, 0, 1], 0).into(),
            docker: "none".to_owned(),
            ..Config::default()
        };
        (options.configure)(&mut config);
        Self::boot(config, place, clock, machines).await
    }

    /// Another server on the same database and the same engines.
    pub async fn replica(&self) -> Self {
        Self::boot(self.config.clone(), self.place.clone(), self.clock.clone(), self.machines.clone()).await
    }

    async fn boot(config: Config, place: Arc<Place>, clock: Clock, machines: Vec<Machine>) -> Self {
        if std::env::var_os("RUST_LOG").is_some() {
            // Another test of this process may have been first.
            let filter = tracing_subscriber::EnvFilter::from_default_env();
            let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().with_ansi(false).try_init();
        }
        let nobody = Person {
            id: UserId::new(),
            tenant: TenantId::new(),
            login: UserSessionId::new(),
            username: String::new(),
            token: String::new(),
        };
        let mut server = Self {
            running: None,
            runtime: None,
            app: None,
            config,
            place,
            clock,
            machines,
            tenant: nobody.tenant,
            admin: nobody,
            expected_failures: Vec::new(),
        };
        server.wake().await;
        let tenant = store::identity::tenant_by_name(server.app().store.reader(), "default").await.unwrap();
        server.tenant = tenant.id;
        let username = format!("root-{}", &uuid::Uuid::now_v7().simple().to_string()[20..]);
        server.admin = server.person(tenant.id, &username, Role::Admin).await;
        server
    }

    async fn wake(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (connected, ready) = tokio::sync::oneshot::channel();
        let machines = self.machines.clone();
        let connect = move |app: Arc<App>| async move {
            for machine in machines {
                machine.connect(&app).await;
            }
            // The test may have given up meanwhile.
            let _ = connected.send(());
        };
        let starting = runtime.spawn(start_with(self.config.clone(), self.clock.clone(), connect));
        let running = starting.await.unwrap().unwrap();
        self.app = Some(running.app.clone());
        self.running = Some(running);
        self.runtime = Some(runtime);
        ready.await.unwrap();
    }

    /// Ends it as a kill would: no task gets another turn, no connection is closed in order.
    pub async fn kill(&mut self) {
        let (running, runtime) = (self.running.take(), self.runtime.take());
        self.app = None;
        tokio::task::spawn_blocking(move || {
            if let Some(runtime) = runtime {
                runtime.shutdown_timeout(Duration::from_secs(10));
            }
            drop(running);
        })
        .await
        .unwrap();
    }

    /// A new process on the same database and engines.
    pub async fn restart(&mut self) {
        self.kill().await;
        self.wake().await;
    }

    pub fn app(&self) -> Arc<App> {
        self.app.clone().unwrap()
    }

    pub fn machine(&self) -> &Machine {
        &self.machines[0]
    }

    pub fn sim(&self) -> &SimEngine {
        &self.machines[0].sim
    }

    pub fn gate(&self) -> &Gate {
        &self.machines[0].gate
    }

    /// Runs something on the server's own runtime, where its connections live.
    pub async fn on_runtime<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        self.runtime.as_ref().unwrap().spawn(work).await.unwrap()
    }

    // ---- people

    pub async fn new_tenant(&self, name: &str) -> TenantId {
        self.tenant_with(name, QuotaConfig::default()).await
    }

    pub async fn tenant_with(&self, name: &str, quota_config: QuotaConfig) -> TenantId {
        let app = self.app();
        let create = TenantCreate { name: name.to_owned(), description: None, quota_config };
        self.on_runtime(async move {
            let tx = app.store.begin().await.unwrap();
            let tenant = store::identity::tenant_insert(&tx, &create, None, app.now()).await.unwrap();
            tx.commit().await.unwrap();
            tenant.id
        })
        .await
    }

    /// A user with an API token, written directly: hashing a password for each would take most of a test's time, and
    /// logging in has tests of its own.
    pub async fn person(&self, tenant: TenantId, username: &str, role: Role) -> Person {
        let app = self.app();
        let username = username.to_owned();
        self.on_runtime(async move {
            let tx = app.store.begin().await.unwrap();
            let new = store::identity::NewUser {
                tenant_id: tenant,
                username: username.clone(),
                email: None,
                full_name: None,
                role,
                password_hash: cheap_hash(),
                must_change_password: false,
                quota_storage_gb: None,
                quota_config: QuotaConfig::default(),
            };
            let user = store::identity::user_insert(&tx, new, app.now()).await.unwrap();
            let (token, login) = login(&tx, &app, tenant, user.id, LoginKind::Cli).await;
            tx.commit().await.unwrap();
            Person { id: user.id, tenant, login, username, token }
        })
        .await
    }

    /// Another login of the same person.
    pub async fn login(&self, person: &Person) -> Person {
        let (app, person) = (self.app(), person.clone());
        self.on_runtime(async move {
            let tx = app.store.begin().await.unwrap();
            let (token, login) = login(&tx, &app, person.tenant, person.id, LoginKind::Cli).await;
            tx.commit().await.unwrap();
            Person { token, login, ..person }
        })
        .await
    }

    /// Gives a role without going through the rules.
    pub async fn set_role(&self, person: &Person, role: Role) {
        use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
        use store::entities::users;
        let (app, id) = (self.app(), person.id);
        self.on_runtime(async move {
            let tx = app.store.begin().await.unwrap();
            let change = users::ActiveModel { role: Set(role), ..Default::default() };
            users::Entity::update_many().set(change).filter(users::Column::Id.eq(id)).exec(&tx).await.unwrap();
            tx.commit().await.unwrap();
        })
        .await;
    }

    // ---- requests

    pub fn url(&self) -> String {
        format!("http://{}", self.running.as_ref().unwrap().address)
    }

    pub fn client(&self, person: &Person) -> Client {
        Client::builder(self.url()).token(person.token.clone()).build().unwrap()
    }

    pub fn ask(&self, method: Method, path: &str) -> Ask {
        Ask { url: format!("{}/api/v1{path}", self.url()), method, headers: HeaderMap::new(), body: Vec::new() }
    }

    pub fn get(&self, path: &str, person: &Person) -> Ask {
        self.ask(Method::GET, path).by(&person.token)
    }

    pub fn post(&self, path: &str, person: &Person, body: Value) -> Ask {
        self.ask(Method::POST, path).by(&person.token).json(&body)
    }

    /// An application whose image has to be pulled and whose container runs until it is stopped.
    pub async fn application(&self, name: &str, command: &str) {
        let words: Vec<&str> = command.split(' ').collect();
        self.application_of(json!({"name": name, "title": name, "container_image": format!("registry.example/{name}:1"), "command": words}))
            .await;
    }

    pub async fn application_of(&self, create: Value) {
        self.post("/applications", &self.admin, create).send().await.expect(201);
    }

    pub async fn launch(&self, person: &Person, application: &str) -> SessionId {
        self.launch_of(person, json!({"application": application, "cpu_request": 0.1, "memory_request_gb": 0.125}))
            .await
    }

    pub async fn launch_of(&self, person: &Person, launch: Value) -> SessionId {
        let answer = self.post("/sessions", person, launch).send().await.expect(201);
        serde_json::from_value(answer.body["id"].clone()).unwrap()
    }

    pub async fn session(&self, id: SessionId) -> Session {
        let app = self.app();
        let scope = berth_types::identity::Scope::Platform;
        self.on_runtime(async move { store::sessions::get(app.store.reader(), scope, id).await.unwrap() }).await
    }

    /// All operations, newest first.
    pub async fn operations(&self) -> Vec<Operation> {
        use sea_orm::EntityTrait;
        let app = self.app();
        self.on_runtime(async move {
            let rows = store::entities::operations::Entity::find().all(app.store.reader()).await.unwrap();
            rows.into_iter().map(store::operations::to_operation).collect()
        })
        .await
    }

    pub async fn stop_session(&self, id: SessionId, grace_seconds: i64) {
        self.post(&format!("/sessions/{id}/stop"), &self.admin, json!({"grace_seconds": grace_seconds}))
            .send()
            .await
            .expect(202);
    }

    // ---- waiting

    /// Moves the clock and looks until there is an answer.
    #[track_caller]
    pub fn until<T, F>(&self, what: &str, mut look: impl FnMut() -> F) -> impl Future<Output = T>
    where
        F: Future<Output = Option<T>>,
    {
        let app = self.app();
        let clock = self.clock.clone();
        async move {
            let started = Instant::now();
            loop {
                if let Some(answer) = look().await {
                    return answer;
                }
                assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
                clock.advance(TICK);
                app.nudges.operations.notify_one();
                app.nudges.sessions.notify_one();
                app.nudges.scheduler.notify_one();
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    /// Waits for a session to reach one of these.
    pub async fn reaches(&self, id: SessionId, wanted: &[SessionStatus]) -> Session {
        let names: Vec<&str> = wanted.iter().map(|status| status.as_str()).collect();
        let what = format!("session {id} is {}", names.join(" or "));
        self.until(&what, || async {
            let session = self.session(id).await;
            let over = session.status.is_terminal() && !wanted.contains(&session.status);
            assert!(!over, "{what}: it is {} ({:?}, {:?})", session.status, session.reason, session.message);
            wanted.contains(&session.status).then_some(session)
        })
        .await
    }

    pub async fn running(&self, id: SessionId) -> Session {
        self.reaches(id, &[SessionStatus::Running]).await
    }

    /// Waits until an engine call is held at its gate, without moving the clock.
    pub async fn held(&self, gate: &Gate) {
        let started = Instant::now();
        while !gate.is_held() {
            assert!(started.elapsed() < PATIENCE, "the held call never came");
            let app = self.app();
            app.nudges.operations.notify_one();
            // Nothing but the call itself can tell, and it does not return.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until no operation is open.
    pub async fn quiet(&self) {
        let open = Mutex::new(Vec::new());
        let started = Instant::now();
        let quiet = self.until("no operation is open", || async {
            let left: Vec<_> =
                self.operations().await.into_iter().filter(|operation| operation.status.is_open()).collect();
            let empty = left.is_empty();
            *open.lock().unwrap() = left;
            // Said here, since a wait that fails does not know what it waited for.
            assert!(
                empty || started.elapsed() < PATIENCE / 2,
                "still open at {}: {:#?}",
                self.clock.now(),
                open.lock().unwrap()
            );
            empty.then_some(())
        });
        quiet.await;
    }

    pub fn container(session: &Session) -> String {
        names::session_container(session.id, i64::from(session.attempt))
    }

    /// A failed operation that is part of the test.
    pub fn expect_failure(&mut self, id: OperationId) {
        self.expected_failures.push(id);
    }

    /// Names of the containers on all engines.
    pub async fn containers(&self) -> Vec<String> {
        let mut all = Vec::new();
        for machine in &self.machines {
            let filter = berth_drivers::container::LabelFilter::default();
            all.extend(machine.sim.list_containers(&filter).await.unwrap().into_iter().map(|state| state.name));
        }
        all.sort();
        all
    }

    /// Names of the containers on one engine, even while it is away from the server.
    pub async fn containers_of(&self, machine: usize) -> Vec<String> {
        let sim = &self.machines[machine].sim;
        sim.set_away(false);
        let filter = berth_drivers::container::LabelFilter::default();
        let names = sim.list_containers(&filter).await.unwrap().into_iter().map(|state| state.name).collect();
        sim.set_away(true);
        names
    }

    /// Ledger, rows and engines agree.
    pub async fn agrees(&self) {
        let app = self.app();
        let findings = self.on_runtime(async move { fsck::check(&app, false).await }).await.unwrap();
        assert!(findings.is_empty(), "{findings:#?}");
    }

    /// Nothing is left open, nothing failed that should not have, and ledger, rows and engines agree.
    pub async fn settles(&self) {
        self.quiet().await;
        for operation in self.operations().await {
            let wanted = operation.status != OperationStatus::Failed || self.expected_failures.contains(&operation.id);
            assert!(wanted, "{} failed: {:?}", operation.kind, operation.error);
        }
        self.agrees().await;
    }

    /// The end of a test: everything settles, and the server stops in order.
    pub async fn finish(mut self) {
        self.settles().await;
        let place = self.place.clone();
        self.stop().await;
        place.remove().await;
    }

    /// Stops in order, as SIGTERM does.
    pub async fn stop(&mut self) {
        self.app = None;
        if let (Some(running), Some(runtime)) = (self.running.take(), self.runtime.take()) {
            runtime.spawn(running.stop()).await.unwrap();
            runtime.shutdown_background();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A runtime must not be dropped within another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn login(tx: &store::Tx, app: &App, tenant: TenantId, user: UserId, kind: LoginKind) -> (String, UserSessionId) {
    let token = format!("berth_{}", keyring::random_token());
    let end = app.now() + chrono::Duration::days(90);
    let login = store::identity::NewLogin {
        tenant_id: tenant,
        user_id: user,
        kind,
        name: None,
        session_token_hash: keyring::token_hash(&token),
        refresh_token_hash: None,
        csrf_hash: None,
        permissions: Vec::new(),
        access_expires_at: end,
        expires_at: end,
        client_ip: None,
        user_agent: None,
    };
    let login = store::identity::login_insert(tx, login, app.now()).await.unwrap();
    (token, login.id)
}

// ---- requests as bytes, so that they can be wrong

/// A request under way.
pub struct Ask {
    url: String,
    method: Method,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    /// `Null` for what is not JSON.
    pub body: Value,
}

impl Ask {
    pub fn by(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.raw("application/json", body.to_string())
    }

    pub fn raw(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        self
    }

    pub async fn send(self) -> Answer {
        use hyper_util::{client::legacy::Client, rt::TokioExecutor};
        let client: Client<_, Full<bytes::Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let mut request = http::Request::builder()
            .method(self.method.clone())
            .uri(&self.url)
            .body(Full::new(self.body.into()))
            .unwrap();
        *request.headers_mut() = self.headers;
        let response =
            client.request(request).await.unwrap_or_else(|error| panic!("{} {}: {error}", self.method, self.url));
        let (parts, body) = response.into_parts();
        // An endless answer (events, a followed log) is told by its head alone.
        let endless = parts
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
        let bytes = if endless { bytes::Bytes::new() } else { body.collect().await.unwrap().to_bytes() };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, text, body }
    }
}

impl Answer {
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    /// It is a problem document of that status, complete, that names these fields.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str, fields: &[&str]) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(answer.body["code"], code, "{}", answer.text);
        assert_eq!(answer.body["status"], status);
        assert_eq!(answer.body["request_id"].as_str().unwrap(), answer.headers["x-request-id"].to_str().unwrap());
        let named: Vec<&str> = answer.body["fields"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|field| field["field"].as_str())
            .collect();
        for field in fields {
            assert!(named.contains(field), "{field} is not among {named:?}: {}", answer.text);
        }
        answer
    }
}
