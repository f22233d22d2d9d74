//! The built-in applications on a real Docker Engine: what a person sees of each.
#![expect(clippy::unwrap_used, reason = "all of this is test code")]

mod support;

use std::time::Duration;

use berth_drivers::builtin_images;
use berth_drivers::container::{ContainerSpec, ContainerStatus, LogOptions};
use berth_drivers::testkit::{Failure, Kit, eventually};
use futures::TryStreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn log(kit: &Kit, name: &str) -> String {
    let chunks: Vec<_> = kit.driver.logs(name, &LogOptions::default()).await.unwrap().try_collect().await.unwrap();
    chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes)).collect()
}

async fn get(kit: &Kit, name: &str, path: &str) -> String {
    let mut connection = eventually("the web application listens", || async {
        match kit.driver.dial(name, builtin_images::WEB_PORT).await {
            Ok(connection) => Ok(Some(connection)),
            Err(error) if error.is_retryable() => Ok(None),
            Err(error) => Err(Failure(error.to_string())),
        }
    })
    .await
    .unwrap();
    connection.write_all(format!("GET {path} HTTP/1.0\r\nHost: test\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn the_builtin_applications_work() {
    let Some(engine) = support::docker("builtin").await else {
        return;
    };
    let kit = Kit::new(engine.driver.clone(), &engine.prefix, engine.block);
    let command = |what: &str, command: &str, env: &[(&str, &str)]| ContainerSpec {
        command: vec![command.to_owned()],
        env: env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        ..kit.script(what, "")
    };

    let batch =
        command("batch", builtin_images::BATCH_COMMAND, &[("STEPS", "4"), ("STEP_SECONDS", "0"), ("EXIT_CODE", "6")]);
    kit.run(&batch).await.unwrap();
    let state = kit.until_status(&batch.name, ContainerStatus::Exited).await.unwrap();
    assert_eq!(state.exit_code, Some(6));
    let text = log(&kit, &batch.name).await;
    assert!(text.contains("step 1 of 4 (25 %)") && text.ends_with("step 4 of 4 (100 %)\ndone\n"), "{text}");

    let network = kit.network("web", 21);
    kit.driver.ensure_network(&network).await.unwrap();
    let web = ContainerSpec {
        network: Some(network.name.clone()),
        hostname: Some("web-host".to_owned()),
        ..command("web", builtin_images::WEB_COMMAND, &[("BERTH_SESSION_NAME", "<b>mine</b> & \"yours\"")])
    };
    kit.run(&web).await.unwrap();
    let page = get(&kit, &web.name, "/").await;
    assert!(page.contains("200 OK") && page.contains("<h1>It works</h1>"), "{page}");
    let page = get(&kit, &web.name, "/cgi-bin/status").await;
    assert!(page.contains("200 OK") && page.contains("web-host"), "{page}");
    assert!(page.contains("&lt;b&gt;mine&lt;/b&gt; &amp; &quot;yours&quot;"), "{page}");
    assert!(page.contains("<dd id=\"user\">berth</dd>"), "{page}");

    // Made without a command of its own, it is a terminal, and goes at once when asked.
    let terminal = ContainerSpec { command: Vec::new(), ..kit.script("terminal", "") };
    kit.run(&terminal).await.unwrap();
    eventually("the terminal is ready", || async {
        Ok(log(&kit, &terminal.name).await.contains("Terminal ready").then_some(()))
    })
    .await
    .unwrap();
    let (code, output, _) =
        kit.shell(&terminal.name, "id -un; pwd; touch ~/file /tmp/file && echo written").await.unwrap();
    assert_eq!((code, output.as_str()), (0, "berth\n/home/berth\nwritten\n"));
    let start = std::time::Instant::now();
    kit.driver.stop_container(&terminal.name, Duration::from_secs(30)).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(kit.state(&terminal.name).await.unwrap().exit_code, Some(0));

    kit.clean().await.unwrap();
    engine.finish().await;
}
