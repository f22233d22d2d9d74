//! The API's documentation as one page of HTML without scripts and without any request to elsewhere: made once from the
//! OpenAPI document, so it is never out of date.

use std::{collections::BTreeMap, fmt::Write, sync::OnceLock};

use base64::Engine;
use http::HeaderValue;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The page and the policy that lets a browser show it and nothing else.
pub struct DocsPage {
    pub html: String,
    pub policy: HeaderValue,
}

/// The page of this server's API.
pub fn page() -> &'static DocsPage {
    static PAGE: OnceLock<DocsPage> = OnceLock::new();
    PAGE.get_or_init(|| {
        let document = serde_json::to_value(super::document()).unwrap_or_default();
        let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        DocsPage { html: render(&document), policy }
    })
}

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --link: #06c; }
@media (prefers-color-scheme: dark) { :root { --link: #7bf; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem 1.5rem 4rem; }
a { color: var(--link); }
code, .path { font-family: ui-monospace, monospace; font-size: .93em; }
nav ul { columns: 18rem; padding-left: 1.2rem; }
section.operation, section.schema { border-top: 1px solid var(--line); padding: .6rem 0; }
h3 { margin: .3rem 0; font-size: 1rem; }
.method { display: inline-block; min-width: 4.2rem; font-weight: 700; }
table { border-collapse: collapse; margin: .4rem 0; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .2rem .6rem .2rem 0; text-align: left; vertical-align: top; }
th { font-weight: 600; }
.note { opacity: .75; }
.badge { background: var(--soft); border-radius: .3rem; padding: 0 .4rem; }
";

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Text with `code` marked as such.
fn prose(text: &str) -> String {
    let parts = escape(text);
    let pieces: Vec<&str> = parts.split('`').collect();
    // An odd number of marks is no markup.
    if pieces.len().is_multiple_of(2) {
        return parts;
    }
    let mut out = String::new();
    for (index, piece) in pieces.into_iter().enumerate() {
        if index % 2 == 1 {
            let _ = write!(out, "<code>{piece}</code>");
        } else {
            out.push_str(piece);
        }
    }
    out
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A schema in a few words, with links to those that have a name.
fn type_of(schema: &Value) -> String {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = escape(reference.rsplit('/').next().unwrap_or(reference));
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    for (key, joint) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
        let parts = list(schema, key);
        if !parts.is_empty() {
            return parts.iter().map(type_of).collect::<Vec<_>>().join(joint);
        }
    }
    let values = list(schema, "enum");
    if !values.is_empty() {
        let values = values.iter().map(|value| format!("<code>{}</code>", escape(value.as_str().unwrap_or_default())));
        return values.collect::<Vec<_>>().join(", ");
    }
    let name = |kind: &str| match kind {
        "array" => {
            let items = schema.get("items").map_or_else(|| "anything".to_owned(), type_of);
            format!("list of {items}")
        }
        "object" => match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => format!("map of {}", type_of(values)),
            _ => "object".to_owned(),
        },
        kind => match text(schema, "format") {
            "" => escape(kind),
            format => format!("{} ({})", escape(kind), escape(format)),
        },
    };
    match schema.get("type") {
        Some(Value::String(kind)) => name(kind),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).map(name).collect::<Vec<_>>().join(" or "),
        _ => "anything".to_owned(),
    }
}

fn properties(out: &mut String, schema: &Value) {
    for part in list(schema, "allOf") {
        match part.get("$ref") {
            Some(_) => {
                let _ = write!(out, "<p>Everything of {}, and:</p>", type_of(part));
            }
            None => properties(out, part),
        }
    }
    let Some(fields) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    let required: Vec<&str> = list(schema, "required").iter().filter_map(Value::as_str).collect();
    out.push_str("<table><tr><th>Field</th><th>Type</th><th>Meaning</th></tr>");
    for (name, field) in fields {
        let mark = if required.contains(&name.as_str()) { " <span class=badge>required</span>" } else { "" };
        let _ = write!(
            out,
            "<tr><td><code>{}</code>{mark}</td><td>{}</td><td>{}</td></tr>",
            escape(name),
            type_of(field),
            prose(text(field, "description"))
        );
    }
    out.push_str("</table>");
}

fn contents(out: &mut String, holder: &Value) {
    let Some(contents) = holder.get("content").and_then(Value::as_object) else {
        return;
    };
    for (media, content) in contents {
        let schema = content.get("schema").map_or_else(String::new, type_of);
        let _ = write!(out, "{schema} <span class=note>as <code>{}</code></span> ", escape(media));
    }
}

