//! Which server replica runs which controller. The epoch grows with every change of holder, so that a holder that was
//! asleep can be told from the present one.

use berth_types::Timestamp;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, prelude::Expr,
    sea_query::OnConflict,
};

use crate::{StoreError, entities::leases};

/// Takes or renews a lease until `expires_at`. The epoch when it is held by `holder` now, else `None`.
pub async fn acquire(
    db: &impl ConnectionTrait,
    name: &str,
    holder: &str,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    let renewed = leases::Entity::update_many()
        .col_expr(leases::Column::ExpiresAt, Expr::value(expires_at))
        .filter(leases::Column::Name.eq(name))
        .filter(leases::Column::Holder.eq(holder))
        .exec(db)
        .await?;
    if renewed.rows_affected == 0 {
        let fresh = leases::ActiveModel {
            name: Set(name.to_owned()),
            holder: Set(holder.to_owned()),
            epoch: Set(1),
            expires_at: Set(expires_at),
        };
        let nothing = OnConflict::column(leases::Column::Name).do_nothing().to_owned();
        leases::Entity::insert(fresh).on_conflict(nothing).exec_without_returning(db).await?;
        leases::Entity::update_many()
            .col_expr(leases::Column::Holder, Expr::value(holder))
            .col_expr(leases::Column::Epoch, Expr::col(leases::Column::Epoch).add(1))
            .col_expr(leases::Column::ExpiresAt, Expr::value(expires_at))
            .filter(leases::Column::Name.eq(name))
            .filter(leases::Column::Holder.ne(holder))
            .filter(Condition::any().add(leases::Column::ExpiresAt.lt(now)))
            .exec(db)
            .await?;
    }
    let row = leases::Entity::find_by_id(name).one(db).await?;
    Ok(row.filter(|row| row.holder == holder).map(|row| row.epoch))
}

/// Gives every lease of a holder up, at an orderly end.
pub async fn release_all(db: &impl ConnectionTrait, holder: &str, now: Timestamp) -> Result<(), StoreError> {
    leases::Entity::update_many()
        .col_expr(leases::Column::ExpiresAt, Expr::value(now - chrono::Duration::seconds(1)))
        .filter(leases::Column::Holder.eq(holder))
        .exec(db)
        .await?;
    Ok(())
}
