//! Reading with 100,000 sessions in the database: a page of 100, and one session, as a user and as an admin.

use std::time::Instant;

use anyhow::Result;
use berth_store::{self as store, Json, Set, Store, StoreConfig, sessions::NewSession};
use berth_tests::{Options, Server};
use berth_types::{
    SessionId, TenantId, UserId,
    applications::ApplicationProtocol,
    identity::Role,
    sessions::{NetworkPolicyKind, SessionDesiredState, SessionFilter, SessionReason, SessionStatus, SessionType},
};

use crate::{Report, quantile};

const SESSIONS: usize = 100_000;
const USERS: usize = 20;
const READS: usize = 400;

pub async fn measure(report: &mut Report) -> Result<()> {
    let mut server = Server::start(Options { release: true, ..Options::default() }).await?;
    let admin = server.admin().await?;
    let tenant = admin.profile_get().await?.tenant.id;
    let mut users = Vec::new();
    for number in 0..USERS {
        users.push(server.user(&admin, &format!("user{number}"), Role::User).await?);
    }
    server.kill()?;
    let url = format!("sqlite://{}", server.data_dir().join("berth.sqlite").display());
    let database = Store::open(&StoreConfig { url, max_connections: 1 }).await?;
    let ids = fill(&database, tenant, &users.iter().map(|(id, _)| *id).collect::<Vec<_>>()).await?;
    database.close().await?;
    server.restart().await?;
    let (mut lists, mut gets) = (Vec::new(), Vec::new());
    for number in 0..READS {
        let (_, client) = &users[number % USERS];
        let client = if number % 2 == 0 { client } else { &admin };
        let filter = SessionFilter { limit: Some(100), ..SessionFilter::default() };
        let started = Instant::now();
        let page = client.session_list(&filter).await?;
        lists.push(started.elapsed().as_secs_f64() * 1000.0);
        anyhow::ensure!(page.items.len() == 100, "a full page");
        let id = ids[(number * 7919) % ids.len()];
        let started = Instant::now();
        let session = admin.session_get(id).await?;
        gets.push(started.elapsed().as_secs_f64() * 1000.0);
        anyhow::ensure!(session.id == id);
    }
    for (name, samples) in [("list", &mut lists), ("get", &mut gets)] {
        report.insert(format!("{name}_p50_ms"), quantile(samples, 0.5));
        report.insert(format!("{name}_p99_ms"), quantile(samples, 0.99));
    }
    Ok(())
}

async fn fill(database: &Store, tenant: TenantId, users: &[UserId]) -> Result<Vec<SessionId>> {
    #[expect(clippy::disallowed_methods, reason = "a benchmark has no clock of its own")]
    let now = chrono::Utc::now();
    let mut ids = Vec::with_capacity(SESSIONS);
    for batch in 0..SESSIONS / 1000 {
        let tx = database.begin().await?;
        for number in 0..1000 {
            let id = SessionId::new();
            let user = users[number % users.len()];
            store::sessions::insert(&tx, ended(id, tenant, user, batch * 1000 + number, now)).await?;
            ids.push(id);
        }
        tx.commit().await?;
    }
    Ok(ids)
}

fn ended(id: SessionId, tenant: TenantId, user: UserId, number: usize, now: berth_types::Timestamp) -> NewSession {
    NewSession {
        id: Set(id),
        tenant_id: Set(tenant),
        user_id: Set(user),
        account_group_id: Set(None),
        session_name: Set(format!("session-{number}")),
        session_type: Set(SessionType::Interactive),
        application: Set("terminal".to_owned()),
        application_id: Set(None),
        application_protocol: Set(ApplicationProtocol::None),
        application_port: Set(None),
        container_image: Set("berth/builtin:1".to_owned()),
        container_id: Set(None),
        command: Set(Json(vec!["berth-terminal".to_owned()])),
        shell: Set(Json(Vec::new())),
        status: Set(SessionStatus::Completed),
        desired_state: Set(SessionDesiredState::Stopped),
        generation: Set(2),
        observed_generation: Set(2),
        attempt: Set(1),
        reason: Set(Some(SessionReason::StoppedByUser)),
        message: Set(Some("Stopped by its owner.".to_owned())),
        exit_code: Set(Some(0)),
        deadline_at: Set(None),
        priority: Set(5),
        preemptible: Set(false),
        privileged: Set(false),
        max_runtime_minutes: Set(480),
        ends_at: Set(Some(now)),
        stop_grace_seconds: Set(Some(10)),
        cpu_request_millicores: Set(250),
        cpu_limit_millicores: Set(250),
        memory_request_mib: Set(128),
        memory_limit_mib: Set(128),
        gpu_request_milli: Set(0),
        gpu_type: Set(None),
        storage_request_mib: Set(512),
        storage_used_mib: Set(Some(1)),
        network_policy: Set(NetworkPolicyKind::Default),
        network_subnet: Set(None),
        environment_variables: Set(Json(Default::default())),
        resource_constraints: Set(Json(Default::default())),
        placement_preferences: Set(Json(Default::default())),
        resource_pool_id: Set(None),
        scheduled_node_id: Set(None),
        placement: Set(None),
        waiting_position: Set(None),
        waiting: Set(None),
        queued_at: Set(now),
        start_time: Set(Some(now)),
        end_time: Set(Some(now)),
        created_at: Set(now),
        updated_at: Set(now),
    }
}