fn operation(out: &mut String, method: &str, path: &str, operation: &Value) {
    let id = escape(text(operation, "operationId"));
    let _ = write!(
        out,
        "<section class=operation id=\"{id}\"><h3><span class=method>{}</span> <span class=path>{}</span> <a class=note href=\"#{id}\">{id}</a></h3>",
        method.to_uppercase(),
        escape(path)
    );
    let _ = write!(out, "<p>{} {}</p>", prose(text(operation, "summary")), prose(text(operation, "description")));
    if operation.get("security").is_none() {
        out.push_str("<p class=note>Needs no login.</p>");
    }
    let parameters = list(operation, "parameters");
    if !parameters.is_empty() {
        out.push_str("<table><tr><th>Parameter</th><th>In</th><th>Type</th><th>Meaning</th></tr>");
        for parameter in parameters {
            let required = parameter.get("required").and_then(Value::as_bool).unwrap_or(false);
            let _ = write!(
                out,
                "<tr><td><code>{}</code>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escape(text(parameter, "name")),
                if required { " <span class=badge>required</span>" } else { "" },
                escape(text(parameter, "in")),
                parameter.get("schema").map_or_else(String::new, type_of),
                prose(text(parameter, "description"))
            );
        }
        out.push_str("</table>");
    }
    if let Some(body) = operation.get("requestBody") {
        out.push_str("<p>Body: ");
        contents(out, body);
        out.push_str("</p>");
    }
    if let Some(responses) = operation.get("responses").and_then(Value::as_object) {
        out.push_str("<table><tr><th>Status</th><th>Meaning</th><th>Body</th></tr>");
        for (status, response) in responses {
            let _ = write!(out, "<tr><td>{}</td><td>{}</td><td>", escape(status), prose(text(response, "description")));
            contents(out, response);
            out.push_str("</td></tr>");
        }
        out.push_str("</table>");
    }
    out.push_str("</section>");
}

fn render(document: &Value) -> String {
    let mut by_tag: BTreeMap<&str, Vec<(&str, &str, &Value)>> = BTreeMap::new();
    for (path, item) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
        for method in ["get", "post", "put", "patch", "delete"] {
            if let Some(operation) = item.get(method) {
                let tag = list(operation, "tags").first().and_then(Value::as_str).unwrap_or("other");
                by_tag.entry(tag).or_default().push((method, path, operation));
            }
        }
    }
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
    let info = document.get("info").unwrap_or(&Value::Null);
    let title = escape(text(info, "title"));
    let mut out = format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width, initial-scale=1\">\
         <title>{title} API</title><style>{STYLE}</style></head><body><h1>{title} API</h1><p>{} Made from \
         <a href=\"/api/v1/openapi.json\">openapi.json</a>.</p><nav>",
        prose(text(info, "description"))
    );
    for (tag, operations) in &by_tag {
        let _ = write!(out, "<h2>{}</h2><ul>", escape(tag));
        for (_, _, operation) in operations {
            let id = escape(text(operation, "operationId"));
            let _ = write!(out, "<li><a href=\"#{id}\">{id}</a></li>");
        }
        out.push_str("</ul>");
    }
    out.push_str("</nav><main>");
    for (tag, operations) in &by_tag {
        let _ = write!(out, "<h2>{}</h2>", escape(tag));
        for (method, path, entry) in operations {
            operation(&mut out, method, path, entry);
        }
    }
    out.push_str("<h2>Schemas</h2>");
    for (name, schema) in schemas.into_iter().flatten() {
        let name = escape(name);
        let _ = write!(out, "<section class=schema id=\"schema-{name}\"><h3>{name}</h3>");
        let _ = write!(out, "<p>{}</p>", prose(text(schema, "description")));
        if schema.get("properties").is_none() && list(schema, "allOf").is_empty() {
            let _ = write!(out, "<p>{}</p>", type_of(schema));
        }
        properties(&mut out, schema);
        out.push_str("</section>");
    }
    out.push_str("</main></body></html>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let document = serde_json::json!({
            "info": {"title": "T<script>"},
            "paths": {"/x/{a\"b}": {"get": {"operationId": "x_get", "summary": "`<b>` & more", "tags": ["x"]}}},
        });
        let html = render(&document);
        assert!(html.contains("<code>&lt;b&gt;</code> &amp; more") && html.contains("/x/{a&quot;b}"));
        assert!(!html.contains("<script") && !html.contains("<b>"));
    }

    #[test]
    fn the_page_shows_every_operation_and_leads_nowhere_else() {
        let page = page();
        for (_, _, id) in super::super::operations() {
            assert!(page.html.contains(&format!("id=\"{id}\"")), "{id} is missing");
        }
        assert!(!page.html.contains("http://") && !page.html.contains("https://") && !page.html.contains("<script"));
        assert!(page.policy.to_str().unwrap().starts_with("default-src 'none'; style-src 'sha256-"));
        // Every link within the page has its target.
        for link in page.html.split("href=\"#").skip(1) {
            let target = link.split('"').next().unwrap();
            assert!(page.html.contains(&format!("id=\"{target}\"")), "nothing at #{target}");
        }
    }
}
