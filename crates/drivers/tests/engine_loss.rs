//! A real Docker Engine that is stopped, killed and started again under the driver's hands. It is a private one in a
//! network namespace of its own, so that nothing else on the host notices.

mod support;

use std::sync::Arc;
use std::time::Duration;

use berth_drivers::container::{ContainerStatus, LogOptions};
use berth_drivers::docker::{DockerDriver, DockerOptions};
use berth_drivers::testkit::{Kit, eventually, within};
use berth_drivers::{ContainerDriver, DriverErrorKind, builtin_images};
use futures::TryStreamExt;

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_stopped_killed_and_back() {
    let Some(mut private) = support::PrivateDocker::start().await else {
        return;
    };
    let driver = Arc::new(
        DockerDriver::new(DockerOptions {
            endpoint: private.endpoint(),
            query_timeout: Duration::from_secs(2),
            ..Default::default()
        })
        .unwrap(),
    );
    let layer = builtin_images::root_filesystem(std::path::Path::new("/bin/busybox")).unwrap();
    driver.import_image(builtin_images::REFERENCE, layer, &builtin_images::config()).await.unwrap();
    let kit = Kit::new(driver.clone(), "berth-test-loss", [10, 250]);
    let spec = kit.script("loss", "echo here; sleep 600");
    kit.run(&spec).await.unwrap();
    let mut events = driver.events(&kit.filter(), None).await.unwrap();
    let mut logs = driver.logs(&spec.name, &LogOptions { follow: true, ..Default::default() }).await.unwrap();
    assert!(within("a line", logs.try_next()).await.unwrap().unwrap().is_some());

    // Frozen: it takes connections and says nothing.
    private.signal("STOP");
    let error = driver.inspect_container(&spec.name).await.unwrap_err();
    assert_eq!(error.kind, DriverErrorKind::Timeout, "{error}");
    private.signal("CONT");
    assert_eq!(kit.state(&spec.name).await.unwrap().status, ContainerStatus::Running);

    // Killed: streams break with an error, not with an end, and calls say at once that nothing was done.
    private.kill().await;
    let end = within("the events break", events.try_next()).await.unwrap();
    assert!(end.as_ref().is_err_and(berth_drivers::DriverError::is_retryable), "{end:?}");
    let end = within("the log breaks", logs.try_next()).await.unwrap();
    assert!(end.as_ref().is_err_and(berth_drivers::DriverError::is_retryable), "{end:?}");
    let error = driver.start_container(&spec.name).await.unwrap_err();
    assert_eq!(error.kind, DriverErrorKind::Unavailable, "{error}");

    // Back: the same driver goes on, and an engine without live restore has ended its containers.
    private.restart().await;
    let state = eventually("the container's end is known", || async {
        Ok(Some(kit.state(&spec.name).await?).filter(|state| !state.status.is_live()))
    })
    .await
    .unwrap();
    assert_eq!(state.status, ContainerStatus::Exited);
    driver.ensure_container(&spec).await.unwrap();
    driver.start_container(&spec.name).await.unwrap();
    assert_eq!(kit.state(&spec.name).await.unwrap().status, ContainerStatus::Running);
    kit.clean().await.unwrap();
    private.stop().await;
}
