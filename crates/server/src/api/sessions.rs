//! Routes of sessions. Terminals, logs that are followed and ports are in `streams`.

use std::sync::Arc;

use axum::{
    body::Body as RawBody,
    extract::Request,
    response::{IntoResponse, Response},
};
use berth_store as store;
use berth_types::{
    Error, SessionId,
    allocations::Allocation,
    events::{EventFilter, SystemEvent},
    metrics::{MetricFilter, MetricPoint},
    page::Page,
    sessions::{
        Accepted, Session, SessionCheck, SessionExec, SessionExecResult, SessionExtend, SessionFilter, SessionLaunch,
        SessionStop, Ticket, TicketCreate,
    },
};
use futures::TryStreamExt;
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    PageQuery,
    call::{Call, begin, ok, ok_tagged},
    extract::{Body, Path, Query},
    frame::Reply,
};
use crate::app::{self, App, AppError};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(session_list, session_launch))
        .routes(routes!(session_check))
        .routes(routes!(session_get))
        .routes(routes!(session_stop))
        .routes(routes!(session_pause))
        .routes(routes!(session_resume))
        .routes(routes!(session_extend))
        .routes(routes!(session_logs))
        .routes(routes!(session_exec))
        .routes(routes!(session_files_get, session_files_put))
        .routes(routes!(ticket_create))
        .routes(routes!(session_metrics))
        .routes(routes!(session_events))
        .routes(routes!(session_allocations))
}

/// Lists the sessions that the caller may see.
#[utoipa::path(get, path = "/sessions", operation_id = "session_list", tag = "sessions", params(SessionFilter),
    responses((status = 200, body = Page<Session>)))]
async fn session_list(call: Call, Query(filter): Query<SessionFilter>) -> Reply {
    super::check_limit(filter.limit)?;
    super::check_text("application", filter.application.as_deref())?;
    super::check_text("search", filter.search.as_deref())?;
    ok(&store::sessions::list(call.db(), call.scope, &filter).await.map_err(AppError::from)?)
}

/// Launches an application. It waits as `pending` until a node has room for it.
#[utoipa::path(post, path = "/sessions", operation_id = "session_launch", tag = "sessions", request_body = SessionLaunch,
    responses((status = 201, body = Session)))]
async fn session_launch(call: Call, Body(request): Body<SessionLaunch>) -> Reply {
    let mut write = begin!(call);
    let session = app::sessions::launch(&mut write, request).await?;
    write.answer_tagged(StatusCode::CREATED, session.generation, &session).await
}

/// Says what a launch would meet now, without launching.
#[utoipa::path(post, path = "/sessions/check", operation_id = "session_check", tag = "sessions", request_body = SessionLaunch,
    responses((status = 200, body = SessionCheck)))]
async fn session_check(call: Call, Body(request): Body<SessionLaunch>) -> Reply {
    ok(&app::sessions::check(&call, request).await?)
}

/// One session, with what Berth is doing to it.
#[utoipa::path(get, path = "/sessions/{id}", operation_id = "session_get", tag = "sessions", params(("id" = SessionId, Path)),
    responses((status = 200, body = Session)))]
async fn session_get(call: Call, Path(id): Path<SessionId>) -> Reply {
    let session = store::sessions::get(call.db(), call.scope, id).await.map_err(AppError::from)?;
    ok_tagged(session.generation, &session)
}

/// Stops a session: gracefully, then by force. A waiting one is cancelled.
#[utoipa::path(post, path = "/sessions/{id}/stop", operation_id = "session_stop", tag = "sessions",
    params(("id" = SessionId, Path)), request_body = SessionStop, responses((status = 202, body = Accepted)))]
async fn session_stop(call: Call, Path(id): Path<SessionId>, Body(request): Body<SessionStop>) -> Reply {
    let mut write = begin!(call);
    app::sessions::stop(&mut write, id, request.grace_seconds).await?;
    accepted(write, id).await
}

