//! How much memory this process and those that it has started hold.

/// Resident memory in bytes; 0 where the system does not tell.
pub fn resident_bytes() -> u64 {
    resident_in("self")
}

/// Resident memory of another process in bytes; 0 where it is gone or the system does not tell.
pub fn resident_bytes_of(pid: u32) -> u64 {
    resident_in(&pid.to_string())
}

/// Resident memory of the processes that this one has started and that still run, in bytes; 0 where the system does not
/// tell. Theirs are not followed any further.
pub fn children_bytes() -> u64 {
    // Each thread has its own children (proc_pid_task_tid_children(5)).
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return 0 };
    let mut n_bytes = 0;
    for thread in threads.flatten() {
        let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        n_bytes += children.split_whitespace().map(resident_in).sum::<u64>();
    }
    n_bytes
}

/// Resident memory of a process; 0 where it is gone.
fn resident_in(pid: &str) -> u64 {
    bytes_in(pid, "VmRSS:")
}

/// The most resident memory that there ever was, in bytes; 0 where the system does not tell.
pub fn peak_resident_bytes() -> u64 {
    bytes_in("self", "VmHWM:")
}

/// What a process's status says under a name (`proc_pid_status(5)`), which is in units of 1,024 bytes.
fn bytes_in(pid: &str, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
    kilobytes.map_or(0, |kilobytes: u64| kilobytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn what_a_child_holds_is_counted_while_it_runs() {
        // It waits for its input to end.
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = child.id().to_string();
        // Between its fork and its exec it is this program.
        let held = resident_in(&pid);
        assert!(held > 0 && children_bytes() > 0, "{held}");
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(resident_in(&pid), 0);
    }
}
