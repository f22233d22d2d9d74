//! Tenants, users, logins, wrong passwords, permissions. Deleted tenants and users keep their rows, because the ledger
//! names them for ever; they are out of every read here and their names are free again.

use std::collections::BTreeMap;

use berth_types::{
    PermissionId, RolePermissionId, StringMap, TenantId, Timestamp, UserId, UserSessionId,
    identity::{
        LoginKind, Permission, PermissionAction, PermissionScope, QuotaConfig, ResourceType, Role, RoleGrant,
        RolePermissions, Scope, Tenant, TenantCreate, TenantFilter, TenantStatus, TenantUpdate, User, UserFilter,
        UserSession, UserStatus, UserUpdate,
    },
    page::Page,
    quantities::{gb_to_mib, mib_to_gb},
    sessions::SessionStatus,
};
use chrono::TimeDelta;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, JoinType, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, Func, LockType, OnConflict},
};
use uuid::Uuid;

use crate::{
    Json, Result, StoreError,
    entities::{
        login_attempts, login_failures, permissions, role_permissions, secrets, sessions, tenants, user_sessions, users,
    },
    page::{self, Direction, PageRequest},
    rows,
};

/// A user with its password hash and counters, for logging in.
pub type UserRecord = users::Model;

/// Millicore-seconds of one core-hour.
const CORE_HOUR: f64 = 1000.0 * 3600.0;
/// MiB-seconds of one GB-hour.
const GB_HOUR: f64 = 1024.0 * 3600.0;

fn tenant_of(row: tenants::Model) -> Tenant {
    Tenant {
        id: row.id,
        name: row.name,
        description: row.description,
        status: row.status,
        admin_user_id: row.admin_user_id,
        vlan_id: row.vlan_id,
        quota_config: row.quota_config.0,
        generation: row.generation,
        created_at: row.created_at,
        updated_at: row.updated_at,
        created_by: row.created_by,
    }
}

