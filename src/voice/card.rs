//! What is known of a voice without hearing it. Types only; they go over the wire as well.

use serde::{Deserialize, Serialize};

/// What is known of a voice.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct VoiceCard {
    /// What it is called.
    pub name: String,
    /// The languages that it is for, as `en`; none said: whatever its model speaks.
    pub languages: Vec<String>,
    /// Whether it can speak.
    pub status: VoiceStatus,
    /// Why it cannot, or what else is wrong.
    pub problem: Option<String>,
    /// For whom it is.
    pub visibility: Visibility,
    /// Who agreed to what: a note of whoever added it.
    pub consent: String,
    /// When it was added, RFC 3339.
    pub created: String,
    /// SHA-256 of the recordings' bytes, one behind the other.
    pub source_digest: Option<String>,
    /// The model that its state is for.
    pub model: Option<String>,
    /// That model's fingerprint.
    pub model_hash: Option<String>,
    /// Whether the recording was kept, so that it can be made for another model.
    pub has_recording: bool,
    /// Whether the recording is forgotten once the voice is made.
    pub forget_recording: bool,
    /// What was found in the recordings.
    pub quality: Option<Quality>,
}

/// Whether a voice can speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum VoiceStatus {
    /// It is being made, or is made when it is first used.
    Processing,
    /// It speaks.
    #[default]
    Completed,
    /// It could not be made.
    Failed,
}

impl VoiceStatus {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// For whom a voice is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Visibility {
    /// For this user.
    #[default]
    Private,
    /// For all who are served.
    Public,
    /// For all, and what speaks where nothing is said.
    Default,
}

impl Visibility {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Public => "public",
            Self::Default => "default",
        }
    }
}

/// What was found in recordings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Quality {
    /// How long they are together, in seconds.
    pub recorded_secs: f64,
    /// How much of it the voice is made of, in seconds.
    pub used_secs: f64,
    /// The level of the speech before it was brought to the usual one, in dB below full scale.
    pub level_db: f64,
    /// How far the noise is below the speech, in dB.
    pub noise_distance_db: f64,
    /// Samples at full scale, in percent.
    pub clipped_percent: f64,
    /// The share of silence, in percent.
    pub silence_percent: f64,
    /// What could be better, and how.
    pub remarks: Vec<String>,
}
