//! Places where machines stand.

use berth_types::{EdgeDataCenterId, StringMap, Timestamp, sites::EdgeDataCenterStatus};
use sea_orm::entity::prelude::*;

use crate::json::Json;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "edge_data_centers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EdgeDataCenterId,
    pub name: String,
    pub location: Option<String>,
    pub status: EdgeDataCenterStatus,
    pub network_config: Json<StringMap>,
    pub generation: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
