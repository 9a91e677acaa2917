//! Memory that comes back: two calls of glibc's allocator, and one for code that is not needed any more.

#![expect(unsafe_code, reason = "the allocator's settings and madvise are C functions")]

/// Fixes the size from which an allocation is a mapping of its own, which goes back to the system when it is freed.
/// Otherwise glibc raises it at the first free of something large, and from the second load of a model on keeps
/// everything. To be called before threads are started.
pub fn prepare() {
    #[cfg(target_env = "gnu")]
    {
        const MMAP_THRESHOLD: i32 = 1 << 20;
        // Fewer arenas than threads: the few that allocate much share the memory that they gave back.
        const MAX_ARENAS: i32 = 2;
        // SAFETY: mallopt takes two numbers and touches the allocator's settings alone; main calls this before any
        // other thread exists.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD);
            libc::mallopt(libc::M_ARENA_MAX, MAX_ARENAS);
        }
    }
}

/// Gives freed memory back to the system. Takes milliseconds for hundreds of megabytes.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes the allocator's own locks and moves no live allocation; any thread may call it.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Forgets which pages of this program's code are in memory: the system reads in 64 KiB around each one that is touched, and
/// a start touches many that nothing needs afterwards. What is needed comes back from the system's cache, some microseconds
/// each; so not while something sounds. Libraries are left alone: one that is closed meanwhile could leave its place to memory
/// in use.
pub fn give_code_back() {
    #[cfg(target_os = "linux")]
    if let Some((begin, end)) = own_code() {
        // SAFETY: this is the mapping that this very function is in: of a file, never written to, and there until the
        // process ends. Each page is as it is in the file.
        unsafe {
            libc::madvise(begin as *mut libc::c_void, end - begin, libc::MADV_DONTNEED);
        }
    }
}

/// Where this program's code is mapped.
#[cfg(target_os = "linux")]
fn own_code() -> Option<(usize, usize)> {
    let here = give_code_back as fn() as usize;
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines().filter_map(code_in).find(|(begin, end)| (*begin..*end).contains(&here))
}

/// The range in one line of `/proc/self/maps`, if code of a file is mapped there.
#[cfg(target_os = "linux")]
fn code_in(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (range, access) = (fields.next()?, fields.next()?);
    let inode = fields.nth(2)?;
    if access != "r-xp" || inode == "0" {
        return None;
    }
    let (begin, end) = range.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let (begin, end) = (address(begin)?, address(end)?);
    (begin < end).then_some((begin, end))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{code_in, give_code_back, own_code};

    #[test]
    fn only_code_of_a_file_is_given_back() {
        for (line, wanted) in [
            ("55d0-55f0 r-xp 00001000 fe:00 12 /usr/bin/speakerd", Some((0x55d0, 0x55f0))),
            ("55d0-55f0 r--p 00001000 fe:00 12 /usr/bin/speakerd", None),
            ("55d0-55f0 rw-p 00001000 fe:00 12 /usr/bin/speakerd", None),
            ("55d0-55f0 rwxp 00001000 fe:00 12 /usr/bin/speakerd", None),
            ("7fff0-7fff8 r-xp 00000000 00:00 0 [vdso]", None),
            ("no line", None),
            ("", None),
        ] {
            assert_eq!(code_in(line), wanted, "{line}");
        }
    }

    #[test]
    fn code_that_was_given_back_runs_as_before() {
        assert!(own_code().is_some());
        give_code_back();
        assert_eq!("speech".chars().rev().collect::<String>(), "hceeps");
    }
}
