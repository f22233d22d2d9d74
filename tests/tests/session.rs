//! What people do with a session, on the real Docker Engine: everything that a container does is seen, everything that
//! was made is gone in the end.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use berth_client::Client;
use berth_tests::{Options, Server, docker, eventually};
use berth_types::{
    ErrorCode, SessionId,
    identity::Role,
    sessions::{
        EnvironmentValue, NetworkPolicyKind, SecretReference, Session, SessionExec, SessionExecResult, SessionExtend,
        SessionLaunch, SessionReason, SessionStatus, SessionStop, TicketCreate, TicketPurpose,
    },
    settings::SecretCreate,
};
use futures::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

async fn server(networks: &str) -> Result<Option<(Server, Client)>> {
    let Some(socket) = docker() else { return Ok(None) };
    let variables = vec![("BERTH_SESSION_NETWORKS".to_owned(), networks.to_owned())];
    let server =
        Server::start(Options { docker: Some(socket), variables, everywhere: true, ..Options::default() }).await?;
    let admin = server.admin().await?;
    eventually("the node is there", 30, async || Ok(!admin.node_list(&Default::default()).await?.items.is_empty()))
        .await?;
    Ok(Some((server, admin)))
}

fn small(application: &str) -> SessionLaunch {
    SessionLaunch {
        application: application.to_owned(),
        cpu_request: Some(0.05),
        memory_request_gb: Some(0.03125),
        storage_request_gb: Some(0.0),
        ..SessionLaunch::default()
    }
}

async fn launch(client: &Client, request: &SessionLaunch) -> Result<Session> {
    let id = client.session_launch(request).await?.id;
    reach(client, id, SessionStatus::Running).await
}

async fn reach(client: &Client, id: SessionId, status: SessionStatus) -> Result<Session> {
    let what = format!("session {id} is {status}");
    eventually(&what, 60, async || Ok(client.session_get(id).await?.status == status)).await?;
    Ok(client.session_get(id).await?)
}

async fn end(client: &Client, id: SessionId) -> Result<Session> {
    eventually("the session has ended", 60, async || Ok(client.session_get(id).await?.status.is_terminal())).await?;
    Ok(client.session_get(id).await?)
}

async fn shell(client: &Client, id: SessionId, script: &str) -> Result<SessionExecResult> {
    let command = ["sh", "-c", script].map(str::to_owned).to_vec();
    Ok(client.session_exec(id, &SessionExec { command, timeout_seconds: Some(30) }).await?)
}

