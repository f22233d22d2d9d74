//! Routes for machines that watch Berth, and the API's documentation for people. None of them asks who calls.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use berth_types::{Error, ErrorCode};
use http::{HeaderValue, header};

use super::{docs, frame::Reply};
use crate::{app::App, tasks::housekeeping};

pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/api/docs", get(api_docs))
}

/// The process lives.
async fn healthz() -> &'static str {
    "ok\n"
}

/// The database answers.
async fn readyz(State(app): State<Arc<App>>) -> Reply {
    app.store.ping().await.map_err(|error| {
        Error::new(ErrorCode::DatabaseUnavailable, "The database does not answer.")
            .with_internal(error.to_string())
            .with_retry_after(2)
    })?;
    Ok("ready\n".into_response())
}

/// The media type of Prometheus' text format.
const PROMETHEUS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

async fn metrics(State(app): State<Arc<App>>) -> Reply {
    // What cannot be counted now keeps its last count; the rest is still worth reading.
    if let Err(error) = housekeeping::reload(app.clone()).await {
        tracing::warn!(%error, "sessions and nodes not counted");
    }
    let text = app.telemetry.text().map_err(|error| Error::internal(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, PROMETHEUS)], prometheus_text(&text)).into_response())
}

/// OpenMetrics as the library writes it, in the older text format that every Prometheus and promtool reads: there a
/// counter's family has the name of its sample, and units and the end are not marked.
fn prometheus_text(open_metrics: &str) -> String {
    let counters: std::collections::HashSet<&str> =
        open_metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines().filter(|line| *line != "# EOF" && !line.starts_with("# UNIT ")) {
        let heading =
            ["# HELP ", "# TYPE "].iter().find_map(|mark| Some((mark, line.strip_prefix(mark)?.split_once(' ')?)));
        match heading {
            Some((mark, (name, rest))) if counters.contains(name) => {
                text.extend([mark, name, "_total ", rest]);
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

async fn api_docs() -> Response {
    let page = docs::page();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, page.policy.clone()),
    ];
    (headers, page.html.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_get_the_name_of_their_sample() {
        let open_metrics = "# HELP berth_x X done.\n# TYPE berth_x counter\nberth_x_total{a=\"# TYPE b counter\"} 1\n\
            # HELP berth_y_seconds Time.\n# TYPE berth_y_seconds histogram\n# UNIT berth_y_seconds seconds\nberth_y_seconds_sum 0.5\n# EOF\n";
        assert_eq!(
            prometheus_text(open_metrics),
            "# HELP berth_x_total X done.\n# TYPE berth_x_total counter\nberth_x_total{a=\"# TYPE b counter\"} 1\n\
            # HELP berth_y_seconds Time.\n# TYPE berth_y_seconds histogram\nberth_y_seconds_sum 0.5\n"
        );
    }

    /// Every family of the real registry, checked as promtool does: help and type before samples, and no sample that
    /// belongs to no family.
    #[test]
    fn every_sample_belongs_to_a_family_with_help_and_type() {
        let telemetry = crate::telemetry::Telemetry::default();
        telemetry.request("/x", "GET", 200, std::time::Duration::from_millis(3));
        telemetry.operation("session_start", "succeeded");
        telemetry.task_failed("audit");
        telemetry.populations(&[("running".to_owned(), 2)], &[("active".to_owned(), 1)]);
        let text = prometheus_text(&telemetry.text().unwrap());
        let mut helped = std::collections::HashSet::new();
        let mut typed = std::collections::HashMap::new();
        let mut samples = 0;
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                helped.insert(rest.split_once(' ').unwrap().0.to_owned());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(helped.contains(name), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                typed.insert(name.to_owned(), kind.to_owned());
            } else {
                let name = line.split(['{', ' ']).next().unwrap();
                let parts = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
                let family =
                    parts.filter(|family| typed.get(*family).is_some_and(|kind| kind == "histogram")).unwrap_or(name);
                assert!(typed.contains_key(family), "{line} belongs to no family");
                samples += 1;
            }
        }
        assert!(samples > 10 && typed.len() == 7, "{text}");
    }
}
