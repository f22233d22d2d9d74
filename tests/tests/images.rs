//! Images come from a registry while people watch, on the real Docker Engine; or they do not come, and people are told why.

use std::{collections::BTreeSet, sync::Mutex, time::Duration};

use anyhow::{Context, Result, ensure};
use berth_client::Client;
use berth_drivers::testkit::registry::{Image, Manner, Registry};
use berth_tests::{Options, Server, docker, eventually};
use berth_types::{
    SessionId,
    identity::ApiTokenCreate,
    sessions::{Session, SessionReason, SessionStatus, SessionStop},
};
use serde_json::json;

/// The percentage in an operation's words.
fn percent(session: &Session) -> Option<u32> {
    let message = session.operation.as_ref()?.message.as_deref()?;
    message.strip_prefix("Pulling the image: ")?.strip_suffix(" %")?.parse().ok()
}

/// `berth session launch`, as a person types it.
fn launch(server: &Server, token: &str, application: &str) -> Result<SessionId> {
    let url = server.url();
    let global = ["--server", &url, "--token", token, "--output", "json"];
    let command = ["session", "launch", "--application", application, "--cpu", "0.05", "--memory", "32MB"];
    let (code, text) = server.berth(&[&command[..], &global].concat())?;
    ensure!(code == 0, "{text}");
    Ok(serde_json::from_str::<Session>(&text).with_context(|| text)?.id)
}

async fn application(admin: &Client, name: &str, image: &str) -> Result<()> {
    let create = json!({"name": name, "title": name, "container_image": image, "default_storage_gb": 0.0});
    admin.application_create(&serde_json::from_value(create)?).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pulled_before_everybodys_eyes() -> Result<()> {
    let Some(socket) = docker() else { return Ok(()) };
    let variables = vec![("BERTH_SESSION_NETWORKS".to_owned(), "10.225.0.0/16".to_owned())];
    let server = Server::start(Options { docker: Some(socket), variables, ..Options::default() }).await?;
    let admin = server.admin().await?;
    eventually("the node is there", 30, async || Ok(!admin.node_list(&Default::default()).await?.items.is_empty()))
        .await?;
    let token = ApiTokenCreate { name: "story".to_owned(), expires_in_days: 1, permissions: Vec::new() };
    let token = admin.api_token_create(&token).await?.token;

    let architecture = server.docker(&["version", "--format", "{{.Server.Arch}}"])?.trim().to_owned();
    let image = |name: &str, manner| Image::runnable(name, manner, &architecture);
    let slow = image("slow", Manner::Slow(Duration::from_secs(6)))?;
    let registry = Registry::start(vec![slow, image("broken", Manner::Broken)?]).await?;
    for name in ["slow", "broken", "missing"] {
        application(&admin, name, &registry.reference(name)).await?;
    }

    let id = launch(&server, &token, "slow")?;
    let seen = Mutex::new(Vec::new());
    eventually("the pulled image runs", 60, async || {
        let session = admin.session_get(id).await?;
        ensure!(!session.status.is_terminal(), "{session:?}");
        if let Some(percent) = percent(&session) {
            ensure!(session.status == SessionStatus::Starting, "{session:?}");
            seen.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.push(percent);
        }
        Ok(session.status == SessionStatus::Running)
    })
    .await?;
    let seen = seen.into_inner()?;
    ensure!(seen.is_sorted() && seen.last() <= Some(&100), "{seen:?}");
    ensure!(seen.iter().collect::<BTreeSet<_>>().len() >= 4, "too few steps: {seen:?}");
    ensure!(admin.session_get(id).await?.operation.is_none(), "done is done");
    ensure!(server.containers(false)? == [format!("berth-{id}-1")], "docker ps agrees");
    admin.session_stop(id, &SessionStop { grace_seconds: Some(0) }).await?;

    // What the registry has not is not asked for again; what breaks off is.
    for (name, asked, says) in [("missing", 1, "has no image"), ("broken", 3, "could not be pulled in 3 tries")] {
        let id = launch(&server, &token, name)?;
        eventually("the launch fails", 60, async || Ok(admin.session_get(id).await?.status.is_terminal())).await?;
        let ended = admin.session_get(id).await?;
        let message = ended.message.clone().unwrap_or_default();
        ensure!(
            ended.status == SessionStatus::Failed && ended.reason == Some(SessionReason::ImagePull),
            "{name}: {ended:?}"
        );
        ensure!(message.contains(&registry.reference(name)) && message.contains(says), "{name}: {message}");
        ensure!(message.contains("Check "), "the remedy: {message}");
        let requests = registry.requests(&format!("/v2/{name}/manifests/1"));
        ensure!(requests >= asked, "{name} was asked for {requests} times");
    }
    eventually("the first one has ended", 30, async || Ok(admin.session_get(id).await?.status.is_terminal())).await?;
    ensure!(server.containers(true)?.is_empty(), "nothing is left");
    server.docker(&["image", "rm", &registry.reference("slow")])?;
    Ok(())
}
