//! Engine drivers: each knows one engine and nothing of tenants, quotas or databases.
//!
//! The server speaks to every engine through [`ContainerDriver`], so that a rule is written once and an engine is
//! learnt once. Verbs say *ensure* or *ensure absent* and may be repeated at will: the durable operations that call them
//! do so after every crash and every unclear answer.

pub mod builtin_images;
mod cidr;
pub mod container;
pub mod docker;
mod error;
pub mod names;
pub mod sim;
pub mod testkit;

pub use cidr::Cidr;
pub use container::ContainerDriver;
pub use error::{DriverError, DriverErrorKind, Result};