/// Freezes a running session; it keeps and pays its allocation.
#[utoipa::path(post, path = "/sessions/{id}/pause", operation_id = "session_pause", tag = "sessions",
    params(("id" = SessionId, Path)), responses((status = 202, body = Accepted)))]
async fn session_pause(call: Call, Path(id): Path<SessionId>) -> Reply {
    let mut write = begin!(call);
    app::sessions::set_paused(&mut write, id, true).await?;
    accepted(write, id).await
}

/// Thaws a paused session.
#[utoipa::path(post, path = "/sessions/{id}/resume", operation_id = "session_resume", tag = "sessions",
    params(("id" = SessionId, Path)), responses((status = 202, body = Accepted)))]
async fn session_resume(call: Call, Path(id): Path<SessionId>) -> Reply {
    let mut write = begin!(call);
    app::sessions::set_paused(&mut write, id, false).await?;
    accepted(write, id).await
}

async fn accepted(write: super::call::Write<'_>, id: SessionId) -> Reply {
    let session = store::sessions::get(&write.tx, write.call.scope, id).await.map_err(AppError::from)?;
    let operation_id = session.operation.as_ref().map(|operation| operation.id);
    write.answer(StatusCode::ACCEPTED, &Accepted { operation_id, session }).await
}

/// Adds minutes to a session's time.
#[utoipa::path(post, path = "/sessions/{id}/extend", operation_id = "session_extend", tag = "sessions",
    params(("id" = SessionId, Path)), request_body = SessionExtend, responses((status = 200, body = Session)))]
async fn session_extend(call: Call, Path(id): Path<SessionId>, Body(request): Body<SessionExtend>) -> Reply {
    let mut write = begin!(call);
    let session = app::sessions::extend(&mut write, id, request.minutes).await?;
    write.answer_tagged(StatusCode::OK, session.generation, &session).await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct LogQuery {
    /// Only the last so many lines.
    #[serde(default)]
    tail: Option<u64>,
    /// Keep the answer open and send what comes.
    #[serde(default)]
    follow: Option<bool>,
}

/// The log: of the container while there is one, else what was kept of it.
#[utoipa::path(get, path = "/sessions/{id}/logs", operation_id = "session_logs", tag = "sessions",
    params(("id" = SessionId, Path), LogQuery), responses((status = 200, body = String, content_type = "text/plain")))]
async fn session_logs(call: Call, Path(id): Path<SessionId>, Query(query): Query<LogQuery>) -> Reply {
    let session = app::sessions::to_enter(&call, id).await?;
    let stream = app::workload::log(&call.app, &session, query.tail, query.follow.unwrap_or(false)).await?;
    let mut response = Response::new(RawBody::from_stream(stream));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
}

/// Runs a command inside and waits for its end.
#[utoipa::path(post, path = "/sessions/{id}/exec", operation_id = "session_exec", tag = "sessions",
    params(("id" = SessionId, Path)), request_body = SessionExec, responses((status = 200, body = SessionExecResult)))]
async fn session_exec(call: Call, Path(id): Path<SessionId>, Body(request): Body<SessionExec>) -> Reply {
    let session = app::sessions::to_enter(&call, id).await?;
    // Written down first: what a command did cannot be taken back.
    let mut write = call.begin_unrepeatable().await?;
    write.subject(id);
    write.detail("words", request.command.len());
    write.commit().await?;
    ok(&app::workload::exec(&call.app, &session, request).await?)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct FileQuery {
    /// Absolute path inside the session.
    path: String,
}

/// Bytes of a tar archive; only its description is used.
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "names the bytes in the OpenAPI document")]
struct TarArchive(Vec<u8>);

/// A file or directory of the session as a tar archive.
#[utoipa::path(get, path = "/sessions/{id}/files", operation_id = "session_files_get", tag = "sessions",
    params(("id" = SessionId, Path), FileQuery), responses((status = 200, body = TarArchive, content_type = "application/x-tar")))]
