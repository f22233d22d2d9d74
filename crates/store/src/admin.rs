//! Backup, restore, and moving between the two databases. The one portable format is a SQLite file: a backup of SQLite is
//! a copy made online, one of PostgreSQL is written table by table, and either restores into either.

use std::path::{Path, PathBuf};

use sea_orm::{
    AccessMode, ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, Condition, DatabaseTransaction, DbBackend, EntityTrait, IntoActiveModel, IsolationLevel, Iterable,
    PaginatorTrait, PrimaryKeyToColumn, QueryFilter, QueryOrder, QuerySelect, TransactionSession, TransactionTrait,
};
use uuid::Uuid;

use crate::{
    Result, Store, StoreConfig, StoreError, Tx, dialect,
    entities::{
        allocations, applications, audit_logs, edge_data_centers, gpu_devices, idempotency_keys, leases,
        login_attempts, login_failures, network_topologies, node_metrics, node_network_interfaces, node_resources,
        nodes, operations, permissions, resource_pools, role_permissions, secrets, session_metrics, session_nodes,
        sessions, system_events, system_settings, tenants, usage_records, user_networks, user_sessions, users,
    },
    migrate,
    store::{private_file, sqlite_path, sqlite_url},
};

/// Rows read and written at a time.
const BATCH: u64 = 500;

/// Runs `$action!(module)` for every table, those that are referred to first.
macro_rules! every_table {
    ($action:ident) => {
        $action!(tenants);
        $action!(users);
        $action!(user_sessions);
        $action!(login_attempts);
        $action!(login_failures);
        $action!(permissions);
        $action!(role_permissions);
        $action!(secrets);
        $action!(edge_data_centers);
        $action!(resource_pools);
        $action!(nodes);
        $action!(node_resources);
        $action!(gpu_devices);
        $action!(network_topologies);
        $action!(node_network_interfaces);
        $action!(user_networks);
        $action!(applications);
        $action!(sessions);
        $action!(session_nodes);
        $action!(allocations);
        $action!(usage_records);
        $action!(node_metrics);
        $action!(session_metrics);
        $action!(system_events);
        $action!(audit_logs);
        $action!(system_settings);
        $action!(operations);
        $action!(idempotency_keys);
        $action!(leases);
    };
}

/// Names of all tables, those that are referred to first.
pub fn tables() -> Vec<&'static str> {
    let mut names = Vec::new();
    macro_rules! name {
        ($module:ident) => {
            names.push(stringify!($module));
        };
    }
    every_table!(name);
    names
}

/// How many rows of a table were copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    pub table: &'static str,
    pub rows: u64,
}

/// Copies everything from one database into another one that is migrated and empty, in one transaction, from one
/// consistent view of the source, and compares the counts.
///
/// # Errors
/// `Conflict` when the target has rows already, `Internal` when counts differ; nothing is written then.
pub async fn copy_database(from: &Store, to: &Store) -> Result<Vec<Copied>> {
    let source = snapshot(from).await?;
    let target = to.begin().await?;
    let mut filled = Vec::new();
    macro_rules! look {
        ($module:ident) => {
            if $module::Entity::find().limit(1).one(&target).await?.is_some() {
                filled.push(stringify!($module));
            }
        };
    }
    every_table!(look);
    if !filled.is_empty() {
        return Err(StoreError::Conflict(format!(
            "The target database is not empty: {} have rows.",
            filled.join(", ")
        )));
    }
    copy_tenants(&source, &target).await?;
    macro_rules! by_id {
        ($($module:ident),+) => { $(copy_by_key::<$module::Entity, _>(&source, &target, $module::Column::Id, |row| row.id).await?;)+ };
    }
    by_id!(users);
    link_tenants(&source, &target).await?;
    by_id!(user_sessions);
    copy_in_order::<login_attempts::Entity>(&source, &target, Condition::all()).await?;
    by_id!(
        login_failures,
        permissions,
        role_permissions,
        secrets,
        edge_data_centers,
        resource_pools,
        nodes,
        node_resources,
        gpu_devices,
        network_topologies,
        node_network_interfaces,
        user_networks,
        applications,
        sessions,
        allocations,
        usage_records
    );
    copy_in_order::<session_nodes::Entity>(&source, &target, Condition::all()).await?;
    copy_by_owner::<node_metrics::Entity>(&source, &target, node_metrics::Column::NodeId).await?;
    copy_by_owner::<session_metrics::Entity>(&source, &target, session_metrics::Column::SessionId).await?;
    by_id!(system_events, audit_logs, system_settings, operations, idempotency_keys);
    copy_by_key::<leases::Entity, _>(&source, &target, leases::Column::Name, |row| row.name.clone()).await?;

    let mut copied = Vec::new();
    macro_rules! compare {
        ($module:ident) => {
            let (there, here) =
                ($module::Entity::find().count(&source).await?, $module::Entity::find().count(&target).await?);
            if there != here {
                let table = stringify!($module);
                return Err(StoreError::Internal(format!("{table}: {there} rows in the source, {here} in the target")));
            }
            copied.push(Copied { table: stringify!($module), rows: here });
        };
    }
    every_table!(compare);
    target.commit().await?;
    TransactionSession::rollback(source).await?;
    Ok(copied)
}

