//! Metrics of nodes and sessions: a summary per series for people, every point for programs.

use berth_types::{
    Timestamp,
    metrics::{MetricFilter, MetricPoint, MetricType},
};
use chrono::{Duration, Local};
use clap::Args;
use serde::Serialize;

use crate::{
    context::Context,
    output::{Column, Format, local, number},
    parse::Span,
};

#[derive(Args)]
pub struct MetricArgs {
    /// How far back, e.g. 6h; default: 1h
    #[arg(long, value_name = "SPAN")]
    since: Option<Span>,
    /// Only this one, e.g. cpu_percent
    #[arg(long = "type", value_name = "METRIC")]
    metric_type: Option<MetricType>,
    /// Every point instead of a summary
    #[arg(long)]
    points: bool,
}

impl MetricArgs {
    pub fn filter(&self) -> MetricFilter {
        // A span is meant from the moment at which the person writes it.
        let since = self.since.and_then(|span| Local::now().checked_sub_signed(Duration::seconds(span.seconds())));
        MetricFilter { since: since.map(|since| since.to_utc()), until: None, metric_type: self.metric_type }
    }
}

#[derive(Debug, PartialEq, Serialize)]
struct Series {
    name: String,
    unit: String,
    last: f64,
    average: f64,
    max: f64,
    at: Timestamp,
}

const SERIES: &[Column<Series>] = &[
    ("METRIC", |row| row.name.clone()),
    ("LAST", |row| number(row.last)),
    ("AVERAGE", |row| number(row.average)),
    ("MAX", |row| number(row.max)),
    ("UNIT", |row| row.unit.clone()),
    ("AT", |row| local(row.at)),
];

const POINTS: &[Column<MetricPoint>] = &[
    ("TIME", |row| local(row.time)),
    ("METRIC", name),
    ("VALUE", |row| number(row.value)),
    ("UNIT", |row| row.unit.clone()),
];

fn name(point: &MetricPoint) -> String {
    let labels: Vec<_> = point.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if labels.is_empty() {
        point.metric_type.to_string()
    } else {
        format!("{}{{{}}}", point.metric_type, labels.join(","))
    }
}

pub fn show(context: &Context, args: &MetricArgs, points: &[MetricPoint]) -> anyhow::Result<()> {
    if args.points || context.out.format != Format::Table {
        return context.out.rows(points, POINTS);
    }
    context.out.rows(&summarise(points), SERIES)
}

fn summarise(points: &[MetricPoint]) -> Vec<Series> {
    let mut all: Vec<(Series, u32)> = Vec::new();
    for point in points {
        let name = name(point);
        let place = all.iter().position(|(series, _)| series.name == name).unwrap_or_else(|| {
            let unit = point.unit.clone();
            all.push((Series { name, unit, last: 0.0, average: 0.0, max: f64::MIN, at: Timestamp::MIN_UTC }, 0));
            all.len() - 1
        });
        let (series, count) = &mut all[place];
        *count += 1;
        series.average += (point.value - series.average) / f64::from(*count);
        series.max = series.max.max(point.value);
        if point.time >= series.at {
            (series.last, series.at) = (point.value, point.time);
        }
    }
    let mut all: Vec<Series> = all.into_iter().map(|(series, _)| series).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_told_apart_by_labels_and_summed_up() {
        let point = |minute: u32, value: f64, gpu: Option<&str>| MetricPoint {
            time: format!("2026-11-21T03:{minute:02}:00Z").parse().unwrap(),
            metric_type: if gpu.is_some() { MetricType::GpuPercent } else { MetricType::CpuPercent },
            value,
            unit: "percent".to_owned(),
            labels: gpu.into_iter().map(|gpu| ("gpu".to_owned(), gpu.to_owned())).collect(),
        };
        let points = [point(3, 30.0, None), point(1, 10.0, None), point(2, 50.0, None), point(1, 7.0, Some("0"))];
        let series = summarise(&points);
        assert_eq!(series.len(), 2);
        assert_eq!((series[0].last, series[0].average, series[0].max), (30.0, 30.0, 50.0));
        assert_eq!(series[1].name, "gpu_percent{gpu=0}");
    }
}
