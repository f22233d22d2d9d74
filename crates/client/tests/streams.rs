//! WebSockets and event streams against axum, which is what the server is built of.
#![expect(clippy::unwrap_used, reason = "a test ends where something is missing")]

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Body,
    extract::{
        Json, Path, State, WebSocketUpgrade,
        ws::{Message as Sent, WebSocket},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use berth_client::{Client, Message, TokenStore, Tokens};
use berth_types::{ErrorCode, sessions::Ticket};
use futures::{SinkExt, StreamExt};

#[derive(Default)]
struct Seen {
    refreshes: Vec<String>,
    valid: String,
    ticket_authorization: Option<String>,
}

type Shared = Arc<Mutex<Seen>>;

async fn start() -> (String, Shared) {
    let shared = Shared::default();
    shared.lock().unwrap().valid = "fresh".to_owned();
    let router = Router::new()
        .route("/api/v1/streams/{what}", get(socket))
        .route("/api/v1/events/stream", get(events))
        .route("/api/v1/tenants", get(tenants))
        .route("/api/v1/auth/refresh", post(refresh))
        .with_state(shared.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (server, shared)
}

async fn socket(
    Path(what): Path<String>,
    State(shared): State<Shared>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    shared.lock().unwrap().ticket_authorization =
        headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    if what == "refused" {
        return refusal();
    }
    upgrade.on_upgrade(echo)
}

fn refusal() -> Response {
    let problem = berth_types::Error::new(ErrorCode::Unauthenticated, "This ticket ran out.").problem("r");
    (StatusCode::UNAUTHORIZED, Json(problem)).into_response()
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Sent::Binary(_)) {
            socket.send(message).await.unwrap();
        } else if matches!(message, Sent::Text(_)) {
            socket.send(Sent::Text("{\"exit_code\":3}".into())).await.unwrap();
            return;
        }
    }
}

async fn events() -> Response {
    let lines = [
        "data: {\"type\":\"session\",\"id\":null,\"n\":1}\n",
        "\n: alive\n\nda",
        "ta: {\"type\":\"node\",\"id\":null}\n\n",
    ];
    let body = Body::from_stream(futures::stream::iter(lines.map(Ok::<_, std::io::Error>)));
    ([("content-type", "text/event-stream")], body).into_response()
}

async fn tenants(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let valid = format!("Bearer {}", shared.lock().unwrap().valid);
    if headers.get("authorization").is_none_or(|sent| *sent != *valid) {
        return refusal();
    }
    Json(serde_json::json!({ "items": [] })).into_response()
}

async fn refresh(State(shared): State<Shared>, body: String) -> Response {
    let mut seen = shared.lock().unwrap();
    seen.refreshes.push(body);
    let time = "2026-11-21T03:30:00Z";
    let id = uuid::Uuid::now_v7();
    Json(serde_json::json!({
        "access_token": seen.valid, "refresh_token": "next", "access_expires_at": time, "refresh_expires_at": time,
        "user": {"id": id, "tenant_id": id, "username": "u", "role": "user", "status": "active",
            "failed_login_attempts": 0, "must_change_password": false, "preferences": {}, "quota_config": {},
            "generation": 1, "created_at": time, "updated_at": time}
    }))
    .into_response()
}

fn ticket(url: &str) -> Ticket {
    Ticket { url: url.to_owned(), expires_at: "2026-11-21T03:30:00Z".parse().unwrap() }
}

#[tokio::test]
async fn a_web_socket_carries_both_ways_and_ends() {
    let (server, shared) = start().await;
    let client = Client::builder(&server).token("an-api-token").build().unwrap();
    let mut socket = client.open_web_socket(&ticket("/api/v1/streams/terminal?ticket=T")).await.unwrap();
    let big = vec![7; 200_000];
    socket.send(Message::Binary(big.clone().into())).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Binary(big.into()));
    socket.send(Message::text("end")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("{\"exit_code\":3}"));
    assert_eq!(shared.lock().unwrap().ticket_authorization, None, "a ticket is all the authority there is");
}

#[tokio::test]
async fn a_refused_ticket_is_a_problem() {
    let (server, _) = start().await;
    let client = Client::builder(&server).token("an-api-token").build().unwrap();
    let error = client.open_web_socket(&ticket("/api/v1/streams/refused?ticket=SECRET")).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::Unauthenticated));
    assert!(!format!("{error} {error:?}").contains("SECRET"));
    let error = client.open_web_socket(&ticket("/api/v1/tenants?ticket=SECRET")).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("SECRET"));
}

#[tokio::test]
async fn events_come_as_items() {
    let (server, _) = start().await;
    let client = Client::builder(&server).token("an-api-token").build().unwrap();
    let items: Vec<_> = client.event_stream().await.unwrap().map(|item| item.unwrap()).collect().await;
    assert_eq!(items.iter().map(|item| item.kind.as_str()).collect::<Vec<_>>(), ["session", "node"]);
    assert_eq!(items[0].rest["n"], 1);
}

/// Refreshing is left to the client alone here.
struct Nowhere;

impl TokenStore for Nowhere {
    fn lock(&self) -> std::io::Result<Box<dyn berth_client::LockedTokens>> {
        Ok(Box::new(Kept))
    }
}

struct Kept;

impl berth_client::LockedTokens for Kept {
    fn read(&mut self) -> std::io::Result<Option<Tokens>> {
        Ok(Some(stale()))
    }

    fn on_tokens(&mut self, _: &Tokens) -> std::io::Result<()> {
        Ok(())
    }
}

fn stale() -> Tokens {
    let time = "2026-11-21T03:30:00Z".parse().unwrap();
    Tokens {
        access_token: "stale".to_owned(),
        refresh_token: "refresh-1".to_owned(),
        access_expires_at: time,
        refresh_expires_at: time,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_requests_refresh_once() {
    let (server, shared) = start().await;
    let client = Client::builder(&server).login(stale(), Nowhere).build().unwrap();
    let requests = (0..20).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.tenant_list(&Default::default()).await })
    });
    for request in futures::future::join_all(requests).await {
        request.unwrap().unwrap();
    }
    let refreshes = shared.lock().unwrap().refreshes.clone();
    assert_eq!(refreshes, ["{\"refresh_token\":\"refresh-1\"}"]);
}
