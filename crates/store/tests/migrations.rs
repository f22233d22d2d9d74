//! Migrating: from nothing, twice, by several at once, and refusing what is newer.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]

mod common;

use berth_store::{StoreError, migrate};
use common::{empty_postgres, empty_sqlite};
use sea_orm::ConnectionTrait;

async fn empty_stores() -> Vec<common::TestStore> {
    let mut stores = vec![empty_sqlite().await];
    stores.extend(empty_postgres().await);
    stores
}

#[tokio::test]
async fn from_nothing_and_again() {
    for test in empty_stores().await {
        let store = &test.store;
        let before = migrate::check(store.reader()).await.unwrap();
        assert!(before.applied.is_empty() && before.unknown.is_empty(), "{before:?}");
        assert!(!before.pending.is_empty());
        assert_eq!(migrate::check(store.reader()).await.unwrap(), before, "checking changed something");
        assert_eq!(migrate::run(store).await.unwrap(), before.pending);
        let after = migrate::check(store.reader()).await.unwrap();
        assert_eq!(after.applied, before.pending);
        assert!(after.pending.is_empty());
        assert!(migrate::run(store).await.unwrap().is_empty());
        store.ping().await.unwrap();
        test.remove().await;
    }
}

#[tokio::test]
async fn several_at_once() {
    for test in empty_stores().await {
        let runs = (0..4).map(|_| {
            let store = test.store.clone();
            tokio::spawn(async move { migrate::run(&store).await.unwrap().len() })
        });
        let mut applied = Vec::new();
        for run in runs.collect::<Vec<_>>() {
            applied.push(run.await.unwrap());
        }
        applied.sort_unstable();
        assert_eq!(applied, [0, 0, 0, migrate::check(test.store.reader()).await.unwrap().applied.len()]);
        test.remove().await;
    }
}

#[tokio::test]
async fn newer_schema_is_refused() {
    for test in empty_stores().await {
        migrate::run(&test.store).await.unwrap();
        let tx = test.store.begin().await.unwrap();
        tx.execute_unprepared("INSERT INTO seaql_migrations (version, applied_at) VALUES ('9999_future', 0)")
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert_eq!(migrate::check(test.store.reader()).await.unwrap().unknown, ["9999_future"]);
        let error = migrate::run(&test.store).await.unwrap_err();
        assert_eq!(error, StoreError::SchemaNewer { found: "9999_future".into(), known: migrate::newest() });
        test.remove().await;
    }
}
