//! `speakerd install` and `uninstall`: start at every login, by a systemd user unit, or where there is no systemd by the
//! desktop's autostart.

#![expect(clippy::print_stdout, reason = "says what it did")]

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::cli::Install;
use crate::config::DEFAULT_FILE;
use crate::paths::{Paths, private_dir};

const UNIT: &str = include_str!("../../packaging/speakerd.service");
const UNIT_NAME: &str = "speakerd.service";
const SOCKET: &str = include_str!("../../packaging/speakerd.socket");
const SOCKET_NAME: &str = "speakerd.socket";
const AGENT: &str = include_str!("../../packaging/speakerd.plist");
const AGENT_LOG: &str = "/tmp/speakerd.log";

/// The first systemd that knows `Type=notify-reload`: then a reload is waited for.
const NOTIFY_RELOAD_SINCE: u32 = 253;

const UNIT_PROGRAM: &str = "/usr/bin/speakerd";

/// Where programs lie for good. One that runs from elsewhere, a build folder say, is copied first.
const STABLE_DIRS: [&str; 4] = ["/usr/bin", "/usr/local/bin", "/opt", "/nix/store"];

/// What install writes, below the user's home.
struct Places {
    program: PathBuf,
    unit: PathBuf,
    socket: PathBuf,
    autostart: PathBuf,
    agent: PathBuf,
    agent_log: PathBuf,
}

impl Places {
    fn of(paths: &Paths) -> Self {
        let configs = paths.config_dir.parent().unwrap_or(&paths.config_dir);
        Self {
            program: paths.home.join(".local/bin/speakerd"),
            unit: configs.join("systemd/user").join(UNIT_NAME),
            socket: configs.join("systemd/user").join(SOCKET_NAME),
            autostart: configs.join("autostart/speakerd.desktop"),
            agent: paths.home.join("Library/LaunchAgents/speakerd.plist"),
            agent_log: paths.home.join("Library/Logs/speakerd.log"),
        }
    }
}

/// How the daemon starts by itself.
#[derive(Debug, PartialEq, Eq)]
pub enum Autostart {
    /// It does not.
    None,
    /// By a unit, whose state systemd tells: `enabled` is right.
    Unit(String),
    /// With the desktop.
    Desktop,
    /// By launchd.
    Agent,
}

impl Autostart {
    /// How it starts for this user.
    pub fn of(paths: &Paths) -> Self {
        let places = Places::of(paths);
        let output = Command::new("systemctl")
            .args(["--user", "is-enabled", UNIT_NAME])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        let state = output.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned());
        match state {
            _ if places.agent.exists() => Self::Agent,
            Ok(state) if !state.is_empty() && state != "not-found" => Self::Unit(state),
            Ok(_) | Err(_) if places.unit.exists() => {
                Self::Unit("not asked: no systemd answers".to_owned())
            }
            Ok(_) | Err(_) if places.autostart.exists() => Self::Desktop,
            Ok(_) | Err(_) => Self::None,
        }
    }
}

/// Installs the autostart and starts the daemon.
///
/// # Errors
/// Where a file cannot be written or the service manager refuses.
pub fn install(arguments: &Install, paths: &Paths) -> anyhow::Result<()> {
    let places = Places::of(paths);
    let program = stable_program(paths, &places.program)?;
    let config = paths.config_file();
    if !config.exists() {
        private_dir(&paths.config_dir)?;
        write_new(&config, DEFAULT_FILE)?;
        println!("wrote {}: name the files to watch there", config.display());
    }
    if cfg!(target_os = "macos") {
        return install_agent(&places, &program);
    }
    if !has_systemd() {
        let entry = format!(
            "[Desktop Entry]\nType=Application\nName=speakerd\nComment=Speaks the lines appended to your files\n\
             Exec=\"{}\" run\nTerminal=false\nNoDisplay=true\n",
            program.display()
        );
        replace(&places.autostart, &entry)?;
        println!("no systemd user manager answers; wrote {} instead", places.autostart.display());
        println!(
            "it starts at your next login to a desktop; to start it now: {} run",
            program.display()
        );
        return Ok(());
    }
    replace(&places.unit, &unit(&program, systemd_version()))?;
    println!("wrote {}", places.unit.display());
    if arguments.socket {
        replace(&places.socket, SOCKET)?;
        println!("wrote {}", places.socket.display());
    }
    systemctl(&["daemon-reload"])?;
    if arguments.socket {
        // It binds what a running daemon holds.
        systemctl(&["stop", UNIT_NAME])?;
        systemctl(&["enable", "--now", SOCKET_NAME])?;
    }
    systemctl(&["enable", UNIT_NAME])?;
    systemctl(&["restart", UNIT_NAME])?;
    println!("speakerd runs now and starts at every login");
    println!("its log: journalctl --user -u speakerd");
    Ok(())
}

/// The unit for a program, by what that systemd knows.
fn unit(program: &Path, version: Option<u32>) -> String {
    let quoted = program.display().to_string().replace('%', "%%");
    let unit = UNIT.replace(UNIT_PROGRAM, &format!("\"{quoted}\""));
    if version.is_some_and(|version| version >= NOTIFY_RELOAD_SINCE) {
        let is_reload = |line: &&str| !line.starts_with("ExecReload=");
        let lines: Vec<_> = unit.lines().filter(is_reload).collect();
        return lines.join("\n").replace("Type=notify", "Type=notify-reload") + "\n";
    }
    unit
}

