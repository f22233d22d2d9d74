//! Two users' sessions on a real Docker Engine: what they reach and what they must not. The rules alone, without Docker's
//! own isolation, are tested beside them in `src/docker/firewall.rs`.
#![expect(clippy::unwrap_used, reason = "all of this is test code")]

mod support;

use std::net::IpAddr;

use berth_drivers::builtin_images;
use berth_drivers::container::{ContainerSpec, FirewallSpec, NetworkSpec};
use berth_drivers::testkit::{Failure, Kit, eventually};
use tokio::net::TcpListener;

/// Whether a container fetches a page (or at least connects) there.
async fn reaches(kit: &Kit, from: &str, to: &str, port: u16) -> bool {
    let script = format!("nc -w 1 {to} {port} < /dev/null");
    kit.shell(&kit.name(from), &script).await.unwrap().0 == 0
}

async fn web(kit: &Kit, name: &str, network: &NetworkSpec) -> IpAddr {
    let spec = ContainerSpec {
        network: Some(network.name.clone()),
        command: vec![builtin_images::WEB_COMMAND.to_owned()],
        exposed_ports: vec![builtin_images::WEB_PORT],
        ..kit.script(name, "")
    };
    kit.run(&spec).await.unwrap();
    eventually("the web server listens", || async {
        match kit.driver.dial(&spec.name, builtin_images::WEB_PORT).await {
            Ok(_) => Ok(Some(())),
            Err(error) if error.is_retryable() => Ok(None),
            Err(error) => Err(Failure(error.to_string())),
        }
    })
    .await
    .unwrap();
    kit.state(&spec.name).await.unwrap().addresses[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn users_reach_neither_each_other_nor_the_host() {
    let Some(engine) = support::docker("isolation").await else {
        return;
    };
    let kit = Kit::new(engine.driver.clone(), &engine.prefix, engine.block);
    let result = tokio::spawn(async move {
        let outcome = story(&kit).await;
        kit.clean().await.unwrap();
        outcome
    })
    .await;
    engine.finish().await;
    result.unwrap().unwrap();
}

async fn story(kit: &Kit) -> Result<(), String> {
    let check = |truth: bool, text: String| if truth { Ok(()) } else { Err(text) };
    kit.driver.ensure_firewall(&FirewallSpec::default()).await.unwrap();
    let anna = kit.network("anna", 11);
    let berta = kit.network("berta", 12);
    let shut = NetworkSpec { inter_container: false, ..kit.network("shut", 13) };
    let isolated = NetworkSpec { isolated: true, ..kit.network("isolated", 14) };
    for network in [&anna, &berta, &shut, &isolated] {
        kit.driver.ensure_network(network).await.unwrap();
    }
    let port = builtin_images::WEB_PORT;
    let anna_web = web(kit, "anna-web", &anna).await;
    let _ = web(kit, "anna-2", &anna).await;
    let berta_web = web(kit, "berta-web", &berta).await;
    let shut_web = web(kit, "shut-web", &shut).await;
    let _ = web(kit, "shut-2", &shut).await;
    let isolated_web = web(kit, "isolated-web", &isolated).await;

    // A listener on every address of the host, as a service of the fleet would be.
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let service = listener.local_addr().unwrap().port();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    check(
        tokio::net::TcpStream::connect(("127.0.0.1", service)).await.is_ok(),
        "the host's own service is not up".to_owned(),
    )?;

    let own_name = kit.name("anna-web");
    for target in [anna_web.to_string(), own_name] {
        check(reaches(kit, "anna-2", &target, port).await, format!("same user: {target} is out of reach"))?;
    }
    for (from, to) in [
        ("anna-web", berta_web),
        ("berta-web", anna_web),
        ("anna-web", shut_web),
        ("anna-web", isolated_web),
        ("isolated-web", anna_web),
        ("shut-2", shut_web),
    ] {
        check(!reaches(kit, from, &to.to_string(), port).await, format!("{from} reaches {to}"))?;
    }
    let mut host: Vec<IpAddr> =
        [&anna, &berta, &isolated].iter().filter_map(|network| network.subnet?.first_host()).collect();
    // The address that this host has towards the world, found without sending anything.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    if socket.connect("192.0.2.200:9").is_ok() {
        host.push(socket.local_addr().unwrap().ip());
    }
    for from in ["anna-web", "isolated-web", "shut-web"] {
        for address in &host {
            check(
                !reaches(kit, from, &address.to_string(), service).await,
                format!("{from} reaches the host at {address}"),
            )?;
        }
    }
    Ok(())
}
