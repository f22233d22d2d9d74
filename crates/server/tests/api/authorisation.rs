//! Who may do what: every operation, by every role, on things of one's own, of one's tenant, of another tenant and of the
//! platform. The expectations are `tests/authorisation.tsv`, which people review; the OpenAPI document and that file have
//! to name the same operations.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
};

use berth_server::{app::App, tasks::housekeeping};
use berth_store::{self as store, events::NewEvent, sites::Registration};
use berth_types::{
    SessionId, TenantId,
    facts::HostFacts,
    identity::{LoginKind, Role},
    sites::EngineKind,
};
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Options, PASSWORD, Person, Server};

const ROLES: [Option<Role>; 7] = [
    Some(Role::Admin),
    Some(Role::Operator),
    Some(Role::TenantAdmin),
    Some(Role::Teacher),
    Some(Role::User),
    Some(Role::Readonly),
    None,
];

/// Whose the thing is, as the caller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Whose {
    /// The operation has no thing, or only the caller's own account.
    None,
    Own,
    /// Somebody else's in the caller's tenant.
    Tenant,
    /// The tenant's itself, not one user's.
    TenantWide,
    Foreign,
    /// Nobody's: of the installation.
    Platform,
}

use Whose::{Foreign, Own, Platform, TenantWide};

impl Whose {
    fn name(self) -> &'static str {
        match self {
            Self::None => "-",
            Own => "own",
            Self::Tenant => "tenant",
            TenantWide => "tenant_wide",
            Foreign => "foreign",
            Platform => "platform",
        }
    }
}

/// The kind of thing that an operation's path names.
fn kind(operation: &str) -> &'static str {
    const KINDS: &[(&str, &str)] = &[
        ("login_revoke", "login"),
        ("tenant_", "tenant"),
        ("user_", "user"),
        ("application_", "application"),
        ("session_", "session"),
        ("ticket_", "session"),
        ("operation_", "operation"),
        ("event_", "event"),
        ("secret_", "secret"),
        ("node_", "node"),
        ("resource_pool_", "resource_pool"),
        ("edge_data_center_", "edge_data_center"),
        ("setting_", "setting"),
        ("role_permission_", "role"),
    ];
    let found = KINDS.iter().find(|(prefix, _)| operation.starts_with(prefix));
    found.unwrap_or_else(|| panic!("say in tests/api/authorisation.rs what {operation} is about")).1
}

fn whose(kind: &str) -> &'static [Whose] {
    match kind {
        "tenant" => &[Own, Foreign],
        "login" | "user" | "session" => &[Own, Whose::Tenant, Foreign],
        "application" => &[Platform, Whose::Tenant, Foreign],
        "secret" => &[Own, Whose::Tenant, TenantWide, Foreign],
        "operation" | "event" => &[Own, Whose::Tenant, Foreign, Platform],
        _ => &[Platform],
    }
}

/// A request's query and body, and how often it is asked in different ways.
fn variants(operation: &str) -> &'static [&'static str] {
    match operation {
        "session_launch" => &["", "priority_9", "privileged"],
        "user_create" => &["", "in_foreign_tenant"],
        _ => &[""],
    }
}

/// What an operation's answer lists, by the kind of thing that must or must not be among it.
fn lists(operation: &str) -> Option<&'static str> {
    Some(match operation {
        "login_list" => "login",
        "tenant_list" => "tenant",
        "user_list" | "audit_log_list" => "user",
        "application_list" => "application",
        "session_list" | "allocation_list" | "usage_record_list" => "session",
        "operation_list" => "operation",
        "event_list" => "event",
        "secret_list" => "secret",
        "node_list" | "fleet_get" => "node",
        "resource_pool_list" => "resource_pool",
        "edge_data_center_list" => "edge_data_center",
        _ => return None,
    })
}

/// The place of all things.
struct World {
    server: Server,
    actors: HashMap<Role, Person>,
    colleague: Person,
    stranger: Person,
    foreign_tenant: TenantId,
    things: HashMap<(Option<Role>, &'static str, Whose), String>,
    count: usize,
}

impl World {
    async fn new() -> Self {
        let server = Server::start(Options::default()).await;
        server.application("quiet", "sleep infinity").await;
        let foreign_tenant = server.new_tenant("foreign").await;
        let mut actors = HashMap::new();
        for role in ROLES.into_iter().flatten() {
            actors.insert(role, server.person(server.tenant, &format!("the-{role}").replace('_', "-"), role).await);
        }
        let colleague = server.person(server.tenant, "colleague", Role::User).await;
        let stranger = server.person(foreign_tenant, "stranger", Role::User).await;
        Self { server, actors, colleague, stranger, foreign_tenant, things: HashMap::new(), count: 0 }
    }

