use super::*;
use crate::container::OutputStream;
use berth_types::StringMap;

fn clock() -> Clock {
    #[expect(clippy::disallowed_methods, reason = "these are the tests' clock")]
    Arc::new(chrono::Utc::now)
}

/// A clock that is where the test puts it.
fn set_clock() -> (Clock, Arc<Mutex<Timestamp>>) {
    let time = Arc::new(Mutex::new("2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap()));
    let read = time.clone();
    (Arc::new(move || *read.lock().unwrap()), time)
}

fn spec(name: &str, script: &str) -> ContainerSpec {
    ContainerSpec {
        name: name.to_owned(),
        image: "image:1".to_owned(),
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        labels: StringMap::from([(names::LABEL_INSTALLATION.to_owned(), "test".to_owned())]),
        env: vec![("SECRET".to_owned(), "hunter2".to_owned())],
        ..Default::default()
    }
}

async fn engine(options: SimOptions) -> SimEngine {
    let engine = SimEngine::open(options).unwrap();
    engine.pull_image("image:1", None, None).await.unwrap();
    engine
}

#[tokio::test]
async fn a_fault_strikes_where_it_is_told() {
    let engine = engine(SimOptions::new("sim", clock())).await;
    engine.inject(Fault::once(Operation::EnsureContainer, DriverErrorKind::Unavailable));
    assert_eq!(engine.ensure_container(&spec("c1", "")).await.unwrap_err().kind, DriverErrorKind::Unavailable);
    assert!(engine.inspect_container("c1").await.unwrap().is_none(), "it failed before and still did it");

    engine.inject(Fault::once_after(Operation::EnsureContainer));
    assert_eq!(engine.ensure_container(&spec("c1", "")).await.unwrap_err().kind, DriverErrorKind::Ambiguous);
    assert!(engine.inspect_container("c1").await.unwrap().is_some(), "it failed after and did not do it");
    engine.ensure_container(&spec("c1", "")).await.unwrap();

    let other = Fault {
        name_contains: Some("c2".to_owned()),
        ..Fault::once(Operation::StartContainer, DriverErrorKind::NoSpace)
    };
    engine.inject(other);
    engine.start_container("c1").await.unwrap();
    engine.ensure_container(&spec("c2", "")).await.unwrap();
    assert_eq!(engine.start_container("c2").await.unwrap_err().kind, DriverErrorKind::NoSpace);
    engine.start_container("c2").await.unwrap();
    assert_eq!(engine.calls(Operation::StartContainer), 3);

    engine.inject(Fault { times: None, ..Fault::once(Operation::Ping, DriverErrorKind::Timeout) });
    for _ in 0..3 {
        assert_eq!(engine.ping().await.unwrap_err().kind, DriverErrorKind::Timeout);
    }
    engine.clear_faults();
    engine.ping().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn delays_take_their_time() {
    let engine = engine(SimOptions::new("sim", clock())).await;
    engine.inject(Fault::slow(Operation::Ping, Duration::from_secs(40)));
    let start = tokio::time::Instant::now();
    engine.ping().await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 40);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_goes_away_ends_its_streams_and_not_its_containers() {
    let engine = engine(SimOptions::new("sim", clock())).await;
    engine.ensure_container(&spec("c1", "sleep 10; exit 4")).await.unwrap();
    engine.start_container("c1").await.unwrap();
    let mut events = engine.events(&LabelFilter::any(), None).await.unwrap();
    let mut logs = engine.logs("c1", &LogOptions { follow: true, ..Default::default() }).await.unwrap();
    engine.set_away(true);
    assert_eq!(events.try_next().await.unwrap_err().kind, DriverErrorKind::Unavailable);
    assert_eq!(logs.try_next().await.unwrap_err().kind, DriverErrorKind::Unavailable);
    assert_eq!(engine.ping().await.unwrap_err().kind, DriverErrorKind::Unavailable);
    tokio::time::sleep(Duration::from_secs(11)).await;
    engine.set_away(false);
    let state = engine.inspect_container("c1").await.unwrap().unwrap();
    assert_eq!(state.exit_code, Some(4));
    let mut missed = engine.events(&LabelFilter::any(), state.created_at).await.unwrap();
    let kinds: Vec<_> = [missed.try_next().await, missed.try_next().await, missed.try_next().await]
        .into_iter()
        .map(|event| event.unwrap().unwrap().kind)
        .collect();
    assert_eq!(kinds, [EngineEventKind::Create, EngineEventKind::Start, EngineEventKind::Die]);
}

#[tokio::test(start_paused = true)]
async fn paused_time_does_not_count() {
    let engine = engine(SimOptions::new("sim", clock())).await;
    engine.ensure_container(&spec("c1", "sleep 10; exit 4")).await.unwrap();
    engine.start_container("c1").await.unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    engine.pause_container("c1").await.unwrap();
    tokio::time::sleep(Duration::from_secs(100)).await;
    engine.unpause_container("c1").await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(engine.inspect_container("c1").await.unwrap().unwrap().status, ContainerStatus::Running);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(engine.inspect_container("c1").await.unwrap().unwrap().exit_code, Some(4));
}

#[tokio::test(start_paused = true)]
async fn a_journal_finds_the_engine_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("engine.journal");
    let (clock, time) = set_clock();
    let options = SimOptions { journal: Some(path.clone()), ..SimOptions::new("sim", clock) };
    let before = {
        let engine = engine(options.clone()).await;
        let network = NetworkSpec { name: "n1".to_owned(), subnet: "10.0.0.0/24".parse().ok(), ..Default::default() };
        engine.ensure_network(&network).await.unwrap();
        for (name, script) in [
            ("short", "echo a; sleep 10; echo b; exit 4"),
            ("long", "echo a; sleep 1000; exit 5"),
            ("held", "sleep 10"),
            ("gone", ""),
        ] {
            let spec = ContainerSpec { network: Some("n1".to_owned()), ..spec(name, script) };
            engine.ensure_container(&spec).await.unwrap();
            engine.start_container(name).await.unwrap();
        }
        engine.pause_container("held").await.unwrap();
        engine.ensure_container_absent("gone").await.unwrap();
        engine.list_containers(&LabelFilter::any()).await.unwrap()
    };
    // What a kill in the middle of a write leaves.
    use std::io::Write;
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"container\":{\"sp").unwrap();
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    *time.lock().unwrap() += chrono::TimeDelta::seconds(60);
    let engine = SimEngine::open(options).unwrap();
    assert_eq!(engine.list_containers(&LabelFilter::any()).await.unwrap(), before);
    assert!(engine.image_present("image:1").await.unwrap().is_some());
    assert_eq!(engine.list_networks(&LabelFilter::any()).await.unwrap().len(), 1);
    // The time while nobody was there has passed for what ran, and not for what was paused.
    tokio::time::sleep(Duration::from_millis(10)).await;
    let state = async |name| engine.inspect_container(name).await.unwrap().unwrap();
    assert_eq!((state("short").await.status, state("short").await.exit_code), (ContainerStatus::Exited, Some(4)));
    assert_eq!(state("long").await.status, ContainerStatus::Running);
    assert_eq!(state("held").await.status, ContainerStatus::Paused);
    let log: Vec<_> = engine.logs("short", &LogOptions::default()).await.unwrap().try_collect().await.unwrap();
    assert_eq!(log.iter().map(|chunk| chunk.bytes.as_ref()).collect::<Vec<_>>(), [b"a\n", b"b\n"]);
    assert!(log.iter().all(|chunk| chunk.stream == OutputStream::Stdout));
    engine.unpause_container("held").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1001)).await;
    assert_eq!(state("held").await.exit_code, Some(0));
    assert_eq!(state("long").await.exit_code, Some(5));
}

