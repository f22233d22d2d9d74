//! Base units and their conversion. Guarded updates in the ledger need exact integers on both databases, people want
//! cores and GB; the two meet here and nowhere else.
//!
//! CPU is millicores, memory and storage MiB, GPUs milli-GPUs, bandwidth Mbit/s. 1 GB means 1024 MiB, as hypervisors count.

/// Largest amount accepted anywhere, in base units; keeps sums far away from `i64` overflow.
pub const MAX_AMOUNT: i64 = 1 << 50;

/// Cores to millicores, rounded to the nearest one. `None` when negative, not finite or too large.
pub fn cores_to_millicores(cores: f64) -> Option<i64> {
    scaled(cores, 1000.0)
}

/// GB to MiB (1 GB = 1024 MiB), rounded to the nearest one. `None` when negative, not finite or too large.
pub fn gb_to_mib(gb: f64) -> Option<i64> {
    scaled(gb, 1024.0)
}

/// GPUs to milli-GPUs, rounded to the nearest one. `None` when negative, not finite or too large.
pub fn gpus_to_milli(gpus: f64) -> Option<i64> {
    scaled(gpus, 1000.0)
}

/// Millicores to cores.
pub fn millicores_to_cores(millicores: i64) -> f64 {
    millicores as f64 / 1000.0
}

/// MiB to GB.
pub fn mib_to_gb(mib: i64) -> f64 {
    mib as f64 / 1024.0
}

/// Milli-GPUs to GPUs.
pub fn milli_to_gpus(milli: i64) -> f64 {
    milli as f64 / 1000.0
}

fn scaled(value: f64, factor: f64) -> Option<i64> {
    let scaled = (value * factor).round();
    (value.is_finite() && scaled >= 0.0 && scaled <= MAX_AMOUNT as f64).then_some(scaled as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_round_and_refuse() {
        assert_eq!(cores_to_millicores(0.25), Some(250));
        assert_eq!(gb_to_mib(1.5), Some(1536));
        assert_eq!(gb_to_mib(0.0004), Some(0));
        assert_eq!(cores_to_millicores(-1.0), None);
        assert_eq!(cores_to_millicores(f64::NAN), None);
        assert_eq!(gb_to_mib(1e300), None);
    }
}
