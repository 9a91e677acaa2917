//! `bench`.

#[cfg(feature = "pocket")]
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `bench`
#[derive(Debug, Args)]
pub struct Bench {
    /// What to measure; everything where it is not given.
    #[arg(value_enum)]
    pub what: Vec<Measure>,
    /// How long the idle load is measured, in seconds.
    #[arg(long, default_value_t = 60)]
    pub idle_secs: u64,
    /// How often each latency is measured.
    #[arg(long, default_value_t = 100)]
    pub rounds: usize,
    /// How large the file is that `tail` passes over, in megabytes, in the directory for temporary files.
    #[arg(long, default_value_t = 1_000)]
    pub tail_mb: u64,
    /// How a model of Pocket TTS is measured.
    #[cfg(feature = "pocket")]
    #[command(flatten)]
    pub pocket: PocketBench,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `bench pocket`
#[cfg(feature = "pocket")]
#[derive(Debug, Args)]
pub struct PocketBench {
    /// The model for `pocket`, and for `append` where its voice is to be measured: a directory with a `config.yaml`.
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// The voice for `append` with a model: a recording, or an exported state (`.safetensors`).
    #[arg(long, value_name = "FILE", requires = "model")]
    pub voice: Option<PathBuf>,
    /// How many codec frames, of 80 ms, `pocket` makes in each run.
    #[arg(long, default_value_t = 125, value_parser = clap::value_parser!(u16).range(2..=5_000))]
    pub frames: u16,
    /// How many threads `pocket` uses: 1, or 2 with the codec on its own.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub threads: u8,
    /// How `pocket` keeps the weights.
    #[arg(long, value_enum, default_value = "q8_0")]
    pub quant: Quantisation,
}

/// How weights are kept.
#[cfg(feature = "pocket")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Quantisation {
    /// In 8 bits, 32 of them with one scale: a quarter of the memory, and faster.
    #[value(name = "q8_0")]
    Q8,
    /// As they are.
    None,
}

/// What `bench` measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// Daemon start to ready.
    Start,
    /// Append to first sample.
    Append,
    /// Skip to silence.
    Skip,
    /// Round trip of `status` while speaking with a full queue.
    Status,
    /// Resident memory before speech, and after speech and unload.
    Memory,
    /// Processor time while idle.
    Idle,
    /// How files are read: what is passed over, what waits, how soon a line is seen, a thousand files at rest.
    Tail,
    /// How long texts take to be made ready, hostile ones included.
    Text,
    /// A model of Pocket TTS: how much faster than speech it is, how soon, and what memory it takes. Only where it is named.
    #[cfg(feature = "pocket")]
    Pocket,
}
