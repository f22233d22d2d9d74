//! Emptying a node: who may finish, who is stopped, and what becomes of a drain whose server dies.

use berth_drivers::sim::Operation as Call;
use berth_types::{
    SessionId,
    operations::{Operation, OperationKind, OperationStatus},
    sessions::{SessionReason, SessionStatus},
};
use serde_json::json;

use crate::{
    faults::pass_leases,
    support::{Engine, Options, Point, Server, on_both},
};

async fn filled(database: Engine) -> (Server, Vec<SessionId>) {
    let server = Server::start(Options::on(database)).await;
    server.application("quiet", "sleep infinity").await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let id = server.launch(&server.admin, "quiet").await;
        server.running(id).await;
        ids.push(id);
    }
    server.quiet().await;
    (server, ids)
}

async fn drain(server: &Server, minutes: i64) {
    let path = format!("/nodes/{}/drain", server.machine().node());
    server.post(&path, &server.admin, json!({"deadline_minutes": minutes})).send().await.expect(202);
}

async fn the_drain(server: &Server) -> Operation {
    let operations = server.operations().await;
    operations.into_iter().rfind(|operation| operation.kind == OperationKind::NodeDrain).unwrap()
}

async fn drained(server: &Server, ids: &[SessionId]) {
    for id in ids {
        let session = server.reaches(*id, &[SessionStatus::Completed]).await;
        assert_eq!(session.reason, Some(SessionReason::NodeDrained));
    }
    server.quiet().await;
    assert_eq!(the_drain(server).await.status, OperationStatus::Succeeded);
    assert_eq!(server.containers().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_may_finish_until_the_deadline() {
    on_both(async |database| {
        let (server, ids) = filled(database).await;
        drain(&server, 10).await;
        server.until("the drain waits", || async { (the_drain(&server).await.message.is_some()).then_some(()) }).await;
        assert_eq!(server.session(ids[0]).await.status, SessionStatus::Running);
        // Nothing new comes to it.
        let waiting = server.launch(&server.admin, "quiet").await;
        let why =
            server.until("the scheduler says why it waits", || async { server.session(waiting).await.waiting }).await;
        assert!(why.explanation.contains("drain"), "{why:?}");
        // One ends in time by itself, the other is stopped when the time is over.
        server.stop_session(ids[0], 0).await;
        let first = server.reaches(ids[0], &[SessionStatus::Completed]).await;
        assert_eq!(first.reason, Some(SessionReason::StoppedByUser));
        assert_eq!(server.session(ids[1]).await.status, SessionStatus::Running);
        server.clock.advance(chrono::Duration::minutes(10));
        let second = server.reaches(ids[1], &[SessionStatus::Completed]).await;
        assert_eq!(second.reason, Some(SessionReason::NodeDrained));
        server.quiet().await;
        assert_eq!(the_drain(&server).await.status, OperationStatus::Succeeded);
        assert_eq!(server.session(waiting).await.status, SessionStatus::Pending);
        let path = format!("/nodes/{}/activate", server.machine().node());
        server.post(&path, &server.admin, json!({})).send().await.expect(200);
        server.running(waiting).await;
        server.stop_session(waiting, 0).await;
        server.finish().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_may_be_called_off() {
    let (server, ids) = filled(Engine::Sqlite).await;
    drain(&server, 10).await;
    server.until("the drain waits", || async { (the_drain(&server).await.message.is_some()).then_some(()) }).await;
    let path = format!("/nodes/{}/activate", server.machine().node());
    server.post(&path, &server.admin, json!({})).send().await.expect(200);
    server.quiet().await;
    server.clock.advance(chrono::Duration::minutes(11));
    server.quiet().await;
    for id in ids {
        assert_eq!(server.session(id).await.status, SessionStatus::Running, "what runs stays");
        server.stop_session(id, 0).await;
    }
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_survives_its_server() {
    on_both(async |database| {
        // While it waits for its deadline.
        let (mut server, ids) = filled(database).await;
        drain(&server, 10).await;
        server.until("the drain waits", || async { (the_drain(&server).await.message.is_some()).then_some(()) }).await;
        server.restart().await;
        pass_leases(&server, database);
        assert_eq!(server.session(ids[0]).await.status, SessionStatus::Running);
        server.clock.advance(chrono::Duration::minutes(11));
        drained(&server, &ids).await;
        server.finish().await;

        // While it stops what is left.
        for (call, point) in [
            (Call::StopContainer, Point::Before),
            (Call::StopContainer, Point::After),
            (Call::EnsureContainerAbsent, Point::Before),
            (Call::EnsureContainerAbsent, Point::After),
        ] {
            println!("killed {point:?} {call:?}");
            let (mut server, ids) = filled(database).await;
            let machine = server.machine().clone();
            machine.gate.hold(call, point);
            drain(&server, 0).await;
            server.held(&machine.gate).await;
            server.kill().await;
            machine.gate.open();
            pass_leases(&server, database);
            server.restart().await;
            drained(&server, &ids).await;
            server.finish().await;
        }
    })
    .await;
}
