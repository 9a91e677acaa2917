//! The server under a fuzzer that knows its description: everything that can be asked is asked, rightly and wrongly.

use std::path::Path;
use std::process::Command;

use crate::support::asking::Server;
use crate::support::shared::{missing, python};

/// Tries at each request in each phase: some 20 s together.
const N_EXAMPLES: &str = "10";

#[test]
fn whatever_is_asked_is_answered_as_it_is_described() {
    let Some(fuzzer) = python().map(|it| it.with_file_name("schemathesis")) else {
        return;
    };
    if !fuzzer.exists() {
        missing(&format!("there is no fuzzer: `{}`", fuzzer.display()));
        return;
    }
    let server = Server::start("");
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/http/schemathesis.toml");
    let mut command = Command::new(fuzzer);
    command.arg("--config-file").arg(rules).arg("run").arg(server.url("/openapi.json"));
    command.args(["--max-examples", N_EXAMPLES, "--seed", "7", "--no-color", "--warnings", "off"]);
    command.env("SPEAKERD_KEY", &server.key).current_dir(server.home.path(""));
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("Stateful"), "{told}");
    assert_eq!(server.speak("Tea is ready.").status, 200);
}
