//! One module per domain, as in the API. Each holds the command line of its nouns and what they do.

pub mod accounts;
pub mod applications;
pub mod auth;
pub mod events;
pub mod fleet;
pub mod ledger;
pub mod metrics;
pub mod nodes;
pub mod operations;
pub mod roles;
pub mod sessions;
pub mod settings;
pub mod sites;
pub mod wait;

use std::future::Future;

use berth_client::ClientError;
use berth_types::{ErrorCode, identity::QuotaConfig};
use clap::Args;
use serde::Serialize;

use crate::{
    failure::Failure,
    parse::{Limit, count},
};

/// How much of a list.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// At most so many rows; 0: all
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = count::<u64>)]
    pub limit: u64,
}

/// For commands that destroy something.
#[derive(Clone, Debug, Args)]
pub struct Confirm {
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

/// Upper bounds for a tenant or user; `unlimited` lifts one.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Quota")]
pub struct QuotaArgs {
    /// Sessions that hold an allocation
    #[arg(long, value_name = "N", value_parser = Limit::count)]
    quota_sessions: Option<Limit>,
    /// Sessions that may wait in the queue
    #[arg(long, value_name = "N", value_parser = Limit::count)]
    quota_waiting_sessions: Option<Limit>,
    /// Cores
    #[arg(long, value_name = "CORES", value_parser = Limit::count)]
    quota_cpu: Option<Limit>,
    /// e.g. 64GB
    #[arg(long, value_name = "SIZE", value_parser = Limit::size)]
    quota_memory: Option<Limit>,
    /// GPUs
    #[arg(long, value_name = "N", value_parser = Limit::count)]
    quota_gpu: Option<Limit>,
    /// e.g. 500GB
    #[arg(long, value_name = "SIZE", value_parser = Limit::size)]
    quota_storage: Option<Limit>,
}

impl QuotaArgs {
    /// What is given over what is in force; `None` when nothing is given.
    fn over(&self, mut quota: QuotaConfig) -> anyhow::Result<Option<QuotaConfig>> {
        let mut given = false;
        for (limit, field) in [
            (self.quota_cpu, &mut quota.cpu),
            (self.quota_memory, &mut quota.memory_gb),
            (self.quota_gpu, &mut quota.gpu),
            (self.quota_storage, &mut quota.storage_gb),
        ] {
            if let Some(limit) = limit {
                (*field, given) = (limit.0, true);
            }
        }
        for (name, limit, field) in [
            ("--quota-sessions", self.quota_sessions, &mut quota.sessions),
            ("--quota-waiting-sessions", self.quota_waiting_sessions, &mut quota.waiting_sessions),
        ] {
            if let Some(limit) = limit {
                if limit.0.is_some_and(|count| count.fract() != 0.0) {
                    return Err(Failure::usage(format!("{name} must be a whole number")));
                }
                (*field, given) = (limit.0.map(|count| count as i64), true);
            }
        }
        Ok(given.then_some(quota))
    }
}

/// Refuses an update that would change nothing.
fn require_change(update: &impl Serialize) -> anyhow::Result<()> {
    match serde_json::to_value(update)?.as_object() {
        Some(fields) if fields.is_empty() => Err(Failure::usage("name something to change, see --help")),
        _ => Ok(()),
    }
}

/// Reads and writes again when somebody else changed the thing in between.
async fn insist<T, Fut: Future<Output = anyhow::Result<T>>>(mut attempt: impl FnMut() -> Fut) -> anyhow::Result<T> {
    for _ in 0..3 {
        match attempt().await {
            Err(error) if is_stale(&error) => {}
            done => return done,
        }
    }
    attempt().await
}

fn is_stale(error: &anyhow::Error) -> bool {
    error.downcast_ref::<ClientError>().and_then(ClientError::code) == Some(ErrorCode::PreconditionFailed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_keep_what_is_not_given() {
        let quota = QuotaConfig { cpu: Some(4.0), gpu: Some(1.0), ..QuotaConfig::default() };
        let none = QuotaArgs {
            quota_sessions: None,
            quota_waiting_sessions: None,
            quota_cpu: None,
            quota_memory: None,
            quota_gpu: None,
            quota_storage: None,
        };
        assert_eq!(none.over(quota.clone()).unwrap(), None);
        let some = QuotaArgs { quota_sessions: Some(Limit(Some(3.0))), quota_gpu: Some(Limit(None)), ..none.clone() };
        let expected = QuotaConfig { cpu: Some(4.0), sessions: Some(3), ..QuotaConfig::default() };
        assert_eq!(some.over(quota).unwrap(), Some(expected));
        let half = QuotaArgs { quota_sessions: Some(Limit(Some(0.5))), ..none };
        assert!(half.over(QuotaConfig::default()).is_err());
    }
}