async fn log(client: &Client, id: SessionId) -> Result<String> {
    let mut stream = client.session_logs(id, None, false).await?;
    let mut text = Vec::new();
    while let Some(bytes) = stream.next().await {
        text.extend_from_slice(&bytes?);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

async fn socket(
    server: &Server,
    client: &Client,
    id: SessionId,
    create: TicketCreate,
) -> Result<tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>> {
    let ticket = client.ticket_create(id, &create).await?;
    let url = format!("{}{}", server.url().replacen("http", "ws", 1), ticket.url);
    let (socket, _) = tokio_tungstenite::connect_async(&url).await?;
    ensure!(tokio_tungstenite::connect_async(&url).await.is_err(), "a ticket works once");
    Ok(socket)
}

fn ticket(purpose: TicketPurpose) -> TicketCreate {
    TicketCreate { purpose, port: None, command: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_worked_in() -> Result<()> {
    let Some((server, admin)) = server("10.222.0.0/16").await? else { return Ok(()) };
    let (_, user) = server.user(&admin, "ada", Role::User).await?;
    user.secret_create(&SecretCreate { name: "token".to_owned(), value: "swordfish".to_owned(), tenant_wide: false })
        .await?;
    let environment_variables = BTreeMap::from([
        ("PLAIN".to_owned(), EnvironmentValue::Value("yes".to_owned())),
        ("HIDDEN".to_owned(), EnvironmentValue::Secret(SecretReference { secret: "token".to_owned() })),
    ]);
    let request = SessionLaunch { session_name: Some("My Page".to_owned()), environment_variables, ..small("web") };
    let session = launch(&user, &request).await?;
    let id = session.id;
    ensure!(server.containers(false)? == [format!("berth-{id}-1")], "docker ps agrees");
    let run = shell(&user, id, "hostname; echo $PLAIN $HIDDEN; echo wrong >&2; exit 3").await?;
    ensure!(run.stdout == "my-page\nyes swordfish\n" && run.stderr == "wrong\n" && run.exit_code == Some(3), "{run:?}");
    let shown = serde_json::to_string(&user.session_get(id).await?)?;
    ensure!(!shown.contains("swordfish") && !server.log().contains("swordfish"), "the secret stays inside");
    ensure!(log(&user, id).await?.contains("8080"), "the log");

    // A terminal: what is typed comes back, its size is known, its exit code is told.
    let mut terminal = socket(&server, &user, id, ticket(TicketPurpose::Terminal)).await?;
    terminal.send(Message::text(r#"{"resize":{"cols":123,"rows":45}}"#)).await?;
    terminal.send(Message::binary("stty size; exit 7\n")).await?;
    let mut screen = String::new();
    let mut exit = None;
    while let Some(Ok(message)) = terminal.next().await {
        match message {
            Message::Binary(bytes) => screen.push_str(&String::from_utf8_lossy(&bytes)),
            Message::Text(text) => exit = serde_json::from_str::<serde_json::Value>(&text)?["exit_code"].as_i64(),
            _ => {}
        }
    }
    ensure!(screen.contains("45 123") && exit == Some(7), "terminal: {screen:?} {exit:?}");

    // The application, on its own origin, with a cookie from a ticket, without Berth's cookies.
    let url = user.ticket_create(id, &ticket(TicketPurpose::Application)).await?.url;
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
    let entered = browser.get(&url).send().await?;
    let cookies: Vec<String> = entered
        .headers()
        .get_all("set-cookie")
        .iter()
        .filter_map(|value| Some(value.to_str().ok()?.split(';').next()?.to_owned()))
        .collect();
    ensure!(entered.status() == 303 && cookies.len() == 2, "{entered:?}");
    ensure!(browser.get(&url).send().await?.status() == 401, "a ticket works once");
    let base = url.split("/_berth").next().context("url")?;
    ensure!(browser.get(base).send().await?.status() == 401, "nothing without the cookie");
    let page = browser.get(base).header("cookie", cookies.join("; ")).send().await?.text().await?;
    ensure!(page.to_lowercase().contains("<html"), "{page}");

    // A port, raw.
    let forward = TicketCreate { port: Some(8080), ..ticket(TicketPurpose::PortForward) };
    let mut port = socket(&server, &user, id, forward).await?;
    port.send(Message::binary("GET / HTTP/1.0\r\n\r\n")).await?;
    let mut answer = String::new();
    while let Some(Ok(Message::Binary(bytes))) = port.next().await {
        answer.push_str(&String::from_utf8_lossy(&bytes));
    }
    ensure!(answer.starts_with("HTTP/1."), "{answer}");

    // Pause and resume; what runs is what the engine says.
    user.session_pause(id).await?;
    reach(&user, id, SessionStatus::Paused).await?;
    ensure!(server.docker(&["inspect", "-f", "{{.State.Status}}", &format!("berth-{id}-1")])?.trim() == "paused");
    ensure!(shell(&user, id, "true").await.is_err(), "nothing runs in a paused session");
    user.session_resume(id).await?;
    reach(&user, id, SessionStatus::Running).await?;
    let longer = user.session_extend(id, &SessionExtend { minutes: 30 }).await?;
    ensure!(longer.max_runtime_minutes == session.max_runtime_minutes + 30 && longer.ends_at > session.ends_at);

    // Somebody else of the same tenant sees nothing of it.
    let (_, other) = server.user(&admin, "eve", Role::User).await?;
    let refused = other.session_get(id).await.err().and_then(|error| error.code());
    ensure!(refused == Some(ErrorCode::NotFound), "{refused:?}");

    user.session_stop(id, &SessionStop::default()).await?;
    let ended = end(&user, id).await?;
    ensure!(
        ended.status == SessionStatus::Completed && ended.reason == Some(SessionReason::StoppedByUser),
        "{ended:?}"
    );
    ensure!(server.containers(true)?.is_empty(), "nothing is left");
    ensure!(log(&user, id).await?.contains("8080"), "the log is kept");
    let ledger = user.session_allocations(id).await?;
    ensure!(!ledger.is_empty() && ledger.iter().all(|row| row.deallocation_time.is_some()), "{ledger:?}");
    for row in user.usage_record_list(&Default::default()).await?.items {
        let held = ledger.iter().find(|held| held.resource_type == row.resource_type).context("a ledger row")?;
        let seconds = (held.deallocation_time.context("released")? - held.allocation_time).num_seconds();
        ensure!(row.amount_seconds == held.allocated_amount * seconds, "{row:?} of {held:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_a_session_is_named() -> Result<()> {
    let Some((server, admin)) = server("10.223.0.0/16").await? else { return Ok(()) };
    let batch = |script: &str| SessionLaunch {
        command: Some(["sh", "-c", script].map(str::to_owned).to_vec()),
        ..small("batch")
    };
    let cases = [
        ("echo done", SessionStatus::Completed, SessionReason::Exited, Some(0)),
        ("sleep 1; echo failing; exit 4", SessionStatus::Failed, SessionReason::ExitCode, Some(4)),
        // More than its memory limit.
        ("sleep 1; tail /dev/zero", SessionStatus::Failed, SessionReason::Oom, Some(137)),
    ];
    let mut launched = Vec::new();
    for (script, ..) in &cases {
        launched.push(admin.session_launch(&batch(script)).await?.id);
    }
    for (id, (script, status, reason, code)) in launched.iter().zip(&cases) {
        let ended = end(&admin, *id).await?;
        ensure!(
            ended.status == *status
                && ended.reason == Some(*reason)
                && (ended.exit_code == *code || *reason == SessionReason::Oom),
            "{script}: {ended:?}"
        );
        ensure!(ended.message.is_some(), "{ended:?}");
    }
    ensure!(log(&admin, launched[1]).await?.contains("failing"), "the log of a failed job is kept");

    // What somebody does behind our back is noticed within five seconds.
    let session = launch(&admin, &small("terminal")).await?;
    server.docker(&["pause", &format!("berth-{}-1", session.id)])?;
    eventually("the pause is noticed", 5, async || {
        Ok(admin.session_get(session.id).await?.status == SessionStatus::Paused)
    })
    .await?;
    server.docker(&["unpause", &format!("berth-{}-1", session.id)])?;
    eventually("and the resumption", 5, async || {
        Ok(admin.session_get(session.id).await?.status == SessionStatus::Running)
    })
    .await?;
    server.docker(&["rm", "--force", &format!("berth-{}-1", session.id)])?;
    eventually("the removal is noticed", 5, async || {
        let session = admin.session_get(session.id).await?;
        // Killed and removed are two events; whichever is seen first names the reason.
        let named = matches!(session.reason, Some(SessionReason::RemovedOutside | SessionReason::ExitCode));
        Ok(session.status == SessionStatus::Failed && named)
    })
    .await?;

    // An image that no registry has.
    let wrong: berth_types::applications::ApplicationCreate = serde_json::from_value(serde_json::json!({
        "name": "nowhere", "title": "Nowhere", "container_image": "localhost:1/none:1"
    }))?;
    admin.application_create(&wrong).await?;
    let id = admin.session_launch(&small("nowhere")).await?.id;
    let ended = end(&admin, id).await?;
    ensure!(ended.status == SessionStatus::Failed && ended.reason == Some(SessionReason::ImagePull), "{ended:?}");

    // Patience is bounded: what ignores the request to stop is killed.
    let deaf = launch(&admin, &batch("trap '' TERM; while true; do sleep 1; done")).await?;
    admin.session_stop(deaf.id, &SessionStop { grace_seconds: Some(1) }).await?;
    ensure!(end(&admin, deaf.id).await?.status == SessionStatus::Completed);
    ensure!(server.containers(true)?.is_empty(), "nothing is left");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_confined() -> Result<()> {
    let Some((server, admin)) = server("10.224.0.0/16").await? else { return Ok(()) };
    let (_, ada) = server.user(&admin, "ada", Role::User).await?;
    let (_, eve) = server.user(&admin, "eve", Role::User).await?;
    let page = launch(&ada, &small("web")).await?;
    let friend = launch(&ada, &small("terminal")).await?;
    let stranger = launch(&eve, &small("terminal")).await?;
    let alone =
        launch(&ada, &SessionLaunch { network_policy: Some(NetworkPolicyKind::Isolated), ..small("terminal") }).await?;
    let mute =
        launch(&ada, &SessionLaunch { network_policy: Some(NetworkPolicyKind::None), ..small("terminal") }).await?;
    let address = shell(&ada, page.id, "ip -4 -o addr show eth0 | sed 's/.*inet //; s#/.*##'").await?.stdout;
    let address = address.trim();
    ensure!(address.starts_with("10.224."), "{address}");
    // nc, since the resolver of a static busybox does not work in an image without glibc's libraries.
    let ask = |host: &str, port: &str| {
        format!("printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {host} {port} | grep -q HTTP && echo reached")
    };
    let fetch = ask(address, "8080");
    let reached =
        async |client: &Client, id| Ok::<_, anyhow::Error>(shell(client, id, &fetch).await?.stdout.contains("reached"));
    ensure!(reached(&ada, friend.id).await?, "a user's own sessions reach each other");
    ensure!(!reached(&eve, stranger.id).await?, "another user's do not");
    ensure!(!reached(&ada, alone.id).await?, "an isolated one does not");
    ensure!(!reached(&ada, mute.id).await?, "one without network does not");
    // The host's own services: this very server, by the bridge's address.
    let gateway = "$(ip route | sed -n 's/default via \\([0-9.]*\\).*/\\1/p')";
    let host = ask(gateway, server.url().rsplit(':').next().context("port")?);
    ensure!(!shell(&ada, friend.id, &host).await?.stdout.contains("reached"), "the host is shut");
    let status = shell(&ada, friend.id, "grep -E 'CapBnd|NoNewPrivs|Seccomp:' /proc/1/status; id -u").await?.stdout;
    ensure!(
        status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2") && !status.contains("ffffffff"),
        "{status}"
    );
    let privileged = SessionLaunch { privileged: true, ..small("terminal") };
    let refused = ada.session_launch(&privileged).await.err().and_then(|error| error.code());
    ensure!(refused == Some(ErrorCode::Forbidden), "{refused:?}");

    // More than was asked for is measured, and ends it.
    let greedy = launch(&ada, &SessionLaunch { storage_request_gb: Some(0.015625), ..small("terminal") }).await?;
    shell(&ada, greedy.id, "dd if=/dev/zero of=/tmp/big bs=1M count=40 2>/dev/null").await?;
    let ended = end(&ada, greedy.id).await?;
    ensure!(ended.reason == Some(SessionReason::StorageExceeded), "{ended:?}");
    Ok(())
}
