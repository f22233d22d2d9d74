//! One fault at a time, at every engine call of every kind of operation.

use berth_drivers::{
    ContainerDriver, DriverErrorKind, builtin_images,
    container::ContainerStatus,
    sim::{Fault, FaultPoint, Operation as Call},
};
use berth_types::{
    SessionId,
    identity::Role,
    operations::{OperationKind, OperationStatus},
    sessions::{SessionReason, SessionStatus},
};
use serde_json::json;

use crate::support::{Engine, Options, Person, Point, Server, on_both};

/// How an operation comes to calls that it does not always make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Usual,
    /// The image is a built-in one that the engine has not got yet.
    BuiltinImage,
    /// The engine refuses to stop it, as one that is frozen.
    Refused,
}

/// Kinds of operations on sessions, and every engine call that each makes.
pub const CALLS: &[(OperationKind, Way, &[Call])] = &[
    (
        OperationKind::SessionStart,
        Way::Usual,
        &[
            Call::EnsureNetwork,
            Call::ImagePresent,
            Call::PullImage,
            Call::EnsureContainer,
            Call::StartContainer,
            Call::InspectContainer,
        ],
    ),
    (OperationKind::SessionStart, Way::BuiltinImage, &[Call::ImportImage]),
    (OperationKind::SessionPause, Way::Usual, &[Call::PauseContainer, Call::InspectContainer]),
    (OperationKind::SessionResume, Way::Usual, &[Call::UnpauseContainer, Call::InspectContainer]),
    (
        OperationKind::SessionStop,
        Way::Usual,
        &[Call::StopContainer, Call::InspectContainer, Call::Logs, Call::EnsureContainerAbsent],
    ),
    (OperationKind::SessionStop, Way::Refused, &[Call::KillContainer]),
];

#[test]
fn every_kind_is_under_test() {
    for &kind in OperationKind::ALL {
        // Draining calls no engine by itself; `draining.rs` has it.
        let listed = kind == OperationKind::NodeDrain || CALLS.iter().any(|(other, ..)| *other == kind);
        assert!(listed, "{kind} has no faults to stand");
    }
}

/// A user, an application and a session of their own: nothing is known of its network and image beforehand.
pub struct Case {
    pub person: Person,
    pub application: String,
    pub session: SessionId,
}

/// Where a session has to stand before the operation, and after it.
fn ends(kind: OperationKind) -> (Option<SessionStatus>, SessionStatus) {
    use SessionStatus::{Completed, Paused, Running};
    match kind {
        OperationKind::SessionStart => (None, Running),
        OperationKind::SessionPause => (Some(Running), Paused),
        OperationKind::SessionResume => (Some(Paused), Running),
        _ => (Some(Running), Completed),
    }
}

/// Brings a new session to where the operation begins; for a start, only its makings.
pub async fn prepare(server: &Server, kind: OperationKind, way: Way) -> Case {
    let name = format!("a{}", &uuid::Uuid::now_v7().simple().to_string()[16..]);
    let person = server.person(server.tenant, &name, Role::User).await;
    server.application(&name, "sleep infinity").await;
    let mut case = Case { person, application: name, session: SessionId::new() };
    if way == Way::BuiltinImage {
        case.application = "terminal".to_owned();
        server.sim().ensure_image_absent(builtin_images::REFERENCE).await.unwrap();
        server.app().memory.forget_image(server.machine().node(), builtin_images::REFERENCE);
    }
    let (before, _) = ends(kind);
    if before.is_some() {
        case.session = server.launch(&case.person, &case.application).await;
        server.running(case.session).await;
    }
    if before == Some(SessionStatus::Paused) {
        act(server, &case, "pause").await;
        server.reaches(case.session, &[SessionStatus::Paused]).await;
    }
    server.quiet().await;
    case
}

async fn act(server: &Server, case: &Case, action: &str) {
    server.post(&format!("/sessions/{}/{action}", case.session), &case.person, json!({})).send().await.expect(202);
}

/// Asks for the operation.
pub async fn begin(server: &Server, kind: OperationKind, way: Way, case: &mut Case) {
    if way == Way::Refused {
        server.sim().inject(Fault { times: None, ..Fault::once(Call::StopContainer, DriverErrorKind::Conflict) });
    }
    match kind {
        OperationKind::SessionStart => case.session = server.launch(&case.person, &case.application).await,
        OperationKind::SessionPause => act(server, case, "pause").await,
        OperationKind::SessionResume => act(server, case, "resume").await,
        _ => server.stop_session(case.session, 0).await,
    }
}

/// It ends as it should, and the engine is as the row says.
pub async fn check(server: &Server, kind: OperationKind, case: &Case) {
    let (_, wanted) = ends(kind);
    let session = server.reaches(case.session, &[wanted]).await;
    server.quiet().await;
    let state = server.sim().inspect_container(&Server::container(&session)).await.unwrap();
    let on_engine = match wanted {
        SessionStatus::Running => Some(ContainerStatus::Running),
        SessionStatus::Paused => Some(ContainerStatus::Paused),
        _ => None,
    };
    assert_eq!(state.map(|state| state.status), on_engine);
    assert_eq!(session.attempt, 1);
}

