//! `key`.

use clap::{Args, Subcommand, ValueEnum};

use super::Json;

/// `key`
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  speakerd key add webui
  speakerd key add desk --scope speak --scope voices --scope admin
  curl -H \"Authorization: Bearer $KEY\" …

A key is shown once, when it is made: only its digest is kept. A running daemon knows it at once.")]
pub enum Key {
    /// Make a key and print it.
    Add(KeyAdd),
    /// Show whose keys there are, and what they are good for.
    List(Json),
    /// Forget a key: whoever has it is let in no more.
    Remove {
        /// Whose.
        name: String,
    },
}

/// `key add`
#[derive(Debug, Args)]
pub struct KeyAdd {
    /// Whose it is: a program or a person.
    pub name: String,
    /// What it is good for; more than one can be given.
    #[arg(long, value_enum, default_values = ["speak", "voices"])]
    pub scope: Vec<KeyScope>,
}

/// What a key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyScope {
    /// Have texts spoken, and see all voices.
    Speak,
    /// Make voices and remove them.
    Voices,
    /// See what is spoken, steer it, and look after the engines.
    Admin,
}
