//! The daemon under a real systemd user manager of its own: login, crash, hang, reload, socket.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::program::Home;
use crate::support::rig::PATIENCE;
use crate::support::shared;

const SYSTEMD: &str = "/lib/systemd/systemd";

/// A user manager in a mount namespace, with a FUSE mount in the home.
struct Manager<'a> {
    home: &'a Home,
    process: Option<Child>,
}

impl<'a> Manager<'a> {
    /// `None`, said aloud, where this machine cannot have one.
    fn login(home: &'a Home) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            shared::impossible("a user manager in a namespace needs root here");
            return None;
        }
        if !std::path::Path::new("/dev/fuse").exists() {
            shared::impossible("there is no /dev/fuse to hang on");
            return None;
        }
        shared::program("bindfs", "bindfs")?;
        if !std::path::Path::new(SYSTEMD).exists() {
            shared::missing("systemd is not installed (package systemd)");
            return None;
        }
        let mut manager = Self { home, process: None };
        manager.log_in();
        Some(manager)
    }

    fn log_in(&mut self) {
        let script = format!(
            "mount -t tmpfs tmpfs /run/systemd && mkdir -p /run/systemd/system && \
             bindfs -f --no-allow-other real mounted & \
             until mountpoint -q mounted; do sleep 0.05; done; exec {SYSTEMD} --user"
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
        let program = self.home.command(&[]);
        command.env_clear().envs(program.get_envs().filter_map(|(name, it)| Some((name, it?))));
        let process = command.current_dir(self.home.path("")).stderr(Stdio::null()).spawn();
        self.process = Some(process.unwrap());
        self.wait_until("the manager", |manager| manager.ctl(&["show-environment"]).is_some());
    }

    fn log_out(&mut self) {
        let mut process = self.process.take().unwrap();
        let pid = rustix::process::Pid::from_child(&process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        process.wait().unwrap();
    }

    /// What `systemctl --user` prints where it succeeds.
    fn ctl(&self, arguments: &[&str]) -> Option<String> {
        let mut command = Command::new("systemctl");
        command.arg("--user").args(arguments).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap());
        let output = command.env("XDG_RUNTIME_DIR", self.home.path("run")).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn show(&self, property: &str) -> String {
        self.ctl(&["show", "speakerd.service", "--value", "-p", property]).unwrap_or_default()
    }

    fn wait_until(&self, what: &str, wished: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !wished(self) {
            assert!(begun.elapsed() < PATIENCE, "waited for {what}: {}", self.home.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait_until_active(&self, what: &str, not: &str) -> String {
        let pid = std::cell::Cell::default();
        self.wait_until(what, |manager| {
            // Between two daemons the process is 0, and the state may have been asked for a moment before.
            let now = manager.show("MainPID");
            let is_new = !["", "0", not].contains(&now.as_str());
            pid.set(now);
            is_new && manager.show("ActiveState") == "active"
        });
        pid.into_inner()
    }
}

impl Drop for Manager<'_> {
    fn drop(&mut self) {
        let _signalled =
            Command::new("pkill").args(["-CONT", "-f", "bindfs -f --no-allow-other"]).status();
        self.ctl(&["stop", "speakerd.socket", "speakerd.service"]);
        if self.process.is_some() {
            self.log_out();
        }
    }
}

fn signal(name: &str, pid: &str) {
    assert!(Command::new("kill").args([name, pid]).status().unwrap().success());
}

#[test]
fn it_starts_at_login_and_again_after_a_crash_and_a_hang() {
    let home = Home::new("");
    std::fs::create_dir_all(home.path("config/speakerd")).unwrap();
    for name in ["real", "mounted"] {
        std::fs::create_dir(home.path(name)).unwrap();
    }
    let run = home.path("run");
    std::fs::set_permissions(&run, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    home.append("real/a.log", "");
    let config = |volume: f32| {
        let home_dir = home.path("").display().to_string();
        let text = format!(
            "[audio]\noutput = \"null\"\nnull_speed = 0.0\nvolume = {volume}\n[engine]\nisolation = \"process\"\n[[watch]]\npath = \"{home_dir}mounted/a.log\"\n"
        );
        std::fs::write(home.path("config/speakerd/speakerd.toml"), text).unwrap();
    };
    config(1.0);
    // In a test nobody waits a minute for the watchdog, and there is no journal.
    let drop_in = home.path("config/systemd/user/speakerd.service.d");
    std::fs::create_dir_all(&drop_in).unwrap();
    let log = home.path("log");
    let quick = format!(
        "[Service]\nWatchdogSec=2\nRestartSec=0.1\nTimeoutAbortSec=2\nStandardError=append:{}\n",
        log.display()
    );
    std::fs::write(drop_in.join("quick.conf"), quick).unwrap();
    let Some(mut manager) = Manager::login(&home) else { return };

    home.ok(&["install", "--socket"]);
    let first = manager.wait_until_active("the installed daemon", "");
    home.ok(&["say", "--wait", "hello"]);
    // The manager holds the voice's process to its memory.
    let status: serde_json::Value = serde_json::from_str(&home.ok(&["status", "--json"])).unwrap();
    let voice = status["engine"]["processes"][0]["pid"].to_string();
    let group = std::fs::read_to_string(format!("/proc/{voice}/cgroup")).unwrap();
    assert!(group.contains(".scope"), "{group}: {}", home.log());
    let mode = |path: &std::path::Path| {
        std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions()) & 0o777
    };
    assert_eq!(mode(&home.path("run/speakerd/control.sock")), 0o600);
    assert_eq!(mode(&home.path("run/speakerd")), 0o700);

    // A reload that is waited for, and one of a wrong file.
    config(0.25);
    manager.ctl(&["reload", "speakerd.service"]).expect("a reload");
    assert_eq!(home.ok(&["volume"]).trim(), "0.25");
    config(9.0);
    assert_eq!(manager.ctl(&["reload", "speakerd.service"]), None, "a wrong file is refused");
    assert_eq!(home.ok(&["volume"]).trim(), "0.25");
    config(0.25);

    // The next login starts it by itself.
    manager.log_out();
    manager.log_in();
    let second = manager.wait_until_active("the daemon after the login", &first);

    // A crash.
    signal("-KILL", &second);
    let third = manager.wait_until_active("the daemon after the crash", &second);

    // A thread that hangs: the watched file's own file system does not answer any more.
    home.ok(&["wait-idle", "--timeout", "30"]);
    assert!(
        Command::new("pkill")
            .args(["-STOP", "-f", "bindfs -f --no-allow-other"])
            .status()
            .unwrap()
            .success()
    );
    manager.wait_until("the watchdog", |manager| {
        !["", third.as_str()].contains(&manager.show("MainPID").as_str())
    });
    assert!(home.log().contains("the thread watch hangs"), "{}", home.log());
    assert!(
        Command::new("pkill")
            .args(["-CONT", "-f", "bindfs -f --no-allow-other"])
            .status()
            .unwrap()
            .success()
    );
    manager.wait_until_active("the daemon after the hang", &third);
    home.append("real/a.log", "still heard\n");
    manager.wait_until("the line", |_| home.run(&["history"]).stdout.ends_with(b"still heard\n"));

    // Who asks on its socket starts it.
    manager.ctl(&["stop", "speakerd.service"]).unwrap();
    assert!(home.ok(&["status"]).contains("running"));
    manager.wait_until_active("the daemon that was asked for", "0");

    home.ok(&["uninstall"]);
    assert!(!home.path("config/systemd/user/speakerd.service").exists());
    assert!(!home.path("config/systemd/user/speakerd.socket").exists());
    assert_ne!(manager.show("ActiveState"), "active");
}
