//! Named secrets of users and tenants. Values arrive sealed and leave sealed; the key is the server's.

use berth_types::{SecretId, TenantId, Timestamp, UserId, identity::Scope, page::Page, settings::Secret};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
};

use crate::{
    Result, StoreError,
    entities::secrets,
    page::{self, Direction, PageRequest},
};

fn secret_of(row: secrets::Model) -> Secret {
    Secret {
        id: row.id,
        tenant_id: row.tenant_id,
        user_id: row.user_id,
        name: row.name,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

fn usable_by(tenant: TenantId, user: UserId) -> Condition {
    let own = Condition::any().add(secrets::Column::UserId.eq(user)).add(secrets::Column::UserId.is_null());
    Condition::all().add(secrets::Column::TenantId.eq(tenant)).add(own)
}

/// The user's own secrets and the tenant's, without values, in the order of their creation.
///
/// # Errors
/// `InvalidFilter` for a wrong cursor.
pub async fn list(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    user: UserId,
    request: &PageRequest,
) -> Result<Page<Secret>> {
    let select = secrets::Entity::find().filter(usable_by(tenant, user));
    let key = (secrets::Column::Id, secrets::Column::Id);
    let page = page::fetch(db, select, request, key, Direction::Ascending, |row| (row.id.0, row.id.0)).await?;
    Ok(page.map(secret_of))
}

/// The caller makes the id: the value is sealed for it.
///
/// # Errors
/// `AlreadyExists`.
pub async fn insert(
    db: &impl ConnectionTrait,
    id: SecretId,
    tenant: TenantId,
    user: Option<UserId>,
    name: &str,
    sealed_value: Vec<u8>,
    now: Timestamp,
) -> Result<Secret> {
    let row = secrets::ActiveModel {
        id: Set(id),
        tenant_id: Set(tenant),
        user_id: Set(user),
        name: Set(name.to_owned()),
        sealed_value: Set(sealed_value),
        created_at: Set(now),
        updated_at: Set(now),
    };
    Ok(secret_of(row.insert(db).await?))
}

/// A secret in scope: of the user alone in its own scope, of anybody in the tenant in the tenant's.
///
/// # Errors
/// `NotFound`.
pub async fn get(db: &impl ConnectionTrait, scope: Scope, id: SecretId) -> Result<Secret> {
    let row = secrets::Entity::find().filter(in_scope(scope, id)).one(db).await?;
    row.map(secret_of).ok_or(StoreError::NotFound("secret"))
}

fn in_scope(scope: Scope, id: SecretId) -> Condition {
    let mut condition = Condition::all().add(secrets::Column::Id.eq(id));
    if let Some(tenant) = scope.tenant() {
        condition = condition.add(secrets::Column::TenantId.eq(tenant));
    }
    if let Some(user) = scope.owner() {
        condition = condition.add(secrets::Column::UserId.eq(user));
    }
    condition
}

/// # Errors
/// `NotFound`.
pub async fn delete(db: &impl ConnectionTrait, scope: Scope, id: SecretId) -> Result<()> {
    let result = secrets::Entity::delete_many().filter(in_scope(scope, id)).exec(db).await?;
    if result.rows_affected == 0 { Err(StoreError::NotFound("secret")) } else { Ok(()) }
}

/// Id and sealed value of the user's secret of that name, else of the tenant's.
///
/// # Errors
/// `NotFound`.
pub async fn sealed(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    user: UserId,
    name: &str,
) -> Result<(SecretId, Vec<u8>)> {
    let rows = secrets::Entity::find()
        .filter(usable_by(tenant, user))
        .filter(secrets::Column::Name.eq(name))
        .order_by_asc(secrets::Column::Id)
        .all(db)
        .await?;
    let own = rows.iter().position(|row| row.user_id.is_some()).unwrap_or(0);
    rows.into_iter().nth(own).map(|row| (row.id, row.sealed_value)).ok_or(StoreError::NotFound("secret"))
}

/// Every secret's id and sealed value, for checking or changing the key.
///
/// # Errors
/// `Unavailable`.
pub async fn all_sealed(db: &impl ConnectionTrait) -> Result<Vec<(SecretId, Vec<u8>)>> {
    let rows = secrets::Entity::find().order_by_asc(secrets::Column::Id).all(db).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.sealed_value)).collect())
}
