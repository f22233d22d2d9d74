//! Events, time series, audit and settings, on both databases.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]

mod common;

use berth_store::{
    StoreError,
    audit::{self, NewAudit},
    events::{self, NewEvent},
    metrics::{self, Measured},
    settings, sites,
};
use berth_types::{
    AuditLogId, NodeId, StringMap, TenantId, UserId,
    audit::{AuditFilter, AuditStatus},
    events::{EventFilter, EventSeverity},
    identity::Scope,
    metrics::{MetricFilter, MetricType, Sample},
};
use chrono::TimeDelta;
use common::{after, on_both, simulated_node, t0};
use sea_orm::ConnectionTrait;

#[tokio::test]
async fn events_are_filtered_acknowledged_resolved_and_expire() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        let (physics, law) = (common::tenant(&tx, "physics").await, common::tenant(&tx, "law").await);
        let ada = berth_store::identity::user_insert(&tx, common::new_user(physics, "ada"), t0()).await.unwrap().id;
        let add = async |kind: &str, severity, tenant: Option<TenantId>, user: Option<UserId>, at| {
            let event = NewEvent { severity, tenant_id: tenant, user_id: user, ..NewEvent::new(kind, "text") };
            events::insert(&tx, event, at).await.unwrap().id
        };
        let own = add("session_running", EventSeverity::Info, Some(physics), Some(ada), t0()).await;
        let bad = add("session_failed", EventSeverity::Error, Some(physics), None, after(1)).await;
        let foreign = add("session_failed", EventSeverity::Critical, Some(law), None, after(2)).await;
        let platform = add("node_offline", EventSeverity::Warning, None, None, after(3)).await;
        let list = async |scope, filter: EventFilter| {
            let page = events::list(&tx, scope, &filter).await.unwrap();
            page.items.into_iter().map(|event| event.id).collect::<Vec<_>>()
        };
        let filter = EventFilter::default;
        assert_eq!(list(Scope::Platform, filter()).await, [platform, foreign, bad, own]);
        assert_eq!(list(Scope::Tenant(physics), filter()).await, [bad, own]);
        assert_eq!(list(Scope::Own(physics, ada), filter()).await, [own]);
        let worse = EventFilter { severity: Some(EventSeverity::Error), ..filter() };
        assert_eq!(list(Scope::Platform, worse).await, [foreign, bad]);
        let kind = EventFilter { event_type: Some("node_offline".into()), ..filter() };
        assert_eq!(list(Scope::Platform, kind).await, [platform]);

        let denied = events::resolve(&tx, Scope::Tenant(physics), foreign, ada, after(9)).await.unwrap_err();
        assert_eq!(denied, StoreError::NotFound("event"));
        events::acknowledge(&tx, Scope::Tenant(physics), bad, ada, after(9)).await.unwrap();
        let again = events::acknowledge(&tx, Scope::Tenant(physics), bad, ada, after(99)).await.unwrap();
        assert_eq!((again.acknowledged_at, again.acknowledged_by), (Some(after(9)), Some(ada)));
        let resolved = events::resolve(&tx, Scope::Tenant(physics), bad, ada, after(10)).await.unwrap();
        assert_eq!(resolved.resolved_at, Some(after(10)));
        let open = EventFilter { unresolved: Some(true), ..filter() };
        assert_eq!(list(Scope::Platform, open).await, [platform, foreign, own]);

        assert_eq!(events::expire(&tx, after(2)).await.unwrap(), 2);
        assert_eq!(events::expire(&tx, after(2)).await.unwrap(), 0);
        assert_eq!(list(Scope::Platform, filter()).await, [platform, foreign]);
    })
    .await;
}

fn sample(value: f64) -> Sample {
    Sample { metric_type: MetricType::CpuPercent, value, labels: StringMap::new() }
}

fn measured(id: NodeId, seconds: i64, samples: Vec<Sample>) -> Measured<NodeId> {
    Measured { id, time: after(seconds), samples }
}

