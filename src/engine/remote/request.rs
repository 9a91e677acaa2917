//! What a server is asked: the address, the header with the key, and the body, for each API. Pure.

use serde_json::{Map, Value, json};

use crate::engine::Prosody;
use crate::engine::speech_server::{Api, Secret, SpeechServer};

/// The speeds that `ElevenLabs` takes; beyond them it refuses.
const ELEVENLABS_SPEED: (f32, f32) = (0.7, 1.2);

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Request {
    /// Where it goes.
    pub(super) address: String,
    /// The header that bears the key, where there is one.
    pub(super) key: Option<(&'static str, Secret)>,
    /// What it says, as JSON.
    pub(super) body: String,
}

/// What is to be spoken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The text.
    pub(super) text: &'a str,
    /// The voice, as the server calls it.
    pub(super) voice: &'a str,
    /// How; of the pitch nothing can be said.
    pub(super) prosody: Prosody,
    /// For the API that can be told.
    pub(super) seed: u64,
}

impl Request {
    /// Asks that server for that speech.
    pub(super) fn of(server: &SpeechServer, key: Option<&Secret>, wanted: Wanted<'_>) -> Self {
        let rate = if wanted.prosody.rate.is_nan() { 1.0 } else { wanted.prosody.rate };
        let url = &server.url;
        let (address, key, body) = match server.api {
            Api::OpenAi => {
                let key = key
                    .map(|key| ("authorization", Secret::new(&format!("Bearer {}", key.reveal()))));
                (format!("{url}/audio/speech"), key, openai(server, wanted, rate))
            }
            Api::ElevenLabs => {
                let voice = wanted.voice;
                let path = format!("/v1/text-to-speech/{voice}/stream?output_format=pcm_24000");
                let key = key.map(|key| ("xi-api-key", key.clone()));
                (format!("{url}{path}"), key, elevenlabs(server, wanted, rate))
            }
        };
        Self { address, key, body: body.to_string() }
    }
}

/// <https://platform.openai.com/docs/api-reference/audio/createSpeech>. What is at its default is not said: some servers do
/// not know all of it.
fn openai(server: &SpeechServer, wanted: Wanted<'_>, rate: f32) -> Value {
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(server.model));
    body.insert("voice".to_owned(), json!(wanted.voice));
    body.insert("input".to_owned(), json!(wanted.text));
    body.insert("response_format".to_owned(), json!("pcm"));
    if is_changed(rate) {
        let rate = rate.clamp(*Prosody::RATE.start(), *Prosody::RATE.end());
        body.insert("speed".to_owned(), json!(rounded(rate)));
    }
    if let Some(instructions) = &server.instructions {
        body.insert("instructions".to_owned(), json!(instructions));
    }
    Value::Object(body)
}

/// <https://elevenlabs.io/docs/api-reference/text-to-speech/stream>
fn elevenlabs(server: &SpeechServer, wanted: Wanted<'_>, rate: f32) -> Value {
    // It takes 32 bits.
    let mut body =
        json!({ "text": wanted.text, "model_id": server.model, "seed": wanted.seed % (1 << 32) });
    if is_changed(rate) {
        let (slowest, fastest) = ELEVENLABS_SPEED;
        body["voice_settings"] = json!({ "speed": rounded(rate.clamp(slowest, fastest)) });
    }
    body
}

fn is_changed(rate: f32) -> bool {
    (rate - 1.0).abs() > 0.005
}

/// Two places: a server has no use for the rest of an `f32`.
fn rounded(rate: f32) -> f64 {
    (f64::from(rate) * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(api: Api, rate: f32, instructions: Option<&str>) -> Request {
        let instructions = instructions.map(str::to_owned);
        let server = SpeechServer { instructions, ..SpeechServer::example(api) };
        let prosody = Prosody { rate, pitch: f32::NAN };
        let wanted = Wanted { text: "Say \"hi\".\u{1}", voice: "nova", prosody, seed: 1 << 32 | 7 };
        Request::of(&server, Some(&Secret::new("sk-1")), wanted)
    }

    #[test]
    fn each_api_is_asked_in_its_own_way() {
        let plain = ask(Api::OpenAi, 1.0, None);
        assert_eq!(plain.address, "https://speech.example/v1/audio/speech");
        assert_eq!(plain.key, Some(("authorization", Secret::new("Bearer sk-1"))));
        let body: Value = serde_json::from_str(&plain.body).unwrap();
        let text = "Say \"hi\".\u{1}";
        let wanted =
            json!({ "model": "tts-1", "voice": "nova", "input": text, "response_format": "pcm" });
        assert_eq!(body, wanted);

        let other = ask(Api::ElevenLabs, 1.0, Some("not for it"));
        let path = "/v1/text-to-speech/nova/stream?output_format=pcm_24000";
        assert_eq!(other.address, format!("https://speech.example/v1{path}"));
        assert_eq!(other.key, Some(("xi-api-key", Secret::new("sk-1"))));
        let body: Value = serde_json::from_str(&other.body).unwrap();
        assert_eq!(body, json!({ "text": text, "model_id": "tts-1", "seed": 7 }));
    }

    #[test]
    fn a_rate_is_asked_for_as_far_as_the_api_goes() {
        for (rate, openai, elevenlabs) in [
            (2.0, 2.0, 1.2),
            (0.7, 0.7, 0.7),
            (9.0, 4.0, 1.2),
            (0.01, 0.25, 0.7),
            (f32::INFINITY, 4.0, 1.2),
        ] {
            let body: Value =
                serde_json::from_str(&ask(Api::OpenAi, rate, Some("slow")).body).unwrap();
            assert_eq!((&body["speed"], &body["instructions"]), (&json!(openai), &json!("slow")));
            let body: Value = serde_json::from_str(&ask(Api::ElevenLabs, rate, None).body).unwrap();
            assert_eq!(body["voice_settings"], json!({ "speed": elevenlabs }));
        }
        for rate in [1.0, f32::NAN] {
            assert!(!ask(Api::OpenAi, rate, None).body.contains("speed"));
        }
    }
}
