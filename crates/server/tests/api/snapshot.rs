//! The committed description of the API is what the server serves, so that every change of it shows in a review.

use std::path::Path;

use http::Method;
use serde_json::Value;

use crate::support::{Options, Server};

#[tokio::test]
async fn the_committed_document_is_the_served_one() {
    let server = Server::start(Options { nodes: 0, ..Options::default() }).await;
    let served = server.ask(Method::GET, "/openapi.json").send().await.expect(200).body;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    if std::env::var("BERTH_UPDATE_SNAPSHOTS").is_ok_and(|value| value == "1") {
        std::fs::write(&path, serde_json::to_string_pretty(&served).unwrap() + "\n").unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let committed: Value = serde_json::from_str(&text).unwrap_or_default();
    let mut differences = Vec::new();
    compare("", &committed, &served, &mut differences);
    assert!(
        differences.is_empty(),
        "docs/openapi.json is not what the server serves. If the change is wanted, run\n  \
         BERTH_UPDATE_SNAPSHOTS=1 cargo test -p berth-server --test api snapshot\nand commit the file. Differences:\n{}",
        differences.join("\n")
    );
    server.finish().await;
}

/// Where two documents differ, as JSON pointers; the first few are enough.
fn compare(path: &str, committed: &Value, served: &Value, differences: &mut Vec<String>) {
    if differences.len() >= 20 || committed == served {
        return;
    }
    match (committed, served) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let next = format!("{path}/{}", key.replace('/', "~1"));
                compare(&next, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), differences);
            }
        }
        _ => differences.push(format!("  {path}: committed {committed:.60}, served {served:.60}")),
    }
}