/// What the API shows of a user.
pub fn user_of(row: UserRecord) -> User {
    User {
        id: row.id,
        tenant_id: row.tenant_id,
        username: row.username,
        email: row.email,
        full_name: row.full_name,
        role: row.role,
        status: row.status,
        last_login_at: row.last_login_at,
        failed_login_attempts: row.failed_login_attempts,
        account_locked_until: row.account_locked_until,
        must_change_password: row.must_change_password,
        preferences: row.preferences.0,
        quota_cpu_hours: row.quota_cpu_millicore_seconds.map(|amount| amount as f64 / CORE_HOUR),
        quota_memory_gb_hours: row.quota_memory_mib_seconds.map(|amount| amount as f64 / GB_HOUR),
        quota_storage_gb: row.quota_storage_mib.map(mib_to_gb),
        quota_config: row.quota_config.0,
        generation: row.generation,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

fn tenants_in(scope: Scope) -> Condition {
    let condition = Condition::all().add(tenants::Column::DeletedAt.is_null());
    match scope.tenant() {
        Some(tenant) => condition.add(tenants::Column::Id.eq(tenant)),
        None => condition,
    }
}

fn users_in(scope: Scope) -> Condition {
    let mut condition = Condition::all().add(users::Column::DeletedAt.is_null());
    if let Some(tenant) = scope.tenant() {
        condition = condition.add(users::Column::TenantId.eq(tenant));
    }
    if let Some(user) = scope.owner() {
        condition = condition.add(users::Column::Id.eq(user));
    }
    condition
}

// ---- tenants

/// Tenants in the order of their creation.
///
/// # Errors
/// `InvalidFilter` for a wrong cursor.
pub async fn tenant_list(db: &impl ConnectionTrait, scope: Scope, filter: &TenantFilter) -> Result<Page<Tenant>> {
    let mut condition = tenants_in(scope);
    if let Some(search) = &filter.search {
        let columns = [tenants::Column::Name, tenants::Column::Description];
        condition = condition.add(rows::containing(&columns, search));
    }
    let select = tenants::Entity::find().filter(condition);
    let request = &PageRequest::new(filter.limit, filter.cursor.clone());
    let key = (tenants::Column::Id, tenants::Column::Id);
    let page = page::fetch(db, select, request, key, Direction::Ascending, |row| (row.id.0, row.id.0)).await?;
    Ok(page.map(tenant_of))
}

/// # Errors
/// `NotFound`.
pub async fn tenant_get(db: &impl ConnectionTrait, scope: Scope, id: TenantId) -> Result<Tenant> {
    let condition = tenants_in(scope).add(tenants::Column::Id.eq(id));
    let row = tenants::Entity::find().filter(condition).one(db).await?;
    row.map(tenant_of).ok_or(StoreError::NotFound("tenant"))
}

/// # Errors
/// `NotFound`.
pub async fn tenant_by_name(db: &impl ConnectionTrait, name: &str) -> Result<Tenant> {
    let condition = tenants_in(Scope::Platform).add(tenants::Column::Name.eq(name));
    let row = tenants::Entity::find().filter(condition).one(db).await?;
    row.map(tenant_of).ok_or(StoreError::NotFound("tenant"))
}

/// # Errors
/// `AlreadyExists`.
pub async fn tenant_insert(
    db: &impl ConnectionTrait,
    tenant: &TenantCreate,
    created_by: Option<UserId>,
    now: Timestamp,
) -> Result<Tenant> {
    let row = tenants::ActiveModel {
        id: Set(TenantId::new()),
        name: Set(tenant.name.clone()),
        description: Set(tenant.description.clone()),
        status: Set(TenantStatus::Active),
        admin_user_id: Set(None),
        vlan_id: Set(None),
        quota_config: Set(Json(tenant.quota_config.clone())),
        generation: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        created_by: Set(created_by),
        deleted_at: Set(None),
    };
    Ok(tenant_of(row.insert(db).await?))
}

/// Absent fields stay; `generation` is the one the caller saw, if it says.
///
/// # Errors
/// `NotFound`, `Stale`, `AlreadyExists`.
pub async fn tenant_update(
    db: &impl ConnectionTrait,
    scope: Scope,
    id: TenantId,
    update: &TenantUpdate,
    generation: Option<i64>,
    now: Timestamp,
) -> Result<Tenant> {
    let mut change = tenants::ActiveModel { updated_at: Set(now), ..Default::default() };
    if let Some(name) = &update.name {
        change.name = Set(name.clone());
    }
    if let Some(text) = &update.description {
        change.description = Set(Some(text.clone()));
    }
    if let Some(status) = update.status {
        change.status = Set(status);
    }
    if let Some(user) = update.admin_user_id {
        change.admin_user_id = Set(Some(user));
    }
    if let Some(quota) = &update.quota_config {
        change.quota_config = Set(Json(quota.clone()));
    }
    let row = tenants_in(scope).add(tenants::Column::Id.eq(id));
    let row = rows::update(db, "tenant", change, row, (tenants::Column::Generation, generation)).await?;
    Ok(tenant_of(row))
}

/// # Errors
/// `NotFound`, `Stale`, `InUse` while it has users.
pub async fn tenant_delete(
    db: &impl ConnectionTrait,
    scope: Scope,
    id: TenantId,
    generation: Option<i64>,
    now: Timestamp,
) -> Result<()> {
    let of_tenant = users::Column::TenantId.eq(id).and(users::Column::DeletedAt.is_null());
    let count = users::Entity::find().filter(of_tenant).count(db).await?;
    if count > 0 && tenant_get(db, scope, id).await.is_ok() {
        return Err(StoreError::InUse(format!("It still has {count} users. Delete them first.")));
    }
    let change = tenants::ActiveModel {
        deleted_at: Set(Some(now)),
        vlan_id: Set(None),
        updated_at: Set(now),
        ..Default::default()
    };
    let row = tenants_in(scope).add(tenants::Column::Id.eq(id));
    rows::update(db, "tenant", change, row, (tenants::Column::Generation, generation)).await?;
    secrets::Entity::delete_many().filter(secrets::Column::TenantId.eq(id)).exec(db).await?;
    Ok(())
}

// ---- users

/// Users in the order of their creation.
///
/// # Errors
/// `InvalidFilter` for a wrong cursor.
pub async fn user_list(db: &impl ConnectionTrait, scope: Scope, filter: &UserFilter) -> Result<Page<User>> {
    let mut condition = users_in(scope);
    if let Some(search) = &filter.search {
        let columns = [users::Column::Username, users::Column::FullName, users::Column::Email];
        condition = condition.add(rows::containing(&columns, search));
    }
    if let Some(role) = filter.role {
        condition = condition.add(users::Column::Role.eq(role));
    }
    if let Some(status) = filter.status {
        condition = condition.add(users::Column::Status.eq(status));
    }
    if let Some(tenant) = filter.tenant_id {
        condition = condition.add(users::Column::TenantId.eq(tenant));
    }
    let select = users::Entity::find().filter(condition);
    let request = &PageRequest::new(filter.limit, filter.cursor.clone());
    let key = (users::Column::Id, users::Column::Id);
    let page = page::fetch(db, select, request, key, Direction::Ascending, |row| (row.id.0, row.id.0)).await?;
    Ok(page.map(user_of))
}

/// # Errors
/// `NotFound`.
pub async fn user_get(db: &impl ConnectionTrait, scope: Scope, id: UserId) -> Result<User> {
    user_record(db, scope, id).await.map(user_of)
}

/// # Errors
/// `NotFound`.
pub async fn user_record(db: &impl ConnectionTrait, scope: Scope, id: UserId) -> Result<UserRecord> {
    let condition = users_in(scope).add(users::Column::Id.eq(id));
    users::Entity::find().filter(condition).one(db).await?.ok_or(StoreError::NotFound("user"))
}

/// The living user of that name, whatever its case.
///
/// # Errors
/// `Unavailable`.
pub async fn user_by_name(db: &impl ConnectionTrait, username: &str) -> Result<Option<UserRecord>> {
    let lower = Expr::expr(Func::lower(Expr::col(users::Column::Username)));
    let condition = users_in(Scope::Platform).add(lower.eq(username.to_ascii_lowercase()));
    Ok(users::Entity::find().filter(condition).one(db).await?)
}

/// Whether nobody lives here yet: the first start.
///
/// # Errors
/// `Unavailable`.
pub async fn any_user(db: &impl ConnectionTrait) -> Result<bool> {
    Ok(users::Entity::find().filter(users_in(Scope::Platform)).limit(1).one(db).await?.is_some())
}

/// A user to be; its password is hashed already.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub tenant_id: TenantId,
    pub username: String,
    pub email: Option<String>,
    pub full_name: Option<String>,
    pub role: Role,
    pub password_hash: String,
    pub must_change_password: bool,
    pub quota_storage_gb: Option<f64>,
    pub quota_config: QuotaConfig,
}

/// # Errors
/// `AlreadyExists` for username or email, `InUse` when the tenant does not exist.
pub async fn user_insert(db: &impl ConnectionTrait, user: NewUser, now: Timestamp) -> Result<User> {
    let row = users::ActiveModel {
        id: Set(UserId::new()),
        tenant_id: Set(user.tenant_id),
        username: Set(user.username),
        email: Set(user.email),
        full_name: Set(user.full_name),
        password_hash: Set(user.password_hash),
        role: Set(user.role),
        status: Set(UserStatus::Active),
        must_change_password: Set(user.must_change_password),
        last_login_at: Set(None),
        failed_login_attempts: Set(0),
        account_locked_until: Set(None),
        preferences: Set(Json(StringMap::new())),
        quota_cpu_millicore_seconds: Set(None),
        quota_memory_mib_seconds: Set(None),
        quota_storage_mib: Set(user.quota_storage_gb.and_then(gb_to_mib)),
        quota_config: Set(Json(user.quota_config)),
        generation: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        deleted_at: Set(None),
    };
    Ok(user_of(row.insert(db).await?))
}

/// Absent fields stay. `password_hash` is that of `update.password`; it must be changed at the next login, and the
/// caller ends the user's logins with [`logins_revoke`]. Status `active` also unlocks.
///
/// # Errors
/// `NotFound`, `Stale`, `AlreadyExists`.
pub async fn user_update(
    db: &impl ConnectionTrait,
    scope: Scope,
    id: UserId,
    update: &UserUpdate,
    password_hash: Option<String>,
    generation: Option<i64>,
    now: Timestamp,
) -> Result<User> {
    let mut change = users::ActiveModel { updated_at: Set(now), ..Default::default() };
    if let Some(email) = &update.email {
        change.email = Set(Some(email.clone()));
    }
    if let Some(name) = &update.full_name {
        change.full_name = Set(Some(name.clone()));
    }
    if let Some(role) = update.role {
        change.role = Set(role);
    }
    if let Some(status) = update.status {
        change.status = Set(status);
        if status == UserStatus::Active {
            change.failed_login_attempts = Set(0);
            change.account_locked_until = Set(None);
        }
    }
    if let Some(preferences) = &update.preferences {
        change.preferences = Set(Json(preferences.clone()));
    }
    if let Some(hours) = update.quota_cpu_hours {
        change.quota_cpu_millicore_seconds = Set(Some((hours * CORE_HOUR).round() as i64));
    }
    if let Some(hours) = update.quota_memory_gb_hours {
        change.quota_memory_mib_seconds = Set(Some((hours * GB_HOUR).round() as i64));
    }
    if let Some(gb) = update.quota_storage_gb {
        change.quota_storage_mib = Set(gb_to_mib(gb));
    }
    if let Some(quota) = &update.quota_config {
        change.quota_config = Set(Json(quota.clone()));
    }
    if let Some(hash) = password_hash {
        change.password_hash = Set(hash);
        change.must_change_password = Set(true);
    }
    let row = users_in(scope).add(users::Column::Id.eq(id));
    let row = rows::update(db, "user", change, row, (users::Column::Generation, generation)).await?;
    if update.status == Some(UserStatus::Active) {
        forget_failures(db, id, None).await?;
    }
    Ok(user_of(row))
}

/// Takes the user away: logins, tokens and secrets go, what it ran and used stays on record.
///
/// # Errors
/// `NotFound`, `Stale`, `InUse` while it has sessions that have not ended.
pub async fn user_delete(
    db: &impl ConnectionTrait,
    scope: Scope,
    id: UserId,
    generation: Option<i64>,
    now: Timestamp,
) -> Result<()> {
    user_record(db, scope, id).await?;
    let running = sessions::Column::UserId
        .eq(id)
        .and(sessions::Column::Status.is_not_in(SessionStatus::TERMINAL.iter().copied()));
    let count = sessions::Entity::find().filter(running).count(db).await?;
    if count > 0 {
        return Err(StoreError::InUse(format!("The user still has {count} sessions. Stop them first.")));
    }
    let change = users::ActiveModel {
        deleted_at: Set(Some(now)),
        status: Set(UserStatus::Inactive),
        updated_at: Set(now),
        ..Default::default()
    };
    let row = users_in(scope).add(users::Column::Id.eq(id));
    rows::update(db, "user", change, row, (users::Column::Generation, generation)).await?;
    user_sessions::Entity::delete_many().filter(user_sessions::Column::UserId.eq(id)).exec(db).await?;
    secrets::Entity::delete_many().filter(secrets::Column::UserId.eq(id)).exec(db).await?;
    forget_failures(db, id, None).await?;
    tenants::Entity::update_many()
        .set(tenants::ActiveModel { admin_user_id: Set(None), ..Default::default() })
        .filter(tenants::Column::AdminUserId.eq(id))
        .exec(db)
        .await?;
    Ok(())
}

/// How many admins but `except` are active in a tenant that is not suspended. Locks every admin's row, so that two
/// requests cannot each take away the other's last one.
///
/// # Errors
/// `Unavailable`.
pub async fn other_admins(db: &impl ConnectionTrait, except: UserId) -> Result<usize> {
    let mut select = users::Entity::find()
        .filter(users_in(Scope::Platform).add(users::Column::Role.eq(Role::Admin)))
        .order_by_asc(users::Column::Id);
    if db.get_database_backend() == sea_orm::DbBackend::Postgres {
        select = select.lock(LockType::NoKeyUpdate);
    }
    let admins = select.all(db).await?;
    let suspended: Vec<TenantId> = tenants::Entity::find()
        .select_only()
        .column(tenants::Column::Id)
        .filter(tenants::Column::Status.eq(TenantStatus::Suspended))
        .into_tuple()
        .all(db)
        .await?;
    let counts = |user: &&UserRecord| {
        user.id != except && user.status == UserStatus::Active && !suspended.contains(&user.tenant_id)
    };
    Ok(admins.iter().filter(counts).count())
}

/// Whether a login has neither ended nor lost its user or tenant; for connections that stay open.
///
/// # Errors
/// `Unavailable`.
pub async fn login_is_alive(db: &impl ConnectionTrait, id: UserSessionId, now: Timestamp) -> Result<bool> {
    let living = user_sessions::Entity::find_by_id(id)
        .filter(user_sessions::Column::RevokedAt.is_null())
        .filter(user_sessions::Column::ExpiresAt.gt(now));
    let Some(login) = living.one(db).await? else {
        return Ok(false);
    };
    let user = users::Entity::find_by_id(login.user_id).filter(users::Column::DeletedAt.is_null()).one(db).await?;
    let tenant =
        tenants::Entity::find_by_id(login.tenant_id).filter(tenants::Column::DeletedAt.is_null()).one(db).await?;
    let over = |user: &UserRecord| user.account_locked_until.is_some_and(|until| until <= now);
    let user_may = |user: &UserRecord| match user.status {
        UserStatus::Active => true,
        UserStatus::Locked => over(user),
        UserStatus::Inactive => false,
    };
    Ok(user.as_ref().is_some_and(user_may) && tenant.is_some_and(|tenant| tenant.status != TenantStatus::Suspended))
}

/// Ends every lock of the account, an admin's included.
///
/// # Errors
/// `NotFound`.
pub async fn user_unlock(db: &impl ConnectionTrait, scope: Scope, id: UserId, now: Timestamp) -> Result<User> {
    let record = user_record(db, scope, id).await?;
    let status = if record.status == UserStatus::Locked { UserStatus::Active } else { record.status };
    let change = users::ActiveModel {
        status: Set(status),
        failed_login_attempts: Set(0),
        account_locked_until: Set(None),
        updated_at: Set(now),
        ..Default::default()
    };
    let row = users_in(scope).add(users::Column::Id.eq(id));
    let row = rows::update(db, "user", change, row, (users::Column::Generation, None)).await?;
    forget_failures(db, id, None).await?;
    Ok(user_of(row))
}

/// # Errors
/// `NotFound`.
pub async fn set_password(
    db: &impl ConnectionTrait,
    id: UserId,
    password_hash: String,
    must_change: bool,
    now: Timestamp,
) -> Result<()> {
    let change = users::ActiveModel {
        password_hash: Set(password_hash),
        must_change_password: Set(must_change),
        updated_at: Set(now),
        ..Default::default()
    };
    let row = users_in(Scope::Platform).add(users::Column::Id.eq(id));
    rows::update(db, "user", change, row, (users::Column::Generation, None)).await?;
    Ok(())
}

// ---- wrong passwords

/// Wrong passwords against one account: from one address in a row, and from anywhere within the last hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoginFailures {
    pub in_a_row: i32,
    pub within_hour: u64,
    /// How often that address was barred before; each time doubles the bar.
    pub bar_level: i32,
}

