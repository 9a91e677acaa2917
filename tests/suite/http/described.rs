//! The description is of this server: what is described is served, what is served is described, and it is well-formed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::asking::{Answer, Server};

const ROUTER: &str =
    concat!(include_str!("../../../src/http.rs"), include_str!("../../../src/http/routes.rs"));

/// The methods that a path may have.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// What the server says of itself.
struct Api(Value);

/// One thing that can be asked.
struct Operation<'a> {
    path: &'a str,
    method: &'static str,
    details: &'a Value,
}

impl Operation<'_> {
    fn scope(&self) -> Option<&str> {
        self.details["security"][0]["key"][0].as_str()
    }

    fn is_endless(&self) -> bool {
        self.path.ends_with("/events")
    }

    /// Asks it, with nothing in the request.
    fn ask(&self, server: &Server, key: Option<&str>) -> Answer {
        server.ask(
            self.method,
            &self.path.replace("{name}", "nobody").replace("{id}", "tts-1"),
            key,
        )
    }
}

impl Api {
    fn of(server: &Server) -> Self {
        let answer = server.get_openly("/openapi.json");
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
        Self(answer.json())
    }

    fn operations(&self) -> Vec<Operation<'_>> {
        let paths = self.0["paths"].as_object().unwrap();
        let all = paths.iter().flat_map(|(path, item)| {
            METHODS.into_iter().filter_map(move |method| {
                Some(Operation { path, method, details: item.get(method)? })
            })
        });
        all.collect()
    }

    fn resolve(&self, reference: &str) -> Option<&Value> {
        self.0.pointer(reference.strip_prefix('#')?)
    }
}

