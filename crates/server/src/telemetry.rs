//! Berth's own metrics, in Prometheus text format.

use std::time::Duration;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OperationLabels {
    kind: String,
    outcome: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StatusLabels {
    status: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TaskLabels {
    task: String,
}

/// Counters, gauges and histograms of this process.
pub struct Telemetry {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<RouteLabels, Histogram>,
    operations: Family<OperationLabels, Counter>,
    sessions: Family<StatusLabels, Gauge>,
    nodes: Family<StatusLabels, Gauge>,
    task_failures: Family<TaskLabels, Counter>,
    /// From the launch's commit to the engine's start, as Berth sees it.
    pub launch_seconds: Histogram,
}

impl Default for Telemetry {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("berth");
        let requests = Family::default();
        registry.register("http_requests", "Requests answered", requests.clone());
        let request_seconds = Family::<RouteLabels, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        registry.register_with_unit("http_request_duration", "Time to answer", Unit::Seconds, request_seconds.clone());
        let operations = Family::default();
        registry.register("operations_finished", "Operations that ended, by kind and outcome", operations.clone());
        let sessions = Family::default();
        registry.register("sessions", "Sessions that have not ended, by status", sessions.clone());
        let nodes = Family::default();
        registry.register("nodes", "Nodes by status", nodes.clone());
        let task_failures = Family::default();
        registry.register("task_failures", "Rounds of background tasks that failed", task_failures.clone());
        let launch_seconds = Histogram::new(BUCKETS);
        registry.register_with_unit("session_launch", "Launch until running", Unit::Seconds, launch_seconds.clone());
        Self { registry, requests, request_seconds, operations, sessions, nodes, task_failures, launch_seconds }
    }
}

const BUCKETS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];

impl Telemetry {
    pub fn request(&self, route: &str, method: &str, status: u16, elapsed: Duration) {
        let labels = RequestLabels { route: route.to_owned(), method: method.to_owned(), status };
        self.requests.get_or_create(&labels).inc();
        self.request_seconds.get_or_create(&RouteLabels { route: route.to_owned() }).observe(elapsed.as_secs_f64());
    }

    pub fn operation(&self, kind: &str, outcome: &str) {
        let labels = OperationLabels { kind: kind.to_owned(), outcome: outcome.to_owned() };
        self.operations.get_or_create(&labels).inc();
    }

    pub fn task_failed(&self, task: &str) {
        self.task_failures.get_or_create(&TaskLabels { task: task.to_owned() }).inc();
    }

    /// Replaces the gauges of sessions and nodes by what the database holds.
    pub fn populations(&self, sessions: &[(String, i64)], nodes: &[(String, i64)]) {
        for (family, counts) in [(&self.sessions, sessions), (&self.nodes, nodes)] {
            family.clear();
            for (status, count) in counts {
                family.get_or_create(&StatusLabels { status: status.clone() }).set(*count);
            }
        }
    }

    /// # Errors
    /// Formatting failed, which writing to memory does not.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