/// Until when that address is barred from that account, if it is.
///
/// # Errors
/// `Unavailable`.
pub async fn barred_until(
    db: &impl ConnectionTrait,
    user: UserId,
    client_ip: &str,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    let row = login_attempts::Entity::find_by_id((user, client_ip.to_owned())).one(db).await?;
    Ok(row.and_then(|row| row.barred_until).filter(|until| *until > now))
}

/// Counts one wrong password.
///
/// # Errors
/// `Unavailable`.
pub async fn note_login_failure(
    db: &impl ConnectionTrait,
    user: UserId,
    client_ip: &str,
    now: Timestamp,
) -> Result<LoginFailures> {
    let hour_ago = now - TimeDelta::hours(1);
    let old = login_failures::Column::UserId.eq(user).and(login_failures::Column::FailedAt.lte(hour_ago));
    login_failures::Entity::delete_many().filter(old).exec(db).await?;
    let failure = login_failures::ActiveModel {
        id: Set(Uuid::now_v7()),
        user_id: Set(user),
        client_ip: Set(client_ip.to_owned()),
        failed_at: Set(now),
    };
    login_failures::Entity::insert(failure).exec_without_returning(db).await?;
    let attempt = login_attempts::ActiveModel {
        user_id: Set(user),
        client_ip: Set(client_ip.to_owned()),
        failures: Set(1),
        bar_level: Set(0),
        barred_until: Set(None),
        last_failure_at: Set(now),
    };
    let row = login_attempts::Entity::insert(attempt)
        .on_conflict(
            OnConflict::columns([login_attempts::Column::UserId, login_attempts::Column::ClientIp])
                .value(
                    login_attempts::Column::Failures,
                    Expr::col((login_attempts::Entity, login_attempts::Column::Failures)).add(1),
                )
                .value(login_attempts::Column::LastFailureAt, now)
                .to_owned(),
        )
        .exec_with_returning(db)
        .await?;
    users::Entity::update_many()
        .col_expr(users::Column::FailedLoginAttempts, Expr::col(users::Column::FailedLoginAttempts).add(1))
        .filter(users::Column::Id.eq(user))
        .exec(db)
        .await?;
    let within_hour = login_failures::Entity::find().filter(login_failures::Column::UserId.eq(user)).count(db).await?;
    Ok(LoginFailures { in_a_row: row.failures, within_hour, bar_level: row.bar_level })
}

