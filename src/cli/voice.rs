//! `voice`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Json;

/// `voice`
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  speakerd voice add nora nora.wav --consent 'Nora agreed on 2026-11-25'
  speakerd voice preview nora
  speakerd say --voice nora 'Tea is ready.'

Only clone the voice of somebody who agrees.")]
pub enum Voice {
    /// Make a voice of recordings: WAV, FLAC, MP3, Ogg Vorbis or M4A, 10 to 30 s of one person in a quiet room.
    Add(VoiceAdd),
    /// Show all voices: your own, and those that came with the models.
    List(Json),
    /// Show what is known of a voice.
    Show(VoiceName),
    /// Call a voice otherwise.
    Rename {
        /// Its name now.
        from: String,
        /// Its name then.
        to: String,
        /// Even though the configuration names it.
        #[arg(long)]
        force: bool,
    },
    /// Forget a voice.
    Remove {
        /// Which.
        name: String,
        /// Even though the configuration names it.
        #[arg(long)]
        force: bool,
    },
    /// Have a voice say something.
    Preview {
        /// Which.
        name: String,
        /// What; without it, a sentence in its language.
        #[arg(long)]
        text: Option<String>,
    },
    /// Write a voice into a file, as other programs for the same model read it.
    Export {
        /// Which.
        name: String,
        /// Where; nothing is written over.
        file: PathBuf,
    },
    /// Take a voice over from a file: one that was exported, here or by another program for the same model.
    Import {
        /// What it is to be called.
        name: String,
        /// Where it is.
        file: PathBuf,
    },
    /// Make ready whatever is not: voices that were made for another model, or not at all yet.
    Precompute {
        /// Make all of them anew.
        #[arg(long)]
        all: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Give up the voice that is being made.
    Cancel,
}

/// `voice add`
#[derive(Debug, Args)]
pub struct VoiceAdd {
    /// What it is to be called: a-z, 0-9, `_`, `-` and `.`.
    pub name: String,
    /// The recordings.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A language that it is for, such as `en`; may be given several times.
    #[arg(long, value_name = "TAG")]
    pub language: Vec<String>,
    /// A note on who agreed to what, kept with the voice.
    #[arg(long, value_name = "NOTE", default_value = "")]
    pub consent: String,
    /// For whom it is.
    #[arg(long, value_enum, default_value_t)]
    pub visibility: VoiceVisibility,
    /// Do not keep the recording: the voice cannot be made for another model then.
    #[arg(long)]
    pub forget_recording: bool,
    /// Take the place of a voice of that name.
    #[arg(long)]
    pub replace: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// For whom a voice is.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum VoiceVisibility {
    /// For you.
    #[default]
    Private,
    /// For all who are served.
    Public,
    /// For all, and what speaks where no voice is named.
    Default,
}

/// A voice.
#[derive(Debug, Args)]
pub struct VoiceName {
    /// Which.
    pub name: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
