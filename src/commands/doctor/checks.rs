//! One function for each thing that is looked at.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use super::Finding;
use crate::clock;
use crate::commands::install::Autostart;
use crate::config::{Config, Fallback};
use crate::control::client::{Client, ClientError};
use crate::control::protocol::{Request, Response};
use crate::paths::Paths;
use crate::playback::card::probe;
use crate::status::{CardState, Status};
use crate::text::dictionary::DictionaryFile;
use crate::watch::places;
use crate::watch::regular::open_regular;

/// A daemon that does not answer for so long hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a daemon answers; returns what it says of itself.
pub(super) fn daemon(paths: &Paths, findings: &mut Vec<Finding>) -> Option<Status> {
    let asked = Client::connect(&paths.socket())
        .and_then(|client| client.with_patience(PATIENCE))
        .and_then(|mut client| client.ask(&Request::Status));
    match asked {
        Ok(Response::Status(status)) => {
            let daemon = &status.daemon;
            let found = format!("{} runs, pid {}", daemon.version, daemon.pid);
            findings.push(match (&daemon.config_problem, daemon.needs_restart.as_slice()) {
                (Some(problem), _) => {
                    Finding::wrong("daemon", problem, "mend the file; it is read by itself")
                }
                (None, []) => Finding::fine("daemon", found),
                (None, keys) => Finding::warning(
                    "daemon",
                    format!("{found}; not in force yet: {}", keys.join(", ")),
                    "restart it: `systemctl --user restart speakerd`",
                ),
            });
            Some(*status)
        }
        Ok(_) => {
            findings.push(Finding::wrong(
                "daemon",
                "it answers something else than was asked",
                "restart it",
            ));
            None
        }
        Err(ClientError::NotRunning(socket)) => {
            findings.push(Finding::warning(
                "daemon",
                format!("none runs: nobody listens on {}", socket.display()),
                "start it with `speakerd run`, or at every login with `speakerd install`",
            ));
            None
        }
        Err(error) => {
            findings.push(Finding::wrong("daemon", error.to_string(), "restart the daemon"));
            None
        }
    }
}

/// What the daemon has too much or too little of.
pub(super) fn alerts(status: Option<&Status>, findings: &mut Vec<Finding>) {
    for alert in status.into_iter().flat_map(|status| &status.alerts) {
        let way_out = "where this is as it should be, change the limit in [alerts]";
        findings.push(Finding::warning("alert", alert, way_out));
    }
}

/// Whether the speech server is there for somebody.
#[cfg(feature = "http")]
pub(super) fn speech_server(
    config: &Config,
    paths: &Paths,
    status: Option<&Status>,
    findings: &mut Vec<Finding>,
) {
    use crate::http::keys;

    const WAY_OUT: &str = "speakerd key add NAME";
    let Some(address) = config.http.listen else { return };
    let n_keys = match keys::read(&keys::file_below(&paths.data_dir)) {
        Ok(keys) => keys.len(),
        Err(error) => {
            let way_out = "mend it, or remove it and make the keys anew";
            findings.push(Finding::wrong("http", error.to_string(), way_out));
            return;
        }
    };
    let listens = status.and_then(|status| status.daemon.http.as_deref());
    findings.push(match (listens, n_keys) {
        (_, 0) if config.http.is_public() => {
            let found = format!("others can reach {address}, and there is no key");
            Finding::wrong("http", found, WAY_OUT)
        }
        (_, 0) if config.http.without_key.is_empty() => {
            Finding::warning("http", "nobody has a key yet, so nobody is let in", WAY_OUT)
        }
        (Some(url), n) => Finding::fine("http", format!("listens on {url}, {n} keys")),
        (None, n) => Finding::fine("http", format!("is to listen on {address}, {n} keys")),
    });
}

/// This build has none.
#[cfg(not(feature = "http"))]
pub(super) fn speech_server(
    config: &Config,
    _: &Paths,
    _: Option<&Status>,
    findings: &mut Vec<Finding>,
) {
    if config.http.listen.is_some() {
        let way_out = "take a build with the feature `http`";
        findings.push(Finding::wrong("http", "this build has no speech server", way_out));
    }
}