/// Bars an address from an account; its count starts anew.
///
/// # Errors
/// `Unavailable`.
pub async fn bar_address(
    db: &impl ConnectionTrait,
    user: UserId,
    client_ip: &str,
    until: Timestamp,
    bar_level: i32,
) -> Result<()> {
    login_attempts::Entity::update_many()
        .set(login_attempts::ActiveModel {
            failures: Set(0),
            bar_level: Set(bar_level),
            barred_until: Set(Some(until)),
            ..Default::default()
        })
        .filter(login_attempts::Column::UserId.eq(user))
        .filter(login_attempts::Column::ClientIp.eq(client_ip))
        .exec(db)
        .await?;
    Ok(())
}

/// Locks the account, until a time or until somebody unlocks it.
///
/// # Errors
/// `NotFound`.
pub async fn lock_user(db: &impl ConnectionTrait, id: UserId, until: Option<Timestamp>, now: Timestamp) -> Result<()> {
    let change = users::ActiveModel {
        status: Set(UserStatus::Locked),
        account_locked_until: Set(until),
        updated_at: Set(now),
        ..Default::default()
    };
    let row = users_in(Scope::Platform).add(users::Column::Id.eq(id));
    rows::update(db, "user", change, row, (users::Column::Generation, None)).await?;
    Ok(())
}

