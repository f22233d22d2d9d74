//! Named secrets of users and tenants. A value comes in once, is sealed for its row, and leaves only into a workload's
//! environment.

use berth_store as store;
use berth_types::{
    Error, SecretId, TenantId, UserId,
    identity::{PermissionAction, ResourceType, Scope},
    page::Page,
    settings::{Secret, SecretCreate},
};

use super::{App, AppResult};
use crate::{
    api::call::{Call, Write},
    keyring::KeyringError,
};

fn keyring(error: KeyringError) -> Error {
    Error::internal(error.to_string())
}

/// A token that is limited to some permissions has none over secrets, because none is about them.
fn unlimited(call: &Call) -> AppResult<()> {
    if call.caller.only.is_empty() {
        return Ok(());
    }
    Err(Error::forbidden("This API token is limited to some permissions, and none of them is about secrets.").into())
}

/// How far the caller reaches with secrets: to their own, or to those of all whom they manage.
fn managed(call: &Call) -> Option<Scope> {
    match call.reach(ResourceType::User, PermissionAction::Manage)? {
        Scope::Own(..) => None,
        // Another tenant's secrets are nobody's business, not even an admin's.
        Scope::Platform | Scope::Tenant(_) => Some(Scope::Tenant(call.caller.tenant)),
    }
}

/// `GET /secrets`: the caller's own and their tenant's, without values.
///
/// # Errors
/// `forbidden`, `invalid_value` for a wrong cursor.
pub async fn list(call: &Call, request: &store::page::PageRequest) -> AppResult<Page<Secret>> {
    unlimited(call)?;
    Ok(store::secrets::list(call.db(), call.caller.tenant, call.caller.user, request).await?)
}

/// `POST /secrets`
///
/// # Errors
/// `invalid_value`, `forbidden` for a tenant's without the right, `already_exists`.
pub async fn create(write: &mut Write<'_>, request: SecretCreate) -> AppResult<Secret> {
    let call = write.call;
    unlimited(call)?;
    request.validate()?;
    if request.tenant_wide && managed(call).is_none() {
        return Err(Error::forbidden("A secret of the whole tenant needs the permission user.manage.").into());
    }
    let id = SecretId::new();
    let sealed = call.app.keyring.seal(request.value.as_bytes(), &id.to_string()).map_err(keyring)?;
    let user = (!request.tenant_wide).then_some(call.caller.user);
    let secret =
        store::secrets::insert(&write.tx, id, call.caller.tenant, user, &request.name, sealed, call.now).await?;
    write.subject(id);
    write.detail("name", &secret.name);
    write.detail("tenant_wide", request.tenant_wide);
    Ok(secret)
}

/// `DELETE /secrets/{id}`: one's own; the tenant's and its users' with the permission user.manage.
///
/// # Errors
/// `not_found`, `forbidden` for the tenant's, which the caller may see but not delete.
pub async fn delete(write: &mut Write<'_>, id: SecretId) -> AppResult<()> {
    let call = write.call;
    unlimited(call)?;
    let secret = store::secrets::get(&write.tx, Scope::Tenant(call.caller.tenant), id).await?;
    let scope = managed(call).unwrap_or(call.scope);
    if !scope.covers(secret.tenant_id, secret.user_id) {
        return Err(match secret.user_id {
            None => Error::forbidden("A secret of the whole tenant needs the permission user.manage.").into(),
            Some(_) => Error::not_found("secret").into(),
        });
    }
    store::secrets::delete(&write.tx, scope, id).await?;
    write.subject(id);
    write.detail("name", &secret.name);
    Ok(())
}

/// The value of the user's secret of that name, else of their tenant's; `None` when there is neither.
///
/// # Errors
/// The database is away, or the key does not open it.
pub async fn open(app: &App, tenant: TenantId, user: UserId, name: &str) -> AppResult<Option<String>> {
    let (id, sealed) = match store::secrets::sealed(app.store.reader(), tenant, user, name).await {
        Ok(found) => found,
        Err(store::StoreError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let value = app.keyring.open_sealed(&sealed, &id.to_string()).map_err(keyring)?;
    let text = String::from_utf8(value).map_err(|_| Error::internal(format!("secret {id} is not text")))?;
    Ok(Some(text))
}
