//! Memory that comes back: two calls of glibc's allocator.

#![expect(unsafe_code, reason = "the allocator's settings are C functions")]

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
