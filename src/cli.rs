//! The command line, as clap types. Knows nothing of what the commands do.

mod bench;
#[cfg(feature = "http")]
mod key;
#[cfg(feature = "pocket")]
mod model;
#[cfg(feature = "pocket")]
mod synth;
#[cfg(feature = "pocket")]
mod voice;

pub use bench::{Bench, Measure};
#[cfg(feature = "pocket")]
pub use bench::{PocketBench, Quantisation};
#[cfg(feature = "http")]
pub use key::{Key, KeyAdd, KeyScope};
#[cfg(feature = "pocket")]
pub use model::{Info, Model, Pull, Remove, Verify, Voices};
#[cfg(feature = "pocket")]
pub use synth::Synth;
#[cfg(feature = "pocket")]
pub use voice::{Voice, VoiceAdd, VoiceName, VoiceVisibility};

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Speaks the lines that you append to text files.
#[derive(Debug, Parser)]
#[command(name = "speakerd", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The whole command line, for those who describe it.
pub fn description() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

const AFTER_HELP: &str = "\
Examples:
  speakerd run --watch ~/notes.txt    speak what is appended to a file
  echo 'Tea is ready.' >> ~/notes.txt
  speakerd say --interrupt 'The door!'
  tail -f app.log | speakerd say -
  speakerd install                    start at every login

Exit codes:
  0  done                  4  refused: the message says why
  1  failed                5  timed out
  2  wrong usage           6  said with --wait, and not spoken
  3  no daemon is running  75 the queue is full, try again
                           78 the configuration is wrong";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon, until it is told to stop.
    Run(Run),
    /// Say something.
    Say(Say),
    /// Skip what is being said.
    Skip,
    /// Drop everything that waits, in the files as well, and stop what is being said.
    Clear(Clear),
    /// Hold the sound where it is.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Silence the sound; it goes on unheard.
    Mute,
    /// Let the sound be heard again.
    Unmute,
    /// Show or set the loudness of everything.
    Volume(Volume),
    /// Say the last things again.
    Replay(Replay),
    /// Show what waits.
    Queue(Json),
    /// Show what was said.
    History(History),
    /// Watch files, until the daemon ends; the configuration file keeps them.
    #[command(subcommand)]
    Watch(Watch),
    /// Show what the daemon is doing.
    Status(Status),
    /// Print the whole status as JSON, again after each change.
    Subscribe,
    /// Voices of your own, made of recordings.
    #[cfg(feature = "pocket")]
    #[command(subcommand)]
    Voice(Voice),
    /// Load a voice, so that the next line need not wait for it.
    Load(Load),
    /// Unload the voices and give their memory back.
    Unload,
    /// Wait until everything was read, said and heard.
    WaitIdle(WaitIdle),
    /// Have the daemon read its configuration again; what waits and what is loaded stays.
    Reload,
    /// End the daemon.
    Shutdown,
    /// Show this program's version and the daemon's.
    Version(Json),
    /// Show what each step makes of a line, without saying it.
    Explain(Explain),
    /// Speak a text into a WAV file, without a daemon.
    #[cfg(feature = "pocket")]
    Synth(Synth),
    /// The models that cloned voices are spoken with.
    #[cfg(feature = "pocket")]
    #[command(subcommand)]
    Model(Model),
    /// Who may ask the speech server.
    #[cfg(feature = "http")]
    #[command(subcommand)]
    Key(Key),
    /// The configuration.
    #[command(subcommand)]
    Config(Config),
    /// Start at every login.
    Install(Install),
    /// Do not start at login any more.
    Uninstall,
    /// Look at everything that can keep one from hearing a line, and name the way out.
    Doctor(Doctor),
    /// Print completions for a shell.
    Completions(Completions),
    /// Print the manual page.
    Man,
    /// Measure this machine: latencies, start, memory, idle load.
    Bench(Bench),
    /// Run an engine for a daemon, which asks it over standard input and output.
    #[command(hide = true)]
    EngineWorker(EngineWorker),
}

/// `run`
#[derive(Debug, Args)]
pub struct Run {
    /// The configuration file; without it, the usual one where there is one, else the defaults.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Watch this file, too; may be given several times.
    #[arg(long, value_name = "FILE")]
    pub watch: Vec<PathBuf>,
}

/// `say`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  speakerd say 'Tea is ready.'
  speakerd say --voice slt --priority important 'The build failed.'
  make 2>&1 | speakerd say -")]
pub struct Say {
    /// The voice: rms, slt, or espeak:LANG.
    #[arg(long)]
    pub voice: Option<String>,
    /// In which lane it waits.
    #[arg(long, value_enum, default_value_t)]
    pub priority: Priority,
    /// Skip what is being said, and say this next: behind other important things, before everything else.
    #[arg(long)]
    pub interrupt: bool,
    /// Wait until it was said.
    #[arg(long)]
    pub wait: bool,
    /// Speed, 0.25 to 4.
    #[arg(long)]
    pub rate: Option<f32>,
    /// The text; `-` speaks standard input line by line as it comes.
    #[arg(required = true, value_name = "TEXT")]
    pub text: Vec<String>,
}

