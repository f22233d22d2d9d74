//! `make bench`: what Berth costs, as ratios against the bare engine in the same run, since absolute times say more about
//! the machine than about Berth. Writes one flat JSON object of names to numbers.

mod launch;
mod lists;

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Result;

/// Names to numbers; milliseconds, MiB and ratios as the names say.
pub type Report = BTreeMap<String, f64>;

#[tokio::main]
async fn main() -> Result<()> {
    let only: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |name: &str| only.is_empty() || only.iter().any(|only| only == name);
    let path =
        PathBuf::from(std::env::var("BERTH_BENCH_REPORT").unwrap_or_else(|_| "target/bench/report.json".to_owned()));
    // A run of one part keeps the other parts' figures.
    let mut report: Report =
        std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    if wanted("launch") {
        launch::measure(&mut report).await?;
    }
    if wanted("lists") {
        lists::measure(&mut report).await?;
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(&path, serde_json::to_vec_pretty(&report)?)?;
    for (name, value) in &report {
        println!("{name:32} {value:10.3}");
    }
    println!("written to {}", path.display());
    Ok(())
}

/// The value below which a share `q` (0 to 1) of the sorted samples lies, by the nearest rank.
pub fn quantile(samples: &mut [f64], q: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let rank = (q * samples.len() as f64).ceil() as usize;
    samples.get(rank.clamp(1, samples.len().max(1)) - 1).copied().unwrap_or(f64::NAN)
}
