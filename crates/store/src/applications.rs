//! The catalogue of what sessions can run. An application without a tenant is everybody's; a tenant's own of the same name
//! goes before it.

use berth_types::{
    ApplicationId, TenantId, Timestamp,
    applications::{Application, ApplicationCreate, ApplicationUpdate},
    identity::Scope,
    page::Page,
    quantities::{cores_to_millicores, gb_to_mib, mib_to_gb, millicores_to_cores},
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter,
};

use crate::{
    Json, Result, StoreError,
    entities::applications,
    page::{self, Direction, PageRequest},
    rows,
};

fn application_of(row: applications::Model) -> Application {
    Application {
        id: row.id,
        tenant_id: row.tenant_id,
        name: row.name,
        title: row.title,
        description: row.description,
        icon: row.icon,
        container_image: row.container_image,
        command: row.command.0,
        session_type: row.session_type,
        protocol: row.protocol,
        port: row.port,
        shell: row.shell.0,
        environment_variables: row.environment_variables.0,
        default_cpu: millicores_to_cores(row.default_cpu_millicores),
        default_memory_gb: mib_to_gb(row.default_memory_mib),
        default_storage_gb: mib_to_gb(row.default_storage_mib),
        default_gpu: row.default_gpu_milli / 1000,
        default_max_runtime_minutes: row.default_max_runtime_minutes,
        default_network_policy: row.default_network_policy,
        builtin: row.builtin,
        untested: row.untested,
        enabled: row.enabled,
        generation: row.generation,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

fn definition(application: &ApplicationCreate) -> applications::ActiveModel {
    applications::ActiveModel {
        name: Set(application.name.clone()),
        title: Set(application.title.clone()),
        description: Set(application.description.clone()),
        icon: Set(application.icon.clone()),
        container_image: Set(application.container_image.clone()),
        command: Set(Json(application.command.clone())),
        session_type: Set(application.session_type),
        protocol: Set(application.protocol),
        port: Set(application.port),
        shell: Set(Json(application.shell.clone())),
        environment_variables: Set(Json(application.environment_variables.clone())),
        default_cpu_millicores: Set(cores_to_millicores(application.default_cpu).unwrap_or(0)),
        default_memory_mib: Set(gb_to_mib(application.default_memory_gb).unwrap_or(0)),
        default_storage_mib: Set(gb_to_mib(application.default_storage_gb).unwrap_or(0)),
        default_gpu_milli: Set(application.default_gpu * 1000),
        default_max_runtime_minutes: Set(application.default_max_runtime_minutes),
        default_network_policy: Set(application.default_network_policy),
        enabled: Set(application.enabled),
        ..Default::default()
    }
}

/// What a caller may see: everybody's, and those of the tenant in reach.
fn readable(scope: Scope) -> Condition {
    match scope.tenant() {
        None => Condition::all(),
        Some(tenant) => Condition::any()
            .add(applications::Column::TenantId.is_null())
            .add(applications::Column::TenantId.eq(tenant)),
    }
}

/// What a caller may change: everybody's only with platform scope.
fn writable(scope: Scope, id: ApplicationId) -> Condition {
    let condition = Condition::all().add(applications::Column::Id.eq(id));
    match scope.tenant() {
        None => condition,
        Some(tenant) => condition.add(applications::Column::TenantId.eq(tenant)),
    }
}

/// In the order of their creation.
///
/// # Errors
/// `InvalidFilter` for a wrong cursor.
pub async fn list(db: &impl ConnectionTrait, scope: Scope, request: &PageRequest) -> Result<Page<Application>> {
    let select = applications::Entity::find().filter(readable(scope));
    let key = (applications::Column::Id, applications::Column::Id);
    let page = page::fetch(db, select, request, key, Direction::Ascending, |row| (row.id.0, row.id.0)).await?;
    Ok(page.map(application_of))
}

/// # Errors
/// `NotFound`.
pub async fn get(db: &impl ConnectionTrait, scope: Scope, id: ApplicationId) -> Result<Application> {
    let condition = readable(scope);
    let row = applications::Entity::find_by_id(id).filter(condition).one(db).await?;
    row.map(application_of).ok_or(StoreError::NotFound("application"))
}

/// The tenant's application of that name, else everybody's.
///
/// # Errors
/// `NotFound`.
pub async fn by_name(db: &impl ConnectionTrait, tenant: TenantId, name: &str) -> Result<Application> {
    let rows = applications::Entity::find()
        .filter(readable(Scope::Tenant(tenant)))
        .filter(applications::Column::Name.eq(name))
        .all(db)
        .await?;
    let own = rows.iter().position(|row| row.tenant_id.is_some()).unwrap_or(0);
    rows.into_iter().nth(own).map(application_of).ok_or(StoreError::NotFound("application"))
}

/// `tenant` `None` makes it everybody's.
///
/// # Errors
/// `AlreadyExists`.
pub async fn insert(
    db: &impl ConnectionTrait,
    tenant: Option<TenantId>,
    application: &ApplicationCreate,
    now: Timestamp,
) -> Result<Application> {
    let row = applications::ActiveModel {
        id: Set(ApplicationId::new()),
        tenant_id: Set(tenant),
        builtin: Set(false),
        untested: Set(false),
        generation: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        ..definition(application)
    };
    Ok(application_of(row.insert(db).await?))
}

/// Absent fields stay.
///
/// # Errors
/// `NotFound`, `Stale`.
pub async fn update(
    db: &impl ConnectionTrait,
    scope: Scope,
    id: ApplicationId,
    update: &ApplicationUpdate,
    generation: Option<i64>,
    now: Timestamp,
) -> Result<Application> {
    let mut change = applications::ActiveModel { updated_at: Set(now), ..Default::default() };
    if let Some(title) = &update.title {
        change.title = Set(title.clone());
    }
    if let Some(text) = &update.description {
        change.description = Set(Some(text.clone()));
    }
    if let Some(image) = &update.container_image {
        change.container_image = Set(image.clone());
    }
    if let Some(millicores) = update.default_cpu.and_then(cores_to_millicores) {
        change.default_cpu_millicores = Set(millicores);
    }
    if let Some(mib) = update.default_memory_gb.and_then(gb_to_mib) {
        change.default_memory_mib = Set(mib);
    }
    if let Some(mib) = update.default_storage_gb.and_then(gb_to_mib) {
        change.default_storage_mib = Set(mib);
    }
    if let Some(minutes) = update.default_max_runtime_minutes {
        change.default_max_runtime_minutes = Set(minutes);
    }
    if let Some(enabled) = update.enabled {
        change.enabled = Set(enabled);
    }
    let generation = (applications::Column::Generation, generation);
    let row = rows::update(db, "application", change, writable(scope, id), generation).await?;
    Ok(application_of(row))
}

/// Sessions made from it keep what they were started with.
///
/// # Errors
/// `NotFound`, `Stale`, `Conflict` for one that ships with Berth: it would come back, so it can only be disabled.
pub async fn delete(db: &impl ConnectionTrait, scope: Scope, id: ApplicationId, generation: Option<i64>) -> Result<()> {
    let row = applications::Entity::find().filter(writable(scope, id)).one(db).await?;
    let row = row.ok_or(StoreError::NotFound("application"))?;
    if row.builtin || row.untested {
        return Err(StoreError::Conflict("It ships with Berth. Disable it instead.".to_owned()));
    }
    let mut delete = applications::Entity::delete_many().filter(writable(scope, id));
    if let Some(generation) = generation {
        delete = delete.filter(applications::Column::Generation.eq(generation));
    }
    if delete.exec(db).await?.rows_affected == 0 { Err(StoreError::Stale) } else { Ok(()) }
}

/// An application that ships with Berth.
#[derive(Clone, Debug)]
pub struct Shipped {
    pub application: ApplicationCreate,
    /// Made on the node, without any registry.
    pub builtin: bool,
    /// An entry that Berth's own tests never run.
    pub untested: bool,
}

/// Brings the shipped part of the catalogue up to date. An entry that somebody changed stays as it is.
///
/// # Errors
/// `Unavailable`.
pub async fn ensure_builtin(db: &impl ConnectionTrait, shipped: &[Shipped], now: Timestamp) -> Result<()> {
    for entry in shipped {
        let known = applications::Entity::find()
            .filter(applications::Column::TenantId.is_null())
            .filter(applications::Column::Name.eq(entry.application.name.as_str()))
            .one(db)
            .await?;
        let mut row = definition(&entry.application);
        row.builtin = Set(entry.builtin);
        row.untested = Set(entry.untested);
        match known {
            None => {
                row.id = Set(ApplicationId::new());
                row.tenant_id = Set(None);
                row.generation = Set(1);
                row.created_at = Set(now);
                row.updated_at = Set(now);
                row.insert(db).await?;
            }
            Some(known) if known.generation == 1 && (known.builtin || known.untested) => {
                // `updated_at` moves only when the entry does, so that a restart changes nothing.
                let before = known.clone();
                row.id = Unchanged(known.id);
                let after = row.update(db).await?;
                if before != after {
                    let touch = applications::ActiveModel {
                        id: Unchanged(after.id),
                        updated_at: Set(now),
                        ..Default::default()
                    };
                    touch.update(db).await?;
                }
            }
            Some(_) => {}
        }
    }
    Ok(())
}
