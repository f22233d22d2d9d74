//! The console: what `npm run build` left in `console/dist`, embedded, so that one binary is the whole product. Its
//! scripts and styles have names made of their content and are kept for ever; its one page is asked for anew each time.

use std::borrow::Cow;

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::api::frame::{Reply, no_such_path};

/// Empty in a binary that was built without the console.
#[derive(RustEmbed)]
#[folder = "../../console/dist"]
#[allow_missing = true]
struct Dist;

/// Paths of machines, which never get the page.
const RESERVED: &[&str] = &["api", "metrics", "healthz", "readyz", "streams"];

/// Nothing but what this server sent may run, style or be asked; WebSockets of this server are `'self'` too.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; \
    img-src 'self' data:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";

const FOREVER: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";

const ABSENT: &str = "This berth was built without its console.\n\n\
    To have it here, run\n\n    scripts/console.sh build\n\nin Berth's source and build berth again (make build does both).\n\n\
    The API works without it: see /api/docs.\n";

/// Answers what no route answers.
pub async fn fallback(request: Request) -> Reply {
    match answer::<Dist>(request.method(), request.uri().path(), request.headers()) {
        Some(response) => Ok(response),
        None => Err(no_such_path().await),
    }
}

/// `None`: there is nothing at this path.
fn answer<A: RustEmbed>(method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let name = path.strip_prefix('/')?;
    if RESERVED.contains(&name.split('/').next().unwrap_or_default()) {
        return None;
    }
    let is_page = matches!(name, "" | "index.html");
    let wants_page = is_page || !name.starts_with("assets/") && names_html(headers);
    if A::get("index.html").is_none() {
        return wants_page.then(absent);
    }
    // A compressed copy is a form of a file, not a file.
    if !is_page && !is_copy(name) && A::get(name).is_some() {
        let caching = if name.starts_with("assets/") { FOREVER } else { ASK_AGAIN };
        return file::<A>(name, caching, headers);
    }
    if wants_page { file::<A>("index.html", ASK_AGAIN, headers) } else { None }
}

fn absent() -> Response {
    let media_type = (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    (StatusCode::NOT_FOUND, [media_type], ABSENT).into_response()
}

fn is_copy(name: &str) -> bool {
    CODINGS.iter().any(|(_, suffix)| name.ends_with(suffix))
}

/// A browser that goes to an address names HTML; scripts, images and programs that take `*/*` do not want a page where
/// there is none.
fn names_html(headers: &HeaderMap) -> bool {
    values(headers, &header::ACCEPT).any(|(name, weight)| name.eq_ignore_ascii_case("text/html") && weight > 0.0)
}

/// Content codings that the build writes beside a file, the smaller first, and how their names end.
const CODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// The file in the best form that the caller understands.
fn file<A: RustEmbed>(name: &str, caching: &'static str, headers: &HeaderMap) -> Option<Response> {
    let copies = CODINGS.map(|(coding, suffix)| (coding, A::get(&format!("{name}{suffix}"))));
    let varies = copies.iter().any(|(_, copy)| copy.is_some());
    let mut chosen: Option<(&'static str, EmbeddedFile, f32)> = None;
    for (coding, copy) in copies {
        let weight = weight_of(headers, coding);
        if let Some(copy) = copy
            && weight > chosen.as_ref().map_or(0.0, |(.., best)| *best)
        {
            chosen = Some((coding, copy, weight));
        }
    }
    let (coding, content) = match chosen {
        Some((coding, copy, _)) => (Some(coding), copy),
        None => (None, A::get(name)?),
    };
    let tag = format!("\"{}\"", crate::keyring::hex(&content.metadata.sha256_hash()[..16]));
    let known = values(headers, &header::IF_NONE_MATCH)
        .any(|(known, _)| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag);
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(match content.data {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        }))
    };
    let answered = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| answered.insert(name, HeaderValue::from_static(value));
    if !known {
        set(header::CONTENT_TYPE, media_type(name));
        if let Some(coding) = coding {
            set(header::CONTENT_ENCODING, coding);
        }
    }
    if varies {
        set(header::VARY, "Accept-Encoding");
    }
    set(header::CACHE_CONTROL, caching);
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "same-origin");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    answered.insert(header::ETAG, HeaderValue::from_str(&tag).ok()?);
    Some(response)
}

/// The members of a header that is a list, each with its weight.
fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = (&'a str, f32)> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|member| {
        let mut parts = member.split(';').map(str::trim);
        let value = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        (value, weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)))
    })
}

/// How much the caller likes a content coding; 0: not at all.
fn weight_of(headers: &HeaderMap, coding: &str) -> f32 {
    let of = |wanted: &str| {
        values(headers, &header::ACCEPT_ENCODING)
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, weight)| weight)
    };
    of(coding).or_else(|| of("*")).unwrap_or(0.0)
}

