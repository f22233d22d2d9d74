//! Time series of nodes and sessions: raw for 48 hours, 5-minute means for 30 days, hourly means for 2 years. A reader
//! gets the finest that covers what it asks for without drowning it in points.

use berth_types::{
    NodeId, SessionId, StringMap, Timestamp,
    metrics::{MetricFilter, MetricPoint, MetricType, Sample},
};
use chrono::TimeDelta;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Alias, Expr, ExprTrait, Func, OnConflict, Query},
};

use crate::{Result, StoreError};

/// Seconds per point of each level; 0 is raw.
pub const RAW: i32 = 0;
pub const FIVE_MINUTES: i32 = 300;
pub const HOUR: i32 = 3600;

/// How long each level is kept, in seconds, finest first: 48 hours, 30 days, 2 years.
pub const RETENTION: [(i32, i64); 3] = [(RAW, 48 * 3600), (FIVE_MINUTES, 30 * 86_400), (HOUR, 730 * 86_400)];

/// Samples that arrive later than this are not rolled up any more, seconds.
const GRACE: i64 = 60;

/// Most points one answer holds.
const MAX_POINTS: u64 = 50_000;

/// One measurement with its time.
#[derive(Clone, Debug)]
pub struct Measured<Id> {
    pub id: Id,
    pub time: Timestamp,
    pub samples: Vec<Sample>,
}

/// The finest level that still holds all of a span and shows it in at most a few thousand points per series.
pub fn level_for(since: Timestamp, until: Timestamp, now: Timestamp) -> i32 {
    let (span, age) = (until - since, now - since);
    if span <= TimeDelta::hours(6) && age <= TimeDelta::hours(48) {
        RAW
    } else if span <= TimeDelta::days(7) && age <= TimeDelta::days(30) {
        FIVE_MINUTES
    } else {
        HOUR
    }
}

fn key_of(labels: &StringMap) -> Result<String> {
    serde_json::to_string(labels).map_err(StoreError::internal)
}

/// The start of the bucket that a moment lies in.
fn floor(time: Timestamp, seconds: i32) -> Timestamp {
    let seconds = i64::from(seconds);
    Timestamp::from_timestamp(time.timestamp().div_euclid(seconds) * seconds, 0).unwrap_or(time)
}