#[tokio::test]
async fn time_series_roll_up_and_expire() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        let node = simulated_node(&tx, "sim-1").await;
        // 08:00:00.123456 on: two buckets of five minutes, 20 samples each.
        let points: Vec<_> =
            (0..40).map(|n| measured(node, n * 15, vec![sample(if n < 20 { 10.0 } else { 30.0 })])).collect();
        metrics::nodes::insert(&tx, &points).await.unwrap();
        metrics::nodes::insert(&tx, &points).await.unwrap();
        let gpu =
            Sample { metric_type: MetricType::GpuPercent, labels: [("gpu".into(), "0".into())].into(), ..sample(50.0) };
        let not_a_number = sample(f64::NAN);
        metrics::nodes::insert(&tx, &[measured(node, 20, vec![gpu, not_a_number])]).await.unwrap();

        let now = after(700);
        let filter = |since: i64| MetricFilter { since: Some(after(since)), until: Some(now), metric_type: None };
        let raw = metrics::nodes::points(&tx, node, &filter(0), now).await.unwrap();
        assert_eq!(raw.len(), 41);
        assert_eq!((raw[0].time, raw[0].value, raw[0].unit.as_str()), (t0(), 10.0, "percent"));
        let gpu = raw.iter().find(|point| point.metric_type == MetricType::GpuPercent).unwrap();
        assert_eq!(gpu.labels["gpu"], "0");
        let latest = metrics::nodes::latest(&tx, node, MetricType::CpuPercent, after(300)).await.unwrap();
        assert_eq!(latest, Some(30.0));

        // The second bucket ends at 08:10:00 and is taken a minute later.
        assert_eq!(metrics::nodes::roll_up(&tx, 100, after(600)).await.unwrap(), 1);
        assert_eq!(metrics::nodes::roll_up(&tx, 100, after(660)).await.unwrap(), 1);
        assert_eq!(metrics::nodes::roll_up(&tx, 100, after(660)).await.unwrap(), 0);
        // An hour later the hour is rolled up from them; a day later a reader of a week gets five minutes.
        assert_eq!(metrics::nodes::roll_up(&tx, 100, after(3660)).await.unwrap(), 1);
        let day = t0() + TimeDelta::days(1);
        let week = MetricFilter {
            since: Some(t0() - TimeDelta::days(3)),
            until: Some(day),
            metric_type: Some(MetricType::CpuPercent),
        };
        let coarse = metrics::nodes::points(&tx, node, &week, day).await.unwrap();
        assert_eq!(coarse.iter().map(|point| point.value).collect::<Vec<_>>(), [10.0, 30.0]);
        assert_eq!(coarse[0].time.to_rfc3339(), "2026-03-01T08:00:00+00:00");
        let month = MetricFilter { since: Some(t0() - TimeDelta::days(20)), ..week.clone() };
        let hours = metrics::nodes::points(&tx, node, &month, day).await.unwrap();
        assert_eq!(hours.iter().map(|point| point.value).collect::<Vec<_>>(), [20.0]);

        assert_eq!(metrics::nodes::expire(&tx, t0() + TimeDelta::days(3)).await.unwrap(), 41);
        assert_eq!(metrics::nodes::expire(&tx, t0() + TimeDelta::days(31)).await.unwrap(), 3);
        assert_eq!(metrics::nodes::expire(&tx, t0() + TimeDelta::days(731)).await.unwrap(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_gap_does_not_stop_the_roll_up() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        let node = simulated_node(&tx, "sim-1").await;
        let week = 7 * 86_400;
        metrics::nodes::insert(&tx, &[measured(node, 0, vec![sample(1.0)]), measured(node, week, vec![sample(2.0)])])
            .await
            .unwrap();
        assert_eq!(metrics::nodes::roll_up(&tx, 5, after(week + 3700)).await.unwrap(), 4);
        assert_eq!(metrics::nodes::roll_up(&tx, 5, after(week + 3700)).await.unwrap(), 0);
    })
    .await;
}

fn entry(tenant: Option<TenantId>, action: &str) -> NewAudit {
    NewAudit {
        tenant_id: tenant,
        user_id: Some(UserId::new()),
        username: "ada".into(),
        action: action.into(),
        resource_type: "session".into(),
        resource_id: None,
        details: [("key".to_owned(), "value".to_owned())].into(),
        ip_address: Some("192.0.2.1".into()),
        user_agent: None,
        request_id: Some("r-1".into()),
        status: AuditStatus::Success,
    }
}