    fn next(&mut self, stem: &str) -> String {
        self.count += 1;
        format!("{stem}-{}", self.count)
    }

    /// Whoever owns the thing; `None` for the tenant or the platform.
    fn owner(&self, role: Option<Role>, whose: Whose) -> Person {
        match (whose, role) {
            (Own, Some(role)) => self.actors[&role].clone(),
            (Foreign, _) => self.stranger.clone(),
            _ => self.colleague.clone(),
        }
    }

    /// The id of such a thing, made when there is none.
    async fn thing(&mut self, role: Option<Role>, kind: &'static str, whose: Whose) -> String {
        // Only what is one's own differs from role to role.
        let key = (role.filter(|_| whose == Own), kind, whose);
        if let Some(id) = self.things.get(&key) {
            return id.clone();
        }
        let id = self.make(role, kind, whose).await;
        self.things.insert(key, id.clone());
        id
    }

    async fn make(&mut self, role: Option<Role>, kind: &'static str, whose: Whose) -> String {
        let owner = self.owner(role, whose);
        match kind {
            "tenant" if whose == Foreign => self.foreign_tenant.to_string(),
            "tenant" => self.server.tenant.to_string(),
            "user" if whose == Own => owner.id.to_string(),
            "user" => {
                let name = self.next("user");
                self.server.person(owner.tenant, &name, Role::User).await.id.to_string()
            }
            "login" => self.server.login(&owner).await.login.to_string(),
            "session" => self.session(&owner, role, whose).await.to_string(),
            "operation" if whose == Platform => {
                let node = self.node().await;
                let drain =
                    self.server.post(&format!("/nodes/{node}/drain"), &self.server.admin, json!({})).send().await;
                drain.expect(202).body["id"].as_str().unwrap().to_owned()
            }
            "operation" => {
                let session = Box::pin(self.thing(role, "session", whose)).await;
                let operations = self.server.operations().await;
                operations.iter().find(|operation| operation.subject_id.to_string() == session).unwrap().id.to_string()
            }
            "application" => {
                let name = self.next("application");
                let create = json!({"name": name, "title": name, "container_image": "registry.example/x:1"});
                let by = match whose {
                    Platform => self.server.admin.clone(),
                    Foreign => {
                        let name = self.next("foreign-admin");
                        self.server.person(self.foreign_tenant, &name, Role::TenantAdmin).await
                    }
                    _ => self.actors[&Role::TenantAdmin].clone(),
                };
                created(self.server.post("/applications", &by, create).send().await)
            }
            "secret" => {
                let name = self.next("secret");
                let wide = whose == TenantWide;
                let by = if wide { self.server.admin.clone() } else { owner };
                let create = json!({"name": name, "value": "hidden", "tenant_wide": wide});
                created(self.server.post("/secrets", &by, create).send().await)
            }
            "event" => {
                let event = NewEvent {
                    tenant_id: (whose != Platform).then_some(owner.tenant),
                    user_id: (whose != Platform).then_some(owner.id),
                    ..NewEvent::new("something_happened", "Something happened.")
                };
                let app = self.server.app();
                self.server
                    .on_runtime(async move {
                        let tx = app.store.begin().await.unwrap();
                        let event = store::events::insert(&tx, event, app.now()).await.unwrap();
                        tx.commit().await.unwrap();
                        event.id.to_string()
                    })
                    .await
            }
            "node" => self.node().await,
            "edge_data_center" => {
                let name = self.next("center");
                created(self.server.post("/edge-data-centers", &self.server.admin, json!({"name": name})).send().await)
            }
            "resource_pool" => {
                let center = Box::pin(self.thing(None, "edge_data_center", Platform)).await;
                let name = self.next("pool");
                let create = json!({"name": name, "edge_data_center_id": center});
                created(self.server.post("/resource-pools", &self.server.admin, create).send().await)
            }
            "setting" => berth_types::settings::STOP_GRACE_SECONDS.key.to_owned(),
            "role" => Role::Readonly.to_string(),
            other => panic!("how is a {other} made?"),
        }
    }