/// A right password: the count of wrong ones from that address is forgotten, and a lock whose time is over ends.
///
/// # Errors
/// `NotFound`.
pub async fn note_login(db: &impl ConnectionTrait, id: UserId, client_ip: &str, now: Timestamp) -> Result<User> {
    let record = user_record(db, Scope::Platform, id).await?;
    let over = record.status == UserStatus::Locked && record.account_locked_until.is_some_and(|until| until <= now);
    let row = users::ActiveModel {
        id: sea_orm::ActiveValue::Unchanged(id),
        status: Set(if over { UserStatus::Active } else { record.status }),
        account_locked_until: Set(if over { None } else { record.account_locked_until }),
        failed_login_attempts: Set(0),
        last_login_at: Set(Some(now)),
        ..Default::default()
    };
    let row = row.update(db).await?;
    forget_failures(db, id, Some(client_ip)).await?;
    Ok(user_of(row))
}

/// Forgets addresses whose last wrong password, and whose bar, lie before `before`; returns how many.
///
/// # Errors
/// `Unavailable`.
pub async fn login_attempts_expire(db: &impl ConnectionTrait, before: Timestamp) -> Result<u64> {
    let over = Condition::any()
        .add(login_attempts::Column::BarredUntil.is_null())
        .add(login_attempts::Column::BarredUntil.lt(before));
    let delete =
        login_attempts::Entity::delete_many().filter(login_attempts::Column::LastFailureAt.lt(before)).filter(over);
    Ok(delete.exec(db).await?.rows_affected)
}

async fn forget_failures(db: &impl ConnectionTrait, user: UserId, client_ip: Option<&str>) -> Result<()> {
    let mut attempts = login_attempts::Entity::delete_many().filter(login_attempts::Column::UserId.eq(user));
    let mut failures = login_failures::Entity::delete_many().filter(login_failures::Column::UserId.eq(user));
    if let Some(ip) = client_ip {
        attempts = attempts.filter(login_attempts::Column::ClientIp.eq(ip));
        failures = failures.filter(login_failures::Column::ClientIp.eq(ip));
    }
    attempts.exec(db).await?;
    failures.exec(db).await?;
    Ok(())
}

