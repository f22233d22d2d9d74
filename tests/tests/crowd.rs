//! 200 sessions by 20 users against a quota of 50 and a node with room for 60, while the server is killed five times.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use berth_client::Client;
use berth_tests::{Options, Server, docker, eventually, postgres};
use berth_types::{
    NodeId,
    allocations::AllocationStatus,
    identity::{QuotaConfig, Role, TenantUpdate},
    sessions::{SessionFilter, SessionLaunch, SessionReason, SessionStatus},
    sites::{NodeResourceUpdate, NodeUpdate, ResourceKind},
};

/// What each session asks for, millicores.
const CPU: i64 = 30;

struct Crowd {
    users: usize,
    sessions_each: usize,
    quota: i64,
    /// Sessions the node could hold.
    room: i64,
    kills: usize,
}

async fn tell(options: Options, crowd: &Crowd) -> Result<()> {
    let real = options.docker.is_some();
    let mut server = Server::start(options).await?;
    let admin = server.admin().await?;
    let node = the_node(&admin).await?;
    let tenant = admin.profile_get().await?.tenant;
    let quota_config = QuotaConfig { sessions: Some(crowd.quota), ..QuotaConfig::default() };
    let update = TenantUpdate { quota_config: Some(quota_config), ..TenantUpdate::default() };
    admin.tenant_update(tenant.id, &update, None).await?;
    make_room(&admin, node, crowd.room).await?;
    let mut users = Vec::new();
    for number in 0..crowd.users {
        users.push(server.user(&admin, &format!("user{number}"), Role::User).await?.1);
    }
    let launching: Vec<_> = users
        .into_iter()
        .enumerate()
        .map(|(user, client)| tokio::spawn(launch_all(client, user, crowd.sessions_each)))
        .collect();
    let total = crowd.users * crowd.sessions_each;
    for kill in 1..=crowd.kills {
        // Spread over the launches: each kill waits for its share of rows.
        let share = total * kill / (crowd.kills + 1);
        eventually("sessions arrive", 300, async || Ok(count(&admin, None).await.unwrap_or(0) >= share)).await?;
        server.restart().await?;
    }
    for task in launching {
        task.await??;
    }
    ensure!(count(&admin, None).await? == total, "every launch that was answered is there");
    let quota = usize::try_from(crowd.quota)?;
    eventually("the quota's worth of sessions runs", 300, async || {
        Ok(count(&admin, Some("running")).await.unwrap_or(0) == quota
            && count(&admin, Some("scheduled,starting")).await.unwrap_or(1) == 0)
    })
    .await?;
    let rest = total - quota;
    eventually("the rest waits for the quota", 120, async || waiting_for_quota(&admin, rest).await).await?;
    ensure!(count(&admin, Some("running")).await? == quota);
    ledger_agrees(&admin, node, crowd.quota).await?;
    if real {
        ensure!(server.containers(false)?.len() == quota, "docker ps: {:?}", server.containers(false)?);
        ensure!(server.containers(true)?.len() == quota, "docker ps --all: {:?}", server.containers(true)?);
    }
    server.kill()?;
    let (code, output) = server.berth(&["admin", "fsck"])?;
    ensure!(code == 0, "fsck found something: {output}");
    Ok(())
}

