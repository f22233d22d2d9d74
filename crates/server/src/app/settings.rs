//! Settings that change while Berth runs: checked against their bounds, in force at once in this process and at the next
//! look in the others.

use berth_store as store;
use berth_types::{Error, settings::SystemSetting};

use super::{App, AppError, AppResult};
use crate::api::call::Write;

/// `PUT /settings/{key}`
///
/// # Errors
/// `not_found`, `invalid_value` for what lies outside of the bounds.
pub async fn update(write: &mut Write<'_>, key: &str, value: i64) -> AppResult<SystemSetting> {
    let spec = store::settings::spec(key)?;
    if !(spec.min..=spec.max).contains(&value) {
        return Err(Error::invalid("value", format!("must be from {} to {}", spec.min, spec.max)).into());
    }
    write.detail("key", key);
    write.detail("value", value);
    Ok(store::settings::set(&write.tx, key, value, write.call.now).await?)
}

/// `DELETE /settings/{key}`: back to the default.
///
/// # Errors
/// `not_found`.
pub async fn reset(write: &mut Write<'_>, key: &str) -> AppResult<SystemSetting> {
    let setting = store::settings::reset(&write.tx, key).await?;
    write.detail("key", key);
    write.detail("value", setting.value);
    Ok(setting)
}

/// Puts committed settings in force.
pub async fn reload(app: &App) {
    match store::settings::values(app.store.reader()).await {
        Ok(values) => {
            app.set_settings(values);
            // Deadlines and bounds may have moved.
            app.nudges.scheduler.notify_one();
            app.nudges.sessions.notify_one();
        }
        Err(error) => tracing::warn!(error = %AppError::from(error), "settings not reloaded"),
    }
}
