//! Engines that go away, hang, or are changed behind Berth's back.

use std::time::{Duration, Instant};

use berth_drivers::{
    ContainerDriver, DriverErrorKind,
    container::{ContainerSpec, LabelFilter},
    names,
    sim::{Fault, Operation as Call},
};
use berth_server::{fsck, nodes, tasks};
use berth_store::{self as store, sites::Registration};
use berth_types::{
    SessionId,
    allocations::AllocationStatus,
    facts::HostFacts,
    identity::Scope,
    sessions::{SessionReason, SessionStatus},
    sites::{EngineKind, NodeReachability},
};
use serde_json::json;

use crate::support::{Options, Server, on_both};

async fn server() -> Server {
    let server = Server::start(Options::default()).await;
    server.application("quiet", "sleep infinity").await;
    server
}

async fn attempts(server: &Server, session: SessionId) -> i32 {
    let operations = server.operations().await;
    operations
        .iter()
        .filter(|operation| operation.subject_id == session.0 && operation.status.is_open())
        .map(|o| o.attempts)
        .max()
        .unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_may_go_away_and_come_back() {
    let server = server().await;
    let admin = server.admin.clone();
    // While it starts.
    server.sim().set_away(true);
    let one = server.launch(&admin, "quiet").await;
    server.until("the start was tried twice", || async { (attempts(&server, one).await >= 2).then_some(()) }).await;
    assert!(!server.session(one).await.status.is_terminal());
    server.sim().set_away(false);
    server.running(one).await;

    // While it runs: nothing is wrong with it, and nothing happens to it.
    server.sim().set_away(true);
    let app = server.app();
    server
        .on_runtime(async move { tasks::monitor::round(app.clone()).await.and(tasks::sessions::sweep(app).await) })
        .await
        .unwrap();
    assert_eq!(server.session(one).await.status, SessionStatus::Running);
    let logs = server.get(&format!("/sessions/{one}/logs"), &admin).send().await;
    logs.problem(502, "engine_unavailable", &[]);

    // While it stops.
    server.stop_session(one, 0).await;
    server.until("the stop was tried twice", || async { (attempts(&server, one).await >= 2).then_some(()) }).await;
    assert_eq!(server.session(one).await.status, SessionStatus::Stopping);
    server.sim().set_away(false);
    server.reaches(one, &[SessionStatus::Completed]).await;
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_engine_is_waited_for() {
    let server = server().await;
    for call in
        [Call::EnsureNetwork, Call::EnsureContainer, Call::StartContainer, Call::InspectContainer, Call::StopContainer]
    {
        server.sim().inject(Fault::slow(call, Duration::from_millis(150)));
    }
    let session = server.launch(&server.admin, "quiet").await;
    server.running(session).await;
    assert_eq!(server.sim().calls(Call::StartContainer), 1, "slow is not failed");
    server.stop_session(session, 0).await;
    server.reaches(session, &[SessionStatus::Completed]).await;
    server.sim().clear_faults();
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_interrupts_what_takes_long() {
    on_both(async |database| {
        let server = Server::start(Options::on(database)).await;
        server.application("quiet", "sleep infinity").await;
        // Far longer than anybody here waits.
        server.sim().inject(Fault::slow(Call::PullImage, Duration::from_secs(600)));
        let session = server.launch(&server.admin, "quiet").await;
        server
            .until("the image is being pulled", || async { (server.sim().calls(Call::PullImage) == 1).then_some(()) })
            .await;
        assert_eq!(server.session(session).await.status, SessionStatus::Starting);
        let asked = Instant::now();
        server.stop_session(session, 0).await;
        let ended = server.reaches(session, &[SessionStatus::Cancelled]).await;
        assert!(asked.elapsed() < Duration::from_secs(5), "the stop waited for the pull: {:?}", asked.elapsed());
        assert_eq!(ended.reason, Some(SessionReason::StoppedByUser));
        assert_eq!(server.containers().await, Vec::<String>::new());
        server.sim().clear_faults();
        server.finish().await;
    })
    .await;
}

async fn monitor(server: &Server) {
    let app = server.app();
    server.on_runtime(tasks::monitor::round(app)).await.unwrap();
}

async fn reachability(server: &Server) -> NodeReachability {
    let (app, node) = (server.app(), server.machine().node());
    server.on_runtime(async move { store::sites::node(app.store.reader(), node).await.unwrap().reachability }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_node_is_not_a_dead_node() {
    on_both(async |database| {
        let server = Server::start(Options::on(database)).await;
        server.application("quiet", "sleep infinity").await;
        let session = server.launch(&server.admin, "quiet").await;
        let running = server.running(session).await;
        let starting = server.launch(&server.admin, "quiet").await;
        server.running(starting).await;
        server.clock.advance(chrono::Duration::seconds(20));
        monitor(&server).await;
        let heard = server.clock.now();
        server.sim().set_away(true);
        for (seconds, wanted) in
            [(50, NodeReachability::Late), (80, NodeReachability::Offline), (840, NodeReachability::Offline)]
        {
            server.clock.advance(chrono::Duration::seconds(seconds));
            monitor(&server).await;
            assert_eq!(reachability(&server).await, wanted);
            assert_eq!(server.session(session).await.status, SessionStatus::Running, "it may be running all the while");
        }
        server.clock.advance(chrono::Duration::seconds(60));
        monitor(&server).await;
        assert_eq!(reachability(&server).await, NodeReachability::Failed);
        let lost = server.session(session).await;
        assert_eq!((lost.status, lost.reason), (SessionStatus::Failed, Some(SessionReason::NodeLost)));
        // Charged until the last sign of life, and not for the silence.
        let app = server.app();
        let rows = server
            .on_runtime(async move { store::allocations::of_session(app.store.reader(), session).await.unwrap() })
            .await;
        assert!(!rows.is_empty());
        for row in &rows {
            assert_eq!(row.status, AllocationStatus::Released);
            let end = row.deallocation_time.unwrap();
            assert!(
                end <= heard && end > heard - chrono::Duration::seconds(16),
                "charged until {end}, last heard {heard}"
            );
        }
        // New work waits meanwhile.
        let waiting = server.launch(&server.admin, "quiet").await;
        server.until("the scheduler has looked", || async { server.session(waiting).await.waiting }).await;

        // It returns, with everything still running on it.
        assert_eq!(server.containers_of(0).await.len(), 2);
        server.sim().set_away(false);
        monitor(&server).await;
        assert_eq!(reachability(&server).await, NodeReachability::Online);
        let app = server.app();
        server.on_runtime(tasks::sessions::sweep(app)).await.unwrap();
        let next = server.running(waiting).await;
        assert_eq!(server.containers().await, [Server::container(&next)], "the lost ones' containers are removed");
        assert_ne!(Server::container(&running), Server::container(&next));
        server.stop_session(waiting, 0).await;
        server.finish().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_do_on_an_engine_is_noticed() {
    let server = server().await;
    let admin = server.admin.clone();
    let launch = async || {
        let id = server.launch(&admin, "quiet").await;
        let session = server.running(id).await;
        server.quiet().await;
        (id, Server::container(&session))
    };
    // Ended by itself, in three ways.
    for (exit_code, oom, status, reason) in [
        (0, false, SessionStatus::Completed, SessionReason::Exited),
        (3, false, SessionStatus::Failed, SessionReason::ExitCode),
        (137, true, SessionStatus::Failed, SessionReason::Oom),
    ] {
        let (id, container) = launch().await;
        server.sim().end_container(&container, exit_code, oom).unwrap();
        let ended = server.reaches(id, &[status]).await;
        assert_eq!((ended.reason, ended.exit_code), (Some(reason), Some(exit_code)));
    }
    // Removed.
    let (id, container) = launch().await;
    server.sim().ensure_container_absent(&container).await.unwrap();
    let ended = server.reaches(id, &[SessionStatus::Failed]).await;
    assert_eq!(ended.reason, Some(SessionReason::RemovedOutside));
    // Frozen and thawed.
    let (id, container) = launch().await;
    server.sim().pause_container(&container).await.unwrap();
    server.reaches(id, &[SessionStatus::Paused]).await;
    server.sim().unpause_container(&container).await.unwrap();
    server.running(id).await;
    // Frozen by us, thawed by others; then stopped while frozen by others.
    server.post(&format!("/sessions/{id}/pause"), &admin, json!({})).send().await.expect(202);
    server.reaches(id, &[SessionStatus::Paused]).await;
    server.quiet().await;
    server.sim().unpause_container(&container).await.unwrap();
    server.running(id).await;
    server.sim().pause_container(&container).await.unwrap();
    server.stop_session(id, 0).await;
    server.reaches(id, &[SessionStatus::Completed]).await;
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_no_server_ran_is_noticed() {
    let mut server = server().await;
    let admin = server.admin.clone();
    let mut ids = Vec::new();
    for _ in 0..4 {
        let id = server.launch(&admin, "quiet").await;
        ids.push((id, Server::container(&server.running(id).await)));
    }
    server.quiet().await;
    let sim = server.sim().clone();
    server.kill().await;
    sim.end_container(&ids[0].1, 7, false).unwrap();
    sim.ensure_container_absent(&ids[1].1).await.unwrap();
    sim.pause_container(&ids[2].1).await.unwrap();
    server.restart().await;
    let exited = server.reaches(ids[0].0, &[SessionStatus::Failed]).await;
    assert_eq!((exited.reason, exited.exit_code), (Some(SessionReason::ExitCode), Some(7)));
    let removed = server.reaches(ids[1].0, &[SessionStatus::Failed]).await;
    assert_eq!(removed.reason, Some(SessionReason::RemovedOutside));
    server.reaches(ids[2].0, &[SessionStatus::Paused]).await;
    assert_eq!(server.session(ids[3].0).await.status, SessionStatus::Running);
    for (id, _) in &ids[2..] {
        server.stop_session(*id, 0).await;
    }
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_no_row_knows_is_told_and_kept() {
    let server = server().await;
    let stranger = names::session_container(SessionId::new(), 1);
    let spec = |name: &str, installation: String, session: SessionId| ContainerSpec {
        name: name.to_owned(),
        image: "registry.example/quiet:1".to_owned(),
        command: vec!["sleep".to_owned(), "infinity".to_owned()],
        labels: [
            (names::LABEL_INSTALLATION.to_owned(), installation),
            (names::LABEL_SESSION.to_owned(), session.to_string()),
            (names::LABEL_ATTEMPT.to_owned(), "1".to_owned()),
        ]
        .into(),
        ..ContainerSpec::default()
    };
    let sim = server.sim();
    sim.pull_image("registry.example/quiet:1", None, None).await.unwrap();
    sim.ensure_container(&spec(&stranger, server.app().installation.clone(), SessionId::new())).await.unwrap();
    sim.ensure_container(&spec("somebody-elses", "another installation".to_owned(), SessionId::new())).await.unwrap();
    let app = server.app();
    for _ in 0..2 {
        server.on_runtime(tasks::sessions::sweep(app.clone())).await.unwrap();
    }
    let events = server.get("/events?event_type=container_unknown", &server.admin).send().await.expect(200).body;
    assert_eq!(events["items"].as_array().unwrap().len(), 1, "told once: {events}");
    assert_eq!(server.containers().await.len(), 2);
    let findings = server.on_runtime(async move { fsck::check(&app, true).await }).await.unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(server.containers().await, ["somebody-elses"], "what is not ours is not touched");
    assert!(sim.list_containers(&LabelFilter::default()).await.unwrap().len() == 1);
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_that_is_over_is_over() {
    let server = server().await;
    let launch = json!({"application": "quiet", "max_runtime_minutes": 5});
    let short = server.launch_of(&server.admin, launch.clone()).await;
    let extended = server.launch_of(&server.admin, launch).await;
    server.running(short).await;
    server.running(extended).await;
    server
        .post(&format!("/sessions/{extended}/extend"), &server.admin, json!({"minutes": 10}))
        .send()
        .await
        .expect(200);
    server.clock.advance(chrono::Duration::minutes(6));
    let ended = server.reaches(short, &[SessionStatus::Completed]).await;
    assert_eq!(ended.reason, Some(SessionReason::MaxRuntime));
    assert_eq!(server.session(extended).await.status, SessionStatus::Running);
    server.clock.advance(chrono::Duration::minutes(10));
    let ended = server.reaches(extended, &[SessionStatus::Completed]).await;
    assert_eq!(ended.reason, Some(SessionReason::MaxRuntime));
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_joins_is_shut_to_sessions_too() {
    let server = Server::start(Options { nodes: 2, ..Options::default() }).await;
    let joins = |name: &str, ip: &str| {
        let (app, name, ip) = (server.app(), name.to_owned(), ip.to_owned());
        server.on_runtime(async move {
            let now = app.now();
            let tx = app.store.begin().await.unwrap();
            let home = store::bootstrap::run(&tx, now).await.unwrap();
            let registration = Registration {
                name,
                engine: EngineKind::Sim,
                edge_data_center_id: home.edge_data_center_id,
                resource_pool_id: home.resource_pool_id,
                facts: HostFacts { primary_ip: Some(ip), ..HostFacts::default() },
                totals: Default::default(),
                reservations: Default::default(),
                capabilities: Default::default(),
            };
            store::sites::node_register(&tx, &registration, now).await.unwrap();
            tx.commit().await.unwrap();
        })
    };
    // The server's own turn may come in between with what it read before.
    let denies = async |machine: usize, addresses: &[&str]| {
        let wanted: Vec<String> =
            std::iter::once("169.254.0.0/16").chain(addresses.iter().copied()).map(str::to_owned).collect();
        server
            .until(&format!("machine {machine} denies {wanted:?}"), || async {
                server.on_runtime(nodes::protect_all(server.app())).await.unwrap();
                let denied = server.machines[machine].sim.denied();
                (denied.iter().map(ToString::to_string).collect::<Vec<_>>() == wanted).then_some(())
            })
            .await;
    };
    joins("second", "192.0.2.2").await;
    denies(0, &["192.0.2.2/32"]).await;
    // One whose engine is away gets the rules when it is back, and nobody is alarmed.
    server.machines[1].sim.set_away(true);
    joins("third", "192.0.2.3").await;
    denies(0, &["192.0.2.2/32", "192.0.2.3/32"]).await;
    server.machines[1].sim.set_away(false);
    denies(1, &["192.0.2.2/32", "192.0.2.3/32"]).await;
    // It moves.
    joins("third", "192.0.2.4").await;
    denies(1, &["192.0.2.2/32", "192.0.2.4/32"]).await;
    let alarms = async || {
        let events = server.get("/events?event_type=firewall_missing", &server.admin).send().await.expect(200).body;
        events["items"].as_array().unwrap().len()
    };
    assert_eq!(alarms().await, 0);
    // A host that cannot filter is told of, once.
    let cannot = Fault::once(Call::EnsureFirewall, DriverErrorKind::Unsupported);
    server.sim().inject(Fault { times: None, ..cannot });
    for _ in 0..2 {
        server.on_runtime(nodes::protect_all(server.app())).await.unwrap();
    }
    assert_eq!(alarms().await, 1);
    server.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_tenant_stands_still() {
    let server = server().await;
    let tenant = server.new_tenant("late-payer").await;
    let person = server.person(tenant, "somebody", berth_types::identity::Role::User).await;
    let id = server.launch(&person, "quiet").await;
    let ours = server.launch(&server.admin, "quiet").await;
    server.running(id).await;
    server.running(ours).await;
    let status = |status: &str| {
        let change = json!({"status": status});
        server.ask(http::Method::PATCH, &format!("/tenants/{tenant}")).by(&server.admin.token).json(&change).send()
    };
    status("suspended").await.expect(200);
    server.get("/sessions", &person).send().await.expect(401);
    let app = server.app();
    let stopped = server.reaches(id, &[SessionStatus::Completed]).await;
    assert_eq!(stopped.reason, Some(SessionReason::TenantSuspended));
    assert_eq!(server.session(ours).await.status, SessionStatus::Running, "others go on");
    status("active").await.expect(200);
    let again = server.login(&person).await;
    let id = server.launch(&again, "quiet").await;
    server.running(id).await;
    let page = server
        .on_runtime(async move { store::sessions::get(app.store.reader(), Scope::Platform, id).await.unwrap() })
        .await;
    assert_eq!(page.tenant_id, tenant);
    for id in [id, ours] {
        server.stop_session(id, 0).await;
    }
    server.finish().await;
}