/// The lanes.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum Priority {
    /// In turn.
    #[default]
    Ordinary,
    /// Before everything ordinary that has not begun to sound.
    Important,
}

/// `clear`
#[derive(Debug, Args)]
pub struct Clear {
    /// Only what comes from this file, or from `control`.
    #[arg(long, value_name = "FILE")]
    pub source: Option<String>,
}

/// `volume`
#[derive(Debug, Args)]
pub struct Volume {
    /// 0 is silent, 1 is as loud as the voice was made, 2 is the most; without it, the loudness now is shown.
    pub volume: Option<f32>,
}

/// `replay`
#[derive(Debug, Args)]
pub struct Replay {
    /// How many.
    #[arg(default_value_t = 1)]
    pub n: usize,
}

/// `status`
#[derive(Debug, Args)]
pub struct Status {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Show it live in this terminal, with keys.
    #[arg(long, conflicts_with = "json")]
    pub watch: bool,
}

/// For programs.
#[derive(Debug, Args)]
pub struct Json {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `history`
#[derive(Debug, Args)]
pub struct History {
    /// Go on with what is said from now on, until the daemon ends.
    #[arg(long)]
    pub follow: bool,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// `watch`
#[derive(Debug, Subcommand)]
pub enum Watch {
    /// Watch a file or a pattern; what is appended from now on is spoken.
    Add(WatchAdd),
    /// Watch it no longer.
    Remove {
        /// As it was added.
        path: PathBuf,
    },
    /// Show the watched files.
    List(Json),
}

/// `watch add`
#[derive(Debug, Args)]
pub struct WatchAdd {
    /// A file, or a pattern in quotes: '~/logs/*.log'.
    pub path: PathBuf,
    /// Who reads it.
    #[arg(long)]
    pub voice: Option<String>,
    /// Where reading begins: at a file that was never read, `resume` begins at its end and `beginning` at its beginning.
    #[arg(long, value_enum, default_value_t)]
    pub start: Start,
    /// Only lines that match this regular expression; may be given several times.
    #[arg(long, value_name = "REGEX")]
    pub include: Vec<String>,
    /// No lines that match this regular expression; may be given several times.
    #[arg(long, value_name = "REGEX")]
    pub exclude: Vec<String>,
    /// What of a line is said: `plain`, `chat`, or `json:FIELD`.
    #[arg(long, default_value = "plain")]
    pub format: String,
    /// Tell equal neighbours in one.
    #[arg(long)]
    pub fold: bool,
    /// Pass over all but so many of the newest lines that wait.
    #[arg(long, value_name = "N")]
    pub newest: Option<usize>,
    /// In which lane its lines wait.
    #[arg(long, value_enum, default_value_t)]
    pub priority: Priority,
    /// Speed, 0.25 to 4.
    #[arg(long, default_value_t = 1.0)]
    pub rate: f32,
    /// Pitch, 0.5 to 2, for voices that can.
    #[arg(long, default_value_t = 1.0)]
    pub pitch: f32,
    /// Loudness, 0 to 2.
    #[arg(long, default_value_t = 1.0)]
    pub volume: f32,
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum Start {
    /// Where it was left.
    #[default]
    Resume,
    /// At the end, always.
    End,
    /// Where it was left; a file never read, whole.
    Beginning,
}

/// `load`
#[derive(Debug, Args)]
pub struct Load {
    /// Which; the default one where it is not given.
    #[arg(long)]
    pub voice: Option<String>,
}

/// `doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    /// The configuration file; without it, the usual one.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// For programs: one JSON value a line.
    #[arg(long)]
    pub json: bool,
}

/// `engine-worker`
#[derive(Debug, Args)]
pub struct EngineWorker {
    /// Whose end is ours.
    #[arg(long)]
    pub parent: u32,
    /// What is logged, for the daemon.
    #[arg(long, default_value = "info")]
    pub log_level: String,
    /// For those who look at the list of processes; the daemon says what is to be loaded.
    pub engine: String,
}

/// `completions`
#[derive(Debug, Args)]
pub struct Completions {
    /// Which shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `install`
#[derive(Debug, Args)]
pub struct Install {
    /// Start also when somebody asks for it on its socket (systemd).
    #[arg(long)]
    pub socket: bool,
}

/// `explain`
#[derive(Debug, Args)]
pub struct Explain {
    /// The line, as it would stand in a file.
    pub line: String,
    /// As this watched file is read: what is configured for it, a path or a pattern that matches it.
    #[arg(long, value_name = "PATH")]
    pub watch: Option<PathBuf>,
    /// Who would speak; the configured voice where it is not given.
    #[arg(long)]
    pub voice: Option<String>,
    /// The configuration file; without it, the usual one.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// For programs.
    #[arg(long)]
    pub json: bool,
}

/// `wait-idle`
#[derive(Debug, Args)]
pub struct WaitIdle {
    /// For how long at most.
    #[arg(long, value_name = "SECS")]
    pub timeout: Option<f64>,
}

/// `config`
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Show where the configuration file is looked for.
    Path,
    /// Check a configuration file.
    Check {
        /// The file; without it, the usual one.
        file: Option<PathBuf>,
    },
    /// Print the default configuration with every key explained.
    Default,
}