// ---- logins

/// A login to be. Tokens come as hashes only.
#[derive(Clone, Debug)]
pub struct NewLogin {
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub kind: LoginKind,
    pub name: Option<String>,
    pub session_token_hash: String,
    pub refresh_token_hash: Option<String>,
    pub csrf_hash: Option<String>,
    /// Empty: all of the user's.
    pub permissions: Vec<String>,
    pub access_expires_at: Timestamp,
    pub expires_at: Timestamp,
    pub client_ip: Option<String>,
    pub user_agent: Option<String>,
}

/// # Errors
/// `InUse` when the user does not exist.
pub async fn login_insert(db: &impl ConnectionTrait, login: NewLogin, now: Timestamp) -> Result<UserSession> {
    let row = user_sessions::ActiveModel {
        id: Set(UserSessionId::new()),
        tenant_id: Set(login.tenant_id),
        user_id: Set(login.user_id),
        kind: Set(login.kind),
        name: Set(login.name),
        session_token_hash: Set(login.session_token_hash),
        refresh_token_hash: Set(login.refresh_token_hash),
        previous_refresh_hash: Set(None),
        csrf_hash: Set(login.csrf_hash),
        permissions: Set(Json(login.permissions)),
        access_expires_at: Set(login.access_expires_at),
        expires_at: Set(login.expires_at),
        last_used_at: Set(now),
        client_ip: Set(login.client_ip),
        user_agent: Set(login.user_agent),
        created_at: Set(now),
        revoked_at: Set(None),
    };
    Ok(login_of(row.insert(db).await?, None))
}

fn login_of(row: user_sessions::Model, current: Option<UserSessionId>) -> UserSession {
    UserSession {
        current: current == Some(row.id),
        id: row.id,
        kind: row.kind,
        name: row.name,
        client_ip: row.client_ip,
        user_agent: row.user_agent,
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
        created_at: row.created_at,
    }
}

/// Who a token speaks for.
#[derive(Clone, Debug, FromQueryResult)]
struct LoginRow {
    id: UserSessionId,
    user_id: UserId,
    tenant_id: TenantId,
    kind: LoginKind,
    csrf_hash: Option<String>,
    permissions: Json<Vec<String>>,
    username: String,
    role: Role,
    must_change_password: bool,
}

/// Who a token speaks for.
#[derive(Clone, Debug)]
pub struct Login {
    pub id: UserSessionId,
    pub user_id: UserId,
    pub tenant_id: TenantId,
    pub username: String,
    pub role: Role,
    pub kind: LoginKind,
    pub csrf_hash: Option<String>,
    /// Names of the permissions the token is confined to; empty: all of the user's.
    pub permissions: Vec<String>,
    pub must_change_password: bool,
}

/// The login an access token belongs to. `None`: unknown, expired, revoked, or its user or tenant may not log in (any
/// more).
///
/// # Errors
/// `Unavailable`.
pub async fn login_by_token(db: &impl ConnectionTrait, token_hash: &str, now: Timestamp) -> Result<Option<Login>> {
    let to_user = user_sessions::Entity::belongs_to(users::Entity)
        .from(user_sessions::Column::UserId)
        .to(users::Column::Id)
        .into();
    let to_tenant = user_sessions::Entity::belongs_to(tenants::Entity)
        .from(user_sessions::Column::TenantId)
        .to(tenants::Column::Id)
        .into();
    let over = users::Column::Status
        .eq(UserStatus::Locked)
        .and(users::Column::AccountLockedUntil.is_not_null())
        .and(users::Column::AccountLockedUntil.lte(now));
    let row = user_sessions::Entity::find()
        .join(JoinType::InnerJoin, to_user)
        .join(JoinType::InnerJoin, to_tenant)
        .select_only()
        .columns([
            user_sessions::Column::Id,
            user_sessions::Column::UserId,
            user_sessions::Column::TenantId,
            user_sessions::Column::Kind,
            user_sessions::Column::CsrfHash,
            user_sessions::Column::Permissions,
        ])
        .columns([users::Column::Username, users::Column::Role, users::Column::MustChangePassword])
        .filter(user_sessions::Column::SessionTokenHash.eq(token_hash))
        .filter(user_sessions::Column::RevokedAt.is_null())
        .filter(user_sessions::Column::AccessExpiresAt.gt(now))
        .filter(users::Column::DeletedAt.is_null())
        .filter(Condition::any().add(users::Column::Status.eq(UserStatus::Active)).add(over))
        .filter(tenants::Column::DeletedAt.is_null())
        .filter(tenants::Column::Status.ne(TenantStatus::Suspended))
        .into_model::<LoginRow>()
        .one(db)
        .await?;
    Ok(row.map(|row| Login {
        id: row.id,
        user_id: row.user_id,
        tenant_id: row.tenant_id,
        username: row.username,
        role: row.role,
        kind: row.kind,
        csrf_hash: row.csrf_hash,
        permissions: row.permissions.0,
        must_change_password: row.must_change_password,
    }))
}

