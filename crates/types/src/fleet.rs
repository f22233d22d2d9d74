//! The whole installation at a glance.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    NodeId, ResourcePoolId,
    sites::{EngineKind, NodeStatus, ResourceKind},
};

/// `GET /fleet`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Fleet {
    /// Sums over all nodes, whatever their status.
    pub resources: Vec<FleetResource>,
    /// How many nodes have each status; one that no node has is left out.
    pub nodes_by_status: BTreeMap<String, i64>,
    /// How many sessions that have not ended have each status, of those the caller may read.
    pub sessions_by_status: BTreeMap<String, i64>,
    /// In the order of their registration.
    pub nodes: Vec<FleetNode>,
    /// The 20 tenants that hold the most cores, of those whose sessions the caller may read.
    pub tenants: Vec<FleetShare>,
    /// The 20 users who hold the most cores, of those whose sessions the caller may read.
    pub users: Vec<FleetShare>,
}

/// What there is of one resource. Amounts in `unit`, the resource's base unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FleetResource {
    pub resource_type: ResourceKind,
    /// millicores, MiB, milli-GPU or Mbit/s.
    pub unit: String,
    pub total: i64,
    /// Held back from sessions.
    pub reserved: i64,
    /// Held by sessions.
    pub allocated: i64,
    /// What sessions may hold altogether: floor(total × overcommit) − reserved, summed over the nodes.
    pub sellable: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FleetNode {
    pub id: NodeId,
    pub name: String,
    pub status: NodeStatus,
    pub engine: EngineKind,
    pub resource_pool_id: ResourcePoolId,
    /// Sessions that hold an allocation on it.
    pub session_count: i64,
    pub total_cpu_cores: f64,
    pub allocated_cpu_cores: f64,
    /// 1 GB is 1024 MiB.
    pub total_memory_gb: f64,
    pub allocated_memory_gb: f64,
    pub total_gpu_count: f64,
    pub allocated_gpu_count: f64,
    /// Of all its cores, as last measured; absent when nothing was measured in the last minute.
    pub cpu_percent: Option<f64>,
    /// Of its memory, likewise.
    pub memory_percent: Option<f64>,
}

/// What one tenant or user holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FleetShare {
    /// Of the tenant or user.
    pub id: Uuid,
    /// The tenant's name or the username.
    pub name: String,
    /// That hold an allocation.
    pub sessions: i64,
    /// Cores.
    pub cpu: f64,
    pub memory_gb: f64,
    /// GPUs.
    pub gpu: f64,
    pub storage_gb: f64,
}
