//! Launch: from the HTTP request until Docker's own start event, against create + start by the bare API, taken in turn so
//! that both meet the same machine. Also idle memory and time to ready.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use berth_client::Client;
use berth_tests::{Options, Server, docker, eventually};
use berth_types::{
    identity::Role,
    sessions::{SessionLaunch, SessionStop},
};
use bollard::{
    Docker,
    models::{ContainerCreateBody, EventMessage},
    query_parameters::{
        CreateContainerOptionsBuilder, EventsOptions, InspectContainerOptions, RemoveContainerOptionsBuilder,
        StartContainerOptions,
    },
};
use futures::StreamExt;
use tokio::sync::oneshot;

use crate::{Report, quantile};

/// Launches of each kind, one at a time.
const ALONE: usize = 30;
/// Rounds of eight at once, of each kind.
const ROUNDS: usize = 6;
const PARALLEL: usize = 8;

/// Waits for start events, by container name.
#[derive(Clone, Default)]
struct Starts(Arc<Mutex<HashMap<String, Instant>>>, Arc<Mutex<HashMap<String, oneshot::Sender<Instant>>>>);

impl Starts {
    fn saw(&self, name: String) {
        let at = Instant::now();
        if let Some(waiting) = self.1.lock().unwrap_or_else(PoisonError::into_inner).remove(&name) {
            let _ = waiting.send(at);
        } else {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, at);
        }
    }

    async fn of(&self, name: &str) -> Result<Instant> {
        let receiver = {
            let mut waiting = self.1.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name) {
                return Ok(at);
            }
            let (sender, receiver) = oneshot::channel();
            waiting.insert(name.to_owned(), sender);
            receiver
        };
        Ok(tokio::time::timeout(std::time::Duration::from_secs(60), receiver).await??)
    }
}

/// Create + start by the bare API, of a container with the settings of Berth's own.
async fn bare(docker: &Docker, starts: &Starts, like: &ContainerCreateBody, name: String) -> Result<f64> {
    let started = Instant::now();
    docker.create_container(Some(CreateContainerOptionsBuilder::new().name(&name).build()), like.clone()).await?;
    docker.start_container(&name, None::<StartContainerOptions>).await?;
    let at = starts.of(&name).await?;
    let taken = (at - started).as_secs_f64() * 1000.0;
    docker.remove_container(&name, Some(RemoveContainerOptionsBuilder::new().force(true).build())).await?;
    Ok(taken)
}

/// The settings of a session's container, network included, but without labels: Berth would take it for its own.
async fn settings_of(docker: &Docker, client: &Client) -> Result<ContainerCreateBody> {
    let session = client.session_launch(&small()).await?.id;
    eventually("the session runs", 30, async || {
        Ok(client.session_get(session).await?.status == berth_types::sessions::SessionStatus::Running)
    })
    .await?;
    let found = docker.inspect_container(&format!("berth-{session}-1"), None::<InspectContainerOptions>).await?;
    let config = found.config.context("no config")?;
    client.session_stop(session, &SessionStop { grace_seconds: Some(0) }).await?;
    Ok(ContainerCreateBody {
        image: config.image,
        cmd: config.cmd,
        env: config.env,
        hostname: config.hostname,
        exposed_ports: config.exposed_ports,
        host_config: found.host_config,
        ..ContainerCreateBody::default()
    })
}

fn small() -> SessionLaunch {
    SessionLaunch {
        application: "terminal".to_owned(),
        cpu_request: Some(0.2),
        memory_request_gb: Some(0.015625),
        storage_request_gb: Some(0.0),
        ..SessionLaunch::default()
    }
}

async fn through_berth(client: &Client, starts: &Starts) -> Result<f64> {
    let started = Instant::now();
    let session = client.session_launch(&small()).await?;
    let at = starts.of(&format!("berth-{}-1", session.id)).await?;
    let taken = (at - started).as_secs_f64() * 1000.0;
    eventually("the session runs", 30, async || {
        Ok(client.session_get(session.id).await?.status == berth_types::sessions::SessionStatus::Running)
    })
    .await?;
    client.session_stop(session.id, &SessionStop { grace_seconds: Some(0) }).await?;
    eventually("the session is gone", 60, async || Ok(client.session_get(session.id).await?.status.is_terminal()))
        .await?;
    Ok(taken)
}

pub async fn measure(report: &mut Report) -> Result<()> {
    let socket = docker().context("the launch cannot be measured without Docker")?;
    let engine = Docker::connect_with_unix(socket.trim_start_matches("unix://"), 60, bollard::API_DEFAULT_VERSION)?;
    engine.ping().await?;
    let starts = Starts::default();
    let (events, seen) = (engine.clone(), starts.clone());
    tokio::spawn(async move {
        let mut stream = events.events(None::<EventsOptions>);
        while let Some(Ok(EventMessage { action: Some(action), actor: Some(actor), .. })) = stream.next().await {
            let name = actor.attributes.and_then(|mut attributes| attributes.remove("name"));
            if let (true, Some(name)) = (action == "start", name) {
                seen.saw(name);
            }
        }
    });
    let variables = vec![("BERTH_SESSION_NETWORKS".to_owned(), "10.221.0.0/16".to_owned())];
    let options = Options { docker: Some(socket), release: true, variables, ..Options::default() };
    let server = Server::start(options.clone()).await?;
    let admin = server.admin().await?;
    let (_, client) = server.user(&admin, "bench", Role::User).await?;
    eventually("the node is online", 30, async || Ok(!admin.node_list(&Default::default()).await?.items.is_empty()))
        .await?;
    // The first makes image and network, which later ones find.
    through_berth(&client, &starts).await?;
    let like = settings_of(&engine, &client).await?;
    let (mut alone, mut alone_bare) = (Vec::new(), Vec::new());
    for number in 0..ALONE {
        alone.push(through_berth(&client, &starts).await?);
        alone_bare.push(bare(&engine, &starts, &like, format!("bench-bare-{number}")).await?);
    }
    let (mut eight, mut eight_bare) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let launches = (0..PARALLEL).map(|_| through_berth(&client, &starts));
        eight.extend(futures::future::try_join_all(launches).await?);
        let launches =
            (0..PARALLEL).map(|number| bare(&engine, &starts, &like, format!("bench-bare-{round}-{number}")));
        eight_bare.extend(futures::future::try_join_all(launches).await?);
    }
    for (name, samples, bare) in [("1", &mut alone, &mut alone_bare), ("8", &mut eight, &mut eight_bare)] {
        for (label, q) in [("p50", 0.5), ("p99", 0.99)] {
            let (ours, theirs) = (quantile(samples, q), quantile(bare, q));
            report.insert(format!("launch_ms_{label}_{name}"), ours);
            report.insert(format!("bare_ms_{label}_{name}"), theirs);
            report.insert(format!("launch_ratio_{label}_{name}"), ours / theirs);
        }
    }
    idle(report, &options).await
}

/// A server that has started and has nothing to do.
async fn idle(report: &mut Report, options: &Options) -> Result<()> {
    let mut server = Server::start(options.clone()).await?;
    let mut ready = Vec::new();
    for _ in 0..5 {
        server.kill()?;
        let started = Instant::now();
        server.restart().await?;
        ready.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    report.insert("ready_ms".to_owned(), quantile(&mut ready, 0.5));
    let pid = server.pid().context("no process")?;
    // After its first rounds of every task.
    tokio::time::sleep(std::time::Duration::from_secs(20)).await;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    ensure!(kib > 0.0);
    report.insert("idle_rss_mib".to_owned(), kib / 1024.0);
    Ok(())
}
