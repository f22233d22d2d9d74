//! Durable operations under every fault: engines that fail, lie, hang and vanish, and servers that are killed at any
//! moment. Afterwards ledger, rows and engines agree.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

#[path = "../support/mod.rs"]
mod support;

mod crowds;
mod draining;
mod engines;
mod faults;
