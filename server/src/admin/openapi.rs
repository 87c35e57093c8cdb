//! The description of the admin API, made from the table of calls and from the types that they take and answer: OpenAPI 3.1 for programs, a page for people. Neither needs anything from elsewhere.

use std::fmt::Write as _;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::answer::{Answer, Result};
use super::call::Call;
use super::page::LIMIT_MAX;
use super::route::{Access, Answers, BASE, ROUTES, Route, Schemas, Takes};
use super::wire;

static DOCUMENT: LazyLock<Value> = LazyLock::new(make);

/// `GET /openapi.json`
pub(super) async fn document(_call: &Call) -> Result<Answer> {
    Ok(Answer::bytes("application/json", DOCUMENT.to_string()))
}

/// `GET /`
pub(super) async fn page(_call: &Call) -> Result<Answer> {
    Ok(Answer::bytes("text/html; charset=utf-8", html()))
}

fn make() -> Value {
    let mut schemas: Schemas = Vec::new();
    let error = <wire::Error as utoipa::PartialSchema>::schema();
    schemas.push(("Error".to_owned(), error));
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let operation = operation(route, &mut schemas);
        let methods = paths.entry(route.path.to_owned()).or_insert_with(|| json!({}));
        if let Some(methods) = methods.as_object_mut() {
            methods.insert(route.method.as_str().to_ascii_lowercase(), operation);
        }
    }
    let schemas: Map<String, Value> =
        schemas.into_iter().map(|(name, schema)| (name, serde_json::to_value(schema).unwrap_or_default())).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Strongroom admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Accounts, users, service accounts and permissions of a node. Each call asks for one action, x-strongroom-action, which the caller's policies must allow.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": BASE}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token of POST /auth/token"},
                "session": {"type": "apiKey", "in": "cookie", "name": super::caller::SESSION_COOKIE,
                    "description": "A session of POST /auth/session; calls that change something also carry its csrfToken in X-CSRF-Token"},
                "signature": {"type": "http", "scheme": "AWS4-HMAC-SHA256",
                    "description": "Signature Version 4 with the service strongroom; it must cover the body"},
            },
        },
    })
}

