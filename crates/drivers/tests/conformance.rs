//! Runs the conformance suite on the simulated engine and on a real Docker Engine.
//!
//! The real one is `BERTH_TEST_DOCKER` (default `unix:///var/run/docker.sock`). When it is missing the test fails, unless
//! `BERTH_SKIP_DOCKER=1` says that this is meant.

mod support;

use std::sync::Arc;

use berth_drivers::sim::{SimEngine, SimOptions};
use berth_drivers::testkit::{self, Kit};
use berth_drivers::{ContainerDriver, builtin_images};

#[tokio::test(flavor = "multi_thread")]
async fn simulated_engine() {
    let driver = SimEngine::open(SimOptions::new("sim", support::clock())).unwrap();
    driver.pull_image(builtin_images::REFERENCE, None, None).await.unwrap();
    let report = testkit::run(&Kit::new(Arc::new(driver), "berth-test", [10, 251])).await;
    println!("{report}");
    assert!(report.failed.is_empty(), "{report}");
    assert!(report.passed.len() >= 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_engine() {
    let Some(engine) = support::docker("conformance").await else {
        return;
    };
    let report = testkit::run(&Kit::new(engine.driver.clone(), &engine.prefix, engine.block)).await;
    println!("{report}");
    engine.finish().await;
    assert!(report.failed.is_empty(), "{report}");
    assert!(report.passed.len() >= 23);
}