async fn session_files_get(call: Call, Path(id): Path<SessionId>, Query(query): Query<FileQuery>) -> Reply {
    let session = app::sessions::to_enter(&call, id).await?;
    let stream = app::workload::copy_out(&call.app, &session, &query.path).await?;
    let mut response = Response::new(RawBody::from_stream(stream));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
    Ok(response)
}

/// Unpacks a tar archive into a directory of the session.
#[utoipa::path(put, path = "/sessions/{id}/files", operation_id = "session_files_put", tag = "sessions",
    params(("id" = SessionId, Path), FileQuery), request_body(content = TarArchive, content_type = "application/x-tar"),
    responses((status = 204)))]
async fn session_files_put(
    call: Call,
    Path(id): Path<SessionId>,
    Query(query): Query<FileQuery>,
    request: Request,
) -> Reply {
    let media = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if media != "application/x-tar" {
        let text = "Send a tar archive with Content-Type: application/x-tar.";
        return Err(Error::new(berth_types::ErrorCode::UnsupportedMediaType, text).into());
    }
    let session = app::sessions::to_enter(&call, id).await?;
    let mut write = call.begin_unrepeatable().await?;
    write.subject(id);
    write.detail("path", &query.path);
    write.commit().await?;
    let body = request.into_body().into_data_stream().map_err(|error| std::io::Error::other(error.to_string()));
    app::workload::copy_in(&call.app, &session, &query.path, body).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A one-time ticket for a terminal, a followed log, a port or the application itself.
#[utoipa::path(post, path = "/sessions/{id}/tickets", operation_id = "ticket_create", tag = "sessions",
    params(("id" = SessionId, Path)), request_body = TicketCreate, responses((status = 201, body = Ticket)))]
async fn ticket_create(call: Call, Path(id): Path<SessionId>, Body(request): Body<TicketCreate>) -> Reply {
    let session = app::sessions::to_enter(&call, id).await?;
    let purpose = request.purpose;
    let ticket = app::workload::ticket(&call, &session, request)?;
    // Written down, but never kept for repetition: the answer holds a secret.
    let mut write = call.begin_unrepeatable().await?;
    write.subject(id);
    write.detail("purpose", purpose);
    write.answer(StatusCode::CREATED, &ticket).await
}

/// Measurements of a session.
#[utoipa::path(get, path = "/sessions/{id}/metrics", operation_id = "session_metrics", tag = "sessions",
    params(("id" = SessionId, Path), MetricFilter), responses((status = 200, body = Vec<MetricPoint>)))]
async fn session_metrics(call: Call, Path(id): Path<SessionId>, Query(filter): Query<MetricFilter>) -> Reply {
    store::sessions::record_in(call.db(), call.scope, id).await.map_err(AppError::from)?;
    ok(&app::metrics::of_session(&call, id, &filter).await?)
}

/// Events of a session.
#[utoipa::path(get, path = "/sessions/{id}/events", operation_id = "session_events", tag = "sessions",
    params(("id" = SessionId, Path), PageQuery), responses((status = 200, body = Page<SystemEvent>)))]
async fn session_events(call: Call, Path(id): Path<SessionId>, Query(page): Query<PageQuery>) -> Reply {
    super::check_limit(page.limit)?;
    store::sessions::record_in(call.db(), call.scope, id).await.map_err(AppError::from)?;
    let filter = EventFilter { limit: page.limit, cursor: page.cursor, session_id: Some(id), ..EventFilter::default() };
    ok(&store::events::list(call.db(), call.scope, &filter).await.map_err(AppError::from)?)
}

/// What a session holds and held, from the ledger.
#[utoipa::path(get, path = "/sessions/{id}/allocations", operation_id = "session_allocations", tag = "sessions",
    params(("id" = SessionId, Path)), responses((status = 200, body = Vec<Allocation>)))]
async fn session_allocations(call: Call, Path(id): Path<SessionId>) -> Reply {
    store::sessions::record_in(call.db(), call.scope, id).await.map_err(AppError::from)?;
    let rows = store::allocations::of_session(call.db(), id).await.map_err(AppError::from)?;
    Ok(axum::Json(rows).into_response())
}