/// What a refresh token turned out to be.
#[derive(Clone, Debug)]
pub enum Refresh {
    /// The one in force.
    Current(user_sessions::Model),
    /// One that was exchanged before: somebody has a copy, the login must end.
    Reused(user_sessions::Model),
}

/// The living login a refresh token belongs or belonged to.
///
/// # Errors
/// `Unavailable`.
pub async fn login_by_refresh(db: &impl ConnectionTrait, hash: &str, now: Timestamp) -> Result<Option<Refresh>> {
    let living = || {
        user_sessions::Entity::find()
            .filter(user_sessions::Column::RevokedAt.is_null())
            .filter(user_sessions::Column::ExpiresAt.gt(now))
    };
    if let Some(row) = living().filter(user_sessions::Column::RefreshTokenHash.eq(hash)).one(db).await? {
        return Ok(Some(Refresh::Current(row)));
    }
    let row = living().filter(user_sessions::Column::PreviousRefreshHash.eq(hash)).one(db).await?;
    Ok(row.map(Refresh::Reused))
}

/// The tokens that replace a login's.
#[derive(Clone, Debug)]
pub struct Rotation {
    pub session_token_hash: String,
    pub refresh_token_hash: String,
    pub csrf_hash: Option<String>,
    pub access_expires_at: Timestamp,
    pub expires_at: Timestamp,
}

/// Replaces a login's tokens, unless another request did so first.
///
/// # Errors
/// `Conflict` when `refresh_token_hash` is not in force any more.
pub async fn login_rotate(
    db: &impl ConnectionTrait,
    id: UserSessionId,
    refresh_token_hash: &str,
    rotation: Rotation,
    now: Timestamp,
) -> Result<UserSession> {
    let rows = user_sessions::Entity::update_many()
        .set(user_sessions::ActiveModel {
            session_token_hash: Set(rotation.session_token_hash),
            refresh_token_hash: Set(Some(rotation.refresh_token_hash)),
            previous_refresh_hash: Set(Some(refresh_token_hash.to_owned())),
            csrf_hash: Set(rotation.csrf_hash),
            access_expires_at: Set(rotation.access_expires_at),
            expires_at: Set(rotation.expires_at),
            last_used_at: Set(now),
            ..Default::default()
        })
        .filter(user_sessions::Column::Id.eq(id))
        .filter(user_sessions::Column::RefreshTokenHash.eq(refresh_token_hash))
        .filter(user_sessions::Column::RevokedAt.is_null())
        .exec_with_returning(db)
        .await?;
    let row = rows.into_iter().next();
    row.map(|row| login_of(row, Some(id)))
        .ok_or_else(|| StoreError::Conflict("The refresh token was used meanwhile.".to_owned()))
}

/// A user's living logins and tokens, newest first.
///
/// # Errors
/// `InvalidFilter` for a wrong cursor.
pub async fn login_list(
    db: &impl ConnectionTrait,
    user: UserId,
    current: Option<UserSessionId>,
    request: &PageRequest,
    now: Timestamp,
) -> Result<Page<UserSession>> {
    let select = user_sessions::Entity::find()
        .filter(user_sessions::Column::UserId.eq(user))
        .filter(user_sessions::Column::RevokedAt.is_null())
        .filter(user_sessions::Column::ExpiresAt.gt(now));
    let key = (user_sessions::Column::Id, user_sessions::Column::Id);
    let page = page::fetch(db, select, request, key, Direction::Descending, |row| (row.id.0, row.id.0)).await?;
    Ok(page.map(|row| login_of(row, current)))
}

/// Ends one login of that user.
///
/// # Errors
/// `NotFound` when it is not the user's, or has ended.
pub async fn login_revoke(db: &impl ConnectionTrait, user: UserId, id: UserSessionId, now: Timestamp) -> Result<()> {
    let count = revoke(
        db,
        Condition::all().add(user_sessions::Column::UserId.eq(user)).add(user_sessions::Column::Id.eq(id)),
        now,
    )
    .await?;
    if count == 0 { Err(StoreError::NotFound("login")) } else { Ok(()) }
}

/// Ends a user's logins but `except`, and its API tokens too; returns how many.
///
/// # Errors
/// `Unavailable`.
pub async fn logins_revoke(
    db: &impl ConnectionTrait,
    user: UserId,
    except: Option<UserSessionId>,
    now: Timestamp,
) -> Result<u64> {
    let mut condition = Condition::all().add(user_sessions::Column::UserId.eq(user));
    if let Some(id) = except {
        condition = condition.add(user_sessions::Column::Id.ne(id));
    }
    revoke(db, condition, now).await
}

async fn revoke(db: &impl ConnectionTrait, condition: Condition, now: Timestamp) -> Result<u64> {
    let change = user_sessions::ActiveModel { revoked_at: Set(Some(now)), ..Default::default() };
    let result = user_sessions::Entity::update_many()
        .set(change)
        .filter(condition.add(user_sessions::Column::RevokedAt.is_null()))
        .exec(db)
        .await?;
    Ok(result.rows_affected)
}

