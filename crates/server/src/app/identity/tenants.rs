//! Rules of tenants: described by their own administrators, sized and suspended from above.

use berth_store::{self as store, bootstrap::DEFAULT_TENANT, events::NewEvent};
use berth_types::{
    Error, TenantId,
    events::EventSeverity,
    identity::{Scope, Tenant, TenantCreate, TenantStatus, TenantUpdate},
};

use crate::{
    api::call::{Call, Write},
    app::{AppResult, events},
};

/// `POST /tenants`
///
/// # Errors
/// `invalid_value`, `already_exists`, `forbidden` for those who have a tenant but not the platform.
pub async fn tenant_create(write: &mut Write<'_>, request: TenantCreate) -> AppResult<Tenant> {
    let call = write.call;
    request.validate()?;
    platform_only(call, "Making a tenant")?;
    let tenant = store::identity::tenant_insert(&write.tx, &request, Some(call.caller.user), call.now).await?;
    write.subject(tenant.id);
    write.detail("name", &tenant.name);
    Ok(tenant)
}

/// Refuses what only those may do who reach all tenants.
///
/// # Errors
/// `forbidden`.
pub fn platform_only(call: &Call, what: &str) -> AppResult<()> {
    match call.scope {
        Scope::Platform => Ok(()),
        _ => Err(Error::forbidden(format!(
            "{what} needs rights over all tenants. Ask an administrator of the installation."
        ))
        .into()),
    }
}

/// `PATCH /tenants/{id}`. A tenant's own administrators may describe it; its status and quota come from above.
///
/// # Errors
/// `invalid_value`, `forbidden`, `state_conflict`, `precondition_failed`, `already_exists`.
pub async fn tenant_update(write: &mut Write<'_>, id: TenantId, request: TenantUpdate) -> AppResult<Tenant> {
    let call = write.call;
    request.validate()?;
    let before = store::identity::tenant_get(&write.tx, call.scope, id).await?;
    if request.status.is_some() || request.quota_config.is_some() {
        platform_only(call, "Changing a tenant's status or quota")?;
    }
    if before.name == DEFAULT_TENANT && request.name.as_ref().is_some_and(|name| *name != before.name) {
        return Err(Error::conflict("The default tenant keeps its name.").into());
    }
    if id == call.caller.tenant && request.status.is_some_and(|status| status != TenantStatus::Active) {
        return Err(Error::conflict("This is your own tenant: you would lock yourself out.").into());
    }
    if let Some(user) = request.admin_user_id {
        let member = store::identity::user_record(&write.tx, Scope::Tenant(id), user).await;
        member.map_err(|_| Error::invalid("admin_user_id", "must be a user of this tenant"))?;
    }
    let after = store::identity::tenant_update(&write.tx, call.scope, id, &request, call.if_match, call.now).await?;
    write.subject(id);
    write.detail("name", &after.name);
    if before.status != after.status {
        write.detail("status", after.status);
        let severity = if after.status == TenantStatus::Active { EventSeverity::Info } else { EventSeverity::Warning };
        let text = format!("The tenant {} is {} now.", after.name, after.status);
        let event =
            NewEvent { severity, tenant_id: Some(id), ..NewEvent::new(format!("tenant_{}", after.status), text) };
        events::note(&write.tx, &mut write.after, event, call.now).await?;
        // The reconciler stops what a suspended tenant runs; what its logins may do is read from its row.
        write.after.sessions = true;
        write.after.scheduler = true;
    }
    Ok(after)
}

/// `DELETE /tenants/{id}`
///
/// # Errors
/// `not_found`, `in_use` while it has users, `state_conflict` for the default tenant, `precondition_failed`.
pub async fn tenant_delete(write: &mut Write<'_>, id: TenantId) -> AppResult<()> {
    let call = write.call;
    let tenant = store::identity::tenant_get(&write.tx, call.scope, id).await?;
    platform_only(call, "Deleting a tenant")?;
    if tenant.name == DEFAULT_TENANT {
        return Err(Error::conflict("The default tenant stays.").into());
    }
    store::identity::tenant_delete(&write.tx, call.scope, id, call.if_match, call.now).await?;
    write.subject(id);
    write.detail("name", &tenant.name);
    Ok(())
}