/// A transaction that sees the source as it is now, whatever is written meanwhile.
async fn snapshot(store: &Store) -> Result<DatabaseTransaction> {
    let reader = store.reader();
    Ok(match store.backend() {
        DbBackend::Postgres => {
            reader.begin_with_config(Some(IsolationLevel::RepeatableRead), Some(AccessMode::ReadOnly)).await?
        }
        _ => reader.begin().await?,
    })
}

async fn write<E>(target: &Tx, rows: Vec<E::Model>) -> Result<()>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
    E::ActiveModel: Send,
{
    if !rows.is_empty() {
        E::insert_many(rows.into_iter().map(IntoActiveModel::into_active_model)).exec_without_returning(target).await?;
    }
    Ok(())
}

/// Copies a table by the order of one unique column.
async fn copy_by_key<E, K>(
    source: &DatabaseTransaction,
    target: &Tx,
    key: E::Column,
    of: impl Fn(&E::Model) -> K,
) -> Result<()>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
    E::ActiveModel: Send,
    K: Into<sea_orm::Value>,
{
    let mut last: Option<K> = None;
    loop {
        let mut select = E::find().order_by_asc(key).limit(BATCH);
        if let Some(last) = last.take() {
            select = select.filter(key.gt(last));
        }
        let rows = select.all(source).await?;
        let Some(end) = rows.last() else { return Ok(()) };
        last = Some(of(end));
        write::<E>(target, rows).await?;
    }
}

/// Tenants without the users they refer to, who are not there yet.
async fn copy_tenants(source: &DatabaseTransaction, target: &Tx) -> Result<()> {
    let rows = tenants::Entity::find().all(source).await?;
    let bare = |row| tenants::Model { admin_user_id: None, created_by: None, ..row };
    for batch in rows.chunks(BATCH as usize) {
        write::<tenants::Entity>(target, batch.iter().cloned().map(bare).collect()).await?;
    }
    Ok(())
}

async fn link_tenants(source: &DatabaseTransaction, target: &Tx) -> Result<()> {
    for row in tenants::Entity::find().all(source).await? {
        if row.admin_user_id.is_some() || row.created_by.is_some() {
            let link = tenants::ActiveModel {
                id: Unchanged(row.id),
                admin_user_id: Set(row.admin_user_id),
                created_by: Set(row.created_by),
                ..Default::default()
            };
            link.update(target).await?;
        }
    }
    Ok(())
}

/// Copies rows in the order of their primary key, for keys of several columns.
async fn copy_in_order<E>(source: &DatabaseTransaction, target: &Tx, rows: Condition) -> Result<()>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
    E::ActiveModel: Send,
{
    let mut offset = 0;
    loop {
        let mut select = E::find().filter(rows.clone());
        for key in E::PrimaryKey::iter() {
            select = select.order_by_asc(key.into_column());
        }
        let rows = select.offset(offset).limit(BATCH).all(source).await?;
        if rows.is_empty() {
            return Ok(());
        }
        offset += rows.len() as u64;
        write::<E>(target, rows).await?;
    }
}

/// The same for long tables, one owner after the other: an offset costs what it skips.
async fn copy_by_owner<E>(source: &DatabaseTransaction, target: &Tx, owner: E::Column) -> Result<()>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
    E::ActiveModel: Send,
{
    let owners: Vec<Uuid> = E::find().select_only().column(owner).distinct().into_tuple().all(source).await?;
    for id in owners {
        copy_in_order::<E>(source, target, Condition::all().add(owner.eq(id))).await?;
    }
    Ok(())
}

