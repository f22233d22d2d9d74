//! What a Linux host is made of and how busy it is, read from the kernel's own files. Everything that is a file is read
//! below given roots, and what is a system call goes through [`Host`], so that tests describe machines that we do not have.
//!
//! All calls block, some for the time an external program takes (bounded); call them off the async threads.

pub mod facts;
pub mod host;
pub mod metrics;
mod sysfs;

pub use host::{Host, Roots, ThisHost};
pub use metrics::Sampler;
