//! Answers to requests that carried an Idempotency-Key, so that a repetition gets the same one.

use berth_types::{Timestamp, UserId};
use sea_orm::entity::prelude::*;

use crate::json::Json;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: UserId,
    pub key: String,
    pub operation_id: String,
    pub request_hash: String,
    pub status_code: Option<i32>,
    pub response: Option<Json<serde_json::Value>>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