/// Whether the daemon can write what it must.
pub(super) fn places(paths: &Paths, findings: &mut Vec<Finding>) {
    for (what, place) in [("socket", &paths.runtime_dir), ("bookmarks", &paths.state_dir)] {
        // Only what is there is looked at: the daemon makes the rest.
        let nearest = place.ancestors().find(|it| it.exists()).unwrap_or(place);
        let is_writable = rustix::fs::access(nearest, rustix::fs::Access::WRITE_OK).is_ok();
        let n_free = rustix::fs::statvfs(nearest).map(|it| it.f_bavail.saturating_mul(it.f_frsize));
        findings.push(match (is_writable, n_free) {
            (false, _) => Finding::wrong(
                what,
                format!("{} cannot be written", nearest.display()),
                "make it yours, or mount it for writing",
            ),
            (true, Ok(n_free)) if n_free < 1 << 20 => Finding::wrong(
                what,
                format!("the disk of {} is full", nearest.display()),
                "make room; positions are not saved until then",
            ),
            (true, _) => Finding::fine(what, place.display().to_string()),
        });
    }
}

/// Whether the output can be heard.
pub(super) fn sound(config: &Config, status: Option<&Status>, findings: &mut Vec<Finding>) {
    const WAY_OUT: &str = "start a sound server (PipeWire or PulseAudio), or look at `audio.device`; until then lines wait";
    let playback = status.map(|status| &status.playback);
    if let Some(problem) = playback.and_then(|playback| playback.problem.as_ref()) {
        findings.push(Finding::wrong("sound", problem, WAY_OUT));
        return;
    }
    if playback.is_some_and(|playback| playback.card == CardState::Open) {
        findings.push(Finding::fine("sound", "the output is open and plays"));
    } else {
        findings.push(match probe(&config.audio) {
            Ok(rate_hz) => Finding::fine(
                "sound",
                format!("`{}` can be opened, {rate_hz} Hz", config.audio.output.as_str()),
            ),
            Err(error) => Finding::wrong("sound", error.to_string(), WAY_OUT),
        });
    }
    let is_silent = playback.is_some_and(|it| it.muted || it.volume <= 0.0);
    let is_paused = playback.is_some_and(|it| it.paused);
    if is_silent || is_paused || config.audio.volume <= 0.0 {
        let (found, way_out) = match (is_paused, playback.is_some_and(|it| it.muted)) {
            (true, _) => ("the sound is held", "`speakerd resume`"),
            (false, true) => ("the sound is muted", "`speakerd unmute`"),
            (false, false) => ("the volume is 0", "`speakerd volume 1`, and audio.volume"),
        };
        findings.push(Finding::warning("sound", found, way_out));
    }
}

/// Whether the voices that are asked for can speak.
pub(super) fn engines(config: &Config, paths: &Paths, findings: &mut Vec<Finding>) {
    let registry = config.registry(paths);
    let mut voices = BTreeSet::from([config.engine.voice.as_ref()]);
    voices.extend(config.watch.iter().filter_map(|watch| watch.voice.as_deref()));
    for voice in voices {
        let loaded = registry.check_installed(voice).and_then(|()| {
            let cast = registry.cast(voice)?;
            registry.load(&cast.engine).map(|_engine| cast)
        });
        findings.push(match (loaded, config.engine.fallback) {
            (Ok(cast), _) if cast.voice == voice => {
                Finding::fine("voice", format!("{voice} can be loaded"))
            }
            (Ok(cast), _) => {
                Finding::fine("voice", format!("{voice} is {}, and can be loaded", cast.voice))
            }
            (Err(error), Fallback::Builtin) => Finding::warning(
                "voice",
                format!("{voice}: {error}"),
                "install it; the built-in voice speaks until then",
            ),
            (Err(error), Fallback::None) => Finding::wrong(
                "voice",
                format!("{voice}: {error}"),
                "install it, or name another voice",
            ),
        });
    }
}

/// Whether an engine broke down again and again.
pub(super) fn breakdowns(status: Option<&Status>, findings: &mut Vec<Finding>) {
    for failing in status.iter().flat_map(|status| &status.engine.failing) {
        findings.push(Finding::wrong(
            "engine",
            failing,
            "the log says more; another model may do (`engine.model`), and a voice that has not failed speaks meanwhile",
        ));
    }
}

