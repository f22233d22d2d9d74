//! Helpers shared by the domain modules: a change of one row under its generation.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, PaginatorTrait,
    QueryFilter,
    sea_query::{Expr, ExprTrait, Func, LikeExpr},
};

use crate::{Result, StoreError};

/// The column that counts a row's changes, and the count the caller saw; `None` changes whatever is there.
pub(crate) type Generation<C> = (C, Option<i64>);

/// Changes the one living row that `row` selects and returns it as it now is, its generation one higher.
///
/// # Errors
/// `NotFound(noun)`, `Stale`, and what the database says.
pub(crate) async fn update<A>(
    db: &impl ConnectionTrait,
    noun: &'static str,
    change: A,
    row: Condition,
    (column, expected): Generation<<A::Entity as EntityTrait>::Column>,
) -> Result<<A::Entity as EntityTrait>::Model>
where
    A: ActiveModelTrait + Send,
    <A::Entity as EntityTrait>::Model: FromQueryResult + Send + Sync,
{
    let mut update =
        A::Entity::update_many().set(change).col_expr(column, Expr::col(column).add(1)).filter(row.clone());
    if let Some(generation) = expected {
        update = update.filter(column.eq(generation));
    }
    match update.exec_with_returning(db).await?.into_iter().next() {
        Some(model) => Ok(model),
        None if A::Entity::find().filter(row).count(db).await? > 0 => Err(StoreError::Stale),
        None => Err(StoreError::NotFound(noun)),
    }
}

/// 200 ids per statement stay far below SQLite's and PostgreSQL's bounds on parameters.
pub(crate) const BATCH: usize = 200;

/// Rows that have `text` in one of the columns, whatever its case; on SQLite the case of letters outside of ASCII counts.
pub(crate) fn containing<C: ColumnTrait>(columns: &[C], text: &str) -> Condition {
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    let pattern = format!("%{}%", escaped.to_lowercase());
    let verbatim = format!("%{escaped}%");
    columns.iter().fold(Condition::any(), |any, column| {
        let lower = Expr::expr(Func::lower(Expr::col(*column)));
        any.add(lower.like(LikeExpr::new(pattern.clone()).escape('\\')))
            .add(Expr::col(*column).like(LikeExpr::new(verbatim.clone()).escape('\\')))
    })
}
