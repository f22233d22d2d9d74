//! Network interfaces as read from the machine.

use berth_types::{NetworkTopologyId, NodeId, NodeNetworkInterfaceId, Timestamp, sites::InterfaceType};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "node_network_interfaces")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: NodeNetworkInterfaceId,
    pub node_id: NodeId,
    pub topology_id: Option<NetworkTopologyId>,
    pub interface_name: String,
    pub mac_address: Option<String>,
    pub ip_address: Option<String>,
    pub interface_type: InterfaceType,
    pub speed_mbps: Option<i64>,
    pub duplex: Option<String>,
    pub status: String,
    pub driver: Option<String>,
    pub firmware_version: Option<String>,
    pub pci_slot: Option<String>,
    pub numa_node: Option<i32>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
