//! The real program in a home of its own.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::rig::PATIENCE;

/// A home, and the program that runs in it.
pub(crate) struct Home {
    directory: tempfile::TempDir,
    /// What the program finds in its environment besides.
    environment: Vec<(&'static str, String)>,
}

/// A running daemon; killed when it is dropped.
pub(crate) struct Daemon {
    pub(crate) child: Child,
}

impl Home {
    pub(crate) fn new(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["config", "data", "state", "cache", "run"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
        }
        let home = Self { directory, environment: Vec::new() };
        let config = config.replace("$HOME", &home.path("").display().to_string());
        std::fs::write(home.path("speakerd.toml"), config).unwrap();
        home
    }

    /// Sets a variable for every program that is started here.
    #[cfg(feature = "builtin")]
    pub(crate) fn set(&mut self, name: &'static str, value: String) {
        self.environment.push((name, value));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The program with its environment, nothing of the caller's in it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_speakerd"));
        command.args(arguments).env_clear().current_dir(self.path("")).stdin(Stdio::null());
        for name in ["PATH", "PULSE_SERVER", "PULSE_COOKIE", "ALSA_CONFIG_PATH"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env("HOME", self.path("")).env("XDG_RUNTIME_DIR", self.path("run"));
        for name in ["config", "data", "state", "cache"] {
            command.env(format!("XDG_{}_HOME", name.to_uppercase()), self.path(name));
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Standard output of a command that succeeds.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Exit code and standard error of a command that fails.
    pub(crate) fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        (output.status.code().expect("an exit code"), text(&output.stderr))
    }

    pub(crate) fn start(&self) -> Daemon {
        self.start_with(&[])
    }

    pub(crate) fn start_with(&self, arguments: &[&str]) -> Daemon {
        let config = self.path("speakerd.toml");
        let log = OpenOptions::new().append(true).create(true).open(self.path("log")).unwrap();
        let mut command = self.command(&["run", "--config", config.to_str().unwrap()]);
        let child = command.args(arguments).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut daemon = Daemon { child };
        let begun = Instant::now();
        while !self.run(&["status"]).status.success() {
            assert!(begun.elapsed() < PATIENCE, "the daemon does not answer: {}", self.log());
            assert_eq!(daemon.child.try_wait().unwrap(), None, "the daemon ended: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        daemon
    }

    /// Starts the program in a user namespace of its own, after a shell command there. `None`, said aloud, where that is
    /// not possible; under CI it must be.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    pub(crate) fn start_after(&self, preparation: &str) -> Option<Daemon> {
        let config = self.path("speakerd.toml");
        let run = self.command(&["run", "--config", config.to_str().unwrap()]);
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
        command.arg(format!("{preparation} && exec \"$0\" \"$@\""));
        command.arg(run.get_program()).args(run.get_args()).env_clear();
        command.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let log = OpenOptions::new().append(true).create(true).open(self.path("log")).unwrap();
        let child = command.stderr(log).stdin(Stdio::null()).current_dir(self.path("")).spawn();
        let mut daemon = Daemon { child: child.ok()? };
        let begun = Instant::now();
        while !self.run(&["status"]).status.success() {
            if daemon.child.try_wait().unwrap().is_some() {
                assert!(std::env::var_os("CI").is_none(), "no namespaces here: {}", self.log());
                eprintln!("SKIPPED: no namespaces here, not tested: {preparation}");
                return None;
            }
            assert!(begun.elapsed() < PATIENCE, "the daemon does not answer: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(daemon)
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub(crate) fn append(&self, name: &str, text: &str) {
        append(&self.path(name), text);
    }

    pub(crate) fn history(&self) -> Vec<serde_json::Value> {
        self.ok(&["history", "--json"])
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Daemon {
    /// Sends a signal and waits for the end.
    pub(crate) fn end_with(&mut self, signal: rustix::process::Signal) -> std::process::ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
        self.wait()
    }

    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "the daemon does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// The lines that a child prints, as they come.
pub(crate) fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
