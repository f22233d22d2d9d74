//! The only raw SQL: where the two databases have no common text, or a query builder has no word for it.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

/// Key of the advisory lock under which replicas migrate one after another: "berth" in ASCII.
const MIGRATION_LOCK: i64 = 0x0062_6572_7468;

/// Waits until this transaction is the only one that migrates. On SQLite `BEGIN IMMEDIATE` has done that already.
pub(crate) async fn lock_migrations(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    if db.get_database_backend() == DbBackend::Postgres {
        db.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
    }
    Ok(())
}

/// An index over an expression, which the builder cannot make for SQLite.
pub(crate) async fn unique_without_case(db: &impl ConnectionTrait, table: &str, column: &str) -> Result<(), DbErr> {
    let sql = format!("CREATE UNIQUE INDEX uq_{table}__{column} ON {table} (lower({column})) WHERE deleted_at IS NULL");
    db.execute_unprepared(&sql).await?;
    Ok(())
}

/// Rows of the audit log cannot be changed or removed, not even by Berth; the sealer fills `sequence` and `hash` once.
pub(crate) async fn protect_audit_log(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    const SEALED_ONCE: &str = "OLD.hash IS NOT NULL OR NEW.hash IS NULL OR NEW.sequence IS NULL";
    let fixed = [
        "id",
        "tenant_id",
        "user_id",
        "username",
        "action",
        "resource_type",
        "resource_id",
        "details",
        "ip_address",
        "user_agent",
        "request_id",
        "status",
        "created_at",
    ];
    let statements = if db.get_database_backend() == DbBackend::Postgres {
        let changed: Vec<String> = fixed.iter().map(|c| format!("NEW.{c} IS DISTINCT FROM OLD.{c}")).collect();
        vec![
            "CREATE FUNCTION audit_logs_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             RAISE EXCEPTION 'the audit log is immutable' USING ERRCODE = 'restrict_violation'; END $$"
                .to_owned(),
            "CREATE TRIGGER audit_logs_delete BEFORE DELETE ON audit_logs FOR EACH ROW EXECUTE FUNCTION audit_logs_refuse()"
                .to_owned(),
            "CREATE TRIGGER audit_logs_truncate BEFORE TRUNCATE ON audit_logs EXECUTE FUNCTION audit_logs_refuse()".to_owned(),
            format!(
                "CREATE TRIGGER audit_logs_update BEFORE UPDATE ON audit_logs FOR EACH ROW WHEN ({SEALED_ONCE} OR {}) \
                 EXECUTE FUNCTION audit_logs_refuse()",
                changed.join(" OR ")
            ),
        ]
    } else {
        let changed: Vec<String> = fixed.iter().map(|c| format!("NEW.{c} IS NOT OLD.{c}")).collect();
        vec![
            "CREATE TRIGGER audit_logs_delete BEFORE DELETE ON audit_logs \
             BEGIN SELECT RAISE(ABORT, 'the audit log is immutable'); END"
                .to_owned(),
            format!(
                "CREATE TRIGGER audit_logs_update BEFORE UPDATE ON audit_logs WHEN {SEALED_ONCE} OR {} \
                 BEGIN SELECT RAISE(ABORT, 'the audit log is immutable'); END",
                changed.join(" OR ")
            ),
        ]
    };
    for statement in statements {
        db.execute_unprepared(&statement).await?;
    }
    Ok(())
}

/// Whether the schema in use has that table.
pub(crate) async fn has_table(db: &impl ConnectionTrait, table: &str) -> Result<bool, DbErr> {
    let backend = db.get_database_backend();
    let sql = if backend == DbBackend::Postgres {
        "SELECT 1 FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = $1"
    } else {
        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?"
    };
    let statement = Statement::from_sql_and_values(backend, sql, [table.into()]);
    Ok(db.query_one_raw(statement).await?.is_some())
}

/// A sum that stays a 64-bit integer; PostgreSQL would make it a decimal.
pub(crate) fn sum_bigint(column: sea_orm::sea_query::Expr) -> sea_orm::sea_query::Expr {
    sea_orm::sea_query::ExprTrait::cast_as(sea_orm::sea_query::Func::sum(column), "bigint")
}

/// The number of entries of a JSON array column.
pub(crate) fn json_array_length(column: impl sea_orm::ColumnTrait, backend: DbBackend) -> sea_orm::sea_query::Expr {
    let name = if backend == DbBackend::Postgres { "jsonb_array_length" } else { "json_array_length" };
    sea_orm::sea_query::Func::cust(name).arg(sea_orm::sea_query::Expr::col(column)).into()
}

/// Copies a SQLite database into an empty file while it is in use.
pub(crate) async fn vacuum_into(db: &impl ConnectionTrait, file: &std::path::Path) -> Result<(), DbErr> {
    let file = file.display().to_string().replace('\'', "''");
    db.execute_unprepared(&format!("VACUUM INTO '{file}'")).await?;
    Ok(())
}

/// What SQLite finds wrong with its file: damaged pages, rows without the row they refer to.
pub(crate) async fn integrity_faults(db: &impl ConnectionTrait) -> crate::Result<Vec<String>> {
    let backend = db.get_database_backend();
    let mut faults = Vec::new();
    for row in db.query_all_raw(Statement::from_string(backend, "PRAGMA integrity_check")).await? {
        let text: String = row.try_get_by_index(0)?;
        if text != "ok" {
            faults.push(text);
        }
    }
    for row in db.query_all_raw(Statement::from_string(backend, "PRAGMA foreign_key_check")).await? {
        let table: String = row.try_get_by_index(0)?;
        faults.push(format!("a row of {table} refers to one that is not there"));
    }
    Ok(faults)
}

/// Folds the write-ahead log into the file.
pub(crate) async fn leave_wal(db: &impl ConnectionTrait) -> crate::Result<()> {
    let statement = Statement::from_string(db.get_database_backend(), "PRAGMA journal_mode = DELETE");
    let mode: Option<String> = match db.query_one_raw(statement).await? {
        Some(row) => row.try_get_by_index(0)?,
        None => None,
    };
    match mode.as_deref() {
        Some("delete") => Ok(()),
        _ => Err(crate::StoreError::Unavailable("somebody else has the file open".to_owned())),
    }
}
