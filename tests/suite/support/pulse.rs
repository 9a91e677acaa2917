//! A private `PulseAudio` whose sinks go nowhere, that can be killed and started again.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::program::Home;
use super::rig::PATIENCE;
use super::shared;

/// A server in a home. Killed when it is dropped.
pub(crate) struct PulseServer {
    process: Option<Child>,
    environment: Vec<(&'static str, String)>,
    script: String,
}

impl PulseServer {
    /// A server that does not run yet, of which the home's programs know. `None`, said aloud, where there is none.
    pub(crate) fn of(home: &mut Home) -> Option<Self> {
        for (program, package) in [
            ("pulseaudio", "pulseaudio"),
            ("parec", "pulseaudio-utils"),
            ("pactl", "pulseaudio-utils"),
        ] {
            shared::program(program, package)?;
        }
        let place = |name: &str| home.path(name).display().to_string();
        let (socket, alsa, script) = (place("native"), place("alsa.conf"), place("sink.pa"));
        let pcm = "</usr/share/alsa/alsa.conf>\npcm.!default { type pulse }\nctl.!default { type pulse }\n";
        std::fs::write(&alsa, pcm).unwrap();
        // norewinds: without it a null sink asks for two seconds at once.
        let sinks = format!(
            "load-module module-native-protocol-unix socket={socket} auth-anonymous=1\n\
             load-module module-null-sink sink_name=ear rate=48000 channels=2 norewinds=1\n\
             load-module module-null-sink sink_name=other rate=44100 channels=2 norewinds=1\n\
             set-default-sink ear\n"
        );
        std::fs::write(&script, sinks).unwrap();
        let environment = vec![
            ("PULSE_SERVER", format!("unix:{socket}")),
            ("PULSE_COOKIE", place("cookie")),
            ("ALSA_CONFIG_PATH", alsa),
            ("XDG_RUNTIME_DIR", place("run")),
            ("HOME", place("")),
        ];
        for (name, value) in &environment[..3] {
            home.set(name, value.clone());
        }
        Some(Self { process: None, environment, script })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    pub(crate) fn start(&mut self) {
        let mut command = self.command("pulseaudio");
        command.args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]);
        command.args(["--disallow-exit=1", "-F", &self.script]).stdout(Stdio::null());
        self.process = Some(command.spawn().unwrap());
        let begun = Instant::now();
        while self.ctl(&["info"]).is_none() {
            assert!(begun.elapsed() < PATIENCE, "the sound server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// What `pactl` prints where it succeeds.
    pub(crate) fn ctl(&self, arguments: &[&str]) -> Option<String> {
        let output = self.command("pactl").args(arguments).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Records what a sink plays, until the recorder is ended.
    pub(crate) fn record(&self, sink: &str, path: &std::path::Path) -> Recorder {
        let mut command = self.command("parec");
        command.args(["-d", &format!("{sink}.monitor"), "--latency-msec=20", "--format=s16le"]);
        command.args(["--rate=48000", "--channels=1", "--file-format=wav"]).arg(path);
        let recorder = Recorder(command.spawn().unwrap());
        let begun = Instant::now();
        while !path.metadata().is_ok_and(|it| it.len() > 4_096) {
            assert!(begun.elapsed() < PATIENCE, "nothing is recorded");
            std::thread::sleep(Duration::from_millis(10));
        }
        recorder
    }
}

impl Drop for PulseServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A recording that goes on.
pub(crate) struct Recorder(Child);

impl Recorder {
    /// Ends it; the file is whole then.
    pub(crate) fn end(mut self) {
        std::thread::sleep(Duration::from_millis(300)); // what is still on its way to it
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.0.wait().unwrap();
    }
}
