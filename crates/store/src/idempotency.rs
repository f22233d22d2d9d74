//! Answers already given, by user and `Idempotency-Key`, so that a repeated request is not carried out twice.

use berth_types::{Timestamp, UserId};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use crate::{StoreError, entities::idempotency_keys, json::Json};

/// Hours a key is remembered.
pub const RETENTION_HOURS: i64 = 24;

/// What was asked, and what was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub request_hash: String,
    pub status_code: i32,
    pub response: Option<serde_json::Value>,
}

/// The answer that this key got within its lifetime.
pub async fn find(
    db: &impl ConnectionTrait,
    user: UserId,
    key: &str,
    now: Timestamp,
) -> Result<Option<Record>, StoreError> {
    let row = idempotency_keys::Entity::find()
        .filter(idempotency_keys::Column::UserId.eq(user))
        .filter(idempotency_keys::Column::Key.eq(key))
        .filter(idempotency_keys::Column::ExpiresAt.gt(now))
        .one(db)
        .await?;
    Ok(row.map(|row| Record {
        request_hash: row.request_hash,
        status_code: row.status_code.unwrap_or(200),
        response: row.response.map(|json| json.0),
    }))
}

/// Remembers an answer. Two requests with one key at the same time: the second fails here and is rolled back.
pub async fn insert(
    db: &impl ConnectionTrait,
    user: UserId,
    key: &str,
    operation_id: &str,
    record: &Record,
    now: Timestamp,
) -> Result<(), StoreError> {
    // A key whose time is over may be used anew.
    idempotency_keys::Entity::delete_many()
        .filter(idempotency_keys::Column::UserId.eq(user))
        .filter(idempotency_keys::Column::Key.eq(key))
        .filter(idempotency_keys::Column::ExpiresAt.lte(now))
        .exec(db)
        .await?;
    let row = idempotency_keys::ActiveModel {
        id: Set(uuid::Uuid::now_v7()),
        user_id: Set(user),
        key: Set(key.to_owned()),
        operation_id: Set(operation_id.to_owned()),
        request_hash: Set(record.request_hash.clone()),
        status_code: Set(Some(record.status_code)),
        response: Set(record.response.clone().map(Json)),
        created_at: Set(now),
        expires_at: Set(now + chrono::Duration::hours(RETENTION_HOURS)),
    };
    idempotency_keys::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

/// Forgets keys whose time is over.
pub async fn expire(db: &impl ConnectionTrait, now: Timestamp) -> Result<u64, StoreError> {
    let gone =
        idempotency_keys::Entity::delete_many().filter(idempotency_keys::Column::ExpiresAt.lte(now)).exec(db).await?;
    Ok(gone.rows_affected)
}
