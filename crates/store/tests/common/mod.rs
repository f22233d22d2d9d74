//! Every store test runs on both databases: SQLite in a temporary file, PostgreSQL in a database of its own.

#![allow(dead_code, reason = "each test binary uses a part of this module")]

use std::{future::Future, sync::LazyLock};

use berth_store::{Store, StoreConfig, migrate};
use berth_types::Timestamp;
use sea_orm::{ConnectionTrait, Database};

/// A fixed start of time: tests never read the clock.
pub fn t0() -> Timestamp {
    "2026-03-01T08:00:00.123456Z".parse().unwrap()
}

pub fn after(seconds: i64) -> Timestamp {
    t0() + chrono::Duration::seconds(seconds)
}

/// URL of a PostgreSQL whose user may create databases; `None` only when the tester said so.
pub fn postgres_url() -> Option<String> {
    static URL: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("BERTH_TEST_POSTGRES_URL").ok());
    if URL.is_none() {
        let skip = std::env::var("BERTH_SKIP_POSTGRES").is_ok_and(|value| value == "1");
        assert!(skip, "BERTH_TEST_POSTGRES_URL is not set; BERTH_SKIP_POSTGRES=1 skips the tests on PostgreSQL");
        println!("skipped on PostgreSQL: BERTH_SKIP_POSTGRES=1");
    }
    URL.clone()
}

/// A database that is removed when dropped.
pub struct TestStore {
    pub store: Store,
    pub name: &'static str,
    _directory: Option<tempfile::TempDir>,
    postgres: Option<(String, String)>,
}

fn with_database(url: &str, database: &str) -> String {
    let (server, _) = url.rsplit_once('/').expect("a database URL ends with /database");
    format!("{server}/{database}")
}

/// An empty SQLite database, not migrated.
pub async fn empty_sqlite() -> TestStore {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("berth.sqlite").display());
    let store = Store::open(&StoreConfig::new(url)).await.unwrap();
    TestStore { store, name: "sqlite", _directory: Some(directory), postgres: None }
}

/// An empty PostgreSQL database, not migrated.
pub async fn empty_postgres() -> Option<TestStore> {
    let server = postgres_url()?;
    let database = format!("berth_test_{}", uuid::Uuid::now_v7().simple());
    let admin = Database::connect(&server).await.unwrap();
    admin.execute_unprepared(&format!("CREATE DATABASE {database}")).await.unwrap();
    admin.close().await.unwrap();
    let config = StoreConfig { url: with_database(&server, &database), max_connections: 8 };
    let store = Store::open(&config).await.unwrap();
    Some(TestStore { store, name: "postgres", _directory: None, postgres: Some((server, database)) })
}

/// Both databases, migrated.
pub async fn both() -> Vec<TestStore> {
    let mut stores = vec![empty_sqlite().await];
    stores.extend(empty_postgres().await);
    for test in &stores {
        migrate::run(&test.store).await.unwrap();
    }
    stores
}

