//! Backup, restore and copying between the two databases.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]

mod common;

use std::collections::BTreeMap;

use berth_store::{
    Store, StoreConfig, StoreError, admin, applications, audit, events, identity, metrics, migrate, secrets, settings,
    sites,
    store::{sqlite_path, sqlite_url},
};
use berth_types::{
    SecretId, StringMap, TenantId,
    applications::ApplicationCreate,
    audit::AuditStatus,
    identity::{LoginKind, Scope, TenantUpdate},
    metrics::{MetricType, Sample},
};
use common::{after, empty_postgres, empty_sqlite, on_both, t0};
use sea_orm::{ConnectionTrait, DbBackend};

/// Something in every kind of table this crate writes.
async fn fill(store: &Store) -> TenantId {
    let tx = store.begin().await.unwrap();
    let tenant = common::tenant(&tx, "physics").await;
    let ada = identity::user_insert(&tx, common::new_user(tenant, "ada"), t0()).await.unwrap().id;
    let update = TenantUpdate { admin_user_id: Some(ada), ..TenantUpdate::default() };
    identity::tenant_update(&tx, Scope::Platform, tenant, &update, None, after(1)).await.unwrap();
    let login = identity::NewLogin {
        tenant_id: tenant,
        user_id: ada,
        kind: LoginKind::ApiToken,
        name: Some("ci".into()),
        session_token_hash: "token".into(),
        refresh_token_hash: None,
        csrf_hash: None,
        permissions: vec![],
        access_expires_at: after(9000),
        expires_at: after(9000),
        client_ip: None,
        user_agent: None,
    };
    identity::login_insert(&tx, login, t0()).await.unwrap();
    identity::note_login_failure(&tx, ada, "::1", t0()).await.unwrap();
    secrets::insert(&tx, SecretId::new(), tenant, Some(ada), "key", vec![0, 255, 7], t0()).await.unwrap();
    let node = common::simulated_node(&tx, "sim-1").await;
    common::allocation(&tx, tenant, ada, node).await;
    let application: ApplicationCreate =
        serde_json::from_value(serde_json::json!({"name": "web", "title": "Web", "container_image": "a:1"})).unwrap();
    applications::insert(&tx, None, &application, t0()).await.unwrap();
    let samples = |n: i64| Sample { metric_type: MetricType::Load, value: n as f64 / 3.0, labels: StringMap::new() };
    // More than one batch of copying.
    let points: Vec<_> =
        (0..1203).map(|n| metrics::Measured { id: node, time: after(n), samples: vec![samples(n)] }).collect();
    metrics::nodes::insert(&tx, &points).await.unwrap();
    for number in 0..3 {
        let entry = audit::NewAudit {
            tenant_id: Some(tenant),
            user_id: Some(ada),
            username: "ada".into(),
            action: format!("a{number}"),
            resource_type: "user".into(),
            resource_id: Some(ada.0),
            details: StringMap::new(),
            ip_address: None,
            user_agent: None,
            request_id: None,
            status: AuditStatus::Success,
        };
        audit::insert(&tx, entry, after(number)).await.unwrap();
    }
    audit::seal(&tx, 10).await.unwrap();
    let event = events::NewEvent { user_id: Some(ada), ..events::NewEvent::new("started", "text") };
    events::insert(&tx, event, t0()).await.unwrap();
    settings::set(&tx, "events.retention_days", 30, t0()).await.unwrap();
    tx.commit().await.unwrap();
    tenant
}

/// Every table's rows as text, in an order that both databases share.
async fn contents(store: &Store) -> Contents {
    let mut all = BTreeMap::new();
    let tenants = identity::tenant_list(store.reader(), Scope::Platform, &Default::default()).await.unwrap();
    all.insert("tenants", tenants.items.iter().map(|row| format!("{row:?}")).collect());
    let users = identity::user_list(store.reader(), Scope::Platform, &Default::default()).await.unwrap();
    all.insert("users", users.items.iter().map(|row| format!("{row:?}")).collect());
    let mut nodes = Vec::new();
    for node in sites::nodes(store.reader()).await.unwrap() {
        nodes.push(format!("{:?}", sites::node_detail(store.reader(), node.id).await.unwrap()));
        let filter =
            berth_types::metrics::MetricFilter { since: Some(t0()), until: Some(after(5000)), metric_type: None };
        let points = metrics::nodes::points(store.reader(), node.id, &filter, after(5000)).await.unwrap();
        all.insert("node_metrics", points.iter().map(|point| format!("{point:?}")).collect());
    }
    all.insert("nodes", nodes);
    let sealed = secrets::all_sealed(store.reader()).await.unwrap();
    all.insert("secrets", sealed.iter().map(|row| format!("{row:?}")).collect());
    let log = audit::list(store.reader(), Scope::Platform, &Default::default()).await.unwrap();
    all.insert("audit_logs", log.items.iter().map(|row| format!("{row:?}")).collect());
    let settings = settings::list(store.reader()).await.unwrap();
    all.insert("settings", settings.iter().map(|row| format!("{row:?}")).collect());
    assert_eq!(audit::verify(store.reader()).await.unwrap().broken_at, None);
    all
}

type Contents = BTreeMap<&'static str, Vec<String>>;

