//! Marks by which a writer asks for silence: `[pause]`, `[pause 500ms]`, `[pause 2s]`, `<break time="500ms"/>`.

use std::time::Duration;

/// Silence where none is named.
const USUAL: Duration = Duration::from_millis(500);

/// Nobody waits for longer at one place.
const LONGEST: Duration = Duration::from_secs(5);

/// And not for longer in one text: whoever writes into a chat is not to silence it.
const LONGEST_IN_ALL: Duration = Duration::from_secs(10);

/// The longest mark, in bytes: what is longer is none.
const MAX_MARK: usize = 40;

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Text without marks.
    Text(&'a str),
    /// Silence.
    Pause(Duration),
}

/// Takes a text apart at its marks.
pub fn parts(text: &str) -> Vec<Part<'_>> {
    let (mut parts, mut from, mut in_all) = (Vec::new(), 0, Duration::ZERO);
    for (at, _) in text.match_indices(['[', '<']) {
        let Some(rest) = text.get(at..).filter(|_| at >= from) else { continue };
        let Some((pause, n_bytes)) = mark(rest) else { continue };
        parts.extend(text.get(from..at).filter(|text| !text.is_empty()).map(Part::Text));
        let pause = pause.min(LONGEST).min(LONGEST_IN_ALL.saturating_sub(in_all));
        in_all += pause;
        parts.extend((!pause.is_zero()).then_some(Part::Pause(pause)));
        from = at + n_bytes;
    }
    parts.extend(text.get(from..).filter(|text| !text.is_empty()).map(Part::Text));
    parts
}

/// The mark that a text begins with, and its length in bytes.
fn mark(text: &str) -> Option<(Duration, usize)> {
    let close = match text.as_bytes().first()? {
        b'[' => b']',
        _ => b'>',
    };
    let end = text.bytes().take(MAX_MARK).position(|byte| byte == close)?;
    let inner = text.get(1..end)?.trim();
    let pause = if close == b']' {
        let rest = inner.strip_prefix("pause")?;
        match rest.trim() {
            "" => USUAL,
            length if rest.starts_with([' ', ':']) => {
                duration(length.trim_start_matches(':').trim())?
            }
            _ => return None,
        }
    } else {
        let rest = inner.strip_prefix("break")?.trim_end_matches('/').trim();
        match rest.strip_prefix("time=") {
            Some(length) => duration(length.trim_matches(['"', '\'']))?,
            None if rest.is_empty() => USUAL,
            None => return None,
        }
    };
    Some((pause, end + 1))
}

/// `500ms`, `1.5s`, `2`.
fn duration(text: &str) -> Option<Duration> {
    let (number, factor) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let secs = number.trim().parse::<f64>().ok()? * factor;
    (0.0..=3_600.0).contains(&secs).then(|| Duration::from_secs_f64(secs))
}

#[cfg(test)]
mod tests {
    use super::Part::{Pause, Text};
    use super::*;

    #[test]
    fn a_writer_may_ask_for_silence() {
        let ms = |ms| Pause(Duration::from_millis(ms));
        for (text, expected) in [
            ("One [pause] two", vec![Text("One "), ms(500), Text(" two")]),
            ("[pause 250ms]a", vec![ms(250), Text("a")]),
            ("a[pause: 1.5s]", vec![Text("a"), ms(1_500)]),
            ("a<break time=\"2s\"/>b", vec![Text("a"), ms(2_000), Text("b")]),
            ("a <break/> b", vec![Text("a "), ms(500), Text(" b")]),
            ("[pause 99s][pause 99s][pause 1s]", vec![ms(5_000), ms(5_000)]),
            ("[paused] <breakfast> [pause x]", vec![Text("[paused] <breakfast> [pause x]")]),
            ("[[[[", vec![Text("[[[[")]),
            ("", vec![]),
        ] {
            assert_eq!(parts(text), expected, "{text}");
        }
    }
}
