//! Many at the same time: never more than there is, whoever asks wherever, and whatever dies meanwhile.

use berth_types::{
    SessionId,
    identity::{QuotaConfig, Role},
    sessions::SessionStatus,
};
use serde_json::{Value, json};

use crate::support::{Engine, Options, Person, Server, databases};

/// Four cores: four sessions of one core each.
fn small(database: Engine) -> Options {
    Options { cpu_millicores: 4_000, memory_mib: 64 * 1024, ..Options::on(database) }
}

fn one_core() -> Value {
    json!({"application": "quiet", "cpu_request": 1.0, "memory_request_gb": 0.125})
}

const PLACED: [SessionStatus; 5] = [
    SessionStatus::Scheduled,
    SessionStatus::Starting,
    SessionStatus::Running,
    SessionStatus::Paused,
    SessionStatus::Stopping,
];

/// Launches by everybody at once, each at the next of the servers.
async fn launch_all(servers: &[&Server], people: &[Person], each: usize) -> Vec<(SessionId, Person)> {
    let mut asked = Vec::new();
    for round in 0..each {
        for (index, person) in people.iter().enumerate() {
            let server = servers[(index + round) % servers.len()];
            asked.push((tokio::spawn(server.post("/sessions", person, one_core()).send()), person.clone()));
        }
    }
    let mut ids = Vec::new();
    for (answer, person) in asked {
        let body = answer.await.unwrap().expect(201).body;
        ids.push((serde_json::from_value(body["id"].clone()).unwrap(), person));
    }
    ids
}

/// What must hold at every moment; returns what runs.
async fn within_bounds(server: &Server, ids: &[(SessionId, Person)], bound: &Person, quota: usize) -> Vec<SessionId> {
    let mut placed = Vec::new();
    let mut of_bound = 0;
    let mut running = Vec::new();
    for (id, person) in ids {
        let session = server.session(*id).await;
        if PLACED.contains(&session.status) {
            placed.push(*id);
            of_bound += usize::from(person.tenant == bound.tenant);
        }
        if session.status == SessionStatus::Running {
            running.push(*id);
        }
    }
    // Rows are read one after another while others move, so the ledger has the last word.
    let detail =
        server.get(&format!("/nodes/{}", server.machine().node()), &server.admin).send().await.expect(200).body;
    let cpu = detail["resources"].as_array().unwrap().iter().find(|row| row["resource_type"] == "cpu").unwrap().clone();
    assert!(cpu["allocated_capacity"].as_i64().unwrap() <= 4_000, "{cpu}");
    let quotas = server.get(&format!("/tenants/{}/quota", bound.tenant), &server.admin).send().await.expect(200).body;
    let sessions = quotas.as_array().unwrap().iter().find(|row| row["resource"] == "sessions").unwrap().clone();
    assert!(sessions["used"].as_f64().unwrap() as usize <= quota, "{sessions}");
    assert!(server.containers().await.len() <= 4 + placed.len().saturating_sub(4));
    assert!(of_bound <= quota + 1, "{of_bound} of a tenant that may have {quota}");
    running
}

/// Everybody gets their turn, a few at a time.
async fn all_run(server: &Server, ids: &[(SessionId, Person)], bound: &Person, quota: usize) {
    let mut left: Vec<(SessionId, Person)> = ids.to_vec();
    while !left.is_empty() {
        let running = server
            .until("somebody's turn comes", || async {
                let running = within_bounds(server, &left, bound, quota).await;
                (!running.is_empty()).then_some(running)
            })
            .await;
        for id in &running {
            server.stop_session(*id, 0).await;
        }
        for id in &running {
            server.reaches(*id, &[SessionStatus::Completed]).await;
        }
        left.retain(|(id, _)| !running.contains(id));
    }
}