#[tokio::test]
async fn thousands_of_containers_with_a_journal() {
    let directory = tempfile::tempdir().unwrap();
    let options =
        SimOptions { journal: Some(directory.path().join("engine.journal")), ..SimOptions::new("sim", clock()) };
    let engine = engine(options.clone()).await;
    let start = std::time::Instant::now();
    for user in 0..20_u8 {
        let network = NetworkSpec {
            name: format!("net-{user}"),
            subnet: Cidr::new([10, 9, user, 0].into(), 24),
            ..Default::default()
        };
        engine.ensure_network(&network).await.unwrap();
        for number in 0..150 {
            let spec = ContainerSpec {
                network: Some(network.name.clone()),
                ..spec(&format!("c-{user}-{number}"), "sleep 600")
            };
            engine.ensure_container(&spec).await.unwrap();
            engine.start_container(&spec.name).await.unwrap();
        }
    }
    let running = engine.list_containers(&LabelFilter::has(names::LABEL_INSTALLATION)).await.unwrap();
    assert_eq!(running.len(), 3000);
    let addresses: std::collections::HashSet<_> = running.iter().map(|state| state.addresses[0]).collect();
    assert_eq!(addresses.len(), 3000, "two containers share an address");
    drop(engine);
    let again = SimEngine::open(options).unwrap();
    assert_eq!(again.list_containers(&LabelFilter::any()).await.unwrap(), running);
    println!("3000 containers made, started, reopened in {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(30), "too slow for tests of scale: {:?}", start.elapsed());
}

#[tokio::test]
async fn what_happens_behind_our_back_is_told() {
    let engine = engine(SimOptions::new("sim", clock())).await;
    engine.ensure_container(&spec("c1", "sleep 600")).await.unwrap();
    engine.start_container("c1").await.unwrap();
    let mut events = engine.events(&LabelFilter::any(), None).await.unwrap();
    engine.end_container("c1", 137, true).unwrap();
    let first = events.try_next().await.unwrap().unwrap();
    let second = events.try_next().await.unwrap().unwrap();
    assert_eq!(
        (first.kind, second.kind, second.exit_code),
        (EngineEventKind::OutOfMemory, EngineEventKind::Die, Some(137))
    );
    engine.set_written_bytes("c1", 77).unwrap();
    assert_eq!(engine.container_size("c1").await.unwrap(), 77);
    assert_eq!(engine.spec_of("c1").unwrap().env.len(), 1);
}