#[tokio::test]
async fn the_audit_log_is_chained_and_immutable() {
    on_both(|store, backend| async move {
        let tx = store.begin().await.unwrap();
        let physics = TenantId::new();
        let mut ids: Vec<AuditLogId> = Vec::new();
        for number in 0..5 {
            let tenant = (number > 0).then_some(physics);
            ids.push(audit::insert(&tx, entry(tenant, &format!("action_{number}")), after(number)).await.unwrap());
        }
        assert_eq!(audit::seal(&tx, 3).await.unwrap(), 3);
        assert_eq!(audit::seal(&tx, 3).await.unwrap(), 2);
        assert_eq!(audit::seal(&tx, 3).await.unwrap(), 0);
        tx.commit().await.unwrap();
        let db = store.reader();
        let list = audit::list(db, Scope::Tenant(physics), &AuditFilter::default()).await.unwrap().items;
        assert_eq!(list.iter().map(|row| row.id).collect::<Vec<_>>(), [ids[4], ids[3], ids[2], ids[1]]);
        assert!(list.iter().all(|row| row.hash.as_ref().is_some_and(|hash| hash.len() == 64)));
        let one = AuditFilter { action: Some("action_0".into()), ..AuditFilter::default() };
        assert_eq!(audit::list(db, Scope::Platform, &one).await.unwrap().items.len(), 1);
        assert!(audit::list(db, Scope::Tenant(physics), &one).await.unwrap().items.is_empty());
        assert_eq!(audit::verify(db).await.unwrap(), audit::Verification { sealed: 5, broken_at: None });

        for attack in [
            "DELETE FROM audit_logs",
            "UPDATE audit_logs SET username = 'eve'",
            "UPDATE audit_logs SET hash = 'x', sequence = 9 WHERE sequence = 5",
            "UPDATE audit_logs SET hash = NULL",
        ] {
            let tx = store.begin().await.unwrap();
            let error = StoreError::from(tx.execute_unprepared(attack).await.unwrap_err());
            assert!(matches!(&error, StoreError::Conflict(text) if text.contains("immutable")), "{attack}: {error}");
        }
        // Somebody with the database's own means, past the triggers, is found out.
        let tx = store.begin().await.unwrap();
        let drop = if backend == "postgres" {
            "ALTER TABLE audit_logs DISABLE TRIGGER ALL"
        } else {
            "DROP TRIGGER audit_logs_update"
        };
        tx.execute_unprepared(drop).await.unwrap();
        tx.execute_unprepared("UPDATE audit_logs SET username = 'eve' WHERE sequence = 3").await.unwrap();
        let found = audit::verify(&tx).await.unwrap();
        assert_eq!(found, audit::Verification { sealed: 2, broken_at: Some(ids[2]) });
    })
    .await;
}

#[tokio::test]
async fn settings_have_defaults() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        let spec = berth_types::settings::NODE_LATE_SECONDS;
        let all = settings::list(&tx).await.unwrap();
        assert_eq!(all.len(), berth_types::settings::ALL.len());
        assert!(all.iter().all(|setting| setting.value == setting.default && setting.updated_at.is_none()));
        settings::set(&tx, spec.key, 60, t0()).await.unwrap();
        let set = settings::set(&tx, spec.key, 90, after(1)).await.unwrap();
        assert_eq!((set.value, set.default, set.updated_at), (90, spec.default, Some(after(1))));
        assert_eq!(settings::values(&tx).await.unwrap()[spec.key], 90);
        assert_eq!(settings::reset(&tx, spec.key).await.unwrap().value, spec.default);
        assert_eq!(settings::values(&tx).await.unwrap()[spec.key], spec.default);
        assert_eq!(settings::set(&tx, "no.such", 1, t0()).await.unwrap_err(), StoreError::NotFound("setting"));
        assert!(sites::inventory(&tx).await.unwrap().is_empty());
    })
    .await;
}