    /// A session that runs, owned by somebody whose role may not even let them launch one.
    async fn session(&mut self, owner: &Person, role: Option<Role>, whose: Whose) -> SessionId {
        let role = role.filter(|_| whose == Own);
        if role.is_some() {
            self.server.set_role(owner, Role::User).await;
        }
        let id = self.server.launch(owner, "quiet").await;
        if let Some(role) = role {
            self.server.set_role(owner, role).await;
        }
        self.server.running(id).await;
        id
    }

    /// A node without an engine, so that no session comes to it.
    async fn node(&mut self) -> String {
        let name = self.next("node");
        let app = self.server.app();
        self.server.on_runtime(async move { register(&app, name).await }).await
    }

    async fn ask(&mut self, operation: &Operation, role: Option<Role>, whose: Whose, variant: &str) -> Answer {
        let mut path = operation.path.clone();
        let mut actor = role.map(|role| self.actors[&role].clone());
        if whose != Whose::None {
            let kind = kind(&operation.id);
            // What would be the end of the caller is asked by a twin.
            if let (true, Some(role)) = (operation.id == "user_delete" && whose == Own, role) {
                let name = self.next("twin");
                let twin = self.server.person(self.server.tenant, &name, role).await;
                path = path.replace("{id}", &twin.id.to_string());
                actor = Some(twin);
            }
            let id = self.thing(role, kind, whose).await;
            for hole in ["{id}", "{key}", "{role}"] {
                path = path.replace(hole, &id);
            }
        }
        if let (true, Some(person)) = (operation.id == "auth_logout", &actor) {
            actor = Some(self.server.login(person).await);
        }
        assert!(!path.contains('{'), "{path} still has a hole");
        let (query, body) = self.request(&operation.id, variant, actor.as_ref()).await;
        let path = path.strip_prefix("/api/v1").unwrap().to_owned() + query;
        let mut ask = self.server.ask(operation.method.clone(), &path);
        if let Some(actor) = &actor {
            ask = ask.by(&actor.token);
        }
        ask = match body {
            _ if operation.id == "session_files_put" => ask.raw("application/x-tar", vec![0; 1024]),
            Value::Null => ask,
            body => ask.json(&body),
        };
        let answer = ask.send().await;
        if operation.method != Method::GET && answer.status.is_success() {
            self.things.remove(&(
                role.filter(|_| whose == Own),
                if whose == Whose::None { "" } else { kind(&operation.id) },
                whose,
            ));
        }
        answer
    }

    /// A request that is right, so that only the caller's rights decide.
    async fn request(&mut self, operation: &str, variant: &str, actor: Option<&Person>) -> (&'static str, Value) {
        let name = || uuid::Uuid::now_v7().simple().to_string();
        let body = match operation {
            "auth_login" => json!({"username": "colleague", "password": PASSWORD, "kind": LoginKind::Cli}),
            "auth_refresh" => json!({"refresh_token": "no such token there is"}),
            "profile_update" => json!({"full_name": "Somebody"}),
            // A wrong one is told by its value: the rights come before.
            "password_change" => json!({"current_password": "not it, surely", "new_password": "another good password"}),
            "api_token_create" => json!({"name": name()}),
            "tenant_create" => json!({"name": name()}),
            "tenant_update" => json!({"description": "Changed"}),
            "user_create" => {
                let tenant = (variant == "in_foreign_tenant").then_some(self.foreign_tenant);
                json!({"username": name(), "password": PASSWORD, "tenant_id": tenant})
            }
            "user_update" => json!({"full_name": "Changed"}),
            "role_permission_replace" => {
                let roles = self.server.get("/role-permissions", &self.server.admin).send().await.expect(200).body;
                let role = roles
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|role| role["role"] == Role::Readonly.as_str())
                    .unwrap()
                    .clone();
                json!({"grants": role["grants"]})
            }
            "edge_data_center_create" => json!({"name": name()}),
            "edge_data_center_update" => json!({"location": "Cellar"}),
            "resource_pool_create" => {
                let center = self.thing(None, "edge_data_center", Platform).await;
                json!({"name": name(), "edge_data_center_id": center})
            }
            "resource_pool_update" => json!({"description": "Changed"}),
            "node_update" => json!({"priority": 3}),
            "node_drain" => json!({"deadline_minutes": 0}),
            "application_create" => {
                json!({"name": format!("a{}", &name()[10..]), "title": "X", "container_image": "registry.example/x:1"})
            }
            "application_update" => json!({"title": "Changed"}),
            "session_launch" | "session_check" => {
                let priority = if variant == "priority_9" { 9 } else { 5 };
                json!({"application": "quiet", "cpu_request": 0.1, "memory_request_gb": 0.125, "priority": priority,
                       "privileged": variant == "privileged"})
            }
            "session_stop" => json!({"grace_seconds": 0}),
            "session_extend" => json!({"minutes": 1}),
            "session_exec" => json!({"command": ["echo", "hello"]}),
            "ticket_create" => json!({"purpose": "terminal"}),
            "setting_update" => json!({"value": 10}),
            "secret_create" => json!({"name": name(), "value": "hidden", "tenant_wide": false}),
            _ => Value::Null,
        };
        let query = match operation {
            "session_files_get" | "session_files_put" => "?path=/tmp",
            "permission_list" | "role_permission_list" | "setting_list" | "event_stream" => "",
            _ if operation.ends_with("_list") => "?limit=500",
            _ => "",
        };
        let _ = actor;
        (query, body)
    }