/// Whether the dictionary is understood.
pub(super) fn dictionary(config: &Config, findings: &mut Vec<Finding>) {
    let path = &config.text.dictionary;
    let mut file = DictionaryFile::new(path.clone());
    file.look(clock::now());
    match file.problem() {
        Some(problem) => {
            findings.push(Finding::wrong("dictionary", problem, "mend it; it is read by itself"));
        }
        None if path.exists() => {
            findings.push(Finding::fine("dictionary", path.display().to_string()));
        }
        None => {}
    }
}

/// Whether there is something to read, and whether it can be read.
pub(super) fn watches(config: &Config, status: Option<&Status>, findings: &mut Vec<Finding>) {
    if config.watch.is_empty() && status.is_none_or(|status| status.watch.files.is_empty()) {
        findings.push(Finding::warning(
            "watch",
            "no file is watched",
            "name one in a [[watch]], or `speakerd watch add FILE`",
        ));
    }
    for watch in &config.watch {
        let expanded = places::expand(&watch.path, config.limits.max_files);
        let path = watch.path.display().to_string();
        if let Some(problem) = expanded.problem {
            findings.push(Finding::warning(
                "watch",
                problem,
                "raise limits.max_files, or narrow the pattern",
            ));
        }
        findings.extend(expanded.files.iter().filter_map(|file| unreadable(file)));
        let n_there = expanded.files.iter().filter(|file| file.exists()).count();
        findings.push(match n_there {
            0 => Finding::warning(
                "watch",
                format!("{path}: nothing is there yet"),
                "it is read when it appears; is the name right?",
            ),
            1 => Finding::fine("watch", path),
            n => Finding::fine("watch", format!("{path}: {n} files")),
        });
    }
    if let Some(polling) = status.and_then(|status| status.watch.polling.as_ref()) {
        findings.push(Finding::warning(
            "watch",
            polling,
            "a line is heard up to half a second later",
        ));
    }
}

fn unreadable(file: &Path) -> Option<Finding> {
    let error = open_regular(file).err()?;
    let way_out = "make it readable for this user, or take it out of the configuration";
    Some(Finding::wrong("watch", format!("{}: {error}", file.display()), way_out))
}

/// Whether the system's limits are enough for what is watched.
pub(super) fn limits(config: &Config, findings: &mut Vec<Finding>) {
    let files: Vec<PathBuf> = config
        .watch
        .iter()
        .flat_map(|watch| places::expand(&watch.path, config.limits.max_files).files)
        .collect();
    let n_directories = places::parents(&files).len();
    let limit = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?;
        text.trim().parse::<usize>().ok()
    };
    if let (Some(watches), Some(instances)) =
        (limit("max_user_watches"), limit("max_user_instances"))
    {
        // Other programs need some too; an instance each.
        let is_tight = watches < 2 * n_directories + 64 || instances < 16;
        let found = format!(
            "{n_directories} directories of {watches} that may be watched, in {instances} instances"
        );
        findings.push(if is_tight {
            Finding::warning(
                "inotify",
                found,
                "raise fs.inotify.max_user_watches and max_user_instances with sysctl; files are polled until then",
            )
        } else {
            Finding::fine("inotify", found)
        });
    }
    let n_open = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let n_needed = files.len() as u64 + config.limits.max_clients as u64 + 64;
    findings.push(if n_open < n_needed {
        Finding::warning(
            "open files",
            format!("{n_needed} may be needed, {n_open} are allowed"),
            "raise the limit (`LimitNOFILE=` in the unit), or watch fewer files",
        )
    } else {
        Finding::fine("open files", format!("{} watched, {n_open} allowed", files.len()))
    });
}

/// Whether it starts by itself.
pub(super) fn autostart(paths: &Paths, findings: &mut Vec<Finding>) {
    const WAY_OUT: &str = "`speakerd install`";
    findings.push(match Autostart::of(paths) {
        Autostart::None => Finding::warning("autostart", "it does not start at login", WAY_OUT),
        Autostart::Desktop => Finding::fine("autostart", "with the desktop"),
        Autostart::Agent => Finding::fine("autostart", "by launchd"),
        Autostart::Unit(state) if state == "enabled" => {
            Finding::fine("autostart", "by systemd at login")
        }
        Autostart::Unit(state) => {
            Finding::warning("autostart", format!("the unit is {state}"), WAY_OUT)
        }
    });
}
