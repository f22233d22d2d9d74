//! The layers of the design hold: who may depend on whom, and which libraries a layer keeps out.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

/// Each crate of the product, and which others it may see. Tests and benches are no layer.
const LAYERS: &[(&str, &[&str])] = &[
    ("berth-types", &[]),
    ("berth-scheduler", &["berth-types"]),
    ("berth-store", &["berth-types"]),
    ("berth-drivers", &["berth-types"]),
    ("berth-client", &["berth-types"]),
    ("berth-agent", &["berth-types", "berth-client"]),
    (
        "berth-server",
        &["berth-types", "berth-scheduler", "berth-store", "berth-drivers", "berth-client", "berth-agent"],
    ),
    ("berth-cli", &["berth-types", "berth-server", "berth-client", "berth-agent"]),
];

/// What a layer must not even know.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("berth-types", &["tokio", "sqlx", "axum", "hyper", "reqwest", "bollard", "sea-orm-migration"]),
    ("berth-scheduler", &["tokio", "sqlx", "sea-orm", "axum", "hyper", "reqwest", "bollard", "rand"]),
    ("berth-store", &["axum", "hyper", "reqwest", "bollard"]),
    ("berth-drivers", &["sea-orm", "sqlx", "axum"]),
    ("berth-server", &["sea-orm", "sqlx", "bollard", "reqwest"]),
    ("berth-client", &["sea-orm", "sqlx", "axum", "bollard"]),
    ("berth-agent", &["sea-orm", "sqlx", "axum", "bollard"]),
];

/// Package → what it needs at run or build time; what only its tests need does not count.
fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let texts = |value: &Value| value.as_str().unwrap().to_owned();
    let package = |package: &Value| {
        let needed = package["dependencies"].as_array().unwrap().iter().filter(|d| d["kind"] != "dev");
        // Optional ones (an ORM's value traits behind a feature) come only with whoever turns the feature on.
        let needed = needed.filter(|d| d["optional"] != true).map(|d| texts(&d["name"])).collect();
        (texts(&package["name"]), needed)
    };
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

/// The crates of the product: those under `crates/`.
fn ours(packages: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    packages.keys().filter(|name| !matches!(name.as_str(), "berth-tests" | "berth-bench")).cloned().collect()
}

#[test]
fn every_crate_sees_only_what_its_layer_may() {
    let packages = packages();
    let ours = ours(&packages);
    let listed: BTreeSet<String> = LAYERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(ours, listed, "a crate without a layer, or a layer without a crate");
    let mut faults = Vec::new();
    for (name, allowed) in LAYERS {
        for dependency in packages[*name].intersection(&ours) {
            if !allowed.contains(&dependency.as_str()) {
                faults.push(format!("{name} depends on {dependency}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn no_layer_knows_what_is_not_its_business() {
    let packages = packages();
    let mut faults = Vec::new();
    for (name, forbidden) in FORBIDDEN {
        for library in forbidden.iter().filter(|library| packages[*name].contains(**library)) {
            faults.push(format!("{name} depends on {library}"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