    /// The status, and for lists whose things are in it.
    async fn cell(&mut self, operation: &Operation, role: Option<Role>, whose: Whose, variant: &str) -> String {
        let mut markers = Vec::new();
        if let (Some(kind), Some(_)) = (lists(&operation.id), role) {
            for &whose in self::whose(kind) {
                // Audit rows are told by who did it.
                let marker = match (operation.id.as_str(), whose) {
                    ("audit_log_list", _) => self.owner(role, whose).id.to_string(),
                    _ => self.thing(role, kind, whose).await,
                };
                markers.push((whose, marker));
            }
        }
        let answer = self.ask(operation, role, whose, variant).await;
        let seen: Vec<&str> =
            markers.iter().filter(|(_, marker)| answer.text.contains(marker)).map(|(whose, _)| whose.name()).collect();
        let status = answer.status.as_u16();
        if lists(&operation.id).is_some() && status == 200 {
            format!("{status}:{}", seen.join("+"))
        } else {
            status.to_string()
        }
    }
}

fn created(answer: Answer) -> String {
    answer.expect(201).body["id"].as_str().unwrap().to_owned()
}

async fn register(app: &App, name: String) -> String {
    let tx = app.store.begin().await.unwrap();
    let home = store::bootstrap::run(&tx, app.now()).await.unwrap();
    let registration = Registration {
        name: name.clone(),
        engine: EngineKind::Sim,
        edge_data_center_id: home.edge_data_center_id,
        resource_pool_id: home.resource_pool_id,
        facts: HostFacts { hostname: name, architecture: "x86_64".to_owned(), ..HostFacts::default() },
        totals: BTreeMap::new(),
        reservations: BTreeMap::new(),
        capabilities: Default::default(),
    };
    let (node, _) = store::sites::node_register(&tx, &registration, app.now()).await.unwrap();
    tx.commit().await.unwrap();
    node.id.to_string()
}

struct Operation {
    id: String,
    method: Method,
    path: String,
}

fn described(document: &Value) -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else {
                continue;
            };
            let Some(id) = operation["operationId"].as_str() else {
                continue;
            };
            all.push(Operation { id: id.to_owned(), method, path: path.clone() });
        }
    }
    // Lists first, while there is little in them; what ends things last.
    all.sort_by_key(|operation| {
        (lists(&operation.id).is_none(), operation.method == Method::DELETE, operation.id.clone())
    });
    all
}

type Table = BTreeMap<(String, String), Vec<String>>;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/authorisation.tsv")
}

fn header() -> String {
    let roles: Vec<&str> = ROLES.iter().map(|role| role.map_or("anonymous", |role| role.as_str())).collect();
    format!("operation\twhose\t{}", roles.join("\t"))
}

fn parse(text: &str) -> Table {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty() && *line != header());
    lines
        .map(|line| {
            let mut words = line.split('\t').map(str::to_owned);
            ((words.next().unwrap(), words.next().unwrap()), words.collect())
        })
        .collect()
}