/// `252` of `systemd 252 (252.38-1~deb12u1)`.
fn systemd_version() -> Option<u32> {
    let output = Command::new("systemctl").arg("--version").stdin(Stdio::null()).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.split_whitespace().nth(1)?.parse().ok()
}

/// The launch agent of macOS.
fn install_agent(places: &Places, program: &Path) -> anyhow::Result<()> {
    let escaped = |path: &Path| {
        path.display().to_string().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    };
    let agent = AGENT
        .replace(UNIT_PROGRAM, &escaped(program))
        .replace(AGENT_LOG, &escaped(&places.agent_log));
    replace(&places.agent, &agent)?;
    println!("wrote {}", places.agent.display());
    let domain = format!("gui/{}", rustix::process::getuid().as_raw());
    let agent = places.agent.to_string_lossy().into_owned();
    // One that runs already is replaced.
    let _was_not_there = launchctl(&["bootout", &domain, &agent]);
    launchctl(&["bootstrap", &domain, &agent])?;
    println!(
        "speakerd runs now and starts at every login; its log: {}",
        places.agent_log.display()
    );
    Ok(())
}

fn launchctl(arguments: &[&str]) -> anyhow::Result<()> {
    run_quietly("launchctl", arguments)
}

/// Stops the daemon and removes the autostart. What belongs to the user stays.
///
/// # Errors
/// Where a file cannot be removed or the service manager refuses.
pub fn uninstall(paths: &Paths) -> anyhow::Result<()> {
    let places = Places::of(paths);
    let mut n_removed = 0;
    // A program that the user has put there himself stays.
    let starts = [&places.unit, &places.autostart, &places.agent].map(fs::read_to_string);
    let program = places.program.display().to_string();
    let is_ours = starts.iter().flatten().any(|start| start.contains(&program));
    if places.socket.exists() {
        if has_systemd() {
            systemctl(&["disable", "--now", SOCKET_NAME])?;
        }
        remove(&places.socket, &mut n_removed)?;
    }
    if places.agent.exists() {
        let domain = format!("gui/{}", rustix::process::getuid().as_raw());
        let _was_not_loaded = launchctl(&["bootout", &domain, &places.agent.to_string_lossy()]);
        remove(&places.agent, &mut n_removed)?;
    }
    if places.unit.exists() {
        if has_systemd() {
            systemctl(&["disable", "--now", UNIT_NAME])?;
        }
        remove(&places.unit, &mut n_removed)?;
        if has_systemd() {
            systemctl(&["daemon-reload"])?;
        }
    }
    remove(&places.autostart, &mut n_removed)?;
    if is_ours {
        remove(&places.program, &mut n_removed)?;
    }
    if n_removed == 0 {
        println!("nothing was installed");
    } else {
        println!("kept {} and {}", paths.config_dir.display(), paths.state_dir.display());
    }
    Ok(())
}

/// The program's place for good; copies it where it runs from a place that may vanish.
fn stable_program(paths: &Paths, target: &Path) -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let homes = [paths.home.join(".local/bin"), paths.home.join(".cargo/bin")];
    let is_stable = STABLE_DIRS.iter().any(|directory| program.starts_with(directory))
        || homes.iter().any(|directory| program.starts_with(directory));
    if is_stable {
        return Ok(program);
    }
    let beside = target.with_extension("new");
    make_parent(target)?;
    // Copied beside and renamed: the old one may be running.
    fs::copy(&program, &beside)
        .and_then(|_| fs::rename(&beside, target))
        .with_context(|| format!("cannot copy the program to `{}`", target.display()))?;
    println!("copied the program to {}", target.display());
    Ok(target.to_path_buf())
}

fn has_systemd() -> bool {
    let status = Command::new("systemctl")
        .args(["--user", "show-environment"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

fn systemctl(arguments: &[&str]) -> anyhow::Result<()> {
    run_quietly("systemctl", &[&["--user"], arguments].concat())
}

/// Runs a program whose words matter only where it fails.
fn run_quietly(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {} failed: {}", arguments.join(" "), said.trim());
    }
    Ok(())
}

fn make_parent(path: &Path) -> anyhow::Result<()> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).with_context(|| format!("cannot make `{}`", parent.display()))
}

fn write_new(path: &Path, content: &str) -> anyhow::Result<()> {
    let opened = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    opened
        .and_then(|mut file| file.write_all(content.as_bytes()))
        .with_context(|| format!("cannot write `{}`", path.display()))
}

fn replace(path: &Path, content: &str) -> anyhow::Result<()> {
    make_parent(path)?;
    let beside = path.with_extension("new");
    fs::write(&beside, content)
        .and_then(|()| fs::rename(&beside, path))
        .with_context(|| format!("cannot write `{}`", path.display()))
}

fn remove(path: &Path, n_removed: &mut usize) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => {
            *n_removed += 1;
            println!("removed {}", path.display());
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot remove `{}`", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_waits_for_a_reload_where_systemd_knows_how() {
        let of = |version| unit(Path::new("/home/me/100%/speakerd"), version);
        for (version, kind, has_command) in [
            (None, "Type=notify", true),
            (Some(252), "Type=notify", true),
            (Some(253), "Type=notify-reload", false),
        ] {
            let unit = of(version);
            assert!(unit.lines().any(|line| line == kind), "{unit}");
            assert_eq!(unit.contains("ExecReload="), has_command, "{unit}");
            assert!(unit.contains("ExecStart=\"/home/me/100%%/speakerd\" run"), "{unit}");
        }
    }
}
