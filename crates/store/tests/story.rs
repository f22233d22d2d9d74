//! The life of sessions through the store: queue, placement, ledger, operations, usage; and races for the last slot.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]

mod common;

use berth_store::{
    Store, StoreError,
    allocations::{self, AllocationQuery, Claim, UsageQuery},
    entities::sessions as rows,
    idempotency, identity, leases,
    operations::{self, NewOperation},
    sessions::{self, Wish},
    sites,
};
use berth_types::{
    NodeId, SessionId, TenantId, UserId,
    allocations::AllocationStatus,
    identity::Scope,
    operations::{OperationKind, OperationStatus, SubjectType},
    sessions::{EnvironmentValue, SessionDesiredState, SessionFilter, SessionReason, SessionStatus, Waiting},
    sites::ResourceKind,
};
use common::{after, new_session, on_both, simulated_node, t0};
use sea_orm::{ActiveModelTrait, ActiveValue::Set};

struct Scene {
    tenant: TenantId,
    user: UserId,
    node: NodeId,
}

async fn scene(store: &Store) -> Scene {
    let tx = store.begin().await.unwrap();
    let tenant = common::tenant(&tx, "physics").await;
    let user = identity::user_insert(&tx, common::new_user(tenant, "ada"), t0()).await.unwrap().id;
    let node = simulated_node(&tx, "sim-1").await;
    tx.commit().await.unwrap();
    Scene { tenant, user, node }
}

fn start(scene: &Scene, session: SessionId) -> NewOperation {
    NewOperation {
        kind: OperationKind::SessionStart,
        subject_type: SubjectType::Session,
        subject_id: session.0,
        tenant_id: Some(scene.tenant),
        requested_by: Some(scene.user),
        steps: vec!["image".into(), "container".into(), "start".into()],
        generation: 1,
        deadline_at: after(900),
        claimed_by: None,
    }
}

fn claim(millicores: i64) -> Claim {
    Claim { cpu_millicores: millicores, memory_mib: 512, storage_mib: 1024, gpus: vec![] }
}

