//! How much memory this process holds.

/// Resident memory in bytes; 0 where the system does not tell.
pub fn resident_bytes() -> u64 {
    resident_in("/proc/self/statm")
}

/// Resident memory of another process in bytes; 0 where it is gone or the system does not tell.
pub fn resident_bytes_of(pid: u32) -> u64 {
    resident_in(&format!("/proc/{pid}/statm"))
}

fn resident_in(file: &str) -> u64 {
    // The second number of statm is resident pages (proc_pid_statm(5)).
    let statm = std::fs::read_to_string(file).unwrap_or_default();
    let n_pages = statm.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
    n_pages.unwrap_or(0) * rustix::param::page_size() as u64
}

/// The most resident memory that there ever was, in bytes; 0 where the system does not tell.
pub fn peak_resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
    kilobytes.map_or(0, |kilobytes: u64| kilobytes * 1_024)
}
