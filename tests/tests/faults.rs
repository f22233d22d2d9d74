//! The database is locked or gone, the disk is full: a clear answer meanwhile, and nothing lost afterwards.

use anyhow::{Context, Result, ensure};
use berth_client::Client;
use berth_store::{Store, StoreConfig};
use berth_tests::{Options, Server, eventually, postgres};
use berth_types::{
    ErrorCode,
    identity::ApiTokenCreate,
    sessions::{SessionLaunch, SessionStatus},
};

fn small() -> SessionLaunch {
    SessionLaunch { application: "terminal".to_owned(), ..SessionLaunch::default() }
}

async fn running(client: &Client) -> Result<berth_types::SessionId> {
    let id = client.session_launch(&small()).await?.id;
    eventually("the session runs", 30, async || Ok(client.session_get(id).await?.status == SessionStatus::Running))
        .await?;
    Ok(id)
}

async fn status(server: &Server, path: &str) -> Result<u16> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    Ok(client.get(format!("{}{path}", server.url())).send().await?.status().as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_is_waited_for_and_then_said() -> Result<()> {
    let server = Server::start(Options { sim_nodes: 1, ..Options::default() }).await?;
    let admin = server.admin().await?;
    running(&admin).await?;
    let impatient = impatient(&server, &admin).await?;
    let url = format!("sqlite://{}", server.data_dir().join("berth.sqlite").display());
    let other = Store::open(&StoreConfig { url, max_connections: 1 }).await?;
    let lock = other.begin().await?;
    // Readers do not wait for a writer.
    ensure!(admin.session_list(&Default::default()).await?.items.len() == 1);
    let refused = impatient.session_launch(&small()).await.err().context("a launch without a database")?;
    ensure!(refused.code() == Some(ErrorCode::DatabaseUnavailable), "{refused}");
    ensure!(refused.problem().is_some_and(|problem| !problem.detail.contains("sqlite")), "{refused}");
    lock.rollback().await?;
    running(&admin).await?;
    ensure!(admin.session_list(&Default::default()).await?.items.len() == 2, "the refused launch left nothing");
    Ok(())
}

/// A client that does not repeat what failed, made while the database still answers.
async fn impatient(server: &Server, admin: &Client) -> Result<Client> {
    let create: ApiTokenCreate = serde_json::from_value(serde_json::json!({"name": "impatient"}))?;
    let token = admin.api_token_create(&create).await?.token;
    Ok(Client::builder(server.url()).token(token).retries(0).build()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_gone_comes_back() -> Result<()> {
    let Some(database) = postgres()? else { return Ok(()) };
    let options = Options { sim_nodes: 1, database_url: Some(database.url.clone()), ..Options::default() };
    let server = Server::start(options).await?;
    let admin = server.admin().await?;
    let first = running(&admin).await?;
    let impatient = impatient(&server, &admin).await?;
    database.shut()?;
    eventually("it says that it is not ready", 60, async || Ok(status(&server, "/readyz").await? == 503)).await?;
    ensure!(status(&server, "/healthz").await? == 200, "the process itself lives");
    ensure!(status(&server, "/api/v1/sessions").await? == 401, "who is not logged in learns nothing");
    let refused = impatient.session_list(&Default::default()).await.err().context("a list without a database")?;
    ensure!(refused.code() == Some(ErrorCode::DatabaseUnavailable), "{refused}");
    database.open()?;
    eventually("it is ready again", 60, async || Ok(status(&server, "/readyz").await? == 200)).await?;
    ensure!(admin.session_get(first).await?.status == SessionStatus::Running, "nothing was lost");
    running(&admin).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_loses_nothing() -> Result<()> {
    if std::env::var_os("BERTH_SKIP_DISK_FULL").is_some() {
        eprintln!("skipped: BERTH_SKIP_DISK_FULL is set");
        return Ok(());
    }
    let mut server = Server::start(Options { sim_nodes: 1, disk_mib: Some(48), ..Options::default() }).await?;
    let admin = server.admin().await?;
    let first = running(&admin).await?;
    let impatient = impatient(&server, &admin).await?;
    let ballast = server.data_dir().join("ballast");
    fill(&ballast)?;
    // The write-ahead log has room of its own for a while.
    let mut refused = None;
    for _ in 0..2000 {
        refused = impatient.session_launch(&small()).await.err();
        if refused.is_some() {
            break;
        }
        fill(&ballast)?;
    }
    let refused = refused.context("launches on a full disk")?;
    ensure!(refused.code() == Some(ErrorCode::DatabaseUnavailable), "{refused}");
    ensure!(admin.session_get(first).await?.status == SessionStatus::Running, "reading goes on");
    std::fs::remove_file(&ballast)?;
    running(&admin).await?;
    server.kill()?;
    let (code, output) = server.berth(&["admin", "fsck"])?;
    ensure!(code == 0, "fsck found something: {output}");
    Ok(())
}

/// Takes what is left of the file system.
fn fill(path: &std::path::Path) -> Result<()> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    for size in [1 << 20, 1 << 12] {
        let block = vec![1; size];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
    }
    Ok(())
}
