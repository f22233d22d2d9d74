//! One entity per table, with the types of `berth_types` as column types. Relations are not declared: reads batch by id
//! instead of joining, so that a page costs a bounded number of queries.

pub mod allocations;
pub mod applications;
pub mod audit_logs;
pub mod edge_data_centers;
pub mod gpu_devices;
pub mod idempotency_keys;
pub mod leases;
pub mod login_attempts;
pub mod login_failures;
pub mod network_topologies;
pub mod node_metrics;
pub mod node_network_interfaces;
pub mod node_resources;
pub mod nodes;
pub mod operations;
pub mod permissions;
pub mod resource_pools;
pub mod role_permissions;
pub mod secrets;
pub mod session_metrics;
pub mod session_nodes;
pub mod sessions;
pub mod system_events;
pub mod system_settings;
pub mod tenants;
pub mod usage_records;
pub mod user_networks;
pub mod user_sessions;
pub mod users;
