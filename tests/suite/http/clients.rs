//! Real clients, installed, against the real server. What they do and expect is in `tests/clients`, in their own languages.

use std::path::PathBuf;
use std::process::Command;

use crate::support::asking::Server;
use crate::support::program::Home;
use crate::support::shared;

/// A voice that takes 300 ms for each letter, so that there is a time between the first sound and the last.
const SLOW: &str = "voices = { slow = \"faulty:crawl@1\" }\n";

/// One place, and nobody waits for it.
const BUSY: &str = "max_pending = 1\npending_wait_ms = 0\n";

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Runs a client to its end. It finds the server in its environment, and two keys: one that is good for everything, and one
/// that is not good for speaking.
fn check(server: &Server, command: &mut Command) {
    let poor_key = server.home.ok(&["key", "add", "poor", "--scope", "voices"]);
    let program = format!("{command:?}");
    command
        .env("SPEAKERD_TEST_URL", server.url(""))
        .env("SPEAKERD_TEST_KEY", &server.key)
        .env("SPEAKERD_TEST_POOR_KEY", poor_key.trim())
        // Nothing is written beside the scripts.
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().unwrap();
    let [said, complained] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let log = server.home.log();
    assert!(
        output.status.success(),
        "{program}: {}\n{said}\n{complained}\nthe daemon's log:\n{log}",
        output.status
    );
}

/// Runs a client written in Python, if there is one to run it.
fn check_python(name: &str, http: &str) {
    let Some(python) = shared::python() else { return };
    let server = Server::start(http);
    let mut command = Command::new(python);
    command.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]).arg(script(name));
    check(&server, &mut command);
}

/// Runs a client written for Node, if there is one to run it.
fn check_node(name: &str, http: &str) {
    let (Some(python), Some(_)) = (shared::python(), shared::node_modules()) else { return };
    let server = Server::start(http);
    check(&server, Command::new(python.with_file_name("node")).arg("--test").arg(script(name)));
}

#[test]
fn openais_python_package_speaks_streams_and_understands_errors() {
    check_python("openai_sdk.py", SLOW);
}

#[test]
fn openais_python_package_comes_back_until_there_is_a_place() {
    check_python("openai_sdk_busy.py", &[BUSY, SLOW].concat());
}

#[test]
fn openais_node_package_speaks_streams_and_understands_errors() {
    check_node("openai_sdk.mjs", SLOW);
}

#[test]
fn openais_node_package_comes_back_until_there_is_a_place() {
    check_node("openai_sdk_busy.mjs", &[BUSY, SLOW].concat());
}

#[test]
fn open_webui_loses_no_sentence_of_an_answer() {
    if shared::program("mpg123", "mpg123").is_none() {
        return;
    }
    check_python("open_webui.py", "");
}

#[test]
fn a_language_models_words_are_spoken_over_a_websocket() {
    check_python("over_websocket.py", "");
}

#[test]
fn what_is_typed_with_curl_works() {
    if shared::program("curl", "curl").is_none() {
        return;
    }
    let server = Server::start(&[SLOW, "requests_per_minute = 60\n"].concat());
    check(&server, Command::new("sh").arg(script("curl.sh")));
}

#[test]
fn the_page_works_in_a_browser_by_keyboard() {
    let (Some(python), Some(modules), Some(browser)) =
        (shared::python(), shared::node_modules(), browser())
    else {
        return;
    };
    // Sound takes its time here: it is paused and skipped.
    let home = Home::new("[audio]\noutput = \"null\"\n[http]\nlisten = \"127.0.0.1:0\"\n");
    let mut command = Command::new(python);
    command.arg(script("page.py")).arg("--out").arg(home.path("pictures"));
    command.arg("--axe").arg(modules.join("axe-core/axe.min.js"));
    command.arg("--chromium").arg(browser).args(["--voice", "rms"]);
    #[cfg(feature = "pocket")]
    crate::voices::install(&home, "english");
    if cfg!(not(feature = "pocket")) {
        command.arg("--without-cloning");
    }
    check(&Server::start_in(home), &mut command);
}

/// Chromium, under one of its names.
fn browser() -> Option<PathBuf> {
    let known = ["chromium-browser", "google-chrome"];
    let is_there = |name: &&str| {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&paths).any(|directory| directory.join(name).is_file())
    };
    shared::program(known.into_iter().find(is_there).unwrap_or("chromium"), "chromium")
}