/// Of every kind of file that a build can leave; browsers are told not to guess.
fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "ttf" => "font/ttf",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A console as a build leaves it, so that no test asks whether the real one was built.
    #[derive(RustEmbed)]
    #[folder = "tests/console"]
    struct Built;

    #[derive(RustEmbed)]
    #[folder = "tests/no-console"]
    #[allow_missing = true]
    struct NotBuilt;

    const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

    fn ask<A: RustEmbed>(path: &str, headers: &[(&'static str, &str)]) -> Option<Response> {
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect();
        answer::<A>(&Method::GET, path, &headers)
    }

    fn get(path: &str, headers: &[(&'static str, &str)]) -> Response {
        ask::<Built>(path, headers).unwrap_or_else(|| panic!("nothing at {path}"))
    }

    fn text<'a>(response: &'a Response, name: &str) -> &'a str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    async fn body(response: Response) -> Bytes {
        axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap()
    }

    #[tokio::test]
    async fn every_address_of_a_person_gets_the_page() {
        for path in ["/", "/index.html", "/sessions", "/sessions/0199/terminal", "/apiary", "/v1.2/x"] {
            let response = get(path, &[BROWSER]);
            assert_eq!(response.status(), 200, "{path}");
            assert_eq!(text(&response, "content-type"), "text/html; charset=utf-8", "{path}");
            assert_eq!(text(&response, "cache-control"), "no-cache", "{path}");
            assert_eq!(text(&response, "x-content-type-options"), "nosniff", "{path}");
            assert_eq!(text(&response, "referrer-policy"), "same-origin", "{path}");
            assert_eq!(text(&response, "cross-origin-opener-policy"), "same-origin", "{path}");
            let policy = text(&response, "content-security-policy");
            assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
            assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
            assert!(body(response).await.starts_with(b"<!doctype html>"), "{path}");
        }
        assert_eq!(get("/", &[]).status(), 200, "whatever is accepted, / is the page");
    }

    #[test]
    fn what_no_person_asks_for_gets_no_page() {
        for path in ["/api/v1/nothing", "/api", "/metrics/x", "/healthz/", "/readyz/x", "/streams/x"] {
            assert!(ask::<Built>(path, &[BROWSER]).is_none(), "{path}");
        }
        for path in ["/assets/gone-1.js", "/assets/", "/assets/app-1a2b.js.gz"] {
            assert!(ask::<Built>(path, &[BROWSER]).is_none(), "{path}");
        }
        for accept in ["*/*", "application/json", "image/svg+xml,image/*", "text/html;q=0"] {
            assert!(ask::<Built>("/sessions", &[("accept", accept)]).is_none(), "{accept}");
        }
        assert!(ask::<Built>("/../Cargo.toml", &[]).is_none());
        assert!(answer::<Built>(&Method::POST, "/", &HeaderMap::new()).is_none());
    }

    #[tokio::test]
    async fn assets_are_kept_for_ever_and_the_rest_is_asked_for_anew() {
        let asset = get("/assets/app-1a2b.js", &[]);
        assert_eq!(text(&asset, "content-type"), "text/javascript; charset=utf-8");
        assert_eq!(text(&asset, "cache-control"), "public, max-age=31536000, immutable");
        let icon = get("/favicon.svg", &[]);
        assert_eq!(text(&icon, "content-type"), "image/svg+xml");
        assert_eq!(text(&icon, "cache-control"), "no-cache");
        assert_eq!(text(&icon, "vary"), "", "there is one form of it");
        assert!(body(icon).await.starts_with(b"<svg"));
    }

    #[tokio::test]
    async fn the_smallest_form_that_the_caller_understands() {
        let choices = [
            ("gzip, deflate, br, zstd", "br"),
            ("br;q=0.5, gzip", "gzip"),
            ("GZIP;q=0.2", "gzip"),
            ("br;q=0, *", "gzip"),
            ("*", "br"),
            ("br;q=0, gzip;q=0", ""),
            ("identity", ""),
            ("br;q=nonsense", ""),
            ("", ""),
        ];
        let mut tags = std::collections::BTreeMap::new();
        for (accepted, coding) in choices {
            let response = get("/assets/app-1a2b.js", &[("accept-encoding", accepted)]);
            assert_eq!(text(&response, "content-encoding"), coding, "{accepted}");
            assert_eq!(text(&response, "vary"), "Accept-Encoding", "{accepted}");
            assert_eq!(text(&response, "content-type"), "text/javascript; charset=utf-8", "{accepted}");
            let tag = text(&response, "etag").to_owned();
            assert_eq!(tags.entry(coding).or_insert_with(|| tag.clone()), &tag, "{accepted}");
            let suffix = CODINGS.iter().find(|(name, _)| *name == coding).map_or("", |(_, suffix)| suffix);
            let file = Built::get(&format!("assets/app-1a2b.js{suffix}")).unwrap();
            assert_eq!(body(response).await.as_ref(), file.data.as_ref(), "{accepted}");
        }
        let different: std::collections::BTreeSet<_> = tags.values().collect();
        assert_eq!(different.len(), 3, "each form has a tag of its own: {tags:?}");
    }

    #[tokio::test]
    async fn what_is_known_is_not_sent_again() {
        for path in ["/", "/assets/app-1a2b.js"] {
            let first = get(path, &[("accept-encoding", "br")]);
            let tag = text(&first, "etag").to_owned();
            for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
                let again = get(path, &[("accept-encoding", "br"), ("if-none-match", &known)]);
                assert_eq!(again.status(), 304, "{path} {known}");
                assert_eq!(text(&again, "etag"), tag);
                assert_eq!(text(&again, "cache-control"), text(&first, "cache-control"));
                assert_eq!(text(&again, "vary"), text(&first, "vary"));
                assert!(body(again).await.is_empty());
            }
            assert_eq!(get(path, &[("if-none-match", &tag)]).status(), 200, "that was another form");
            assert_eq!(get(path, &[("if-none-match", "\"other\"")]).status(), 200);
        }
    }

    #[tokio::test]
    async fn a_binary_without_console_says_how_to_get_one() {
        for path in ["/", "/sessions"] {
            let response = ask::<NotBuilt>(path, &[BROWSER]).unwrap();
            assert_eq!(response.status(), 404);
            assert_eq!(text(&response, "content-type"), "text/plain; charset=utf-8");
            let page = body(response).await;
            assert!(std::str::from_utf8(&page).unwrap().contains("scripts/console.sh build"));
        }
        assert!(ask::<NotBuilt>("/assets/app.js", &[BROWSER]).is_none());
        assert!(ask::<NotBuilt>("/api/v1/nothing", &[BROWSER]).is_none());
    }
}
