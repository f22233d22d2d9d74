//! Pulling on a real Docker Engine from a played registry.

mod support;

use std::sync::{Arc, Mutex};

use berth_drivers::container::{PullProgress, RegistryAuth};
use berth_drivers::testkit::registry::{Image, Manner, Registry};
use berth_drivers::{ContainerDriver, DriverErrorKind};

#[tokio::test(flavor = "multi_thread")]
async fn images_are_pulled_once_with_progress_and_clear_refusals() {
    let Some(engine) = support::docker("registry").await else {
        return;
    };
    let image = |name: &str, manner| Image::of_bytes(name, manner, 2_000_000).unwrap();
    let registry = Registry::start(vec![
        image("good", Manner::Served),
        image("secret", Manner::Denied),
        image("broken", Manner::Broken),
    ])
    .await
    .unwrap();
    let reference = |name: &str| registry.reference(name);
    let driver = engine.driver.clone();

    let seen = Arc::new(Mutex::new(Vec::<PullProgress>::new()));
    let pulls = (0..5).map(|_| {
        let (driver, reference, seen) = (driver.clone(), reference("good"), seen.clone());
        let progress = Arc::new(move |step| seen.lock().unwrap().push(step));
        async move { driver.pull_image(&reference, None, Some(progress)).await }
    });
    let results = futures::future::join_all(pulls).await;
    let first = results[0].clone().unwrap();
    assert!(results.iter().all(|result| result.as_ref().ok() == Some(&first)), "{results:?}");
    let layers = registry.requests("GET /v2/good/blobs/");
    assert_eq!(layers, 2, "one configuration and one layer, for five who asked");
    assert_eq!(driver.image_present(&reference("good")).await.unwrap(), Some(first));
    let percent = seen.lock().unwrap().iter().map(|step| step.percent).fold(0.0, f64::max);
    assert_eq!(percent, 100.0);
    assert!(seen.lock().unwrap().iter().any(|step| step.total_bytes > 2_000_000));

    // Again: the tag is asked for anew, and nothing is transferred.
    driver.pull_image(&reference("good"), None, None).await.unwrap();
    assert_eq!(registry.requests("GET /v2/good/blobs/"), layers);
    driver.ensure_image_absent(&reference("good")).await.unwrap();

    let error = driver.pull_image(&reference("nowhere"), None, None).await.unwrap_err();
    assert_eq!(error.kind, DriverErrorKind::ImageNotFound, "{error}");
    assert!(!error.is_retryable());

    let auth = RegistryAuth { username: "anna".to_owned(), password: "hunter2-secret".to_owned(), server: None };
    let error = driver.pull_image(&reference("secret"), Some(&auth), None).await.unwrap_err();
    assert_eq!(error.kind, DriverErrorKind::ImageNotFound, "{error}");
    assert!(!error.to_string().contains("hunter2") && !format!("{auth:?}").contains("hunter2"));

    // A registry that breaks off, and one that is away: port 9 of this machine.
    for reference in [reference("broken"), "127.0.0.1:9/any:1".to_owned()] {
        let error = driver.pull_image(&reference, None, None).await.unwrap_err();
        assert_eq!(error.kind, DriverErrorKind::ImagePull, "{error}");
        assert!(error.is_retryable());
    }
    engine.finish().await;
}