fn operation(route: &Route, schemas: &mut Schemas) -> Value {
    let mut operation = json!({"operationId": operation_id(route), "summary": route.summary});
    let mut parameters: Vec<Value> = Vec::new();
    for place in route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        parameters.push(json!({"name": place, "in": "path", "required": true, "schema": {"type": "string"},
            "description": "Id or name"}));
    }
    let query = |name: &str, schema: Value, description: &str| json!({"name": name, "in": "query", "schema": schema, "description": description});
    if let Access::May(action) = route.access {
        operation["x-strongroom-action"] = action.name().into();
    }
    if route.takes_account() {
        parameters.push(query("account", json!({"type": "string"}), "Id or name of another account, for the operator"));
    }
    operation["security"] = match route.access {
        Access::Anyone => json!([]),
        Access::SignedIn | Access::May(_) | Access::Object => {
            json!([{"token": []}, {"session": []}, {"signature": []}])
        }
    };
    let is_tagged = is_tagged(route);
    if is_tagged && route.method != http::Method::GET {
        parameters.push(json!({"name": "If-Match", "in": "header", "schema": {"type": "string"},
            "description": "The ETag of the version that the caller has seen; 412 when it was changed meanwhile"}));
    }
    for (name, description) in s3_parameters(route) {
        parameters.push(query(name, json!({"type": "string"}), description));
    }
    match route.takes {
        Takes::Nothing => {}
        Takes::Xml => {
            operation["requestBody"] = json!({"content": {"application/xml": {"schema": {"type": "string"}}}});
        }
        Takes::Bytes => {
            operation["requestBody"] = json!({"required": true, "content": {"application/octet-stream": {}}});
        }
        Takes::Json(schema) => {
            let schema = serde_json::to_value(schema(schemas)).unwrap_or_default();
            operation["requestBody"] = json!({"required": true, "content": {"application/json": {"schema": schema}}});
        }
        Takes::File => {
            operation["requestBody"] = json!({"required": true, "content": {"application/json": {"schema": {}}}});
            if route.path == "/state" {
                let switch = json!({"type": "boolean", "default": false});
                parameters.push(query("dryRun", switch.clone(), "Only say what would change"));
                parameters.push(query("prune", switch, "Also delete what isn't declared"));
            }
            if route.path.starts_with("/permissions") {
                parameters.push(query(
                    "dialect",
                    json!({"enum": ["lyve", "aws"]}),
                    "The file's dialect; as before unless said",
                ));
            }
        }
    }
    let mut responses = Map::new();
    match route.answers {
        Answers::One(status, schema) => {
            let schema = serde_json::to_value(schema(schemas)).unwrap_or_default();
            let content = json!({"application/json": {"schema": schema}});
            responses.insert(status.to_string(), json!({"description": "Done", "content": content}));
        }
        Answers::All(schema) => {
            let schema = serde_json::to_value(schema(schemas)).unwrap_or_default();
            let content = json!({"application/json": {"schema": {"type": "array", "items": schema}}});
            responses.insert("200".to_owned(), json!({"description": "All of them", "content": content}));
        }
        Answers::List(sorts, schema) => {
            parameters.push(query(
                "limit",
                json!({"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": 100}),
                "Things on a page",
            ));
            parameters.push(query(
                "cursor",
                json!({"type": "string"}),
                "Where the page begins: X-Next-Cursor of the one before",
            ));
            parameters.push(query("sort", json!({"enum": sorts}), "What it is sorted by"));
            parameters.push(query("order", json!({"enum": ["asc", "desc"], "default": "asc"}), "In which direction"));
            parameters.push(query(
                "q",
                json!({"type": "string", "maxLength": 200}),
                "A part of a name or another text that is shown",
            ));
            parameters.push(query("name", json!({"type": "string"}), "The exact name"));
            let schema = serde_json::to_value(schema(schemas)).unwrap_or_default();
            let content = json!({"application/json": {"schema": {"type": "array", "items": schema}}});
            let headers = json!({
                "X-Total-Count": {"schema": {"type": "integer"}, "description": "How many there are in all"},
                "X-Next-Cursor": {"schema": {"type": "string"}, "description": "Where the next page begins; not on the last"},
            });
            responses
                .insert("200".to_owned(), json!({"description": "A page", "content": content, "headers": headers}));
        }
        Answers::Months(schema) => {
            let month = || json!({"type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$"});
            parameters.push(query("from", month(), "The first month; this one unless said"));
            parameters.push(query("to", month(), "The last month; this one unless said"));
            let schema = serde_json::to_value(schema(schemas)).unwrap_or_default();
            let content = json!({"application/json": {"schema": {"type": "array", "items": schema}}});
            responses.insert("200".to_owned(), json!({"description": "The months, oldest first", "content": content}));
        }
        Answers::Records(schema) => {
            let text = || json!({"type": "string"});
            parameters.push(query(
                "limit",
                json!({"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": 100}),
                "Records on a page",
            ));
            parameters.push(query("cursor", text(), "Where the page begins: X-Next-Cursor of the one before"));
            parameters.push(query(
                "after",
                text(),
                "What was recorded since, oldest first: end, or X-Next-Cursor of the one before, which is always told then",
            ));
            parameters.push(query("from", text(), "Not before this date or time"));
            parameters.push(query("to", text(), "Before this date or time"));
            parameters.push(query("event", text(), "eventName, in any case; * stands for any characters"));
            parameters.push(query("user", text(), "Name, ARN or access key of the caller; root finds roots"));
            parameters.push(query("bucket", text(), "The bucket"));
            parameters.push(query("refused", json!({"type": "boolean"}), "Whether it was refused"));
            parameters.push(query("q", text(), "A part of a text that the record shows, in any case"));
            let schema = serde_json::to_value(schema(schemas)).unwrap_or_default();
            let content = json!({"application/json": {"schema": {"type": "array", "items": schema}}});
            responses.insert("200".to_owned(), json!({"description": "A page", "content": content}));
        }
        Answers::Text(content_type) => {
            responses.insert("200".to_owned(), json!({"description": "Done", "content": {content_type: {}}}));
        }
        Answers::Bytes => {
            let content = || json!({"*/*": {}});
            responses.insert("200".to_owned(), json!({"description": "The object", "content": content()}));
            responses.insert("206".to_owned(), json!({"description": "The range of it", "content": content()}));
            responses
                .insert("304".to_owned(), json!({"description": "It is as If-None-Match or If-Modified-Since say"}));
        }
        Answers::Headers => {
            responses.insert("200".to_owned(), json!({"description": "Done; ETag and others tell what was stored"}));
        }
        Answers::Nothing => {
            responses.insert("204".to_owned(), json!({"description": "Done"}));
        }
    }
    let error = json!({"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}});
    if is_tagged {
        let tag = json!({"schema": {"type": "string"}, "description": "Stands for this version; for If-Match"});
        for answer in ["200", "201"] {
            if let Some(answer) = responses.get_mut(answer) {
                answer["headers"]["ETag"] = tag.clone();
            }
        }
        if route.method != http::Method::GET {
            let changed = "It was changed since the version that If-Match names";
            responses.insert("412".to_owned(), json!({"description": changed, "content": error.clone()}));
        }
    }
    if matches!(route.method.as_str(), "POST" | "PUT" | "DELETE") && matches!(route.access, Access::May(_)) {
        let conflict = "What is there already or in use stands against it";
        responses.insert("409".to_owned(), json!({"description": conflict, "content": error.clone()}));
    }
    responses.insert("default".to_owned(), json!({"description": "Refused, and why", "content": error}));
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    operation["responses"] = Value::Object(responses);
    operation
}

/// Whether a call is about one resource whose versions have entity tags.
fn is_tagged(route: &Route) -> bool {
    let mut parts = route.path.trim_start_matches('/').split('/');
    let (noun, id, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next());
    let has_tags = ["permissions", "service-accounts", "users", "accounts", "buckets"].contains(&noun)
        && id.starts_with('{')
        && matches!(rest, None | Some("enabled" | "policy" | "revert" | "rotate"));
    matches!(route.access, Access::May(_)) && (has_tags || route.path == "/audit/settings")
}

/// The parameters of S3 that a call about objects takes.
fn s3_parameters(route: &Route) -> &'static [(&'static str, &'static str)] {
    if route.access != Access::Object {
        return &[];
    }
    match (route.method.as_str(), route.path.ends_with("{key}")) {
        ("GET", false) => &[
            ("list-type", "2"),
            ("prefix", "What keys begin with"),
            ("delimiter", "What folders end with, such as /"),
            ("max-keys", "Keys on a page, at most 1,000"),
            ("start-after", "After which key the page begins"),
            ("continuation-token", "Where the page begins: NextContinuationToken of the one before"),
        ],
        ("GET" | "DELETE", true) => &[("versionId", "The version"), ("uploadId", "The multipart upload")],
        ("PUT", true) => &[("partNumber", "1 to 10,000"), ("uploadId", "The multipart upload")],
        ("POST", true) => &[("uploads", "Begins an upload"), ("uploadId", "Completes this upload")],
        _ => &[("delete", "Deletes what the body names")],
    }
}

