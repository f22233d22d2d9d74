//! The catalogue: every tenant may add its own applications; those of everybody belong to the platform.

use berth_store as store;
use berth_types::{
    ApplicationId, Error,
    applications::{Application, ApplicationCreate, ApplicationUpdate},
    identity::Scope,
};

use super::AppResult;
use crate::api::call::{Call, Write};

/// Whether the caller may change it: own tenant's, or everybody's with platform scope. Others may see everybody's, so for
/// those the answer is 403 and not 404.
fn must_own(call: &Call, application: &Application) -> AppResult<()> {
    match (call.scope, application.tenant_id) {
        (Scope::Platform, _) => Ok(()),
        (scope, Some(tenant)) if scope.covers(tenant, None) => Ok(()),
        (_, None) => Err(Error::forbidden(
            "This application is everybody's; only an administrator of the installation changes it.",
        )
        .into()),
        (_, Some(_)) => Err(Error::forbidden("Applications of a tenant are changed by its administrators.").into()),
    }
}

/// `POST /applications`: everybody's when the caller reaches the whole platform, else their tenant's.
///
/// # Errors
/// `invalid_value`, `forbidden`, `already_exists`.
pub async fn create(write: &mut Write<'_>, request: ApplicationCreate) -> AppResult<Application> {
    let call = write.call;
    request.validate()?;
    let tenant = match call.scope {
        Scope::Platform => None,
        Scope::Tenant(tenant) => Some(tenant),
        Scope::Own(..) => {
            return Err(Error::forbidden("Applications of a tenant are made by its administrators.").into());
        }
    };
    let application = store::applications::insert(&write.tx, tenant, &request, call.now).await?;
    write.subject(application.id);
    write.detail("name", &application.name);
    Ok(application)
}

/// `PATCH /applications/{id}`. What runs keeps what it was started with.
///
/// # Errors
/// `invalid_value`, `not_found`, `forbidden`, `precondition_failed`.
pub async fn update(write: &mut Write<'_>, id: ApplicationId, request: ApplicationUpdate) -> AppResult<Application> {
    let call = write.call;
    request.validate()?;
    let before = store::applications::get(&write.tx, call.scope, id).await?;
    must_own(call, &before)?;
    if before.builtin && request.container_image.as_ref().is_some_and(|image| *image != before.container_image) {
        return Err(Error::conflict(
            "The image of a built-in application is made by Berth. Make an application of your own.",
        )
        .into());
    }
    let application = store::applications::update(&write.tx, call.scope, id, &request, call.if_match, call.now).await?;
    write.subject(id);
    write.detail("name", &application.name);
    Ok(application)
}

/// `DELETE /applications/{id}`
///
/// # Errors
/// `not_found`, `forbidden`, `state_conflict` for one that ships with Berth, `precondition_failed`.
pub async fn delete(write: &mut Write<'_>, id: ApplicationId) -> AppResult<()> {
    let call = write.call;
    let application = store::applications::get(&write.tx, call.scope, id).await?;
    must_own(call, &application)?;
    store::applications::delete(&write.tx, call.scope, id, call.if_match).await?;
    write.subject(id);
    write.detail("name", &application.name);
    Ok(())
}
