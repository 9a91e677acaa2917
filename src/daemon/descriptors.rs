//! How many files this process may hold open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::debug;

/// Raises the limit to what the system allows: each watched file keeps a descriptor, and the usual limit of 1024 is for
/// programs that use `select`.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        debug!(%error, "the limit of open files stays as it is");
    }
}
