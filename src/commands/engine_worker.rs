//! `speakerd engine-worker`: an engine in a process of its own, for a daemon that asks it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, getppid};

use crate::cli::EngineWorker;
use crate::daemon::heap;
use crate::engine::registry::Registry;
use crate::engine::worker::serve::serve;
use crate::logging;

/// Where memory runs out, the kernel is to take this process and not the daemon (`proc_pid_oom_score_adj(5)`).
const OOM_SCORE_ADJ: &str = "500";

/// Serves the daemon until it is gone.
///
/// # Errors
/// Where it is gone already, or its pipe cannot be written to.
pub fn run(arguments: &EngineWorker) -> anyhow::Result<()> {
    heap::prepare();
    die_with(arguments.parent)?;
    logging::start_below(&arguments.log_level);
    // Names a kernel shows have 15 bytes. Neither of these is worth an end.
    #[cfg(target_os = "linux")]
    {
        let _named = rustix::thread::set_name(c"speakerd-engine");
        let _allowed = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE_ADJ);
    }
    // Answers go out on a descriptor that nothing else knows: a library that prints must not be able to talk in between.
    let answers = io::stdout().as_fd().try_clone_to_owned().context("cannot keep the pipe")?;
    rustix::stdio::dup2_stdout(io::stderr()).context("cannot part from the pipe")?;
    let answers = File::from(answers);
    let served = serve(io::stdin(), answers, end, &mut |order| Registry::obey(order));
    match served {
        // Nobody listens any more, which is the usual end of a process that was at work.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        served => served.context("cannot answer the daemon"),
    }
}

/// The daemon is gone: there is nobody to finish anything for.
#[expect(clippy::exit, reason = "the engine may be in the middle of something, or hang")]
fn end() {
    drop(io::stderr().flush());
    std::process::exit(0);
}

/// Has the system end this process when the daemon's thread that started it ends, however it does.
fn die_with(parent: u32) -> anyhow::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .context("cannot ask for a signal at the daemon's end")?;
    let is_parent = getppid()
        .map(Pid::as_raw_nonzero)
        .is_some_and(|pid| u32::try_from(pid.get()).is_ok_and(|pid| pid == parent));
    if !is_parent {
        bail!("engine-worker is run by the daemon, which is gone");
    }
    Ok(())
}
