//! The words every layer shares: ids, enums, quantities, data transfer objects, state machines and the error.
//!
//! No IO and no clock live here, so any crate (and any test) may depend on it. Amounts inside Berth are integers in
//! base units (see [`quantities`]); DTOs show people the units they think in (cores, GB, GPUs).

#[macro_use]
mod macros;

pub mod allocations;
pub mod applications;
pub mod audit;
pub mod error;
pub mod events;
pub mod facts;
pub mod fleet;
pub mod identity;
pub mod ids;
pub mod metrics;
pub mod operations;
pub mod page;
pub mod quantities;
pub mod sessions;
pub mod settings;
pub mod sites;
pub mod validate;

pub use error::{Error, ErrorCode, FieldError, Problem};
pub use ids::*;

/// A moment, UTC, with microseconds; always handed in by the caller, never read from the system here.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

/// Small open string-to-string maps (`labels`, `annotations`, `tags`, `preferences`).
pub type StringMap = std::collections::BTreeMap<String, String>;

pub type Result<T, E = Error> = std::result::Result<T, E>;
