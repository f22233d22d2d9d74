//! Routes of events, and the live stream.

use std::{convert::Infallible, sync::Arc};

use axum::response::{
    IntoResponse,
    sse::{Event, Sse},
};
use berth_types::{
    SystemEventId,
    events::{EventFilter, SystemEvent},
    page::Page,
};
use futures::StreamExt;
use http::StatusCode;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    call::{Call, begin, ok},
    extract::{Path, Query},
    frame::Reply,
};
use crate::app::{self, App};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(event_list))
        .routes(routes!(event_acknowledge))
        .routes(routes!(event_resolve))
        .routes(routes!(event_stream))
}

/// Events, newest first.
#[utoipa::path(get, path = "/events", operation_id = "event_list", tag = "events", params(EventFilter),
    responses((status = 200, body = Page<SystemEvent>)))]
async fn event_list(call: Call, Query(filter): Query<EventFilter>) -> Reply {
    super::check_limit(filter.limit)?;
    super::check_span(filter.since, filter.until)?;
    super::check_text("event_type", filter.event_type.as_deref())?;
    super::check_text("search", filter.search.as_deref())?;
    ok(&app::events::list(&call, &filter).await?)
}

/// Somebody has seen it.
#[utoipa::path(post, path = "/events/{id}/acknowledge", operation_id = "event_acknowledge", tag = "events",
    params(("id" = SystemEventId, Path)), responses((status = 200, body = SystemEvent)))]
async fn event_acknowledge(call: Call, Path(id): Path<SystemEventId>) -> Reply {
    let mut write = begin!(call);
    let event = app::events::acknowledge(&mut write, id).await?;
    write.answer(StatusCode::OK, &event).await
}

/// Somebody has mended it.
#[utoipa::path(post, path = "/events/{id}/resolve", operation_id = "event_resolve", tag = "events",
    params(("id" = SystemEventId, Path)), responses((status = 200, body = SystemEvent)))]
async fn event_resolve(call: Call, Path(id): Path<SystemEventId>) -> Reply {
    let mut write = begin!(call);
    let event = app::events::resolve(&mut write, id).await?;
    write.answer(StatusCode::OK, &event).await
}

/// What happens from now on, as server-sent events. Each `data` is a JSON object with `type` (session, node, operation,
/// event) and `id`; `{"type":"lag"}` means that some were lost and lists should be read again. Ends with the login.
#[utoipa::path(get, path = "/events/stream", operation_id = "event_stream", tag = "events",
    responses((status = 200, body = String, content_type = "text/event-stream")))]
async fn event_stream(call: Call) -> Reply {
    // A first comment, so that whoever opened it knows that it is open.
    let opened = futures::stream::once(async { Ok::<_, Infallible>(Event::default().comment("open")) });
    let events = app::events::watch(call).map(|item| {
        Ok(match item {
            Some(text) => Event::default().data(text),
            None => Event::default().comment("quiet"),
        })
    });
    Ok(Sse::new(opened.chain(events)).into_response())
}
