//! The HTTP API from outside, against the real server: its description, who may do what, and what becomes of requests
//! that are wrong.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

#[path = "../support/mod.rs"]
mod support;

mod authorisation;
mod check;
mod console;
mod faults;
mod secrecy;
mod snapshot;
