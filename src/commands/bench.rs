//! `speakerd bench`
use crate::cli::Bench;
/// Bench.
pub fn run(_arguments: &Bench) -> anyhow::Result<()> {
    Ok(())
}