async fn people(server: &Server) -> (Vec<Person>, Person) {
    server.application("quiet", "sleep infinity").await;
    let quota = QuotaConfig { sessions: Some(2), ..QuotaConfig::default() };
    let small = server.tenant_with("small", quota).await;
    let bound = server.person(small, "bound", Role::User).await;
    let other = server.person(server.tenant, "other", Role::User).await;
    let third = server.person(server.tenant, "third", Role::User).await;
    (vec![bound.clone(), other, third], bound)
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_launches_never_exceed_capacity_or_quota() {
    for database in databases() {
        println!("on {database:?}");
        let server = Server::start(small(database)).await;
        let (people, bound) = people(&server).await;
        let ids = launch_all(&[&server], &people, 4).await;
        all_run(&server, &ids, &bound, 2).await;
        server.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_never_exceed_capacity_or_quota() {
    if !databases().contains(&Engine::Postgres) {
        return;
    }
    let one = Server::start(small(Engine::Postgres)).await;
    let mut two = one.replica().await;
    let (people, bound) = people(&one).await;
    let ids = launch_all(&[&one, &two], &people, 4).await;
    all_run(&one, &ids, &bound, 2).await;

    // One of them dies in the middle; the other carries on with everything.
    let ids = launch_all(&[&one, &two], &people, 3).await;
    two.kill().await;
    all_run(&one, &ids, &bound, 2).await;
    one.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_again_and_again_loses_nothing() {
    for database in databases() {
        println!("on {database:?}");
        let mut server = Server::start(Options::on(database)).await;
        server.application("quiet", "sleep infinity").await;
        // Fixed, so that a failure can be repeated as far as threads allow.
        let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
        let mut random = move |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        let mut ids = Vec::new();
        for _ in 0..8 {
            for _ in 0..3 {
                ids.push(server.launch(&server.admin, "quiet").await);
            }
            for _ in 0..4 {
                let id = ids[random(ids.len() as u64) as usize];
                let action = ["pause", "resume", "stop"][random(3) as usize];
                // Many of these are refused in the state that the session is in; none may do harm.
                let answer = server.post(&format!("/sessions/{id}/{action}"), &server.admin, json!({})).send().await;
                assert!(matches!(answer.status.as_u16(), 202 | 409), "{}", answer.text);
            }
            let calls = random(12);
            let sum = |server: &Server| -> u64 {
                use berth_drivers::sim::Operation as Call;
                [
                    Call::EnsureNetwork,
                    Call::PullImage,
                    Call::EnsureContainer,
                    Call::StartContainer,
                    Call::InspectContainer,
                    Call::StopContainer,
                ]
                .into_iter()
                .map(|call| server.sim().calls(call))
                .sum()
            };
            let until = sum(&server) + calls;
            let mut looks = 0;
            // Killed after so many further engine calls, or when nothing more happens.
            server
                .until("the engine was called so often", || {
                    looks += 1;
                    let over = looks > 50;
                    let enough = sum(&server) >= until || over;
                    async move { enough.then_some(()) }
                })
                .await;
            server.kill().await;
            crate::faults::pass_leases(&server, database);
            server.restart().await;
        }
        // What waited for the dead servers' leases is placed by now.
        for id in &ids {
            let placed = || async { (server.session(*id).await.status != SessionStatus::Pending).then_some(()) };
            server.until("every session is placed", placed).await;
        }
        server.quiet().await;
        server.agrees().await;
        for id in ids {
            let session = server.session(id).await;
            assert!(
                matches!(session.status, SessionStatus::Running | SessionStatus::Paused)
                    || session.status.is_terminal(),
                "{}",
                session.status
            );
            if !session.status.is_terminal() {
                server.stop_session(id, 0).await;
            }
        }
        server.quiet().await;
        assert_eq!(server.containers().await, Vec::<String>::new());
        server.finish().await;
    }
}

/// Who comes at the same moment waits for the other, and is not put off to a later try.
#[tokio::test(flavor = "multi_thread")]
async fn networks_of_sessions_that_start_together_are_made_at_the_first_try() {
    for database in databases() {
        let server = Server::start(Options::on(database)).await;
        server.application("quiet", "sleep infinity").await;
        let mut people = Vec::new();
        for number in 0..6 {
            people.push(server.person(server.tenant, &format!("together-{number}"), Role::User).await);
        }
        let ids = launch_all(&[&server], &people, 3).await;
        for (id, _) in &ids {
            server.running(*id).await;
        }
        let tries: Vec<i32> = server.operations().await.into_iter().map(|operation| operation.attempts).collect();
        assert_eq!(tries, vec![0; ids.len()], "no start was tried again");
        server.finish().await;
    }
}
