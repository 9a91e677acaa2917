//! What can go wrong in an engine, in classes by what the caller does about it.

/// An engine that could not be loaded or could not speak.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// There is nothing to say; callers filter this out before they ask.
    #[error("there is no text to speak")]
    EmptyText,
    /// The engine has no such voice.
    #[error("there is no voice `{name}`; there are: {}", some_of(known))]
    UnknownVoice {
        /// What was asked for.
        name: String,
        /// What could have been asked for.
        known: Vec<String>,
    },
    /// A program that the engine runs is not installed.
    #[error("the program `{program}` is not installed; install the package {package}")]
    MissingProgram {
        /// What was looked for in `PATH`.
        program: &'static str,
        /// The package that carries it on most systems.
        package: &'static str,
    },
    /// A program that the engine runs failed.
    #[error("`{program}` failed: {reason}")]
    ProgramFailed {
        /// The program's name.
        program: &'static str,
        /// What it said, or how it ended.
        reason: String,
    },
    /// A model is needed that is not there.
    #[error("{wanted}; run: speakerd model pull {model}")]
    NoModel {
        /// By whom it is needed.
        wanted: String,
        /// One that would do.
        model: String,
    },
    /// A model is there and cannot be used.
    #[error("the model `{model}` cannot be used: {reason}")]
    BadModel {
        /// Which.
        model: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A voice is there and cannot be used.
    #[error("the voice `{voice}` cannot be used: {reason}")]
    BadVoice {
        /// Which.
        voice: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The model, or the engine, makes no voices of recordings.
    #[error("no voice can be made of a recording: {reason}")]
    CannotClone {
        /// Why, and the way out.
        reason: String,
    },
    /// The speech server that is asked gives no answer, or none that helps: it is down, overloaded, or wants another key.
    #[error("the speech server {server} cannot be had: {reason}")]
    Unreachable {
        /// Its address.
        server: String,
        /// Why.
        reason: String,
    },
    /// The speech server refuses this request, or answers it with something else than speech.
    #[error("the speech server {server} does not speak this: {reason}")]
    Declined {
        /// Its address.
        server: String,
        /// What it says, or what came of it.
        reason: String,
    },
    /// The engine made no audio for longer than any engine takes: it hangs.
    #[error("the engine made no sound for {waited_secs} s")]
    Hung {
        /// How long was waited.
        waited_secs: u64,
    },
    /// The engine's process ended.
    #[error("the engine's process {pid} ended: {how}")]
    Died {
        /// Which it was.
        pid: u32,
        /// Its status.
        how: String,
    },
    /// The engine took more memory than it may.
    #[error("the engine took more than {limit_mb} MB of memory (engine.memory_limit_mb)")]
    TooMuchMemory {
        /// What it may take.
        limit_mb: u64,
    },
    /// What the engine made is no sound, or what its process said no answer.
    #[error("the engine makes no sense: {what}")]
    Nonsense {
        /// What was found.
        what: String,
    },
    /// The engine failed again and again, and is left alone for a while.
    #[error(
        "the engine `{engine}` failed {n_failures} times in a row, last because {last}; it is tried again in {retry_secs} s"
    )]
    Resting {
        /// Which.
        engine: String,
        /// How often.
        n_failures: u32,
        /// Why it failed last.
        last: String,
        /// When it has its next chance.
        retry_secs: u64,
    },
    /// The engine panicked.
    #[error("the engine panicked; that is a bug")]
    Panicked,
    /// As an engine in a process of its own told it.
    #[error("{0}")]
    Told(String),
    /// The library behind the engine failed.
    #[error("the engine failed: {0}")]
    Failed(String),
    /// The operating system refused something.
    #[error("the engine could not {action}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

impl EngineError {
    /// Whether the engine is not to be used again: what state it is in is not known.
    pub fn is_breakdown(&self) -> bool {
        match self {
            Self::Hung { .. }
            | Self::Unreachable { .. }
            | Self::Died { .. }
            | Self::TooMuchMemory { .. }
            | Self::Nonsense { .. }
            | Self::Panicked => true,
            Self::EmptyText
            | Self::UnknownVoice { .. }
            | Self::MissingProgram { .. }
            | Self::ProgramFailed { .. }
            | Self::NoModel { .. }
            | Self::BadModel { .. }
            | Self::BadVoice { .. }
            | Self::CannotClone { .. }
            | Self::Declined { .. }
            | Self::Resting { .. }
            | Self::Told(_)
            | Self::Failed(_)
            | Self::Io { .. } => false,
        }
    }
}

/// The first few of a list: an installed espeak-ng has more than a hundred voices.
fn some_of(known: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown = known.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match known.len().saturating_sub(SHOWN) {
        0 => shown,
        n_more => format!("{shown} and {n_more} more"),
    }
}
