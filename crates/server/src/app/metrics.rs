//! Measurements of nodes and sessions, for people's eyes.

use berth_store as store;
use berth_types::{
    Error, NodeId, SessionId, Timestamp,
    metrics::{MetricFilter, MetricPoint},
};
use chrono::{Datelike, TimeDelta};

use super::AppResult;
use crate::api::call::Call;

/// Times that both databases can hold, and spans that run forwards.
fn check(filter: &MetricFilter, now: Timestamp) -> AppResult<()> {
    for (field, time) in [("since", filter.since), ("until", filter.until)] {
        if time.is_some_and(|time| !(1970..=9999).contains(&time.year())) {
            return Err(Error::invalid(field, "must be a time between 1970 and 9999").into());
        }
    }
    let until = filter.until.unwrap_or(now);
    if filter.since.unwrap_or(until - TimeDelta::hours(1)) > until {
        return Err(Error::invalid("since", "must not be later than until").into());
    }
    Ok(())
}

/// Measurements of a session that the caller may see.
///
/// # Errors
/// `invalid_value` for times that mean nothing.
pub async fn of_session(call: &Call, id: SessionId, filter: &MetricFilter) -> AppResult<Vec<MetricPoint>> {
    check(filter, call.now)?;
    Ok(store::metrics::sessions::points(call.db(), id, filter, call.now).await?)
}

/// Measurements of a node.
///
/// # Errors
/// `invalid_value` for times that mean nothing, `not_found`.
pub async fn of_node(call: &Call, id: NodeId, filter: &MetricFilter) -> AppResult<Vec<MetricPoint>> {
    check(filter, call.now)?;
    store::sites::node(call.db(), id).await?;
    Ok(store::metrics::nodes::points(call.db(), id, filter, call.now).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_bounded_and_run_forwards() {
        let now = Timestamp::from_timestamp(1_700_000_000, 0).unwrap();
        let check = |since: Option<Timestamp>, until: Option<Timestamp>| {
            check(&MetricFilter { since, until, metric_type: None }, now)
        };
        assert!(check(None, None).is_ok());
        assert!(check(Some(now - TimeDelta::hours(2)), Some(now)).is_ok());
        assert!(check(Some(now + TimeDelta::seconds(1)), None).is_err());
        assert!(check(Some(Timestamp::MIN_UTC), None).is_err());
        assert!(check(None, Some(Timestamp::MIN_UTC)).is_err());
        assert!(check(None, Some(Timestamp::MAX_UTC)).is_err());
    }
}
