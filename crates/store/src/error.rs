//! What can go wrong in the store, sorted by what the caller can do about it. Texts of databases stay inside: they are
//! for the log, the app makes the public error.

use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{self, error::DatabaseError},
};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No such row within the caller's scope; the text is a noun such as "session".
    #[error("no such {0}")]
    NotFound(&'static str),
    /// Another living row has the same value in `field`.
    #[error("another {what} has this {field}")]
    AlreadyExists { what: String, field: String },
    /// The row's generation is not the one the caller saw.
    #[error("the row was changed meanwhile")]
    Stale,
    /// Other rows still need it.
    #[error("still in use: {0}")]
    InUse(String),
    /// Not possible in the row's present state.
    #[error("{0}")]
    Conflict(String),
    /// Locked, busy, full or gone; a repetition may succeed.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The database was written by a newer Berth.
    #[error("the database has schema {found}, this program knows none newer than {known}; use the newer program")]
    SchemaNewer { found: String, known: String },
    /// A filter, sort or cursor of a list that means nothing; the message says what would.
    #[error("{field}: {message}")]
    InvalidFilter { field: &'static str, message: String },
    /// A fault of Berth itself or damage to the database.
    #[error("{0}")]
    Internal(String),
}

pub type Result<T, E = StoreError> = std::result::Result<T, E>;

impl StoreError {
    pub(crate) fn internal(text: impl std::fmt::Display) -> Self {
        Self::Internal(text.to_string())
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        let text = error.to_string();
        match &error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Self::Unavailable(text),
            DbErr::Exec(RuntimeErr::SqlxError(inner)) | DbErr::Query(RuntimeErr::SqlxError(inner)) => {
                match inner.as_ref() {
                    sqlx::Error::Database(inner) => database_error(inner.as_ref()),
                    sqlx::Error::Io(_)
                    | sqlx::Error::Tls(_)
                    | sqlx::Error::PoolTimedOut
                    | sqlx::Error::PoolClosed
                    | sqlx::Error::WorkerCrashed => Self::Unavailable(text),
                    _ => Self::Internal(text),
                }
            }
            _ => Self::Internal(text),
        }
    }
}

/// Sorts by SQLSTATE (PostgreSQL) or extended result code (SQLite).
fn database_error(error: &dyn DatabaseError) -> StoreError {
    let message = error.message().to_owned();
    let code = error.code().unwrap_or_default().into_owned();
    if error.is_unique_violation() {
        return already_exists(error.constraint(), &message);
    }
    if error.is_foreign_key_violation() {
        return StoreError::InUse(message);
    }
    if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
        return match code.as_str() {
            // Raised by our own triggers.
            "23001" => StoreError::Conflict(message),
            // Serialisation failure, deadlock, lock not available, read only during failover.
            "40001" | "40P01" | "55P03" | "25006" => StoreError::Unavailable(message),
            _ if ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => {
                StoreError::Unavailable(message)
            }
            _ => StoreError::Internal(format!("{message} ({code})")),
        };
    }
    // https://www.sqlite.org/rescode.html: the low byte is the primary code.
    let number: i64 = code.parse().unwrap_or_default();
    match (number & 0xff, number) {
        // SQLITE_CONSTRAINT_TRIGGER: raised by our own triggers.
        (_, 1811) => StoreError::Conflict(message),
        // BUSY, LOCKED, IOERR, FULL, CANTOPEN, PROTOCOL, READONLY
        (5 | 6 | 10 | 13 | 14 | 15 | 8, _) => StoreError::Unavailable(message),
        _ => StoreError::Internal(format!("{message} ({code})")),
    }
}

/// PostgreSQL names the index, SQLite the index only when it is over an expression, else `table.column, …`. Index names
/// are `uq_<table>__<columns>`; the last column is to blame.
fn already_exists(constraint: Option<&str>, message: &str) -> StoreError {
    let index = constraint.map(str::to_owned).or_else(|| {
        let (_, rest) = message.split_once("index '")?;
        rest.split_once('\'').map(|(name, _)| name.to_owned())
    });
    let (table, field) = if let Some(index) = index {
        let mut parts = index.trim_start_matches("uq_").split("__").map(str::to_owned);
        let table = parts.next().unwrap_or_default();
        let last = parts.last().unwrap_or_default();
        let field =
            last.split_once("_without_").map_or(last.as_str(), |(field, _)| field).trim_end_matches("_open").to_owned();
        (table, field)
    } else {
        let columns = message.rsplit_once(": ").map_or(message, |(_, columns)| columns);
        let last = columns.rsplit(", ").next().unwrap_or_default();
        let (table, field) = last.split_once('.').unwrap_or((last, last));
        (table.to_owned(), field.to_owned())
    };
    StoreError::AlreadyExists { what: table.trim_end_matches('s').replace('_', " "), field }
}
