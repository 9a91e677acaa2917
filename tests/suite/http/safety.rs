//! Who is let in, what they may see, and what hostile clients cannot do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::asking::{Server, speech};
use crate::support::program::Home;

#[test]
fn without_a_key_only_a_few_things_are_open() {
    let server = Server::start("");
    for (path, status) in [
        ("/health", 200),
        ("/v1/models", 200),
        ("/v1/audio/models", 200),
        ("/v1/audio/voices", 200),
        ("/", 200),
        ("/assets/app.js", 200),
        ("/v1/voices", 401),
        ("/v1/info", 401),
        ("/metrics", 401),
        ("/v1/precompute-embeddings", 401),
        ("/admin/config", 401),
        ("/admin/stats", 401),
        ("/admin/events", 401),
        ("/admin/history", 401),
        ("/admin/queue", 401),
        ("/assets/../keys.json", 404),
    ] {
        let answer = server.get_openly(path);
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        if status == 401 {
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{path}");
        }
    }
    for path in [
        "/v1/audio/speech",
        "/v1/synthesize",
        "/v1/batch-synthesize",
        "/admin/cleanup",
        "/admin/load",
        "/admin/skip",
        "/admin/say",
    ] {
        let answer = server.post_as("spk_wrong", path, &json!({"input": "Tea.", "text": "Tea."}));
        assert_eq!(answer.status, 401, "{path}");
    }
}

