//! Voices as people read them, and how far one is that is being made.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use indicatif::{ProgressBar, ProgressStyle};

use crate::control::client::Client;
use crate::control::protocol::{Request, Response};
use crate::threads::spawn_named;
use crate::voice::card::{Quality, VoiceCard};

/// How often the daemon is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(150);

pub(super) fn json<T: serde::Serialize>(value: &T) -> anyhow::Result<()> {
    print(&(serde_json::to_string(value)? + "\n"))
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(anstream::stdout().lock().write_all(text.as_bytes())?)
}

/// One line for each voice.
pub(super) fn list(cards: &[VoiceCard]) -> anyhow::Result<()> {
    if cards.is_empty() {
        return print(
            "no voices yet: `speakerd voice add NAME FILE` makes one of a recording, `speakerd model pull` brings some along\n",
        );
    }
    let width = cards.iter().map(|card| card.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for card in cards {
        let languages = card.languages.join(", ");
        let model = card.model.as_deref().unwrap_or("-");
        let status = card.status.as_str();
        text.extend([format!("{:<width$}  {status:<10}  {languages:<6}  {model}\n", card.name)]);
        text.extend(card.problem.iter().map(|problem| format!("{:<width$}  {problem}\n", "")));
    }
    print(&text)
}

/// All that is known of a voice.
pub(super) fn card(card: &VoiceCard) -> anyhow::Result<()> {
    print(&describe(card))
}

/// A voice that was made.
pub(super) fn added(card: &VoiceCard) -> anyhow::Result<()> {
    let hint = format!("\nTry it: speakerd voice preview {}\n", card.name);
    print(&(describe(card) + &hint))
}

fn describe(card: &VoiceCard) -> String {
    let VoiceCard { name, languages, status, problem, visibility, consent, created, .. } = card;
    let VoiceCard { source_digest, model, model_hash, has_recording, quality, .. } = card;
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let languages =
        if languages.is_empty() { "as its model".to_owned() } else { languages.join(", ") };
    let recording = if *has_recording { "kept" } else { "not kept" };
    let mut rows = vec![
        ("voice", name.clone()),
        ("status", status.as_str().to_owned()),
        ("problem", problem.clone().unwrap_or_default()),
        ("languages", languages),
        ("visibility", visibility.as_str().to_owned()),
        ("consent", consent.clone()),
        ("created", created.clone()),
        ("model", known(model)),
        ("model hash", known(model_hash)),
        ("recording", recording.to_owned()),
        ("source digest", known(source_digest)),
    ];
    if let Some(quality) = quality {
        rows.extend(report(quality));
    }
    let rows = rows.into_iter().filter(|(_, value)| !value.is_empty());
    rows.map(|(what, value)| format!("{what:<14}{value}\n")).collect::<Vec<_>>().concat()
}

fn report(quality: &Quality) -> Vec<(&'static str, String)> {
    let Quality { recorded_secs, used_secs, level_db, noise_distance_db, .. } = quality;
    let Quality { clipped_percent, silence_percent, remarks, .. } = quality;
    let mut rows = vec![
        ("length", format!("{recorded_secs:.1} s, of which {used_secs:.1} s are used")),
        ("level", format!("{level_db:.0} dB below full scale").replace('-', "")),
        ("noise", format!("{noise_distance_db:.0} dB below the speech")),
        ("clipped", format!("{clipped_percent:.2} %")),
        ("silence", format!("{silence_percent:.0} %")),
    ];
    rows.extend(remarks.iter().map(|remark| ("remark", remark.clone())));
    rows
}

/// A sentence to hear a voice by.
pub(super) fn sample(language: &str) -> &'static str {
    match language.get(..2) {
        Some("de") => "Guten Tag. So klingt diese Stimme, wenn sie etwas vorliest.",
        Some("fr") => "Bonjour. Voici cette voix lorsqu'elle lit quelque chose.",
        Some("es") => "Buenos días. Así suena esta voz cuando lee algo.",
        Some("it") => "Buongiorno. Così suona questa voce quando legge qualcosa.",
        Some("pt") => "Bom dia. É assim que esta voz soa quando lê alguma coisa.",
        Some("nl") => "Goedendag. Zo klinkt deze stem als ze iets voorleest.",
        _ => "Good day. This is how this voice sounds when it reads something to you.",
    }
}

/// How far a voice is, on a terminal.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// Nothing is shown where nobody looks.
    pub(super) fn begin() -> Self {
        let bar = ProgressBar::new(100);
        if let Ok(style) = ProgressStyle::with_template("{msg:16} [{bar:40}] {percent:>3} %") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// From 0 to 1.
    pub(super) fn show(&self, voice: &str, progress: f32) {
        if self.0.message() != voice {
            self.0.set_message(voice.to_owned());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "percent")]
        self.0.set_position((progress.clamp(0.0, 1.0) * 100.0) as u64);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Asks the daemon how far it is, and shows it, until this is dropped.
pub(super) struct Following(Option<Sender<()>>);

impl Following {
    /// Begins; where that is not possible, nothing is shown.
    pub(super) fn begin(socket: &Path) -> Self {
        let (end, ended) = bounded::<()>(0); // its end is the message
        let socket: PathBuf = socket.to_owned();
        let started = spawn_named("voice-progress", move || {
            let Ok(mut client) = Client::connect(&socket) else { return };
            let bar = Bar::begin();
            while ended.recv_timeout(ASK_EVERY) == Err(RecvTimeoutError::Timeout) {
                let Ok(Response::Status(status)) = client.ask(&Request::Status) else { return };
                if let Some(voice) = &status.voices.making {
                    bar.show(voice, status.voices.progress);
                }
            }
        });
        Self(started.ok().map(|_thread| end))
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.take(); // the thread sees it, and takes its bar away
    }
}
