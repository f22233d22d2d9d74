//! Connections: opening either database, and transactions that take the write lock first.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    QueryResult, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};

use crate::{Result, StoreError};

/// How long SQLite waits for another process's lock, and a caller for a free connection.
const WAIT: Duration = Duration::from_secs(10);

/// Where the database is.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// `sqlite:///path/to/file` or `postgres://…`
    pub url: String,
    /// Connections of the pool (on SQLite: readers); 0 means a default that suits the database.
    pub max_connections: u32,
}

impl StoreConfig {
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), max_connections: 0 }
    }
}

/// The URL of a SQLite file.
pub fn sqlite_url(file: &Path) -> String {
    format!("sqlite://{}", file.display().to_string().replace('%', "%25").replace('?', "%3F").replace('#', "%23"))
}

/// The file that a SQLite URL names.
pub fn sqlite_path(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"))?;
    let path = path.split('?').next().unwrap_or(path);
    Some(PathBuf::from(path.replace("%23", "#").replace("%3F", "?").replace("%25", "%")))
}

/// An empty file that only its owner may read.
pub(crate) fn private_file(file: &Path) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map(drop).map_err(|error| StoreError::Unavailable(format!("{}: {error}", file.display())))
}

/// An open database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    reader: DatabaseConnection,
    writer: DatabaseConnection,
    url: String,
}

impl Store {
    /// Opens the database, making the SQLite file when there is none. Does not migrate: see [`crate::migrate::run`].
    ///
    /// # Errors
    /// `Unavailable` when it cannot be reached, `Internal` when the URL names neither database.
    pub async fn open(config: &StoreConfig) -> Result<Self> {
        if config.url.starts_with("sqlite:") {
            Self::open_sqlite(config).await
        } else if config.url.starts_with("postgres:") || config.url.starts_with("postgresql:") {
            Self::open_postgres(config).await
        } else {
            Err(StoreError::internal("a database URL begins with sqlite: or postgres:"))
        }
    }

    async fn open_sqlite(config: &StoreConfig) -> Result<Self> {
        let options = |connections: u32, writes: bool| {
            let mut options = ConnectOptions::new(&config.url);
            options
                .max_connections(connections)
                .min_connections(1)
                .acquire_timeout(WAIT)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
                .sqlx_logging(false)
                .record_stmt_in_spans(false)
                .map_sqlx_sqlite_opts(move |options| {
                    let options = options
                        .create_if_missing(writes)
                        .journal_mode(SqliteJournalMode::Wal)
                        .synchronous(SqliteSynchronous::Full)
                        .foreign_keys(true)
                        .busy_timeout(WAIT)
                        .statement_cache_capacity(400)
                        // A whole page at once: a small buffer makes the reading thread wait for ours row by row.
                        .row_buffer_size(512);
                    if writes { options } else { options.pragma("query_only", "ON") }
                });
            options
        };
        let readers = if config.max_connections == 0 { 4 } else { config.max_connections };
        // It will hold password hashes and sealed secrets. SQLite gives its side files the same permissions.
        match sqlite_path(&config.url) {
            Some(file) if !file.exists() => private_file(&file)?,
            _ => {}
        }
        // The writer first: it makes the file and turns WAL on.
        let writer = Database::connect(options(1, true)).await?;
        let reader = Database::connect(options(readers, false)).await?;
        Ok(Self { reader, writer, url: config.url.clone() })
    }

    async fn open_postgres(config: &StoreConfig) -> Result<Self> {
        let mut options = ConnectOptions::new(&config.url);
        options
            .max_connections(if config.max_connections == 0 { 20 } else { config.max_connections })
            .min_connections(1)
            .acquire_timeout(WAIT)
            .connect_timeout(WAIT)
            .test_before_acquire_if_idle_for(Duration::from_secs(5))
            .set_application_name("berth")
            .sqlx_logging(false)
            .record_stmt_in_spans(false)
            .map_sqlx_postgres_opts(|options| options.statement_cache_capacity(400));
        let pool = Database::connect(options).await?;
        Ok(Self { reader: pool.clone(), writer: pool, url: config.url.clone() })
    }

    /// A connection of its own to a SQLite file, for what must not share one: leaving WAL needs the file alone.
    pub(crate) async fn open_alone(url: &str) -> Result<DatabaseConnection> {
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(1)
            .sqlx_logging(false)
            .map_sqlx_sqlite_opts(|options| options.busy_timeout(Duration::from_millis(500)));
        Ok(Database::connect(options).await?)
    }

    /// A connection of its own for a long read.
    pub(crate) async fn read_connection(&self) -> Result<DatabaseConnection> {
        Self::open_alone(&self.url).await
    }

    /// For reads outside a transaction. On SQLite it refuses writes.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// For a single writing statement outside a transaction.
    pub fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    pub fn backend(&self) -> DbBackend {
        self.writer.get_database_backend()
    }

    /// Whether several servers may work on it at once.
    pub fn is_shared(&self) -> bool {
        self.backend() == DbBackend::Postgres
    }

    /// The URL it was opened with; may hold a password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Begins a transaction that may write: `BEGIN IMMEDIATE` on SQLite, READ COMMITTED on PostgreSQL. Dropping it
    /// without [`Tx::commit`] takes everything back.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn begin(&self) -> Result<Tx> {
        let options = TransactionOptions {
            sqlite_transaction_mode: (self.backend() == DbBackend::Sqlite).then_some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(Tx(self.writer.begin_with_options(options).await?))
    }

    /// Whether the database answers. On SQLite by a reader: a long write is no reason to count as down.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn ping(&self) -> Result<()> {
        self.reader.ping().await?;
        Ok(())
    }

    /// Waits for connections in use and closes all.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn close(&self) -> Result<()> {
        self.reader.close_by_ref().await?;
        self.writer.close_by_ref().await?;
        Ok(())
    }
}

/// An open transaction.
#[derive(Debug)]
pub struct Tx(DatabaseTransaction);

impl Tx {
    /// # Errors
    /// `Unavailable` when the commit's outcome is unknown or it was refused.
    pub async fn commit(self) -> Result<()> {
        self.0.commit().await?;
        Ok(())
    }

    /// # Errors
    /// `Unavailable`; the database takes the transaction back all the same.
    pub async fn rollback(self) -> Result<()> {
        self.0.rollback().await?;
        Ok(())
    }

    pub(crate) fn transaction(&self) -> &DatabaseTransaction {
        &self.0
    }
}

#[async_trait]
impl ConnectionTrait for Tx {
    fn get_database_backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.0.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.0.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.0.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.0.query_all_raw(statement).await
    }
}
