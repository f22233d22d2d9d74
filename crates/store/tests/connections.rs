//! What the rest relies on: exact times, foreign keys, enums, locks, and errors that say what to do.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]

mod common;

use berth_store::{
    Json, Store, StoreConfig, StoreError, bootstrap,
    entities::{edge_data_centers, login_failures, tenants},
    identity,
    store::{sqlite_path, sqlite_url},
};
use berth_types::{StringMap, TenantId, UserId, identity::Scope};
use chrono::TimeDelta;
use common::{after, empty_sqlite, on_both, t0};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder,
};
use std::path::Path;

#[tokio::test]
async fn times_keep_microseconds_and_their_order() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        let tenant = common::tenant(&tx, "physics").await;
        let ada = identity::user_insert(&tx, common::new_user(tenant, "ada"), t0()).await.unwrap().id;
        // Whole seconds, milliseconds and microseconds have texts of different length on SQLite.
        let base = "2026-03-01T09:59:59Z".parse::<berth_types::Timestamp>().unwrap();
        let offsets = [0, 1, 10, 999, 1000, 1001, 500_000, 999_999, 1_000_000, 1_000_001, 60_000_000];
        for micros in offsets.iter().rev() {
            let row = login_failures::ActiveModel {
                id: Set(uuid::Uuid::now_v7()),
                user_id: Set(ada),
                client_ip: Set("::1".into()),
                failed_at: Set(base + TimeDelta::microseconds(*micros)),
            };
            row.insert(&tx).await.unwrap();
        }
        let rows =
            login_failures::Entity::find().order_by_asc(login_failures::Column::FailedAt).all(&tx).await.unwrap();
        let read: Vec<_> = rows.iter().map(|row| (row.failed_at - base).num_microseconds().unwrap()).collect();
        assert_eq!(read, offsets);
        for micros in offsets {
            let at = base + TimeDelta::microseconds(micros);
            let exact = login_failures::Column::FailedAt.eq(at);
            assert_eq!(login_failures::Entity::find().filter(exact).all(&tx).await.unwrap().len(), 1, "{at}");
            let before = login_failures::Entity::find().filter(login_failures::Column::FailedAt.lt(at));
            let expected = offsets.iter().filter(|other| **other < micros).count();
            assert_eq!(before.all(&tx).await.unwrap().len(), expected, "{at}");
        }
    })
    .await;
}

#[tokio::test]
async fn foreign_keys_and_enums_are_enforced() {
    on_both(|store, backend| async move {
        let tx = store.begin().await.unwrap();
        let error = identity::user_insert(&tx, common::new_user(TenantId::new(), "ada"), t0()).await.unwrap_err();
        assert!(matches!(error, StoreError::InUse(_)), "{error:?}");
        drop(tx);
        let tx = store.begin().await.unwrap();
        common::tenant(&tx, "physics").await;
        tx.commit().await.unwrap();
        let tx = store.begin().await.unwrap();
        let wrong = tx.execute_unprepared("UPDATE tenants SET status = 'asleep'").await.unwrap_err().to_string();
        let expected =
            if backend == "postgres" { "invalid input value for enum tenant_status" } else { "CHECK constraint" };
        assert!(wrong.contains(expected), "{wrong}");
    })
    .await;
}

#[tokio::test]
async fn json_columns_hold_their_type() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        let center = bootstrap::run(&tx, t0()).await.unwrap().edge_data_center_id;
        let config: StringMap = [("uplink".to_owned(), "\"quoted\" ü".to_owned())].into();
        let row = edge_data_centers::ActiveModel {
            id: sea_orm::ActiveValue::Unchanged(center),
            network_config: Set(Json(config.clone())),
            ..Default::default()
        };
        assert_eq!(row.update(&tx).await.unwrap().network_config.0, config);
        tx.execute_unprepared("UPDATE edge_data_centers SET network_config = '[1]'").await.unwrap();
        let error = edge_data_centers::Entity::find().one(&tx).await.unwrap_err();
        assert!(matches!(StoreError::from(error), StoreError::Internal(_)));
    })
    .await;
}

#[tokio::test]
async fn what_is_not_committed_never_happened() {
    on_both(|store, _| async move {
        for explicit in [true, false] {
            let tx = store.begin().await.unwrap();
            let id = common::tenant(&tx, "physics").await;
            if explicit {
                tx.rollback().await.unwrap();
            } else {
                drop(tx);
            }
            let gone = identity::tenant_get(store.reader(), Scope::Platform, id).await.unwrap_err();
            assert_eq!(gone, StoreError::NotFound("tenant"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_writer_does_not_hold_up_readers() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        common::tenant(&tx, "physics").await;
        // Would wait for ever if reads took the writer's connection or lock.
        assert!(tenants::Entity::find().all(store.reader()).await.unwrap().is_empty());
        tx.commit().await.unwrap();
        assert_eq!(tenants::Entity::find().all(store.reader()).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn parallel_writers_take_turns() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        let tenant = common::tenant(&tx, "physics").await;
        let ada = identity::user_insert(&tx, common::new_user(tenant, "ada"), t0()).await.unwrap().id;
        tx.commit().await.unwrap();
        let count = async |store: Store, user: UserId| {
            let tx = store.begin().await.unwrap();
            identity::note_login_failure(&tx, user, "::1", after(1)).await.unwrap();
            tx.commit().await.unwrap();
        };
        futures_like_join(16, |_| count(store.clone(), ada)).await;
        let user = identity::user_get(store.reader(), Scope::Platform, ada).await.unwrap();
        assert_eq!(user.failed_login_attempts, 16);
    })
    .await;
}

/// Runs `count` futures on tasks of their own and waits for all.
async fn futures_like_join<F: Future<Output = ()> + Send + 'static>(count: usize, make: impl Fn(usize) -> F) {
    let tasks: Vec<_> = (0..count).map(|number| tokio::spawn(make(number))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn sqlite_readers_cannot_write_and_its_file_is_private() {
    let test = empty_sqlite().await;
    let error = test.store.reader().execute_unprepared("CREATE TABLE t (a)").await.unwrap_err();
    assert!(matches!(StoreError::from(error), StoreError::Unavailable(_)));
    assert_eq!(test.store.backend(), DbBackend::Sqlite);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(sqlite_path(test.store.url()).unwrap()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    test.remove().await;
}

#[tokio::test]
async fn odd_paths_and_unreachable_databases() {
    let file = Path::new("/tmp/50% of #1?.sqlite");
    assert_eq!(sqlite_path(&sqlite_url(file)).unwrap(), file);
    let directory = tempfile::tempdir().unwrap();
    let odd = directory.path().join("50% of #1?.sqlite");
    let store = Store::open(&StoreConfig::new(sqlite_url(&odd))).await.unwrap();
    store.ping().await.unwrap();
    store.close().await.unwrap();
    assert!(odd.exists());
    for url in [sqlite_url(&directory.path().join("no/such/directory.sqlite")), "postgres://x@127.0.0.1:1/x".to_owned()]
    {
        let error = Store::open(&StoreConfig::new(url)).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    }
    let error = Store::open(&StoreConfig::new("mysql://x")).await.unwrap_err();
    assert!(matches!(error, StoreError::Internal(_)));
}
