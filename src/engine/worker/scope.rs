//! A limit of memory that the system keeps: a scope of the user's service manager, where there is one.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::info;

use crate::engine::espeak::find_program;

/// It was tried and cannot be had, for as long as this process runs.
static IS_USELESS: AtomicBool = AtomicBool::new(false);

/// What starts this program in a scope with so much memory. The process is the one that was started, so that it can be
/// waited for and killed as any other.
pub(super) fn command(program: &Path, limit_bytes: u64) -> Option<Command> {
    if IS_USELESS.load(Ordering::Relaxed) {
        return None;
    }
    let runtime = std::env::var_os("XDG_RUNTIME_DIR")?;
    if !Path::new(&runtime).join("systemd/private").exists() {
        return None;
    }
    let mut command = Command::new(find_program("systemd-run")?);
    command.args(["--user", "--scope", "--quiet", "--collect"]);
    command.args(["--description", "an engine of speakerd"]);
    // A little more than the daemon allows, which can say what it was.
    let most = limit_bytes.saturating_add(limit_bytes / 8);
    command.arg(format!("--property=MemoryMax={most}"));
    // Without it, what is too much would go to the disk, and take everything else along.
    command.arg("--property=MemorySwapMax=0");
    command.arg(program);
    Some(command)
}

/// Does without from now on: memory is watched from outside in any case.
pub(super) fn give_up() {
    if !IS_USELESS.swap(true, Ordering::Relaxed) {
        info!("the service manager gives no scope; the engine's memory is watched from here alone");
    }
}
