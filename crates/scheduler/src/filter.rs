//! Why a node is out of the question. Each node counts under the first filter it fails, in the order of declaration:
//! first what no waiting will change (pool, state, kind of machine), then what is only used up.

use std::collections::BTreeSet;

use berth_types::{
    ResourcePoolId,
    sessions::FilterCount,
    sites::{NodeAdminState, NodeReachability, RentalMode},
};

use crate::model::{Amounts, NodeSnapshot, Request};

macro_rules! filters {
    ($($(#[$meta:meta])* $name:ident = $key:literal, $text:literal;)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Filter { $($(#[$meta])* $name),+ }

        impl Filter {
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The key in `FilterCount::filter`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $key),+ }
            }

            /// For people, after "12 nodes: ".
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

filters! {
    EdgeDataCenter = "edge_data_center", "data centre not in service";
    Pool = "pool", "in another pool";
    PoolAccess = "pool_access", "pool not open to your tenant";
    PoolStatus = "pool_status", "pool not in service";
    Failed = "failed", "failed";
    Offline = "offline", "offline";
    Decommissioning = "decommissioning", "decommissioning";
    Maintenance = "maintenance", "in maintenance";
    Draining = "draining", "draining";
    Late = "late", "late with their heartbeat";
    Engine = "engine", "another engine";
    Privileged = "privileged", "no privileged sessions";
    NodeType = "node_type", "another node type";
    Architecture = "architecture", "another architecture";
    Labels = "labels", "without the labels asked for";
    Bandwidth = "bandwidth", "not enough bandwidth";
    GpuType = "gpu_type", "no GPU of that type";
    GpuMemory = "gpu_memory", "no GPU with enough memory";
    MaxPerWorkload = "max_per_workload", "more than one session may take";
    /// The first that waiting can change.
    Exclusive = "exclusive", "rented by another tenant alone";
    Gpu = "gpu", "not enough GPUs";
    Cpu = "cpu", "not enough CPU";
    Memory = "memory", "not enough memory";
    Storage = "storage", "not enough storage";
    Held = "held", "kept for a request ahead";
}

impl Filter {
    /// What runs now is in the way; nothing about the node itself.
    pub fn is_capacity(self) -> bool {
        self >= Self::Exclusive
    }
}

/// The filters that look neither at what is allocated nor at how much is asked, so that requests of one shape share the
/// answer.
pub fn fixed(node: &NodeSnapshot, request: &Request, pools: Option<&BTreeSet<ResourcePoolId>>) -> Option<Filter> {
    let constraints = &request.constraints;
    let pool = node.resource_pool_id;
    let failing = [
        (!node.edge_data_center_active, Filter::EdgeDataCenter),
        (request.resource_pool_id.is_some_and(|wanted| wanted != pool), Filter::Pool),
        (pools.is_some_and(|open| !open.contains(&pool)), Filter::PoolAccess),
        (!node.pool_active, Filter::PoolStatus),
        (node.reachability == NodeReachability::Failed, Filter::Failed),
        (node.reachability == NodeReachability::Offline, Filter::Offline),
        (node.admin_state == NodeAdminState::Decommissioning, Filter::Decommissioning),
        (node.admin_state == NodeAdminState::Maintenance, Filter::Maintenance),
        (node.admin_state == NodeAdminState::Draining, Filter::Draining),
        (node.reachability == NodeReachability::Late, Filter::Late),
        (request.engine.is_some_and(|engine| engine != node.engine), Filter::Engine),
        (request.privileged && !node.allows_privileged, Filter::Privileged),
        (constraints.node_type.is_some_and(|kind| kind != node.node_type), Filter::NodeType),
        (constraints.architecture.as_ref().is_some_and(|wanted| *wanted != node.architecture), Filter::Architecture),
        (
            constraints
                .min_bandwidth_mbps
                .is_some_and(|least| least > 0 && node.network_bandwidth_mbps.is_none_or(|has| has < least)),
            Filter::Bandwidth,
        ),
    ];
    if let Some((_, filter)) = failing.into_iter().find(|(fails, _)| *fails) {
        return Some(filter);
    }
    if constraints.labels.iter().any(|(key, value)| node.labels.get(key) != Some(value)) {
        return Some(Filter::Labels);
    }
    if request.claims().gpu > 0 && (request.gpu_type.is_some() || constraints.gpu_memory_gb.is_some()) {
        let wanted = request.gpu_type.as_deref().map(str::to_lowercase);
        let mut of_type = node.gpus.iter().filter(|gpu| model_matches(&gpu.model, wanted.as_deref())).peekable();
        if of_type.peek().is_none() {
            return Some(Filter::GpuType);
        }
        if !of_type.any(|gpu| gpu.memory_mib >= least_gpu_memory(request)) {
            return Some(Filter::GpuMemory);
        }
    }
    None
}

/// `wanted` in lower case.
pub fn model_matches(model: &str, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| model.to_lowercase().contains(wanted))
}

/// MiB each GPU must have.
pub fn least_gpu_memory(request: &Request) -> i64 {
    request.constraints.gpu_memory_gb.and_then(berth_types::quantities::gb_to_mib).unwrap_or(0)
}

/// The node's own bound on one workload.
pub fn within_workload_limit(limits: &Amounts, amounts: &Amounts) -> bool {
    amounts.cpu <= limits.cpu
        && amounts.memory <= limits.memory
        && amounts.storage <= limits.storage
        && amounts.gpu <= limits.gpu
}

/// How many nodes fell out by which filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts([u32; Filter::ALL.len()]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; Filter::ALL.len()])
    }
}

impl Counts {
    pub fn add(&mut self, filter: Filter) {
        self.0[filter as usize] += 1;
    }

    /// Most frequent first.
    pub fn list(&self) -> Vec<(Filter, u32)> {
        let mut list: Vec<_> = Filter::ALL
            .iter()
            .map(|&filter| (filter, self.0[filter as usize]))
            .filter(|(_, count)| *count > 0)
            .collect();
        list.sort_by_key(|&(filter, count)| (std::cmp::Reverse(count), filter));
        list
    }

    pub fn to_filter_counts(&self) -> Vec<FilterCount> {
        self.list()
            .into_iter()
            .map(|(filter, count)| FilterCount { filter: filter.as_str().to_owned(), nodes: i64::from(count) })
            .collect()
    }

    /// Some node is only used up.
    pub fn any_capacity(&self) -> bool {
        self.list().iter().any(|(filter, _)| filter.is_capacity())
    }

    /// "12 nodes: not enough memory; 3: draining".
    pub fn explain(&self) -> String {
        let mut text = String::new();
        for (filter, count) in self.list() {
            let lead = match (text.is_empty(), count) {
                (true, 1) => "1 node: ".to_owned(),
                (true, count) => format!("{count} nodes: "),
                (false, count) => format!("; {count}: "),
            };
            text.push_str(&lead);
            text.push_str(filter.text());
        }
        if text.is_empty() { "there is no node yet".to_owned() } else { text }
    }
}

/// An exclusive node is one tenant's at a time.
pub fn is_exclusive(node: &NodeSnapshot) -> bool {
    node.rental_mode == RentalMode::Exclusive
}