/// Writes the database into a new SQLite file while it is in use, and returns its size in bytes. The file holds password
/// hashes and sealed secrets, so that only its owner may read it; the key file is not in it.
///
/// # Errors
/// `Conflict` when the file exists, `Unavailable` when it cannot be written.
pub async fn backup(store: &Store, file: &Path) -> Result<u64> {
    if file.exists() {
        return Err(StoreError::Conflict(format!("{} exists already.", file.display())));
    }
    let part = with_suffix(file, ".part");
    remove(&part)?;
    // Made before the database writes into it, so that no moment leaves it readable to others.
    private_file(&part)?;
    if store.backend() == DbBackend::Sqlite {
        dialect::vacuum_into(&store.read_connection().await?, &part).await?;
    } else {
        let copy = Store::open(&StoreConfig::new(sqlite_url(&part))).await?;
        migrate::run(&copy).await?;
        copy_database(store, &copy).await?;
        copy.close().await?;
        settle(&part).await?;
    }
    let size = std::fs::File::open(&part).and_then(|f| f.sync_all().and_then(|()| f.metadata())).map_err(io)?.len();
    std::fs::rename(&part, file).map_err(io)?;
    Ok(size)
}

/// Puts a backup in the place of a database. For SQLite the file that was there is kept beside it with the suffix
/// `.before-restore`; a PostgreSQL database must be empty. A backup of an older schema is brought up to date.
///
/// # Errors
/// `Conflict` when the file is damaged or no backup, when a server still uses the SQLite database, or when the PostgreSQL
/// one is not empty; `SchemaNewer`.
pub async fn restore(file: &Path, target: &StoreConfig) -> Result<Vec<Copied>> {
    // Checked and migrated on a copy: the backup itself stays as it is.
    let directory = sqlite_path(&target.url).and_then(|path| path.parent().map(Path::to_owned));
    let directory = directory.unwrap_or_else(std::env::temp_dir);
    let copy = directory.join(format!("berth-restore-{}.sqlite", Uuid::now_v7().simple()));
    let result = restore_from_copy(file, &copy, target).await;
    for suffix in ["", "-wal", "-shm"] {
        remove(&with_suffix(&copy, suffix))?;
    }
    result
}

async fn restore_from_copy(file: &Path, copy: &Path, target: &StoreConfig) -> Result<Vec<Copied>> {
    private_file(copy)?;
    std::fs::copy(file, copy).map_err(io)?;
    let store = Store::open(&StoreConfig::new(sqlite_url(copy))).await.map_err(not_a_backup)?;
    let faults = dialect::integrity_faults(store.reader()).await.map_err(not_a_backup)?;
    if !faults.is_empty() {
        return Err(StoreError::Conflict(format!("The backup is damaged: {}", faults.join("; "))));
    }
    let report = migrate::check(store.reader()).await?;
    if report.applied.is_empty() {
        return Err(StoreError::Conflict("The file is no database of Berth.".to_owned()));
    }
    migrate::run(&store).await?;
    if let Some(place) = sqlite_path(&target.url) {
        let mut rows = Vec::new();
        macro_rules! count {
            ($module:ident) => {
                rows.push(Copied {
                    table: stringify!($module),
                    rows: $module::Entity::find().count(store.reader()).await?,
                });
            };
        }
        every_table!(count);
        store.close().await?;
        settle(copy).await?;
        replace(copy, &place).await?;
        Ok(rows)
    } else {
        let target = Store::open(target).await?;
        migrate::run(&target).await?;
        let rows = copy_database(&store, &target).await?;
        target.close().await?;
        store.close().await?;
        Ok(rows)
    }
}

/// Takes the place of a SQLite database that nobody has open.
async fn replace(new: &Path, place: &Path) -> Result<()> {
    if place.exists() {
        settle(place).await.map_err(|error| match error {
            StoreError::Unavailable(_) => {
                StoreError::Conflict(format!("{} is in use. Stop the server first.", place.display()))
            }
            other => other,
        })?;
        std::fs::rename(place, with_suffix(place, ".before-restore")).map_err(io)?;
    }
    std::fs::File::open(new).and_then(|file| file.sync_all()).map_err(io)?;
    std::fs::rename(new, place).map_err(io)
}

/// Folds the write-ahead log into the file, which only works while nobody else has it open.
async fn settle(file: &Path) -> Result<()> {
    let connection = Store::open_alone(&sqlite_url(file)).await?;
    let result = dialect::leave_wal(&connection).await;
    connection.close().await?;
    result
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove(file: &Path) -> Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(error)),
        _ => Ok(()),
    }
}

fn io(error: std::io::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

fn not_a_backup(error: StoreError) -> StoreError {
    StoreError::Conflict(format!("The file is no backup: {error}"))
}
