//! Time series of nodes and sessions.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::StringMap;

text_enum! {
    /// What is measured; unit in brackets.
    MetricType = "metric_type" {
        /// Of all cores of a node, of the limit of a session (percent).
        CpuPercent = "cpu_percent",
        /// (MiB)
        MemoryUsed = "memory_used",
        /// (percent of total or limit)
        MemoryPercent = "memory_percent",
        /// Written by a session to its own layer and volumes; of a node's data file system (MiB)
        StorageUsed = "storage_used",
        /// (bytes per second)
        NetworkReceive = "network_receive",
        /// (bytes per second)
        NetworkTransmit = "network_transmit",
        /// (bytes per second)
        DiskRead = "disk_read",
        /// (bytes per second)
        DiskWrite = "disk_write",
        /// (processes)
        Processes = "processes",
        /// One-minute load average of a node
        Load = "load",
        /// (percent)
        GpuPercent = "gpu_percent",
        /// (MiB)
        GpuMemoryUsed = "gpu_memory_used",
    }
}

impl MetricType {
    pub const fn unit(self) -> &'static str {
        match self {
            Self::CpuPercent | Self::MemoryPercent | Self::GpuPercent => "percent",
            Self::MemoryUsed | Self::StorageUsed | Self::GpuMemoryUsed => "MiB",
            Self::NetworkReceive | Self::NetworkTransmit | Self::DiskRead | Self::DiskWrite => "B/s",
            Self::Processes => "processes",
            Self::Load => "load",
        }
    }
}

/// One measurement of something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sample {
    pub metric_type: MetricType,
    pub value: f64,
    /// e.g. which GPU or interface.
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub labels: StringMap,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MetricPoint {
    pub time: DateTime<Utc>,
    pub metric_type: MetricType,
    pub value: f64,
    pub unit: String,
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub labels: StringMap,
}

/// Filters of the metrics of a node or session.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct MetricFilter {
    /// Absent: the last hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric_type: Option<MetricType>,
}
