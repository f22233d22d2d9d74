//! Lists and gets stay quick however many rows there are: their plans read an index in order and sort nothing, and, on
//! demand, the times themselves at 100,000 sessions.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]

mod common;

use std::time::{Duration, Instant};

use berth_store::{Store, entities::sessions as rows, identity, sessions};
use berth_types::{
    SessionId, TenantId, UserId,
    identity::Scope,
    sessions::{SessionFilter, SessionStatus},
};
use common::{new_session, on_both, t0};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbBackend, EntityTrait, Statement};

async fn fill(store: &Store, count: usize) -> (TenantId, UserId, SessionId) {
    let tx = store.begin().await.unwrap();
    let mut owners = Vec::new();
    for number in 0..10 {
        let tenant = common::tenant(&tx, &format!("tenant{number}")).await;
        for user in 0..10 {
            let user = common::new_user(tenant, &format!("user{number}x{user}"));
            owners.push((tenant, identity::user_insert(&tx, user, t0()).await.unwrap().id));
        }
    }
    let mut last = SessionId::new();
    let mut made = 0;
    while made < count {
        let batch: Vec<_> = (made..count.min(made + 250))
            .map(|number| {
                let (tenant, user) = owners[number % owners.len()];
                let mut row = new_session(tenant, user, &format!("session {number}"), 1000);
                row.status = Set(if number % 50 == 0 { SessionStatus::Running } else { SessionStatus::Completed });
                last = row.id.clone().unwrap();
                row
            })
            .collect();
        made += batch.len();
        rows::Entity::insert_many(batch).exec_without_returning(&tx).await.unwrap();
    }
    let analyze = if store.backend() == DbBackend::Postgres { "ANALYZE sessions" } else { "ANALYZE" };
    tx.execute_unprepared(analyze).await.unwrap();
    tx.commit().await.unwrap();
    (owners[0].0, owners[0].1, last)
}

#[tokio::test]
async fn sessions_are_listed_in_the_order_of_an_index() {
    on_both(|store, backend| async move {
        let (tenant, user, _) = fill(&store, 3000).await;
        for (scope, column, id) in [("tenant", "tenant_id", tenant.0), ("user", "user_id", user.0)] {
            let sql = |place: [&str; 2]| {
                format!(
                    "SELECT id FROM sessions WHERE {column} = {} AND id < {} ORDER BY id DESC LIMIT 11",
                    place[0], place[1]
                )
            };
            let (explain, place) =
                if backend == "postgres" { ("EXPLAIN ", ["$1", "$2"]) } else { ("EXPLAIN QUERY PLAN ", ["?", "?"]) };
            let values = [id.into(), uuid::Uuid::max().into()];
            let statement = Statement::from_sql_and_values(store.backend(), format!("{explain}{}", sql(place)), values);
            let plan = store.reader().query_all_raw(statement).await.unwrap();
            let column = if backend == "postgres" { "QUERY PLAN" } else { "detail" };
            let plan: Vec<String> = plan.iter().map(|row| row.try_get("", column).unwrap()).collect();
            let plan = plan.join("\n");
            // PostgreSQL may prefer the primary key, which has the same order, while a tenant has many of the rows.
            assert!(plan.contains("ix_sessions__") || plan.contains("Index Scan Backward"), "{scope}: {plan}");
            assert!(
                !plan.contains("Sort") && !plan.contains("TEMP B-TREE") && !plan.contains("Seq Scan"),
                "{scope}: {plan}"
            );
        }
    })
    .await;
}

/// The median and the 99th percentile.
fn percentiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

/// Run with `cargo test --release -p berth-store --test speed -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "writes 100,000 rows to measure with"]
async fn a_hundred_thousand_sessions() {
    on_both(|store, backend| async move {
        let (tenant, user, last) = fill(&store, 100_000).await;
        for (name, scope) in
            [("platform", Scope::Platform), ("tenant", Scope::Tenant(tenant)), ("own", Scope::Own(tenant, user))]
        {
            let mut times = Vec::new();
            let mut cursor = None;
            for _ in 0..300 {
                let filter = SessionFilter { limit: Some(100), cursor: cursor.take(), ..SessionFilter::default() };
                let begin = Instant::now();
                let page = sessions::list(store.reader(), scope, &filter).await.unwrap();
                times.push(begin.elapsed());
                assert_eq!(page.items.len(), 100);
                cursor = page.next_cursor;
            }
            let (p50, p99) = percentiles(times);
            println!("{backend}: list of 100, {name}: p50 {p50:?}, p99 {p99:?}");
            assert!(cfg!(debug_assertions) || p99 <= Duration::from_millis(10), "{p99:?}");
        }
        let mut times = Vec::new();
        for _ in 0..1000 {
            let begin = Instant::now();
            sessions::get(store.reader(), Scope::Platform, last).await.unwrap();
            times.push(begin.elapsed());
        }
        let (p50, p99) = percentiles(times);
        println!("{backend}: get: p50 {p50:?}, p99 {p99:?}");
        assert!(cfg!(debug_assertions) || p99 <= Duration::from_millis(10), "{p99:?}");
    })
    .await;
}
