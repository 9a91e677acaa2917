//! Things that are not in the repository and are needed by a few tests.

use std::path::PathBuf;

/// A program that a test needs. Where it is missing: a failure under CI, a loud word elsewhere.
pub(crate) fn program(name: &str, package: &str) -> Option<PathBuf> {
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path)
            .map(|directory| directory.join(name))
            .find(|path| path.is_file())
    });
    if found.is_none() {
        missing(&format!("the program {name} is not installed (package {package})"));
    }
    found
}

/// Something is missing without which a test cannot run.
#[expect(clippy::print_stderr, reason = "whoever runs the tests should know")]
pub(crate) fn missing(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what}: the test command installs it");
    eprintln!("SKIPPED: {what}; `sh packaging/test.sh` installs it");
}

/// This machine cannot do what a test needs, whatever is installed.
#[expect(clippy::print_stderr, reason = "whoever runs the tests should know")]
pub(crate) fn impossible(what: &str) {
    eprintln!("SKIPPED: {what}");
}

/// A tool that lies beside the repository, with what was measured of speech and sound.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/tools").join(name);
    if !path.is_file() {
        missing(&format!("`{}` is not there", path.display()));
        return None;
    }
    Some(path)
}

/// Data that lies beside the repository: files of the real models, and recordings.
#[cfg(feature = "pocket")]
pub(crate) fn data(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if !path.exists() {
        missing(&format!("`{}` is not there", path.display()));
        return None;
    }
    Some(path)
}

/// The interpreter with a speech recogniser, which the test command sets up.
pub(crate) fn recogniser() -> Option<PathBuf> {
    named_by("SPEAKERD_TEST_PYTHON", "speech recogniser")
}

/// The same interpreter, which has clients of the speech server as well, and Node beside it.
#[cfg(all(feature = "http", feature = "builtin"))]
pub(crate) fn python() -> Option<PathBuf> {
    named_by("SPEAKERD_TEST_PYTHON", "Python with clients of the speech server")
}

/// Packages for Node, which the test command installs.
#[cfg(all(feature = "http", feature = "builtin"))]
pub(crate) fn node_modules() -> Option<PathBuf> {
    named_by("SPEAKERD_TEST_NODE_MODULES", "folder of packages for Node")
}

fn named_by(variable: &str, what: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    if path.is_none() {
        missing(&format!("there is no {what} ({variable})"));
    }
    path
}
