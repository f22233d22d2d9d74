//! The console and the API share one address, and neither gets in the other's way, whether the console was built or not.

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

use crate::support::{Options, Server};

async fn browse(server: &Server, method: &str, path: &str) -> Response<bytes::Bytes> {
    let client: Client<_, Full<bytes::Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", server.url()))
        .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
        .body(Full::default())
        .unwrap();
    let (parts, body) = client.request(request).await.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn browsers_get_the_console_and_programs_the_api() {
    let server = Server::start(Options { nodes: 0, ..Options::default() }).await;
    for path in ["/", "/sessions/0199"] {
        let page = browse(&server, "GET", path).await;
        match page.status().as_u16() {
            200 => {
                assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("script-src 'self'"));
                assert_eq!(page.headers()["referrer-policy"], "same-origin");
                assert_eq!(page.headers()["cache-control"], "no-cache");
            }
            404 => assert!(String::from_utf8_lossy(page.body()).contains("scripts/console.sh build")),
            other => panic!("{other}"),
        }
        assert_eq!(page.headers()["x-frame-options"], "DENY");
        assert_eq!(page.headers()["x-content-type-options"], "nosniff");
        assert!(page.headers().contains_key("x-request-id"));
        let head = browse(&server, "HEAD", path).await;
        assert_eq!(head.status(), page.status());
        assert_eq!(head.headers()["content-length"], page.body().len().to_string().as_str());
        assert!(head.body().is_empty());
    }
    for (method, path, status) in [
        ("GET", "/api/v1/none-such", 404),
        ("GET", "/assets/none-such.js", 404),
        ("POST", "/sessions", 404),
        ("GET", "/api/v1/sessions", 401),
    ] {
        let answer = browse(&server, method, path).await;
        assert_eq!(answer.status(), status, "{method} {path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{method} {path}");
    }
    assert_eq!(browse(&server, "GET", "/healthz").await.body().as_ref(), b"ok\n");
    server.finish().await;
}