/// Compares row by row, to name the first one that differs.
fn same(left: &Contents, right: &Contents) {
    assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>());
    for (table, rows) in left {
        assert_eq!(rows.len(), right[table].len(), "{table}");
        for (left, right) in rows.iter().zip(&right[table]) {
            assert_eq!(left, right, "{table}");
        }
    }
}

#[tokio::test]
async fn copied_there_and_back() {
    let Some(postgres) = empty_postgres().await else { return };
    let (from, back) = (empty_sqlite().await, empty_sqlite().await);
    for test in [&from, &postgres, &back] {
        migrate::run(&test.store).await.unwrap();
    }
    fill(&from.store).await;
    let before = contents(&from.store).await;
    let copied = admin::copy_database(&from.store, &postgres.store).await.unwrap();
    let rows = |table: &str| copied.iter().find(|one| one.table == table).unwrap().rows;
    assert_eq!((rows("node_metrics"), rows("audit_logs"), rows("allocations")), (1203, 3, 1));
    assert_eq!(copied.len(), admin::tables().len());
    same(&contents(&postgres.store).await, &before);
    let twice = admin::copy_database(&from.store, &postgres.store).await.unwrap_err();
    assert!(matches!(&twice, StoreError::Conflict(text) if text.contains("tenants")), "{twice}");
    admin::copy_database(&postgres.store, &back.store).await.unwrap();
    same(&contents(&back.store).await, &before);
    for test in [from, postgres, back] {
        test.remove().await;
    }
}

#[tokio::test]
async fn every_table_is_copied() {
    let test = empty_sqlite().await;
    migrate::run(&test.store).await.unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'seaql_migrations' ORDER BY name";
    let statement = sea_orm::Statement::from_string(DbBackend::Sqlite, sql);
    let rows = test.store.reader().query_all_raw(statement).await.unwrap();
    let real: Vec<String> = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
    let mut known = admin::tables();
    known.sort_unstable();
    assert_eq!(known, real);
    test.remove().await;
}

#[tokio::test]
async fn backed_up_in_use_and_restored() {
    on_both(|store, backend| async move {
        fill(&store).await;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("backup.sqlite");
        // A writer is under way; what it did is not in the backup, and it does not hold the backup up.
        let tx = store.begin().await.unwrap();
        common::tenant(&tx, "unfinished").await;
        let size = admin::backup(&store, &file).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(size, std::fs::metadata(&file).unwrap().len());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "side files were left");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(
            matches!(admin::backup(&store, &file).await.unwrap_err(), StoreError::Conflict(_)),
            "overwrote a backup"
        );

        // Into a new SQLite file.
        let place = directory.path().join("berth.sqlite");
        let config = StoreConfig::new(sqlite_url(&place));
        let rows = admin::restore(&file, &config).await.unwrap();
        assert_eq!(rows.iter().find(|one| one.table == "node_metrics").unwrap().rows, 1203);
        let restored = Store::open(&config).await.unwrap();
        let before = contents(&restored).await;
        assert_eq!(before["tenants"].len(), 1, "what was not committed is in the backup");
        assert_eq!(before["users"], contents(&store).await["users"]);

        // Over one that is in use: refused, and nothing has changed.
        let error = admin::restore(&file, &config).await.unwrap_err();
        assert!(matches!(&error, StoreError::Conflict(text) if text.contains("in use")), "{error}");
        same(&contents(&restored).await, &before);
        restored.close().await.unwrap();
        admin::restore(&file, &config).await.unwrap();
        assert!(directory.path().join("berth.sqlite.before-restore").exists());

        // Into the database it came from, when that is PostgreSQL and so not empty: refused.
        if backend == "postgres" {
            let error = admin::restore(&file, &StoreConfig::new(store.url())).await.unwrap_err();
            assert!(matches!(error, StoreError::Conflict(_)), "{error}");
            let empty = empty_postgres().await.unwrap();
            admin::restore(&file, &StoreConfig::new(empty.store.url())).await.unwrap();
            same(&contents(&empty.store).await, &before);
            empty.remove().await;
        }
    })
    .await;
}

#[tokio::test]
async fn damaged_or_foreign_files_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let test = empty_sqlite().await;
    migrate::run(&test.store).await.unwrap();
    fill(&test.store).await;
    let good = directory.path().join("good.sqlite");
    admin::backup(&test.store, &good).await.unwrap();

    let bytes = std::fs::read(&good).unwrap();
    let mut torn = bytes.clone();
    let middle = torn.len() / 2;
    torn[middle..middle + 40_000].fill(0x5a);
    let cases = [
        ("torn", torn),
        ("text", b"this is no database".repeat(100)),
        ("empty", Vec::new()),
        ("short", bytes[..5000].to_vec()),
    ];
    let target = StoreConfig::new(sqlite_url(&directory.path().join("target.sqlite")));
    for (name, bytes) in cases {
        let file = directory.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        let error = admin::restore(&file, &target).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict(_)), "{name}: {error:?}");
        assert!(!sqlite_path(&target.url).unwrap().exists(), "{name} was put in place");
    }
    let leftovers = std::fs::read_dir(directory.path()).unwrap();
    let leftovers: Vec<_> = leftovers
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().starts_with("berth-restore"))
        .collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
    test.remove().await;
}
