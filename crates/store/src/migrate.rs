//! Bringing the schema up to date, or saying what would be done.

use sea_orm::{
    ConnectionTrait, DbErr,
    sea_query::{Order, Query},
};
use sea_orm_migration::MigratorTrait;

use crate::{Result, Store, StoreError, dialect, migrations::Migrator};

/// What a database's schema lacks or has too much of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MigrationReport {
    pub applied: Vec<String>,
    pub pending: Vec<String>,
    /// Made by a newer program.
    pub unknown: Vec<String>,
}

/// The newest schema version this program knows.
pub fn newest() -> String {
    known().pop().unwrap_or_default()
}

fn known() -> Vec<String> {
    Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect()
}

/// Compares without changing anything.
///
/// # Errors
/// `Unavailable`, `Internal`.
pub async fn check(db: &impl ConnectionTrait) -> Result<MigrationReport> {
    let known = known();
    let table = Migrator::migration_table_name().to_string();
    let applied: Vec<String> = if dialect::has_table(db, &table).await? {
        // Not `Migrator::get_migration_models`: that makes the table first, and a check changes nothing.
        let select = Query::select().column("version").from(table).order_by("version", Order::Asc).take();
        db.query_all(&select).await?.iter().map(|row| row.try_get("", "version")).collect::<Result<_, DbErr>>()?
    } else {
        Vec::new()
    };
    Ok(MigrationReport {
        pending: known.iter().filter(|name| !applied.contains(name)).cloned().collect(),
        unknown: applied.iter().filter(|name| !known.contains(name)).cloned().collect(),
        applied,
    })
}

/// Applies what is pending, all or nothing, and returns the names. Replicas that start together wait for each other.
///
/// # Errors
/// `SchemaNewer` when the database knows a migration that this program does not; nothing is changed then.
pub async fn run(store: &Store) -> Result<Vec<String>> {
    let tx = store.begin().await?;
    dialect::lock_migrations(&tx).await?;
    let report = check(&tx).await?;
    if let Some(found) = report.unknown.last() {
        return Err(StoreError::SchemaNewer { found: found.clone(), known: newest() });
    }
    if !report.pending.is_empty() {
        Migrator::up(tx.transaction(), None).await?;
        tx.commit().await?;
    }
    Ok(report.pending)
}
