//! What a request for speech says, and what it means here. Pure: nothing is asked of anyone.
//!
//! The fields are those of OpenAI's "create speech", and a few that other servers have added; what is not known is ignored.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::encode::Format;
use crate::http::error::ApiError;

/// How fast may be asked for.
const SPEED: std::ops::RangeInclusive<f32> = 0.25..=4.0;

/// Samples per second of what comes out, where nothing is said: what OpenAI's `pcm` has.
const SAMPLE_RATE_HZ: u32 = 24_000;

/// Which rates may be asked for.
const SAMPLE_RATES_HZ: std::ops::RangeInclusive<u32> = 8_000..=48_000;

/// How much louder may be asked for: 2 is 6 dB.
const VOLUME: std::ops::RangeInclusive<f32> = 0.0..=2.0;

/// A request for speech.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[schema(example = json!({"model": "tts-1", "input": "Tea is ready.", "voice": "alloy"}))]
pub struct SpeechRequest {
    /// What to say; at most `http.max_text_chars` characters.
    #[schema(required = true, value_type = String, min_length = 1, pattern = r"\S")]
    pub input: Option<String>,
    /// Whose voice: its name, or `{"id": …}`. The usual one where nothing is said.
    pub voice: Option<VoiceName>,
    /// Accepted, whatever it is: the voice decides which model speaks.
    pub model: Option<String>,
    /// Accepted, and without effect: no engine here can be told how to speak.
    pub instructions: Option<String>,
    /// `mp3` (where nothing is said), `opus`, `flac`, `wav` or `pcm`.
    #[schema(value_type = Option<Format>)]
    pub response_format: Option<String>,
    /// Speed, as a factor, 0.25 to 4.
    #[schema(minimum = 0.25, maximum = 4, default = 1)]
    pub speed: Option<f32>,
    /// `audio`, or `sse`: server-sent events with the audio in base64.
    #[schema(value_type = Option<Delivery>)]
    pub stream_format: Option<String>,
    /// Samples per second, 8,000 to 48,000.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 8_000, maximum = 48_000, default = 24_000)]
    pub sample_rate: Option<u32>,
    /// Loudness, as a factor, 0 to 2.
    #[schema(minimum = 0, maximum = 2, default = 1)]
    pub volume_multiplier: Option<f32>,
}

/// A voice, in either of the two ways in which OpenAI has it named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum VoiceName {
    /// Its name.
    Name(String),
    /// The same.
    Id {
        /// Its name.
        id: String,
    },
}

impl VoiceName {
    /// The name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Name(name) | Self::Id { id: name } => name,
        }
    }
}

/// How the audio is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
pub enum Delivery {
    /// As the body.
    #[schema(rename = "audio")]
    Audio,
    /// As events.
    #[schema(rename = "sse")]
    Events,
}

/// What is wanted, with every value checked but the voice.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// What to say.
    pub text: String,
    /// The voice that was named.
    pub voice: Option<String>,
    /// Speed, as a factor.
    pub speed: f32,
    /// Loudness, as a factor.
    pub volume: f32,
    /// As what.
    pub format: Format,
    /// At which rate.
    pub sample_rate_hz: u32,
    /// How.
    pub delivery: Delivery,
}

impl SpeechRequest {
    /// Checks every value.
    ///
    /// # Errors
    /// Names the field, and what would be right.
    pub fn check(self, max_text_chars: usize) -> Result<Wish, ApiError> {
        let text = self.input.unwrap_or_default();
        if text.trim().is_empty() {
            return Err(ApiError::bad_value("input", "`input` is missing: the text to speak"));
        }
        let n_chars = text.chars().count();
        if n_chars > max_text_chars {
            let why = format!("`input` has {n_chars} characters, and may have {max_text_chars}");
            return Err(ApiError::bad_value("input", why));
        }
        let voice = self.voice.map(|voice| voice.as_str().to_owned());
        Ok(Wish {
            text,
            voice: voice.filter(|name| !name.is_empty()),
            speed: within("speed", self.speed.unwrap_or(1.0), SPEED)?,
            volume: within("volume_multiplier", self.volume_multiplier.unwrap_or(1.0), VOLUME)?,
            format: format(self.response_format.as_deref())?,
            sample_rate_hz: within(
                "sample_rate",
                self.sample_rate.unwrap_or(SAMPLE_RATE_HZ),
                SAMPLE_RATES_HZ,
            )?,
            delivery: delivery(self.stream_format.as_deref())?,
        })
    }
}