/// `getPermissionsIdPolicy`: method and path in one word.
pub(super) fn operation_id(route: &Route) -> String {
    let mut id = route.method.as_str().to_ascii_lowercase();
    for word in route.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        let (first, rest) = word.split_at(1);
        id.push_str(&first.to_ascii_uppercase());
        id.push_str(rest);
    }
    id
}

fn html() -> String {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Strongroom admin API</title></head><body><h1>Strongroom admin API</h1>\
         <p>Below <code>/api/v1</code>. For programs: <a href=\"openapi.json\">openapi.json</a> (OpenAPI 3.1).</p>\
         <table><thead><tr><th>Call</th><th>What it does</th><th>Asks for</th><th>Takes</th><th>Answers</th></tr></thead><tbody>",
    );
    let mut schemas = Schemas::new();
    let name = |schema: Value| {
        let name = schema["$ref"].as_str().and_then(|it| it.rsplit('/').next()).unwrap_or_default().to_owned();
        format!("<a href=\"#{name}\">{name}</a>")
    };
    for route in ROUTES {
        let asks = match route.access {
            Access::Anyone => "nothing".to_owned(),
            Access::SignedIn => "being signed in".to_owned(),
            Access::May(action) => format!("<code>{action}</code>"),
            Access::Object => "what S3 asks for".to_owned(),
        };
        let takes = match route.takes {
            Takes::Nothing => String::new(),
            Takes::Json(schema) => name(serde_json::to_value(schema(&mut schemas)).unwrap_or_default()),
            Takes::File => "a file".to_owned(),
            Takes::Xml => "S3's XML".to_owned(),
            Takes::Bytes => "an object's bytes".to_owned(),
        };
        let answers = match route.answers {
            Answers::One(_, schema) => name(serde_json::to_value(schema(&mut schemas)).unwrap_or_default()),
            Answers::List(_, schema) | Answers::All(schema) | Answers::Months(schema) | Answers::Records(schema) => {
                format!("list of {}", name(serde_json::to_value(schema(&mut schemas)).unwrap_or_default()))
            }
            Answers::Text(content_type) => content_type.to_owned(),
            Answers::Bytes => "an object's bytes".to_owned(),
            Answers::Headers => "200".to_owned(),
            Answers::Nothing => "204".to_owned(),
        };
        // A String takes every write.
        let _ = write!(
            html,
            "<tr><td><code>{} {}</code></td><td>{}</td><td>{asks}</td><td>{takes}</td><td>{answers}</td></tr>",
            route.method, route.path, route.summary
        );
    }
    html.push_str("</tbody></table><h2>Types</h2>");
    let mut seen = std::collections::BTreeMap::new();
    for (name, schema) in schemas {
        seen.entry(name).or_insert(schema);
    }
    for (name, schema) in seen {
        let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let _ = write!(html, "<h3 id=\"{name}\">{name}</h3><pre>{text}</pre>");
    }
    html.push_str("</body></html>");
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_of_the_document_has_its_schema() {
        let text = DOCUMENT.to_string();
        for (at, prefix) in text.match_indices("\"#/components/schemas/") {
            let name: String = text[at + prefix.len()..].chars().take_while(|c| *c != '"').collect();
            assert!(DOCUMENT["components"]["schemas"].get(&name).is_some(), "{name}");
        }
        assert_eq!(DOCUMENT["paths"]["/permissions/{id}"]["put"]["x-strongroom-action"], "strongroom:UpdatePermission");
        assert_eq!(DOCUMENT["components"]["schemas"]["PermissionBody"]["additionalProperties"], false);
    }

    #[test]
    fn operation_ids_are_unique() {
        let ids: std::collections::HashSet<String> = ROUTES.iter().map(operation_id).collect();
        assert_eq!(ids.len(), ROUTES.len());
        assert!(ids.contains("getPermissionsIdPolicy"));
    }
}
