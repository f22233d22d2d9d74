//! The first admin, and the way back in for whoever has the server itself.

use std::path::PathBuf;

use berth_store::{
    self as store, Tx,
    bootstrap::DEFAULT_TENANT,
    identity::{NewUser, UserRecord},
};
use berth_types::{
    Error, ErrorCode, StringMap,
    audit::AuditStatus,
    identity::{QuotaConfig, Role, Scope, User},
};
use uuid::Uuid;

use super::door::{hash_password, made_up_password};
use crate::app::{App, AppResult};

/// The user made at the first start.
const FIRST_ADMIN: &str = "admin";

fn first_password_path(app: &App) -> PathBuf {
    app.config.data_dir.join("first-admin-password")
}

/// Makes the first admin when nobody lives here yet, and leaves the password in a file that only its owner can read.
///
/// # Errors
/// The file cannot be written, or the database is away.
pub async fn ensure_first_admin(app: &App) -> AppResult<Option<String>> {
    if store::identity::any_user(app.store.reader()).await? {
        return Ok(None);
    }
    let password = made_up_password();
    let password_hash = hash_password(app, &password).await?;
    let now = app.now();
    let tx = app.store.begin().await?;
    let tenant = store::identity::tenant_by_name(&tx, DEFAULT_TENANT).await?;
    let user = NewUser {
        tenant_id: tenant.id,
        username: FIRST_ADMIN.to_owned(),
        email: None,
        full_name: None,
        role: Role::Admin,
        password_hash,
        must_change_password: true,
        quota_storage_gb: None,
        quota_config: QuotaConfig::default(),
    };
    // Another replica may have been first; then its password counts.
    if store::identity::any_user(&tx).await? {
        return Ok(None);
    }
    let user = match store::identity::user_insert(&tx, user, now).await {
        Ok(user) => user,
        Err(store::StoreError::AlreadyExists { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    store::audit::insert(&tx, of_berth("first_admin_create", &user), now).await?;
    // Before the commit: an admin whose password nobody knows would be worse than a file without an admin.
    write_private(&first_password_path(app), &password)?;
    tx.commit().await?;
    Ok(Some(password))
}

fn write_private(path: &std::path::Path, text: &str) -> AppResult<()> {
    use std::io::Write;
    let fault = |error: std::io::Error| Error::internal(format!("{}: {error}", path.display()));
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fault(error).into()),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(fault)?;
    writeln!(file, "{text}").and_then(|()| file.sync_all()).map_err(fault)?;
    Ok(())
}

/// Removes the file with the first password once that password is no more.
pub fn forget_first_password(app: &App, username: &str) {
    if username != FIRST_ADMIN {
        return;
    }
    let path = first_password_path(app);
    match std::fs::remove_file(&path) {
        Ok(()) => tracing::info!(path = %path.display(), "the first password was changed; its file is gone"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the file with the first password cannot be removed")
        }
    }
}

/// What `berth admin` does on the server itself, as the audit log has it.
fn of_berth(action: &str, user: &User) -> store::audit::NewAudit {
    store::audit::NewAudit {
        tenant_id: Some(user.tenant_id),
        user_id: None,
        username: "berth admin".to_owned(),
        action: action.to_owned(),
        resource_type: "user".to_owned(),
        resource_id: Some(Uuid::from(user.id)),
        details: StringMap::from([("username".to_owned(), user.username.clone())]),
        ip_address: None,
        user_agent: None,
        request_id: None,
        status: AuditStatus::Success,
    }
}

async fn named(tx: &Tx, username: &str) -> AppResult<UserRecord> {
    let user = store::identity::user_by_name(tx, username).await?;
    Ok(user.ok_or_else(|| Error::new(ErrorCode::NotFound, format!("There is no user {username:?}.")))?)
}

/// `berth admin reset-password`: a made-up password, which must be changed at the next login; every login of the user
/// ends and every lock is lifted.
///
/// # Errors
/// `not_found`, or the database is away.
pub async fn reset_password(app: &App, username: &str) -> AppResult<String> {
    let password = made_up_password();
    let hash = hash_password(app, &password).await?;
    let now = app.now();
    let tx = app.store.begin().await?;
    let user = named(&tx, username).await?;
    store::identity::set_password(&tx, user.id, hash, true, now).await?;
    store::identity::logins_revoke(&tx, user.id, None, now).await?;
    let user = store::identity::user_unlock(&tx, Scope::Platform, user.id, now).await?;
    store::audit::insert(&tx, of_berth("admin_reset_password", &user), now).await?;
    tx.commit().await?;
    forget_first_password(app, &user.username);
    Ok(password)
}

/// `berth admin unlock`: ends every lock and bar of an account, whoever set it.
///
/// # Errors
/// `not_found`, or the database is away.
pub async fn unlock(app: &App, username: &str) -> AppResult<User> {
    let now = app.now();
    let tx = app.store.begin().await?;
    let user = named(&tx, username).await?;
    let user = store::identity::user_unlock(&tx, Scope::Platform, user.id, now).await?;
    store::audit::insert(&tx, of_berth("admin_unlock", &user), now).await?;
    tx.commit().await?;
    Ok(user)
}
