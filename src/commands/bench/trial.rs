//! A daemon of this very program in a throw-away home, for a measurement.

use std::cell::RefCell;
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::clock;
#[cfg(feature = "pocket")]
use crate::config::raw::RawWatch;
use crate::control::client::Client;
#[cfg(feature = "pocket")]
use crate::control::protocol::WatchRequest;
use crate::control::protocol::{HistoryRequest, Request, Response, WaitIdle};
use crate::history::Entry;
use crate::status::Status;

/// A measurement that takes longer than this has gone wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// What people count memory in.
pub(super) fn megabytes(n_bytes: u64) -> f64 {
    n_bytes as f64 / f64::from(1 << 20)
}

/// A running daemon. Killed when it is dropped.
pub(super) struct Trial {
    home: tempfile::TempDir,
    daemon: RefCell<Child>,
    follower: RefCell<Client>,
    /// From the start of the process to its word that it is ready.
    pub(super) ready_after: Duration,
}

impl Trial {
    /// Starts a daemon with the null output, these lines in `[audio]` and whatever follows them, and these empty files
    /// watched.
    pub(super) fn start(audio: &str, files: &[&str]) -> anyhow::Result<Self> {
        let home = tempfile::Builder::new().prefix("speakerd-bench.").tempdir()?;
        let mut config = format!("[audio]\noutput = \"null\"\n{audio}");
        for name in files {
            std::fs::write(home.path().join(name), "")?;
            config.extend(["[[watch]]\npath = \"", name, "\"\n"]);
        }
        let config_file = home.path().join("speakerd.toml");
        std::fs::write(&config_file, config)?;
        let manager_path = home.path().join("manager");
        let manager = UnixDatagram::bind(&manager_path)?;
        manager.set_read_timeout(Some(PATIENCE))?;
        let program = std::env::current_exe()?;
        let mut command = Command::new(program);
        command.arg("run").arg("--config").arg(&config_file).env_clear();
        command.env("HOME", home.path()).env("NOTIFY_SOCKET", &manager_path);
        for name in ["RUNTIME_DIR", "CONFIG_HOME", "DATA_HOME", "STATE_HOME", "CACHE_HOME"] {
            command.env(format!("XDG_{name}"), home.path().join(name));
        }
        std::fs::create_dir(home.path().join("RUNTIME_DIR"))?;
        let begun = clock::now();
        let mut daemon =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut word = [0; 64];
        let told = manager.recv(&mut word);
        let ready_after = clock::now().duration_since(begun);
        if !word.starts_with(b"READY=1") {
            drop(daemon.kill());
            drop(daemon.wait());
            told.context("the daemon did not become ready")?;
            bail!("the daemon said something else than that it is ready");
        }
        let socket = home.path().join("RUNTIME_DIR/speakerd/control.sock");
        let mut follower = Client::connect(&socket)?;
        follower.send(&Request::History(HistoryRequest { follow: true }))?;
        Ok(Self { home, daemon: daemon.into(), follower: follower.into(), ready_after })
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.home.path().join("RUNTIME_DIR/speakerd/control.sock")
    }

    pub(super) fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::connect(&self.socket())?)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Watches another empty file, read by that voice.
    #[cfg(feature = "pocket")]
    pub(super) fn watch(&self, name: &str, voice: &str) -> anyhow::Result<()> {
        let path = self.path(name);
        std::fs::write(&path, "")?;
        let raw = RawWatch { voice: Some(voice.to_owned()), ..RawWatch::of(path) };
        self.client()?.ask(&Request::Watch(WatchRequest::Add(Box::new(raw))))?;
        Ok(())
    }

    pub(super) fn append(&self, name: &str, line: &str) -> anyhow::Result<()> {
        self.append_bytes(name, format!("{line}\n").as_bytes())
    }

    pub(super) fn append_bytes(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let mut file = std::fs::OpenOptions::new().append(true).open(self.path(name))?;
        file.write_all(bytes)?;
        Ok(())
    }

    /// The next thing that was said.
    pub(super) fn next_entry(&self) -> anyhow::Result<Entry> {
        match self.follower.borrow_mut().next_reply()? {
            Some(Response::Entry(entry)) => Ok(*entry),
            other => bail!("the history ended: {other:?}"),
        }
    }

    pub(super) fn wait_idle(&self) -> anyhow::Result<()> {
        let wait = WaitIdle { timeout_secs: Some(PATIENCE.as_secs_f64()) };
        self.client()?.ask(&Request::WaitIdle(wait))?;
        Ok(())
    }

    pub(super) fn status(&self) -> anyhow::Result<Status> {
        match self.client()?.ask(&Request::Status)? {
            Response::Status(status) => Ok(*status),
            other => bail!("no status came but {other:?}"),
        }
    }

    pub(super) fn wait_until(&self, wished: impl Fn(&Status) -> bool) -> anyhow::Result<Status> {
        let mut client = self.client()?;
        client.send(&Request::Subscribe)?;
        let begun = clock::now();
        while let Some(Response::Status(status)) = client.next_reply()? {
            if wished(&status) {
                return Ok(*status);
            }
            if clock::now().duration_since(begun) > PATIENCE {
                break;
            }
        }
        bail!("the daemon did not come to the wished state")
    }

    /// How much of a processor the daemon uses while nothing is asked of it.
    pub(super) fn cpu_percent(&self, time: Duration) -> anyhow::Result<f64> {
        let before = self.cpu_time()?;
        let _waited = crossbeam_channel::after(time).recv();
        let used = self.cpu_time()?.saturating_sub(before);
        Ok(100.0 * used.as_secs_f64() / time.as_secs_f64())
    }

    /// Processor time of the daemon so far.
    fn cpu_time(&self) -> anyhow::Result<Duration> {
        let pid = self.daemon.borrow().id();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in parentheses may hold anything; fields 14 and 15 are user and system time (proc_pid_stat(5)).
        let (_, fields) = stat.rsplit_once(')').context("no process status")?;
        let fields: Vec<_> = fields.split_whitespace().collect();
        let ticks: u64 = fields
            .get(11..13)
            .context("no times")?
            .iter()
            .filter_map(|n| n.parse::<u64>().ok())
            .sum();
        Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
    }

    /// Ends the daemon and sees that it ends well.
    pub(super) fn stop(self) -> anyhow::Result<()> {
        if let Ok(mut client) = self.client() {
            client.ask(&Request::Shutdown)?;
        }
        let status = self.daemon.borrow_mut().wait()?;
        if !status.success() {
            bail!("the daemon ended with {status}");
        }
        Ok(())
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let mut daemon = self.daemon.borrow_mut();
        drop(daemon.kill()); // ended already, if all went well
        drop(daemon.wait());
    }
}