#[test]
fn voices_of_ones_own_are_listed_to_keys_alone() {
    let server = Server::start("voices = { anna = \"slt\" }\n");
    let names = |answer: crate::support::asking::Answer| {
        let voices = answer.json()["voices"].as_array().unwrap().clone();
        voices.iter().map(|voice| voice["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let open = names(server.get_openly("/v1/audio/voices"));
    assert_eq!(open.len(), 13);
    let all = names(server.get("/v1/audio/voices"));
    for voice in ["alloy", "anna", "rms", "slt"] {
        assert!(all.iter().any(|it| it == voice), "{all:?}");
    }
    assert!(!open.iter().any(|it| it == "anna"));
}

#[test]
fn a_key_is_good_for_its_scopes_and_not_after_it_was_removed() {
    let server = Server::start("");
    let key = server.home.ok(&["key", "add", "webui", "--scope", "speak"]);
    let ask = |path: &str| server.post_as(key.trim(), path, &speech("Tea.", "pcm"));
    assert_eq!(ask("/v1/audio/speech").status, 200);
    let refused = ask("/admin/skip");
    assert_eq!((refused.status, refused.code()), (403, "missing_scope".to_owned()));
    assert_eq!(refused.json()["error"]["type"], "permission_error");
    server.home.ok(&["key", "remove", "webui"]);
    assert_eq!(ask("/v1/audio/speech").status, 401);
    assert!(!server.home.log().contains(key.trim()), "no key is logged");
    let list = server.home.ok(&["key", "list"]);
    assert!(list.contains("all") && !list.contains("spk_"), "{list}");
}

#[test]
fn what_may_be_done_without_a_key_can_be_opened_for_this_machine() {
    let server = Server::start("without_key = [\"speak\"]\n");
    assert_eq!(server.post_as("", "/v1/audio/speech", &speech("Tea.", "pcm")).status, 200);
    assert_eq!(server.get_openly("/admin/config").status, 401);
}

#[test]
fn it_is_not_reachable_from_a_network_without_a_key() {
    let home = Home::new("[audio]\noutput = \"null\"\n[http]\nlisten = \"0.0.0.0:0\"\n");
    let config = home.path("speakerd.toml");
    let (code, complaint) = home.fails(&["run", "--config", config.to_str().unwrap()]);
    assert!(code != 0 && complaint.contains("speakerd key add"), "{complaint}");
    home.ok(&["key", "add", "phone"]);
    drop(home.start());
}

/// The status line and the head of the answer to a request that was written by hand.
fn head(server: &Server, request: &str) -> String {
    let mut stream = server.raw(request);
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) > 0 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

#[test]
fn a_name_that_was_pointed_here_and_pages_from_elsewhere_are_refused() {
    let server = Server::start("hosts = [\"speaker.example.org\"]\nwithout_key = [\"speak\"]\n");
    for (host, status) in [
        ("localhost", "200"),
        ("127.0.0.1:8765", "200"),
        ("speaker.example.org", "200"),
        ("evil.example.org", "403"),
        ("localhost.evil.example.org", "403"),
    ] {
        let head = head(&server, &format!("GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{host}: {head}");
    }
    let page =
        "GET /v1/info HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example.org\r\n\r\n";
    let head = head(&server, page);
    assert!(head.starts_with("http/1.1 403"), "{head}");
    assert!(!head.contains("access-control-allow-origin"), "{head}");
}

#[test]
fn pages_that_the_configuration_knows_may_ask() {
    let server = Server::start("cors_origins = [\"https://chat.example.org\"]\n");
    let ask = |origin: &str| {
        head(
            &server,
            &format!(
                "OPTIONS /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\n\
                 Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n\r\n"
            ),
        )
    };
    let known = ask("https://chat.example.org");
    assert!(known.contains("access-control-allow-origin: https://chat.example.org"), "{known}");
    assert!(!ask("https://evil.example.org").contains("allow-origin: https://evil"));
}

#[test]
fn every_answer_has_the_headers_that_browsers_heed() {
    let server = Server::start("");
    for path in ["/health", "/v1/nothing", "/", "/assets/app.js"] {
        let answer = server.get_openly(path);
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
    }
}

#[test]
fn a_body_that_a_page_could_send_without_asking_is_refused() {
    let server = Server::start("without_key = [\"speak\"]\n");
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let head = head(
            &server,
            &format!(
                "POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n\
                 Content-Length: 2\r\n\r\n{{}}"
            ),
        );
        assert!(head.starts_with("http/1.1 415"), "{kind}: {head}");
    }
}

#[test]
fn the_configuration_is_shown_without_secrets() {
    let server = Server::start("");
    let shown = server.get("/admin/config").json();
    assert_eq!(shown["config"]["http"]["max_pending"], 3);
    assert!(!shown.to_string().contains("spk_"));
}

#[test]
fn idle_connections_and_slow_ones_keep_nobody_out() {
    let server = Server::start("");
    let idle: Vec<_> = (0..200).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    let mut slow = server.raw("POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
    let mut unfinished = server.raw(&format!(
        "POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{",
        server.key
    ));
    let begun = Instant::now();
    let mut times = Vec::new();
    while begun.elapsed() < Duration::from_secs(2) {
        drop(slow.write_all(b"a"));
        drop(unfinished.write_all(b" "));
        let asked = Instant::now();
        assert_eq!(server.get("/health").status, 200);
        times.push(asked.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
    times.sort_unstable();
    assert!(times[times.len() * 95 / 100] < Duration::from_millis(50), "{times:?}");
    assert_eq!(server.speak("Tea.").status, 200);
    drop(idle);
}

#[test]
fn a_body_that_stops_coming_is_given_up() {
    let server = Server::start("");
    let mut stream = server.raw(&format!(
        "POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{",
        server.key
    ));
    let begun = Instant::now();
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(19), "{took:?}");
}

#[test]
fn nonsense_on_the_wire_costs_one_connection() {
    let server = Server::start("");
    for nonsense in [
        "\0\0\0\0\r\n\r\n".to_owned(),
        "GET\r\n\r\n".to_owned(),
        format!("GET /health HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "a".repeat(200_000)),
        "GET /health HTTP/1.1\r\n\r\n".to_owned(),
        "POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n".to_owned(),
        "POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
            .to_owned(),
    ] {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        // It may be cut off while it is being sent.
        drop(stream.write_all(nonsense.as_bytes()));
        drop(stream.shutdown(std::net::Shutdown::Write));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    assert_eq!(server.get("/health").status, 200);
}