/// Every reference somewhere in a value.
fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|it| references(it, found));
        }
        Value::Array(items) => items.iter().for_each(|it| references(it, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn it_is_well_formed() {
    let server = Server::start("");
    let api = Api::of(&server);
    assert!(api.0["openapi"].as_str().unwrap().starts_with("3.1."));
    assert_eq!(api.0["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut named = BTreeSet::new();
    references(&api.0, &mut named);
    assert!(named.len() > 20, "{named:?}");
    for reference in &named {
        assert!(api.resolve(reference).is_some(), "{reference} leads nowhere");
    }
    let tags: BTreeSet<_> =
        api.0["tags"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    let mut ids = BTreeSet::new();
    for Operation { path, method, details } in api.operations() {
        let at = format!("{method} {path}");
        assert!(
            ids.insert(details["operationId"].as_str().unwrap()),
            "{at}: the id is not its own"
        );
        assert!(details["summary"].as_str().is_some_and(|it| it.len() > 3), "{at} has no summary");
        assert!(!details.to_string().contains("# Errors"), "{at} is for readers of the code");
        for tag in details["tags"].as_array().unwrap() {
            assert!(tags.contains(tag.as_str().unwrap()), "{at}: {tag} is no tag");
        }
        let in_path = |it: &Value| it["in"] == "path" && it["required"] == true;
        let described =
            details["parameters"].as_array().into_iter().flatten().filter(|it| in_path(it));
        assert_eq!(described.count(), path.matches('{').count(), "{at}: parameters of the path");
        let statuses: BTreeSet<_> = details["responses"].as_object().unwrap().keys().collect();
        assert!(
            statuses.iter().any(|it| it.starts_with('2') || *it == "101"),
            "{at}: {statuses:?}"
        );
        assert!(
            statuses.iter().any(|it| *it == "403") && statuses.iter().any(|it| *it == "429"),
            "{at}"
        );
    }
    assert!(ids.len() > 30, "{ids:?}");
    for (name, schema) in api.0["components"]["schemas"].as_object().unwrap() {
        assert!(schema["description"].is_string(), "{name} is not described");
        let parts = schema["allOf"].as_array().into_iter().flatten().chain([schema]);
        for (field, value) in parts.filter_map(|it| it["properties"].as_object()).flatten() {
            let choices = value["oneOf"].as_array().into_iter().flatten();
            let is_described = choices.chain([value]).any(|it| it["description"].is_string());
            assert!(is_described, "{name}.{field} is not described");
        }
    }
}

#[test]
fn what_is_described_is_served_and_nothing_else_is() {
    assert!(!ROUTER.contains(".route("), "a route that is not made by `routes!` is not described");
    let server = Server::start("");
    let api = Api::of(&server);
    let operations = api.operations();
    let mut endpoints = BTreeSet::new();
    for path in api.0["paths"].as_object().unwrap().keys() {
        for method in METHODS {
            let described = operations.iter().find(|it| it.path == path && it.method == method);
            if described.is_some() {
                endpoints.insert(format!("{} {path}", method.to_uppercase()));
            }
            let nobody = Operation { path, method, details: &Value::Null };
            let answer = nobody.ask(&server, None);
            assert_eq!(answer.status == 405, described.is_none(), "{method} {path}: {answer:?}");
        }
    }
    let root = ureq::get(server.url("/")).header("accept", "application/json").call().unwrap();
    let root: Value = serde_json::from_str(&root.into_body().read_to_string().unwrap()).unwrap();
    let told: BTreeSet<_> = root["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, endpoints);
}

#[test]
fn who_needs_which_key_is_told() {
    let server = Server::start("");
    let api = Api::of(&server);
    let key =
        |scope: &str| server.home.ok(&["key", "add", scope, "--scope", scope]).trim().to_owned();
    let keys = ["speak", "voices", "admin"].map(|scope| (scope, key(scope)));
    for operation in api.operations() {
        let at = format!("{} {}", operation.method, operation.path);
        let openly = operation.ask(&server, None);
        assert_eq!(openly.status == 401, operation.scope().is_some(), "{at}: {openly:?}");
        let Some(needed) = operation.scope() else { continue };
        let asks = |scope: &str| !operation.is_endless() || scope != needed;
        for (scope, key) in keys.iter().filter(|(scope, _)| asks(scope)) {
            let answer = operation.ask(&server, Some(key));
            assert_eq!(answer.status == 403, *scope != needed, "{at} with {scope}: {answer:?}");
        }
    }
}

#[test]
fn its_examples_are_understood() {
    let server = Server::start("");
    let api = Api::of(&server);
    let mut n_examples = 0;
    for operation in api.operations() {
        let schema = &operation.details["requestBody"]["content"]["application/json"]["schema"];
        let Some(schema) = schema["$ref"].as_str().and_then(|name| api.resolve(name)) else {
            continue;
        };
        let answer = server.post(operation.path, &schema["example"]);
        assert_eq!(answer.status, 200, "{}: {answer:?}", operation.path);
        n_examples += 1;
    }
    assert!(n_examples >= 6, "{n_examples}");
}

#[test]
fn the_reference_is_a_page_that_needs_nothing_but_this_server() {
    let server = Server::start("");
    let page = server.get_openly("/docs");
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let text = String::from_utf8(page.body).unwrap();
    let linked = text.split(['"', '\'']).filter(|it| it.contains('.') && !it.contains([' ', '=']));
    let linked: Vec<_> = linked.filter(|it| !it.starts_with("./")).collect();
    assert!(linked.len() >= 5, "{linked:?}");
    for name in linked {
        assert_eq!(server.get_openly(&format!("/{name}")).status, 200, "{name}");
    }
    assert_eq!(server.get_openly("/docs/nothing.js").status, 404);
}

/// Asks in a wrong way; the answer is an error of ours.
fn check(server: &Server, request: &str, body: &[u8], status: u16, code: &str) {
    let answer = server.ask_by_hand(request, body);
    assert_eq!((answer.status, answer.code()), (status, code.to_owned()), "{request}: {answer:?}");
    assert_eq!(answer.header("content-type"), "application/json", "{request}");
}

#[test]
fn whatever_is_wrong_with_a_request_is_told_in_one_shape() {
    let server = Server::start("");
    let json = "Content-Type: application/json\r\n";
    let form = "Content-Type: multipart/form-data; boundary=xx\r\n";
    let cases: [(&str, &str, &[u8], u16, &str); 19] = [
        ("GET /nothing", "", b"", 404, "not_found"),
        ("PUT /health", "", b"", 405, "method_not_allowed"),
        ("POST /v1/audio/speech", json, b"", 400, "invalid_json"),
        ("POST /v1/audio/speech", json, b"{\"input\":\"a\"} x", 400, "invalid_json"),
        ("POST /v1/audio/speech", json, b"{\"input\":\"\xff\"}", 400, "invalid_json"),
        ("POST /v1/audio/speech", "", b"{}", 415, "unsupported_media_type"),
        ("POST /v1/synthesize", form, b"{}", 415, "unsupported_media_type"),
        ("POST /admin/volume", json, b"{}", 400, "invalid_json"),
        ("POST /admin/volume", json, b"{\"volume\":\"x\"}", 400, "invalid_json"),
        ("POST /admin/volume", "", b"{\"volume\":1}", 415, "unsupported_media_type"),
        ("POST /admin/say", json, b"[", 400, "invalid_json"),
        ("POST /admin/load", json, b"{\"voice\":1}", 400, "invalid_json"),
        ("POST /admin/load", "", b"{}", 415, "unsupported_media_type"),
        ("GET /admin/history?last=x", "", b"", 400, "invalid_query"),
        ("POST /v1/precompute-embeddings?all=2", "", b"", 400, "invalid_query"),
        ("DELETE /v1/audio/voices/%ff", "", b"", 400, "invalid_path"),
        ("POST /v1/audio/voices", json, b"{}", 415, "unsupported_media_type"),
        (
            "POST /v1/clone-voice",
            "Content-Type: multipart/form-data\r\n",
            b"",
            400,
            "invalid_multipart",
        ),
        ("GET /v1/audio/speech/stream", "", b"", 426, "upgrade_required"),
    ];
    for (request, head, body, status, code) in cases {
        check(&server, &format!("{request} HTTP/1.1\r\n{head}"), body, status, code);
    }
    let long = vec![b' '; 3 << 20];
    check(&server, &format!("POST /admin/say HTTP/1.1\r\n{json}"), &long, 413, "too_large");
    // What may be left out may be left out in any way.
    for head in ["", json] {
        let answer = server.ask_by_hand(&format!("POST /admin/load HTTP/1.1\r\n{head}"), b"");
        assert_eq!(answer.json(), json!({"ok": true}), "{head}");
    }
}