/// A whole number, also where it is written as one that need not be: `24000.0`, as several languages do.
///
/// # Errors
/// Where it is none.
pub fn whole<'de, D: Deserializer<'de>>(number: D) -> Result<Option<u32>, D::Error> {
    let Some(number) = Option::<f64>::deserialize(number)? else { return Ok(None) };
    let is_whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "just looked at")]
    let whole = is_whole.then_some(number as u32);
    whole
        .map(Some)
        .ok_or_else(|| D::Error::custom(format!("{number} is no whole number from 0 on")))
}

fn within<T: PartialOrd + std::fmt::Display>(
    field: &'static str,
    value: T,
    range: std::ops::RangeInclusive<T>,
) -> Result<T, ApiError> {
    if range.contains(&value) {
        return Ok(value);
    }
    let why = format!("`{field}` is {value}, not between {} and {}", range.start(), range.end());
    Err(ApiError::bad_value(field, why))
}

/// The format of that name.
///
/// # Errors
/// Names those that there are.
pub fn format(name: Option<&str>) -> Result<Format, ApiError> {
    let Some(name) = name else { return Ok(Format::Mp3) };
    if let Some(format) = Format::ALL.into_iter().find(|format| format.as_str() == name) {
        return Ok(format);
    }
    let known = Format::ALL.map(Format::as_str).join(", ");
    let why = match name {
        "aac" => format!("`aac` has no free encoder, so this build has none; it has {known}"),
        name => format!("`{name}` is no format; there are {known}"),
    };
    Err(ApiError::bad_request("unsupported_format", why).about("response_format"))
}

fn delivery(name: Option<&str>) -> Result<Delivery, ApiError> {
    match name {
        None | Some("audio") => Ok(Delivery::Audio),
        Some("sse") => Ok(Delivery::Events),
        Some(name) => {
            let why = format!("`{name}` is not \"audio\" or \"sse\"");
            Err(ApiError::bad_value("stream_format", why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::extract::parse;

    fn checked(body: &str) -> Result<Wish, ApiError> {
        parse::<SpeechRequest>(body.as_bytes())?.check(20)
    }

    #[test]
    fn what_is_not_said_is_what_openai_takes_it_for() {
        let wish = checked(r#"{"input":"Hi.","voice":"alloy","model":"tts-1"}"#).unwrap();
        let expected = Wish {
            text: "Hi.".to_owned(),
            voice: Some("alloy".to_owned()),
            speed: 1.0,
            volume: 1.0,
            format: Format::Mp3,
            sample_rate_hz: 24_000,
            delivery: Delivery::Audio,
        };
        assert_eq!(wish, expected);
    }

    #[test]
    fn a_voice_can_be_named_in_two_ways_and_unknown_fields_are_passed_over() {
        let wish = checked(r#"{"input":"Hi.","voice":{"id":"anna"},"seed":7,"x":{}}"#).unwrap();
        assert_eq!(wish.voice.as_deref(), Some("anna"));
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        for rate in ["8000", "8000.0", "8e3"] {
            let wish = checked(&format!(r#"{{"input":"Hi.","sample_rate":{rate}}}"#)).unwrap();
            assert_eq!(wish.sample_rate_hz, 8_000, "{rate}");
        }
        let wish = checked(r#"{"input":"Hi.","sample_rate":null}"#).unwrap();
        assert_eq!(wish.sample_rate_hz, 24_000);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("", None),
            ("[]", None),
            (r#"{"voice":"rms"}"#, Some("input")),
            (r#"{"input":"  ","voice":"rms"}"#, Some("input")),
            (r#"{"input":5}"#, Some("input")),
            (r#"{"input":"123456789012345678901"}"#, Some("input")),
            (r#"{"input":"a","voice":3}"#, Some("voice")),
            (r#"{"input":"a","speed":9}"#, Some("speed")),
            (r#"{"input":"a","speed":"fast"}"#, Some("speed")),
            (r#"{"input":"a","response_format":"aac"}"#, Some("response_format")),
            (r#"{"input":"a","response_format":"ogg"}"#, Some("response_format")),
            (r#"{"input":"a","stream_format":"ws"}"#, Some("stream_format")),
            (r#"{"input":"a","sample_rate":1}"#, Some("sample_rate")),
            (r#"{"input":"a","sample_rate":24000.5}"#, Some("sample_rate")),
            (r#"{"input":"a","sample_rate":-24000}"#, Some("sample_rate")),
            (r#"{"input":"a","sample_rate":1e300}"#, Some("sample_rate")),
            (r#"{"input":"a","sample_rate":"24000"}"#, Some("sample_rate")),
            (r#"{"input":"a","volume_multiplier":-1}"#, Some("volume_multiplier")),
        ];
        for (body, param) in cases {
            let error = checked(body).unwrap_err();
            assert_eq!(error.status().as_u16(), 400, "{body}");
            assert_eq!(error.body().error.param.as_deref(), param, "{body}: {}", error.message());
        }
    }
}