/// Gives everything back.
pub async fn clear(server: &Server, case: &Case) {
    let session = server.session(case.session).await;
    if !session.status.is_terminal() {
        server.stop_session(case.session, 0).await;
        server.reaches(case.session, &[SessionStatus::Completed]).await;
    }
    assert_eq!(server.containers().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_may_fail_or_lose_its_answer() {
    on_both(async |database| {
        let server = Server::start(Options::on(database)).await;
        for (kind, way, calls) in CALLS {
            for &call in *calls {
                let faults = [
                    Fault::once(call, DriverErrorKind::Unavailable),
                    Fault::once(call, DriverErrorKind::Timeout),
                    Fault::once_after(call),
                    Fault { times: Some(3), ..Fault::once_after(call) },
                ];
                for fault in faults {
                    println!("{kind}: {call:?} {:?} {:?}", fault.point, fault.error);
                    // An image that came without a word is found by the next look.
                    let brings_image = matches!(call, Call::PullImage | Call::ImportImage);
                    let found = brings_image && fault.point == FaultPoint::After;
                    let mut case = prepare(&server, *kind, *way).await;
                    let asked = server.sim().calls(call);
                    server.sim().inject(fault);
                    begin(&server, *kind, *way, &mut case).await;
                    check(&server, *kind, &case).await;
                    assert!(server.sim().calls(call) > asked + u64::from(!found), "{call:?} was not made again");
                    server.sim().clear_faults();
                    server.agrees().await;
                    clear(&server, &case).await;
                }
            }
        }
        server.finish().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_may_be_made_twice() {
    on_both(async |database| {
        let server = Server::start(Options::on(database)).await;
        server.gate().twice(true);
        for (kind, way, calls) in CALLS {
            let mut case = prepare(&server, *kind, *way).await;
            let before: Vec<u64> = calls.iter().map(|call| server.sim().calls(*call)).collect();
            begin(&server, *kind, *way, &mut case).await;
            check(&server, *kind, &case).await;
            for (call, before) in calls.iter().zip(before) {
                assert!(server.sim().calls(*call) >= before + 2, "{kind}: {call:?} was not made twice");
            }
            server.sim().clear_faults();
            server.agrees().await;
            clear(&server, &case).await;
        }
        server.finish().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_be_killed_at_every_call() {
    on_both(async |database| {
        let mut server = Server::start(Options::on(database)).await;
        for (kind, way, calls) in CALLS {
            for &call in *calls {
                for point in [Point::Before, Point::After] {
                    println!("{kind}: killed {point:?} {call:?}");
                    let mut case = prepare(&server, *kind, *way).await;
                    server.gate().hold(call, point);
                    begin(&server, *kind, *way, &mut case).await;
                    let machine = server.machine().clone();
                    server.held(&machine.gate).await;
                    server.kill().await;
                    machine.gate.open();
                    pass_leases(&server, database);
                    server.restart().await;
                    check(&server, *kind, &case).await;
                    server.sim().clear_faults();
                    server.agrees().await;
                    clear(&server, &case).await;
                }
            }
        }
        server.finish().await;
    })
    .await;
}

/// A replica cannot know that another one is dead before its leases have run out.
pub fn pass_leases(server: &Server, database: Engine) {
    if database == Engine::Postgres {
        server.clock.advance(chrono::Duration::seconds(berth_server::ops::LEASE_SECONDS + 1));
    }
}

/// What an engine says that will not pass: the session fails, says why, and leaves nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn what_will_not_pass_fails_with_its_reason() {
    let mut server = Server::start(Options::default()).await;
    let always = |call, error| Fault { times: None, ..Fault::once(call, error) };
    let table = [
        (Call::PullImage, DriverErrorKind::ImagePull, SessionReason::ImagePull),
        (Call::PullImage, DriverErrorKind::ImageNotFound, SessionReason::ImagePull),
        (Call::EnsureNetwork, DriverErrorKind::Conflict, SessionReason::StartFailed),
        (Call::EnsureContainer, DriverErrorKind::InvalidRequest, SessionReason::EngineError),
        (Call::EnsureContainer, DriverErrorKind::Unavailable, SessionReason::StartTimeout),
        (Call::StartContainer, DriverErrorKind::InvalidRequest, SessionReason::StartFailed),
        (Call::StartContainer, DriverErrorKind::Ambiguous, SessionReason::StartTimeout),
        (Call::StartContainer, DriverErrorKind::NotFound, SessionReason::RemovedOutside),
    ];
    for (call, error, reason) in table {
        println!("{call:?} always says {error}");
        let mut case = prepare(&server, OperationKind::SessionStart, Way::Usual).await;
        server.sim().inject(always(call, error));
        begin(&server, OperationKind::SessionStart, Way::Usual, &mut case).await;
        if reason == SessionReason::StartTimeout {
            // It is tried for as long as a start may take.
            server.until("it is tried again", || async { (server.sim().calls(call) >= 2).then_some(()) }).await;
            server.clock.advance(chrono::Duration::minutes(16));
        }
        let session = server.reaches(case.session, &[SessionStatus::Failed]).await;
        assert_eq!(session.reason, Some(reason), "{:?}", session.message);
        assert!(session.message.is_some_and(|text| !text.contains("scripted")), "the engine's words are not for users");
        server.sim().clear_faults();
        server.quiet().await;
        let failed: Vec<_> = server
            .operations()
            .await
            .into_iter()
            .filter(|o| o.subject_id == case.session.0 && o.status == OperationStatus::Failed)
            .collect();
        assert_eq!(failed.len(), 1, "the start fails, and nothing else");
        server.expect_failure(failed[0].id);
        server.agrees().await;
        clear(&server, &case).await;
    }
    server.finish().await;
}