async fn launch_all(client: Client, user: usize, count: usize) -> Result<()> {
    for number in 0..count {
        let launch = SessionLaunch {
            application: "terminal".to_owned(),
            session_name: Some(format!("s-{user}-{number}")),
            cpu_request: Some(CPU as f64 / 1000.0),
            memory_request_gb: Some(0.015625),
            storage_request_gb: Some(0.0),
            ..SessionLaunch::default()
        };
        // The client repeats with the same Idempotency-Key what a kill left unanswered.
        let mut tries = 0;
        while let Err(error) = client.session_launch(&launch).await {
            if error.code() == Some(berth_types::ErrorCode::AlreadyExists) {
                break;
            }
            tries += 1;
            ensure!(error.is_temporary() && tries < 100, "launch {user}/{number}: {error}");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
    Ok(())
}

async fn the_node(admin: &Client) -> Result<NodeId> {
    let nodes = async || Ok::<_, anyhow::Error>(admin.node_list(&Default::default()).await?.items);
    eventually("the node is registered", 30, async || Ok(!nodes().await?.is_empty())).await?;
    nodes().await?.first().map(|node| node.id).context("no node")
}

/// Reserves CPU until exactly `room` sessions fit.
async fn make_room(admin: &Client, node: NodeId, room: i64) -> Result<()> {
    let detail = admin.node_get(node).await?;
    let cpu = detail.resources.iter().find(|resource| resource.resource_type == ResourceKind::Cpu);
    let total = cpu.map_or(0, |resource| resource.total_capacity);
    let ratio = ((room * CPU) as f64 / total as f64).ceil().max(1.0);
    let sold = (total as f64 * ratio) as i64;
    let update = NodeResourceUpdate {
        resource_type: ResourceKind::Cpu,
        reservation_capacity: Some(sold - room * CPU),
        overcommit_ratio: Some(ratio),
        max_per_workload: None,
    };
    admin.node_update(node, &NodeUpdate { resources: Some(vec![update]), ..NodeUpdate::default() }, None).await?;
    Ok(())
}

async fn sessions(admin: &Client, status: Option<&str>) -> Result<Vec<berth_types::sessions::Session>> {
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let filter =
            SessionFilter { limit: Some(500), cursor, status: status.map(str::to_owned), ..SessionFilter::default() };
        let page = admin.session_list(&filter).await?;
        all.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

async fn count(admin: &Client, status: Option<&str>) -> Result<usize> {
    Ok(sessions(admin, status).await?.len())
}

async fn waiting_for_quota(admin: &Client, expected: usize) -> Result<bool> {
    let waiting = sessions(admin, Some("pending")).await?;
    let explained = waiting.iter().all(|session| {
        session.reason == Some(SessionReason::Quota)
            && session
                .waiting
                .as_ref()
                .is_some_and(|waiting| waiting.explanation.contains("quota") && waiting.position > 0)
    });
    Ok(waiting.len() == expected && explained && waiting.iter().all(|session| session.status == SessionStatus::Pending))
}

async fn ledger_agrees(admin: &Client, node: NodeId, expected: i64) -> Result<()> {
    let mut sums: BTreeMap<ResourceKind, i64> = BTreeMap::new();
    let mut cursor = None;
    loop {
        let filter = berth_client::AllocationFilter {
            limit: Some(500),
            cursor,
            node_id: Some(node),
            status: Some(AllocationStatus::Active),
            ..Default::default()
        };
        let page = admin.allocation_list(&filter).await?;
        for row in page.items {
            *sums.entry(row.resource_type).or_default() += row.allocated_amount;
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    ensure!(sums.get(&ResourceKind::Cpu) == Some(&(expected * CPU)), "ledger: {sums:?}");
    ensure!(sums.get(&ResourceKind::Memory) == Some(&(expected * 16)), "ledger: {sums:?}");
    for resource in admin.node_get(node).await?.resources {
        let ledger = sums.get(&resource.resource_type).copied().unwrap_or(0);
        ensure!(
            resource.allocated_capacity == ledger,
            "{} says {}, ledger {ledger}",
            resource.resource_type,
            resource.allocated_capacity
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_on_docker_while_the_server_is_killed() -> Result<()> {
    let Some(socket) = docker() else { return Ok(()) };
    let variables = vec![("BERTH_SESSION_NETWORKS".to_owned(), "10.220.0.0/16".to_owned())];
    let options = Options { docker: Some(socket), variables, ..Options::default() };
    tell(options, &Crowd { users: 20, sessions_each: 10, quota: 50, room: 60, kills: 5 }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_ten_times_the_size_on_a_simulated_engine() -> Result<()> {
    let options = Options { sim_nodes: 1, ..Options::default() };
    tell(options, &Crowd { users: 20, sessions_each: 100, quota: 500, room: 600, kills: 5 }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_on_postgresql() -> Result<()> {
    let Some(database) = postgres()? else { return Ok(()) };
    let options = Options { sim_nodes: 1, database_url: Some(database.url.clone()), ..Options::default() };
    tell(options, &Crowd { users: 10, sessions_each: 20, quota: 50, room: 60, kills: 3 }).await
}
