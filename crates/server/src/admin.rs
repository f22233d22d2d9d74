//! `berth admin`: looking after the data on the server's own machine, without the API.

use std::path::Path;

use berth_store::{self as store, Store, StoreConfig, migrate};

use crate::{
    StartError,
    app::identity,
    clock::Clock,
    config::Config,
    fsck::{self, Finding},
    nodes, open,
};

fn database(url: &str) -> impl Fn(store::StoreError) -> StartError + '_ {
    move |source| StartError::Database { url: url.to_owned(), source }
}

fn options(config: &Config) -> StoreConfig {
    StoreConfig { url: config.database_url(), max_connections: config.database_connections }
}

/// Only what is there: neither a directory nor a database is made by looking after one.
async fn existing(config: &Config) -> Result<Store, StartError> {
    if let Some(path) = config.database_url().strip_prefix("sqlite://")
        && !Path::new(path).exists()
    {
        return Err(StartError::Input(format!(
            "there is no database at {path}; name the data directory with --data-dir"
        )));
    }
    Store::open(&options(config)).await.map_err(database(&config.database_label()))
}

/// Writes all rows into one file, while the server runs.
///
/// # Errors
/// See [`StartError`].
pub async fn backup(config: &Config, file: &Path) -> Result<String, StartError> {
    let store = existing(config).await?;
    let bytes = store::admin::backup(&store, file).await.map_err(database(&config.database_label()))?;
    let key = config.data_dir.join("secret.key");
    Ok(format!(
        "Wrote {} ({bytes} bytes). Keep {} with it: without that key the sealed secrets cannot be opened.",
        file.display(),
        key.display()
    ))
}

/// Puts a backup in the place of the data; the server must be stopped.
///
/// # Errors
/// See [`StartError`].
pub async fn restore(config: &Config, file: &Path) -> Result<String, StartError> {
    crate::prepare(&config.data_dir)?;
    let _lock = crate::lock(config)?;
    let copied = store::admin::restore(file, &options(config)).await.map_err(database(&config.database_label()))?;
    let rows: u64 = copied.iter().map(|copied| copied.rows).sum();
    Ok(format!("Restored {rows} rows of {} tables. Run `berth admin fsck` before you start the server.", copied.len()))
}

/// Copies all rows into another, empty database.
///
/// # Errors
/// See [`StartError`].
pub async fn copy_database(config: &Config, to: &str) -> Result<String, StartError> {
    let source = existing(config).await?;
    let label = Config { database_url: to.to_owned(), ..config.clone() }.database_label();
    let target = Store::open(&StoreConfig::new(to)).await.map_err(database(&label))?;
    migrate::run(&target).await.map_err(database(&label))?;
    let copied = store::admin::copy_database(&source, &target).await.map_err(database(&label))?;
    let rows: u64 = copied.iter().map(|copied| copied.rows).sum();
    Ok(format!("Copied {rows} rows of {} tables to {label}.", copied.len()))
}

/// Compares ledger, rows and engines.
///
/// # Errors
/// See [`StartError`].
pub async fn fsck(config: Config, repair: bool) -> Result<Vec<Finding>, StartError> {
    existing(&config).await?;
    // A repair beside a working server would be a second writer of what the server is about to write.
    let _lock = if repair { Some(crate::lock(&config)?) } else { None };
    let app = open(config, Clock::System).await?;
    nodes::register_local(&app).await?;
    nodes::reconnect_simulated(&app).await?;
    Ok(fsck::check(&app, repair).await?)
}

/// A new generated password.
///
/// # Errors
/// See [`StartError`].
pub async fn reset_password(config: Config, username: &str) -> Result<String, StartError> {
    existing(&config).await?;
    let app = open(config, Clock::System).await?;
    Ok(identity::reset_password(&app, username).await?)
}

/// Ends every lock and bar of an account.
///
/// # Errors
/// See [`StartError`].
pub async fn unlock(config: Config, username: &str) -> Result<(), StartError> {
    existing(&config).await?;
    let app = open(config, Clock::System).await?;
    identity::unlock(&app, username).await?;
    Ok(())
}

/// Whether the schema is up to date, and in words; with `check` nothing is changed.
///
/// # Errors
/// See [`StartError`].
pub async fn migrate(config: &Config, check: bool) -> Result<(bool, String), StartError> {
    let store = existing(config).await?;
    let label = config.database_label();
    if !check {
        let done = migrate::run(&store).await.map_err(database(&label))?;
        let text = if done.is_empty() {
            "The schema is up to date.".to_owned()
        } else {
            format!("Applied {}.", done.join(", "))
        };
        return Ok((true, text));
    }
    let report = migrate::check(store.reader()).await.map_err(database(&label))?;
    Ok(match (report.pending.as_slice(), report.unknown.as_slice()) {
        ([], []) => (true, format!("The schema is up to date ({}).", migrate::newest())),
        (_, [.., newer]) => {
            (false, format!("The schema has {newer}, which this program does not know: use the newer program."))
        }
        (pending, []) => (
            false,
            format!("Pending: {}. `berth admin migrate`, or a start of the server, applies them.", pending.join(", ")),
        ),
    })
}
