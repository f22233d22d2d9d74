//! Networks that join nodes.

use berth_types::{NetworkTopologyId, StringMap, Timestamp, sites::NetworkType};
use sea_orm::entity::prelude::*;

use crate::json::Json;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "network_topologies")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: NetworkTopologyId,
    pub topology_name: String,
    pub network_type: NetworkType,
    pub subnet: Option<String>,
    pub vlan_id: Option<i32>,
    pub bandwidth_mbps: Option<i64>,
    pub latency_ms: Option<f64>,
    pub mtu: Option<i32>,
    pub qos_policies: Json<StringMap>,
    pub security_policies: Json<StringMap>,
    pub created_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
