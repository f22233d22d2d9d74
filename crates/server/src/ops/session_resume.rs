//! Thaws a paused session.

use berth_store::operations::OperationRecord;

use super::StepResult;
use crate::app::App;

pub const STEPS: &[&str] = &["resume", "confirm"];

pub async fn run(app: &App, operation: &OperationRecord, step: &str) -> StepResult {
    super::session_pause::settle(app, operation, step, false).await
}
