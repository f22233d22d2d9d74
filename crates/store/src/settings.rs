//! Settings that an operator changes while Berth runs. What a key means, its bounds and its default stand in
//! `berth_types::settings`; only values that somebody set are stored.

use std::collections::HashMap;

use berth_types::{
    Timestamp,
    settings::{ALL, SettingSpec, SystemSetting},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, sea_query::OnConflict};
use uuid::Uuid;

use crate::{Result, StoreError, entities::system_settings};

fn setting_of(spec: &SettingSpec, row: Option<&system_settings::Model>) -> SystemSetting {
    SystemSetting {
        key: spec.key.to_owned(),
        value: row.map_or(spec.default, |row| row.value),
        default: spec.default,
        min: spec.min,
        max: spec.max,
        description: spec.description.to_owned(),
        updated_at: row.map(|row| row.updated_at),
    }
}

/// # Errors
/// `NotFound`.
pub fn spec(key: &str) -> Result<&'static SettingSpec> {
    ALL.iter().find(|spec| spec.key == key).ok_or(StoreError::NotFound("setting"))
}

/// Every setting there is, set or not.
///
/// # Errors
/// `Unavailable`.
pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<SystemSetting>> {
    let rows = system_settings::Entity::find().all(db).await?;
    let rows: HashMap<_, _> = rows.iter().map(|row| (row.key.as_str(), row)).collect();
    Ok(ALL.iter().map(|spec| setting_of(spec, rows.get(spec.key).copied())).collect())
}

/// Values in force by key.
///
/// # Errors
/// `Unavailable`.
pub async fn values(db: &impl ConnectionTrait) -> Result<HashMap<String, i64>> {
    Ok(list(db).await?.into_iter().map(|setting| (setting.key, setting.value)).collect())
}

/// # Errors
/// `NotFound` for an unknown key. Bounds are the caller's to check.
pub async fn set(db: &impl ConnectionTrait, key: &str, value: i64, now: Timestamp) -> Result<SystemSetting> {
    let spec = spec(key)?;
    let row = system_settings::ActiveModel {
        id: Set(Uuid::now_v7()),
        key: Set(key.to_owned()),
        value: Set(value),
        updated_at: Set(now),
    };
    let row = system_settings::Entity::insert(row)
        .on_conflict(
            OnConflict::column(system_settings::Column::Key)
                .update_columns([system_settings::Column::Value, system_settings::Column::UpdatedAt])
                .to_owned(),
        )
        .exec_with_returning(db)
        .await?;
    Ok(setting_of(spec, Some(&row)))
}

/// Back to the default.
///
/// # Errors
/// `NotFound` for an unknown key.
pub async fn reset(db: &impl ConnectionTrait, key: &str) -> Result<SystemSetting> {
    let spec = spec(key)?;
    system_settings::Entity::delete_many().filter(system_settings::Column::Key.eq(key)).exec(db).await?;
    Ok(setting_of(spec, None))
}
