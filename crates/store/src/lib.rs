//! All of Berth's SQL: entities, migrations, queries. No rules live here; those are the server's `app`.
//!
//! One SeaORM text serves SQLite (embedded default) and PostgreSQL. On SQLite one connection writes and a pool reads, so
//! that a writer never waits for another inside SQLite and readers never wait for it (WAL). Functions are free and grouped
//! by domain: reads take any connection and, where rows have an owner, a [`Scope`]; writes take a [`Tx`] and `now`.
//!
//! [`Scope`]: berth_types::identity::Scope

pub mod admin;
pub mod allocations;
pub mod applications;
pub mod audit;
pub mod bootstrap;
pub mod dialect;
pub mod entities;
pub mod error;
pub mod events;
pub mod fleet;
pub mod idempotency;
pub mod identity;
pub mod json;
pub mod leases;
pub mod metrics;
pub mod migrate;
mod migrations;
pub mod networks;
pub mod operations;
pub mod overview;
pub mod page;
mod rows;
mod schema;
pub mod secrets;
pub mod sessions;
pub mod settings;
pub mod sites;
pub mod store;

pub use error::{Result, StoreError};
pub use json::Json;
pub use store::{Store, StoreConfig, Tx};

/// A connection for reading.
pub type Reader = sea_orm::DatabaseConnection;

/// Marks a column of a new row as given.
pub use sea_orm::ActiveValue::Set;
/// Anything that queries can run on: a connection or a transaction.
pub use sea_orm::ConnectionTrait as Connection;