#[tokio::test]
async fn from_the_queue_to_the_last_core_second() {
    on_both(|store, _| async move {
        let scene = scene(&store).await;
        let tx = store.begin().await.unwrap();
        let session = sessions::insert(&tx, new_session(scene.tenant, scene.user, "job", 2000)).await.unwrap().id;
        assert!(sessions::name_taken(&tx, scene.tenant, scene.user, "job").await.unwrap());
        assert_eq!(sessions::count_waiting(&tx, scene.user).await.unwrap(), 1);
        assert_eq!(sessions::pending(&tx, 10).await.unwrap().len(), 1);
        let waiting = Waiting { position: 1, explanation: "no node".into(), filters: vec![] };
        sessions::note_waiting(&tx, session, SessionReason::NoNode, &waiting).await.unwrap();
        tx.commit().await.unwrap();
        let shown = sessions::get(store.reader(), Scope::Own(scene.tenant, scene.user), session).await.unwrap();
        assert_eq!((shown.reason, shown.waiting.unwrap().position), (Some(SessionReason::NoNode), 1));
        assert!(matches!(shown.environment_variables["KEY"], EnvironmentValue::Secret(_)));

        // Placement: quota rows locked, capacity claimed, the operation written, all in one transaction.
        let tx = store.begin().await.unwrap();
        allocations::lock_quotas(&tx, &[scene.tenant], &[scene.user]).await.unwrap();
        let claimed =
            allocations::claim(&tx, session, scene.tenant, scene.user, scene.node, &claim(2000), after(10)).await;
        assert!(claimed.unwrap());
        sessions::place(&tx, session, scene.node, "least loaded", after(900), after(10)).await.unwrap();
        let operation = operations::enqueue(&tx, start(&scene, session), after(10)).await.unwrap();
        tx.commit().await.unwrap();
        assert!(allocations::imbalances(store.reader()).await.unwrap().is_empty());
        let node = sites::node_detail(store.reader(), scene.node).await.unwrap().node;
        assert_eq!((node.allocated_cpu_cores, node.allocated_memory_gb, node.session_count), (2.0, 0.5, 1));
        let shown = sessions::get(store.reader(), Scope::Platform, session).await.unwrap();
        assert_eq!((shown.status, shown.scheduled_node.as_deref()), (SessionStatus::Scheduled, Some("sim-1")));
        assert_eq!((shown.actual_node_ids, shown.operation.unwrap().id), (vec![scene.node], operation.id));
        assert!(shown.waiting.is_none() && shown.reason.is_none());

        // A worker takes the operation and carries it out.
        let tx = store.begin().await.unwrap();
        let due = operations::claim_due(&tx, "worker-1", after(70), 10, after(11)).await.unwrap();
        assert_eq!(due.iter().map(|row| row.id).collect::<Vec<_>>(), [operation.id]);
        let none = operations::claim_due(&tx, "worker-2", after(70), 10, after(11)).await.unwrap();
        assert!(none.is_empty(), "taken twice");
        assert!(sessions::mark_starting(&tx, session, operation.id, "worker-1", after(12)).await.unwrap());
        assert!(!sessions::mark_starting(&tx, session, operation.id, "worker-2", after(12)).await.unwrap());
        tx.commit().await.unwrap();
        assert!(operations::note_step(&store, operation.id, "worker-1", 2, after(13)).await.unwrap());
        assert!(!operations::note_step(&store, operation.id, "worker-2", 1, after(13)).await.unwrap());
        let tx = store.begin().await.unwrap();
        sessions::mark_running(&tx, session, Some("c0ffee".into()), after(15), after(16)).await.unwrap();
        assert!(operations::finish_succeeded(&tx, operation.id, "worker-1", after(16)).await.unwrap());
        tx.commit().await.unwrap();
        let shown = sessions::get(store.reader(), Scope::Platform, session).await.unwrap();
        assert_eq!(
            (shown.status, shown.start_time, shown.ends_at),
            (SessionStatus::Running, Some(after(15)), Some(after(3615)))
        );
        assert!(shown.operation.is_none());

        // It ends by itself; all it held is given back and billed: 08:00:10 to 08:10:30.
        let tx = store.begin().await.unwrap();
        sessions::note_exit(&tx, session, Some(0), Some(after(630)), after(631)).await.unwrap();
        allocations::release(&tx, session, true, after(630), after(631)).await.unwrap();
        let done =
            sessions::finish(&tx, session, SessionStatus::Completed, Some(SessionReason::Exited), None, after(631));
        assert!(done.await.unwrap());
        let again =
            sessions::finish(&tx, session, SessionStatus::Failed, Some(SessionReason::NodeLost), None, after(632));
        assert!(!again.await.unwrap(), "an ended session moved");
        tx.commit().await.unwrap();
        assert!(allocations::imbalances(store.reader()).await.unwrap().is_empty());
        assert!(allocations::contradictions(store.reader()).await.unwrap().is_empty());
        let ledger = allocations::of_session(store.reader(), session).await.unwrap();
        assert_eq!(ledger.len(), 3);
        assert!(ledger.iter().all(|row| row.status == AllocationStatus::Released && row.deallocation_time.is_some()));
        let usage =
            allocations::list_usage(store.reader(), Scope::Tenant(scene.tenant), &UsageQuery::default()).await.unwrap();
        let cpu = usage.items.iter().find(|record| record.resource_type == ResourceKind::Cpu).unwrap();
        assert_eq!(
            (cpu.amount_seconds, cpu.period_start.to_rfc3339()),
            (2000 * 620, "2026-03-01T08:00:00+00:00".into())
        );
        let node = sites::node_detail(store.reader(), scene.node).await.unwrap().node;
        assert_eq!((node.allocated_cpu_cores, node.session_count), (0.0, 0));
        let active = AllocationQuery { status: Some(AllocationStatus::Active), ..AllocationQuery::default() };
        assert!(allocations::list(store.reader(), Scope::Platform, &active).await.unwrap().items.is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_last_slot_is_sold_once() {
    on_both(|store, _| async move {
        let scene = scene(&store).await;
        // 8 cores; eight launches of 1.6 cores at once: five fit.
        let tx = store.begin().await.unwrap();
        let mut ids = Vec::new();
        for number in 0..8 {
            ids.push(
                sessions::insert(&tx, new_session(scene.tenant, scene.user, &format!("job{number}"), 1600))
                    .await
                    .unwrap()
                    .id,
            );
        }
        tx.commit().await.unwrap();
        let tasks: Vec<_> = ids
            .into_iter()
            .map(|session| {
                let (store, tenant, user, node) = (store.clone(), scene.tenant, scene.user, scene.node);
                tokio::spawn(async move {
                    let tx = store.begin().await.unwrap();
                    let won =
                        allocations::claim(&tx, session, tenant, user, node, &claim(1600), after(1)).await.unwrap();
                    if won {
                        sessions::place(&tx, session, node, "", after(900), after(1)).await.unwrap();
                        tx.commit().await.unwrap();
                    }
                    won
                })
            })
            .collect();
        let mut won = 0;
        for task in tasks {
            won += usize::from(task.await.unwrap());
        }
        assert_eq!(won, 5);
        assert!(allocations::imbalances(store.reader()).await.unwrap().is_empty());
        let held = allocations::held_by_tenants(store.reader(), [scene.tenant]).await.unwrap()[&scene.tenant];
        assert_eq!((held.sessions, held.cpu_millicores, held.memory_mib), (5, 8000, 2560));
    })
    .await;
}

#[tokio::test]
async fn one_operation_is_open_per_subject() {
    on_both(|store, _| async move {
        let scene = scene(&store).await;
        let tx = store.begin().await.unwrap();
        let session = sessions::insert(&tx, new_session(scene.tenant, scene.user, "job", 1000)).await.unwrap().id;
        let first = operations::enqueue(&tx, start(&scene, session), t0()).await.unwrap();
        let second = operations::enqueue(&tx, start(&scene, session), after(1)).await.unwrap();
        tx.commit().await.unwrap();
        let old = operations::get(store.reader(), Scope::Tenant(scene.tenant), first.id).await.unwrap();
        assert_eq!((old.status, old.finished_at), (OperationStatus::Superseded, Some(after(1))));
        let open = operations::open_of(store.reader(), session.0).await.unwrap().unwrap();
        assert_eq!(open.id, second.id);
        // The database refuses a second open one, whoever writes it.
        let tx = store.begin().await.unwrap();
        let mut twin: berth_store::entities::operations::ActiveModel = second.into();
        twin.id = Set(berth_types::OperationId::new());
        let error = StoreError::from(twin.insert(&tx).await.unwrap_err());
        assert!(matches!(&error, StoreError::AlreadyExists { what, .. } if what == "operation"), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn a_stop_reaches_who_is_in_scope() {
    on_both(|store, _| async move {
        let scene = scene(&store).await;
        let tx = store.begin().await.unwrap();
        let other = common::tenant(&tx, "law").await;
        let session = sessions::insert(&tx, new_session(scene.tenant, scene.user, "job", 1000)).await.unwrap().id;
        let foreign = sessions::record_in(&tx, Scope::Tenant(other), session).await.unwrap_err();
        assert_eq!(foreign, StoreError::NotFound("session"));
        let stop = || Wish {
            desired: SessionDesiredState::Stopped,
            reason: Some(SessionReason::StoppedByUser),
            message: None,
            grace_seconds: Some(5),
        };
        assert_eq!(sessions::wish(&tx, session, stop(), after(1)).await.unwrap(), Some(2));
        assert_eq!(sessions::wish(&tx, session, stop(), after(2)).await.unwrap(), None, "it is being stopped already");
        let done = sessions::finish(
            &tx,
            session,
            SessionStatus::Cancelled,
            Some(SessionReason::StoppedByUser),
            None,
            after(3),
        );
        assert!(done.await.unwrap());
        tx.commit().await.unwrap();
        let filter = |status: &str| SessionFilter { status: Some(status.into()), ..SessionFilter::default() };
        let list = async |filter: SessionFilter| sessions::list(store.reader(), Scope::Platform, &filter).await;
        assert_eq!(list(filter("cancelled,failed")).await.unwrap().items.len(), 1);
        assert!(list(filter("running")).await.unwrap().items.is_empty());
        assert!(matches!(list(filter("asleep")).await.unwrap_err(), StoreError::InvalidFilter { field: "status", .. }));
        let search = SessionFilter { search: Some("jo".into()), ..SessionFilter::default() };
        assert_eq!(list(search).await.unwrap().items.len(), 1);
        let search = SessionFilter { search: Some("j%".into()), ..SessionFilter::default() };
        assert!(list(search).await.unwrap().items.is_empty(), "% is a letter here");
        let _: rows::Model = sessions::record(store.reader(), session).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn leases_fence_and_keys_replay() {
    on_both(|store, _| async move {
        let scene = scene(&store).await;
        let tx = store.begin().await.unwrap();
        let first = leases::acquire(&tx, "scheduler", "a", after(30), t0()).await.unwrap().unwrap();
        assert_eq!(leases::acquire(&tx, "scheduler", "b", after(40), after(10)).await.unwrap(), None);
        assert_eq!(leases::acquire(&tx, "scheduler", "a", after(50), after(20)).await.unwrap(), Some(first), "renewed");
        let taken = leases::acquire(&tx, "scheduler", "b", after(90), after(60)).await.unwrap().unwrap();
        assert!(taken > first, "an epoch only grows");

        let record = idempotency::Record {
            request_hash: "h".into(),
            status_code: 201,
            response: Some(serde_json::json!({"id": 1})),
        };
        idempotency::insert(&tx, scene.user, "key", "session_launch", &record, t0()).await.unwrap();
        assert_eq!(idempotency::find(&tx, scene.user, "key", after(5)).await.unwrap(), Some(record));
        assert_eq!(idempotency::find(&tx, scene.user, "other", after(5)).await.unwrap(), None);
        let late = after(idempotency::RETENTION_HOURS * 3600 + 1);
        assert_eq!(idempotency::find(&tx, scene.user, "key", late).await.unwrap(), None);
        assert_eq!(idempotency::expire(&tx, late).await.unwrap(), 1);
    })
    .await;
}