fn render(table: &Table) -> String {
    let mut text = String::from(
        "# Who may do what. A number is the status of the answer: 2xx is allowed, and so are 409 and 422, which only say that the\n\
         # thing's state or the value forbids it. After a list's 200 stands whose things are in it. `whose` is whose the thing\n\
         # is as the caller sees it, or how the request differs. Checked by tests/api/authorisation.rs.\n",
    );
    text.push_str(&header());
    text.push('\n');
    for ((operation, whose), cells) in table {
        text.push_str(&format!("{operation}\t{whose}\t{}\n", cells.join("\t")));
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_do_what_the_table_says_and_nothing_else() {
    let mut world = World::new().await;
    let document = world.server.ask(Method::GET, "/openapi.json").send().await.expect(200).body;
    let operations = described(&document);
    // Everybody has done something, owns a session, and an hour has been billed.
    for role in ROLES.into_iter().flatten() {
        world.thing(Some(role), "session", Own).await;
        let actor = world.actors[&role].clone();
        world
            .server
            .ask(Method::PATCH, "/profile")
            .by(&actor.token)
            .json(&json!({"full_name": "Me"}))
            .send()
            .await
            .expect(200);
    }
    for person in [world.colleague.clone(), world.stranger.clone()] {
        world
            .server
            .ask(Method::PATCH, "/profile")
            .by(&person.token)
            .json(&json!({"full_name": "Me"}))
            .send()
            .await
            .expect(200);
    }
    world.thing(None, "session", Whose::Tenant).await;
    world.thing(None, "session", Foreign).await;
    world.server.clock.advance(chrono::Duration::minutes(61));
    let app = world.server.app();
    world.server.on_runtime(housekeeping::bill(app)).await.unwrap();

    let mut observed = Table::new();
    for operation in &operations {
        let things = if operation.path.contains('{') { whose(kind(&operation.id)) } else { &[Whose::None] };
        for &whose in things {
            for variant in variants(&operation.id) {
                let mut cells = Vec::new();
                for role in ROLES {
                    cells.push(world.cell(operation, role, whose, variant).await);
                }
                let name = if variant.is_empty() { whose.name() } else { variant };
                observed.insert((operation.id.clone(), name.to_owned()), cells);
            }
        }
    }
    if std::env::var("BERTH_UPDATE_SNAPSHOTS").is_ok_and(|value| value == "1") {
        std::fs::write(path(), render(&observed)).unwrap();
    }
    let expected = parse(&std::fs::read_to_string(path()).unwrap_or_default());
    compare(&expected, &observed, &operations);
    strangers_learn_nothing(&observed);
    world.server.finish().await;
}

fn compare(expected: &Table, observed: &Table, operations: &[Operation]) {
    let described: BTreeSet<&str> = operations.iter().map(|operation| operation.id.as_str()).collect();
    let listed: BTreeSet<&str> = expected.keys().map(|(operation, _)| operation.as_str()).collect();
    let mut faults: Vec<String> = described.difference(&listed).map(|id| format!("{id}: not in the table")).collect();
    faults.extend(listed.difference(&described).map(|id| format!("{id}: in the table, but no operation")));
    for (key, cells) in observed {
        let Some(wanted) = expected.get(key) else {
            faults.push(format!("{} {}: no line", key.0, key.1));
            continue;
        };
        for (index, role) in ROLES.iter().enumerate() {
            let (wanted, got) = (wanted.get(index).map_or("", String::as_str), cells[index].as_str());
            if wanted != got {
                let role = role.map_or("anonymous", |role| role.as_str());
                faults.push(format!("{} {} by {role}: should be {wanted}, is {got}", key.0, key.1));
            }
        }
    }
    faults.extend(
        expected
            .keys()
            .filter(|key| !observed.contains_key(key))
            .map(|key| format!("{} {}: never asked", key.0, key.1)),
    );
    assert!(
        faults.is_empty(),
        "the API and tests/authorisation.tsv differ. BERTH_UPDATE_SNAPSHOTS=1 writes what the API does; review every line.\n{}",
        faults.join("\n")
    );
}

/// Whatever the table says: things of another tenant do not exist for those who stay within theirs. Only where a role may
/// not do it to anything is the answer 403, the same for every id.
fn strangers_learn_nothing(observed: &Table) {
    for ((operation, whose), cells) in observed {
        for (index, role) in ROLES.iter().enumerate() {
            let bound = matches!(role, Some(Role::TenantAdmin | Role::Teacher | Role::User | Role::Readonly));
            if bound && whose == "foreign" {
                let elsewhere: Vec<&str> = observed
                    .iter()
                    .filter(|((other, whose), _)| other == operation && whose != "foreign")
                    .map(|(_, cells)| cells[index].as_str())
                    .collect();
                let hidden =
                    cells[index] == "404" || cells[index] == "403" && elsewhere.iter().all(|cell| *cell == "403");
                assert!(
                    hidden,
                    "{operation} by {role:?} on a foreign thing: {}, elsewhere {elsewhere:?}",
                    cells[index]
                );
            }
            assert!(!bound || !cells[index].contains("foreign"), "{operation} by {role:?} lists foreign things");
            assert!(!cells[index].starts_with('5'), "{operation} by {role:?}: {}", cells[index]);
        }
    }
}