/// Writes down when logins were last seen; collected in memory, so that reading costs no write.
///
/// # Errors
/// `Unavailable`.
pub async fn logins_seen(db: &impl ConnectionTrait, seen: &[(UserSessionId, Timestamp)]) -> Result<()> {
    for (id, at) in seen {
        user_sessions::Entity::update_many()
            .set(user_sessions::ActiveModel { last_used_at: Set(*at), ..Default::default() })
            .filter(user_sessions::Column::Id.eq(*id))
            .filter(user_sessions::Column::LastUsedAt.lt(*at))
            .exec(db)
            .await?;
    }
    Ok(())
}

/// Removes logins that ended before `before`; returns how many.
///
/// # Errors
/// `Unavailable`.
pub async fn logins_expire(db: &impl ConnectionTrait, before: Timestamp) -> Result<u64> {
    let ended = Condition::any()
        .add(user_sessions::Column::ExpiresAt.lt(before))
        .add(user_sessions::Column::RevokedAt.lt(before));
    Ok(user_sessions::Entity::delete_many().filter(ended).exec(db).await?.rows_affected)
}

// ---- permissions

/// Every permission there is, by name.
///
/// # Errors
/// `Unavailable`.
pub async fn permission_list(db: &impl ConnectionTrait) -> Result<Vec<Permission>> {
    let rows = permissions::Entity::find().order_by_asc(permissions::Column::PermissionName).all(db).await?;
    let to_permission = |row: permissions::Model| Permission {
        id: row.id,
        resource_type: row.resource_type,
        action: row.action,
        permission_name: row.permission_name,
        description: row.description,
    };
    Ok(rows.into_iter().map(to_permission).collect())
}

/// One permission of one role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    pub role: Role,
    pub resource_type: ResourceType,
    pub action: PermissionAction,
    pub scope: PermissionScope,
}

/// What every role may do.
///
/// # Errors
/// `Unavailable`.
pub async fn grants(db: &impl ConnectionTrait) -> Result<Vec<Grant>> {
    let permissions: BTreeMap<PermissionId, permissions::Model> =
        permissions::Entity::find().all(db).await?.into_iter().map(|row| (row.id, row)).collect();
    let rows = role_permissions::Entity::find().all(db).await?;
    let to_grant = |row: role_permissions::Model| {
        let permission = permissions.get(&row.permission_id)?;
        Some(Grant {
            role: row.role,
            resource_type: permission.resource_type,
            action: permission.action,
            scope: row.scope,
        })
    };
    Ok(rows.into_iter().filter_map(to_grant).collect())
}

/// What every role may do, as the API shows it: all roles, grants by name.
///
/// # Errors
/// `Unavailable`.
pub async fn role_permission_list(db: &impl ConnectionTrait) -> Result<Vec<RolePermissions>> {
    let mut by_role: BTreeMap<Role, Vec<RoleGrant>> = Role::ALL.iter().map(|role| (*role, Vec::new())).collect();
    for grant in grants(db).await? {
        let permission_name = format!("{}.{}", grant.resource_type, grant.action);
        by_role.entry(grant.role).or_default().push(RoleGrant { permission_name, scope: grant.scope });
    }
    let sorted = |(role, mut grants): (Role, Vec<RoleGrant>)| {
        grants.sort_by(|a, b| a.permission_name.cmp(&b.permission_name));
        RolePermissions { role, grants }
    };
    Ok(by_role.into_iter().map(sorted).collect())
}

/// Replaces all grants of a role.
///
/// # Errors
/// `InvalidFilter` naming the first grant whose permission does not exist or stands twice.
pub async fn role_permission_replace(
    db: &impl ConnectionTrait,
    role: Role,
    grants: &[RoleGrant],
) -> Result<RolePermissions> {
    let ids: BTreeMap<String, PermissionId> =
        permissions::Entity::find().all(db).await?.into_iter().map(|row| (row.permission_name, row.id)).collect();
    role_permissions::Entity::delete_many().filter(role_permissions::Column::Role.eq(role)).exec(db).await?;
    let mut new = BTreeMap::new();
    for grant in grants {
        let name = &grant.permission_name;
        let wrong = |message: String| StoreError::InvalidFilter { field: "grants", message };
        let id = *ids.get(name).ok_or_else(|| wrong(format!("there is no permission \"{name}\"")))?;
        let row = role_permissions::ActiveModel {
            id: Set(RolePermissionId::new()),
            role: Set(role),
            permission_id: Set(id),
            scope: Set(grant.scope),
        };
        if new.insert(id, row).is_some() {
            return Err(wrong(format!("\"{name}\" stands twice")));
        }
    }
    if !new.is_empty() {
        role_permissions::Entity::insert_many(new.into_values()).exec_without_returning(db).await?;
    }
    let mut grants = grants.to_vec();
    grants.sort_by(|a, b| a.permission_name.cmp(&b.permission_name));
    Ok(RolePermissions { role, grants })
}