macro_rules! series {
    ($module:ident, $id:ty, $field:ident, $column:ident, $table:ident) => {
        pub mod $module {
            //! The functions over one of the tables; both are alike.
            use super::*;
            use crate::entities::$table::{ActiveModel, Column, Entity};

            /// Writes raw samples; a second one of the same series and time replaces the first.
            ///
            /// # Errors
            /// `InUse` when the thing measured does not exist.
            pub async fn insert(db: &impl ConnectionTrait, measured: &[Measured<$id>]) -> Result<()> {
                let mut rows = Vec::new();
                for one in measured {
                    for sample in one.samples.iter().filter(|sample| sample.value.is_finite()) {
                        rows.push(ActiveModel {
                            $field: Set(one.id),
                            resolution_seconds: Set(RAW),
                            time: Set(one.time),
                            metric_type: Set(sample.metric_type),
                            labels: Set(key_of(&sample.labels)?),
                            value: Set(sample.value),
                            sample_count: Set(1),
                        });
                    }
                }
                for batch in rows.chunks(1000) {
                    Entity::insert_many(batch.iter().cloned())
                        .on_conflict(replace())
                        .exec_without_returning(db)
                        .await?;
                }
                Ok(())
            }

            fn replace() -> OnConflict {
                OnConflict::columns([
                    Column::$column,
                    Column::ResolutionSeconds,
                    Column::Time,
                    Column::MetricType,
                    Column::Labels,
                ])
                .update_columns([Column::Value, Column::SampleCount])
                .to_owned()
            }

            /// Points in the order of time, at the finest level that covers the filter's span.
            ///
            /// # Errors
            /// `Unavailable`.
            pub async fn points(
                db: &impl ConnectionTrait,
                id: $id,
                filter: &MetricFilter,
                now: Timestamp,
            ) -> Result<Vec<MetricPoint>> {
                let until = filter.until.unwrap_or(now);
                let since = filter.since.unwrap_or(until - TimeDelta::hours(1));
                let mut select = Entity::find()
                    .filter(Column::$column.eq(id))
                    .filter(Column::ResolutionSeconds.eq(level_for(since, until, now)))
                    .filter(Column::Time.gte(since))
                    .filter(Column::Time.lte(until));
                if let Some(metric_type) = filter.metric_type {
                    select = select.filter(Column::MetricType.eq(metric_type));
                }
                let mut rows = select.order_by_asc(Column::Time).limit(MAX_POINTS).all(db).await?;
                // Sorted here: the databases order enums differently, by declaration and by text.
                rows.sort_by(|a, b| (a.time, a.metric_type, &a.labels).cmp(&(b.time, b.metric_type, &b.labels)));
                let point = |row: crate::entities::$table::Model| {
                    Ok(MetricPoint {
                        time: row.time,
                        metric_type: row.metric_type,
                        value: row.value,
                        unit: row.metric_type.unit().to_owned(),
                        labels: serde_json::from_str(&row.labels).map_err(StoreError::internal)?,
                    })
                };
                rows.into_iter().map(point).collect()
            }

            /// The last raw value of each kind within `within` seconds.
            ///
            /// # Errors
            /// `Unavailable`.
            pub async fn latest(
                db: &impl ConnectionTrait,
                id: $id,
                metric_type: MetricType,
                since: Timestamp,
            ) -> Result<Option<f64>> {
                let row = Entity::find()
                    .filter(Column::$column.eq(id))
                    .filter(Column::ResolutionSeconds.eq(RAW))
                    .filter(Column::Time.gte(since))
                    .filter(Column::MetricType.eq(metric_type))
                    .order_by_desc(Column::Time)
                    .limit(1)
                    .one(db)
                    .await?;
                Ok(row.map(|row| row.value))
            }

            /// Rolls up the next buckets that are complete, at most `buckets` per level; returns how many were done, so
            /// that the caller goes on, in a new transaction, while it is not 0. Doing it twice changes nothing.
            ///
            /// # Errors
            /// `Unavailable`.
            pub async fn roll_up(db: &impl ConnectionTrait, buckets: usize, now: Timestamp) -> Result<usize> {
                let mut done = 0;
                for (from, to) in [(RAW, FIVE_MINUTES), (FIVE_MINUTES, HOUR)] {
                    for _ in 0..buckets {
                        let Some(start) = next_bucket(db, from, to).await? else {
                            break;
                        };
                        let end = start + TimeDelta::seconds(i64::from(to));
                        if end + TimeDelta::seconds(GRACE) > now {
                            break;
                        }
                        roll_up_bucket(db, from, to, start, end).await?;
                        done += 1;
                    }
                }
                Ok(done)
            }

            /// The first bucket with data after the last one that was rolled up.
            async fn next_bucket(db: &impl ConnectionTrait, from: i32, to: i32) -> Result<Option<Timestamp>> {
                let time =
                    |select: sea_orm::Select<Entity>| select.select_only().column(Column::Time).limit(1).into_tuple();
                let of = |level: i32| Entity::find().filter(Column::ResolutionSeconds.eq(level));
                let last: Option<Timestamp> = time(of(to).order_by_desc(Column::Time)).one(db).await?;
                let mut data = of(from).order_by_asc(Column::Time);
                if let Some(last) = last {
                    data = data.filter(Column::Time.gte(last + TimeDelta::seconds(i64::from(to))));
                }
                let first: Option<Timestamp> = time(data).one(db).await?;
                Ok(first.map(|first| floor(first, to)))
            }

            async fn roll_up_bucket(
                db: &impl ConnectionTrait,
                from: i32,
                to: i32,
                start: Timestamp,
                end: Timestamp,
            ) -> Result<()> {
                let count = || Expr::expr(Func::sum(Expr::col(Column::SampleCount)));
                let weighted = Func::sum(Expr::col(Column::Value).mul(Expr::col(Column::SampleCount)));
                let select = Query::select()
                    .column(Column::$column)
                    .expr(Expr::value(to))
                    .expr(Expr::value(start))
                    .column(Column::MetricType)
                    .column(Column::Labels)
                    .expr(Expr::expr(weighted).div(count()))
                    .expr(count().cast_as(Alias::new("integer")))
                    .from(Entity)
                    .and_where(Column::ResolutionSeconds.eq(from))
                    .and_where(Column::Time.gte(start))
                    .and_where(Column::Time.lt(end))
                    .group_by_columns([Column::$column, Column::MetricType, Column::Labels])
                    .take();
                let mut insert = Query::insert();
                insert
                    .into_table(Entity)
                    .columns([
                        Column::$column,
                        Column::ResolutionSeconds,
                        Column::Time,
                        Column::MetricType,
                        Column::Labels,
                        Column::Value,
                        Column::SampleCount,
                    ])
                    .select_from(select)
                    .map_err(StoreError::internal)?
                    .on_conflict(replace());
                db.execute(&insert).await?;
                Ok(())
            }

            /// Removes points that are older than their level is kept; returns how many.
            ///
            /// # Errors
            /// `Unavailable`.
            pub async fn expire(db: &impl ConnectionTrait, now: Timestamp) -> Result<u64> {
                let mut removed = 0;
                for (level, kept) in RETENTION {
                    let delete = Entity::delete_many()
                        .filter(Column::ResolutionSeconds.eq(level))
                        .filter(Column::Time.lt(now - TimeDelta::seconds(kept)));
                    removed += delete.exec(db).await?.rows_affected;
                }
                Ok(removed)
            }
        }
    };
}

series!(nodes, NodeId, node_id, NodeId, node_metrics);
series!(sessions, SessionId, session_id, SessionId, session_metrics);
