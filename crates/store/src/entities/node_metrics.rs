//! Time series of nodes: raw, and rolled up to 5 minutes and 1 hour.

use berth_types::{NodeId, Timestamp, metrics::MetricType};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "node_metrics")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub node_id: NodeId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub resolution_seconds: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub time: Timestamp,
    #[sea_orm(primary_key, auto_increment = false)]
    pub metric_type: MetricType,
    #[sea_orm(primary_key, auto_increment = false)]
    /// JSON object with sorted keys; text, so that it can be a part of the key.
    pub labels: String,
    pub value: f64,
    pub sample_count: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