/// Runs a test on both databases and removes them afterwards.
pub async fn on_both<F: Future<Output = ()>>(test: impl Fn(Store, &'static str) -> F) {
    for case in both().await {
        println!("on {}", case.name);
        test(case.store.clone(), case.name).await;
        case.remove().await;
    }
}

impl TestStore {
    pub async fn remove(self) {
        self.store.close().await.unwrap();
        if let Some((server, database)) = &self.postgres {
            let admin = Database::connect(server).await.unwrap();
            admin.execute_unprepared(&format!("DROP DATABASE {database} WITH (FORCE)")).await.unwrap();
            admin.close().await.unwrap();
        }
    }
}

pub async fn tenant(db: &impl ConnectionTrait, name: &str) -> berth_types::TenantId {
    let create = berth_types::identity::TenantCreate {
        name: name.into(),
        description: None,
        quota_config: berth_types::identity::QuotaConfig::default(),
    };
    berth_store::identity::tenant_insert(db, &create, None, t0()).await.unwrap().id
}

pub fn new_user(tenant: berth_types::TenantId, username: &str) -> berth_store::identity::NewUser {
    berth_store::identity::NewUser {
        tenant_id: tenant,
        username: username.into(),
        email: None,
        full_name: None,
        role: berth_types::identity::Role::User,
        password_hash: "hash-1".into(),
        must_change_password: false,
        quota_storage_gb: None,
        quota_config: berth_types::identity::QuotaConfig::default(),
    }
}

/// A row of the ledger without a session, as a claim makes it.
pub async fn allocation(
    db: &impl ConnectionTrait,
    tenant: berth_types::TenantId,
    user: berth_types::UserId,
    node: berth_types::NodeId,
) -> berth_types::AllocationId {
    use berth_store::entities::allocations;
    use sea_orm::{ActiveModelTrait, ActiveValue::Set};
    let row = allocations::ActiveModel {
        id: Set(berth_types::AllocationId::new()),
        tenant_id: Set(tenant),
        user_id: Set(user),
        session_id: Set(None),
        node_id: Set(node),
        resource_type: Set(berth_types::sites::ResourceKind::Cpu),
        gpu_device_id: Set(None),
        allocated_amount: Set(1000),
        unit: Set("millicores".into()),
        allocation_time: Set(t0()),
        deallocation_time: Set(None),
        status: Set(berth_types::allocations::AllocationStatus::Active),
        billed_until: Set(None),
    };
    row.insert(db).await.unwrap().id
}

pub async fn give_back(db: &impl ConnectionTrait, id: berth_types::AllocationId, at: Timestamp) {
    use berth_store::entities::allocations;
    use sea_orm::{
        ActiveModelTrait,
        ActiveValue::{Set, Unchanged},
    };
    let row = allocations::ActiveModel {
        id: Unchanged(id),
        deallocation_time: Set(Some(at)),
        status: Set(berth_types::allocations::AllocationStatus::Released),
        ..Default::default()
    };
    row.update(db).await.unwrap();
}

/// A registered simulated node of 8 cores and 16 GB.
pub async fn simulated_node(db: &impl ConnectionTrait, name: &str) -> berth_types::NodeId {
    use berth_store::{bootstrap, sites};
    use berth_types::{facts::HostFacts, sites::EngineKind};
    let defaults = bootstrap::run(db, t0()).await.unwrap();
    let facts = HostFacts {
        hostname: name.into(),
        architecture: "x86_64".into(),
        cpu_threads: 8,
        memory_mib: 16_384,
        ..HostFacts::default()
    };
    let registration = sites::Registration {
        name: name.into(),
        engine: EngineKind::Sim,
        edge_data_center_id: defaults.edge_data_center_id,
        resource_pool_id: defaults.resource_pool_id,
        totals: sites::Registration::totals_of(&facts, 102_400),
        facts,
        reservations: Default::default(),
        capabilities: Default::default(),
    };
    sites::node_register(db, &registration, t0()).await.unwrap().0.id
}

/// A session as a launch writes it, waiting in the queue.
pub fn new_session(
    tenant: berth_types::TenantId,
    user: berth_types::UserId,
    name: &str,
    millicores: i64,
) -> berth_store::sessions::NewSession {
    use berth_store::{Json, sessions::NewSession};
    use berth_types::{SessionId, applications::ApplicationProtocol, sessions::*};
    use sea_orm::ActiveValue::Set;
    let secret = EnvironmentValue::Secret(SecretReference { secret: "key".into() });
    NewSession {
        id: Set(SessionId::new()),
        tenant_id: Set(tenant),
        user_id: Set(user),
        account_group_id: Set(None),
        session_name: Set(name.into()),
        session_type: Set(SessionType::Batch),
        application: Set("batch".into()),
        application_id: Set(None),
        application_protocol: Set(ApplicationProtocol::None),
        application_port: Set(None),
        container_image: Set("berth/batch:1".into()),
        container_id: Set(None),
        command: Set(Json(vec!["true".into()])),
        shell: Set(Json(vec![])),
        status: Set(SessionStatus::Pending),
        desired_state: Set(SessionDesiredState::Running),
        generation: Set(1),
        observed_generation: Set(0),
        attempt: Set(1),
        reason: Set(None),
        message: Set(None),
        exit_code: Set(None),
        deadline_at: Set(None),
        priority: Set(5),
        preemptible: Set(false),
        privileged: Set(false),
        max_runtime_minutes: Set(60),
        ends_at: Set(None),
        stop_grace_seconds: Set(None),
        cpu_request_millicores: Set(millicores),
        cpu_limit_millicores: Set(millicores),
        memory_request_mib: Set(512),
        memory_limit_mib: Set(1024),
        gpu_request_milli: Set(0),
        gpu_type: Set(None),
        storage_request_mib: Set(1024),
        storage_used_mib: Set(None),
        network_policy: Set(NetworkPolicyKind::Default),
        network_subnet: Set(None),
        environment_variables: Set(Json(std::collections::BTreeMap::from([("KEY".to_owned(), secret)]))),
        resource_constraints: Set(Json(ResourceConstraints::default())),
        placement_preferences: Set(Json(PlacementPreferences::default())),
        resource_pool_id: Set(None),
        scheduled_node_id: Set(None),
        placement: Set(None),
        waiting_position: Set(None),
        waiting: Set(None),
        queued_at: Set(t0()),
        start_time: Set(None),
        end_time: Set(None),
        created_at: Set(t0()),
        updated_at: Set(t0()),
    }
}
