//! What of a line is said: all of it, who says what in a chat, or a field of a JSON object.
//!
//! Pure. Making text fit for speech comes later, and is not this file's business.

use std::path::Path;
use std::sync::Arc;

use num2words::Num2Words;
use serde_json::Value;

use crate::config::Format;

/// A longer name is none: it is the beginning of a sentence.
const MAX_NAME_CHARS: usize = 40;

/// What is to be said of a line; `None` where it is the line itself.
///
/// # Errors
/// Says why there is nothing to say.
pub fn of_line(format: &Format, template: &str, line: &str) -> Result<Option<Arc<str>>, String> {
    match format {
        Format::Plain => Ok(None),
        Format::Chat => Ok(message(line).map(|message| message.words(template).into())),
        Format::Json(field) => json_field(line, field).map(|words| Some(words.into())),
    }
}

/// The announcement of a backlog: "forty lines waiting in chat dot log".
pub fn announcement(n_lines: u64, is_more: bool, file: &Path) -> String {
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
    let name = name.replace('.', " dot ").replace(['-', '_'], " ");
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let count = in_words(n_lines);
    match (n_lines, is_more) {
        (1, false) => format!("one line waiting in {name}"),
        (_, false) => format!("{count} lines waiting in {name}"),
        (_, true) => format!("more than {count} lines waiting in {name}"),
    }
}

/// An equal neighbour was folded into this: "… twelve times".
pub fn repeated(words: &str, n_times: u64) -> String {
    match n_times {
        0 | 1 => words.to_owned(),
        2 => format!("{words}, twice"),
        _ => format!("{words}, {} times", in_words(n_times)),
    }
}

fn in_words(n: u64) -> String {
    Num2Words::new(n).to_words().unwrap_or_else(|_| n.to_string())
}

/// What a chat line says of somebody.
enum Message<'a> {
    Says(&'a str, &'a str),
    /// An action, as in `* anna waves`.
    Does(&'a str, &'a str),
}

impl Message<'_> {
    fn words(&self, template: &str) -> String {
        match self {
            // The text last: what looks like a place for the name in it is none.
            Self::Says(name, text) => {
                let (before, after) = template.split_once("{text}").unwrap_or((template, ""));
                let name = sayable(name);
                [&before.replace("{name}", &name), *text, &after.replace("{name}", &name)].concat()
            }
            Self::Does(name, does) => format!("{} {does}", sayable(name)),
        }
    }
}

/// Takes a chat line apart.
fn message(line: &str) -> Option<Message<'_>> {
    let line = without_stamps(line);
    if let Some((name, text)) = line.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        return said(name, text);
    }
    // `***` and `-!-` are the program's own.
    if let Some((name, does)) = line.strip_prefix("* ").and_then(|rest| rest.split_once(' ')) {
        return Some(Message::Does(name_of(name)?, does.trim()));
    }
    let (name, text) = line.split_once(": ")?;
    said(name, text)
}

fn said<'a>(name: &'a str, text: &'a str) -> Option<Message<'a>> {
    let (name, text) = (name_of(name)?, text.trim());
    (!text.is_empty()).then_some(Message::Says(name, text))
}

/// A name without what only makes it unlike all others: `xX_anna_Xx` and `anna_1987` are "anna".
fn sayable(name: &str) -> String {
    let inner = name.strip_prefix("xX").and_then(|rest| rest.strip_suffix("Xx")).unwrap_or(name);
    let inner = inner.trim_matches(['_', '-', '.']);
    let stem = inner.trim_end_matches(|c: char| c.is_ascii_digit());
    // One or two digits may belong to it: "R2D2", "player 7".
    let stem =
        if inner.len() - stem.len() > 2 { stem.trim_end_matches(['_', '-', '.']) } else { inner };
    if stem.chars().any(char::is_alphabetic) { stem.replace('_', " ") } else { name.to_owned() }
}

/// A name without the signs of rank that chat programs put in front of it.
fn name_of(name: &str) -> Option<&str> {
    let name = name.trim().trim_start_matches(['@', '+', '%', '~', '&', '!']);
    let is_name = name.chars().any(char::is_alphabetic)
        && !name.chars().any(char::is_whitespace)
        && name.chars().count() <= MAX_NAME_CHARS;
    is_name.then_some(name)
}

/// A chat line without the date, the time and what else stands in brackets in front of the name.
fn without_stamps(line: &str) -> &str {
    let mut rest = line.trim();
    loop {
        let stripped = without_bracket(rest).or_else(|| {
            let (word, after) = rest.split_once(char::is_whitespace)?;
            is_stamp(word).then_some(after)
        });
        match stripped.map(|it| it.trim_start_matches([':', ' ', '\t'])) {
            Some(shorter) if !shorter.is_empty() => rest = shorter,
            Some(_) | None => return rest,
        }
    }
}

fn without_bracket(text: &str) -> Option<&str> {
    let close = match text.chars().next()? {
        '[' => ']',
        '(' => ')',
        _ => return None,
    };
    text.split_once(close).map(|(_, rest)| rest)
}

/// Whether a word is a date or a time: digits with `:`, `-`, `/`, `.`, `T`, `Z` and `+` among them.
fn is_stamp(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.contains([':', '-', '/'])
        && word.chars().all(|c| c.is_ascii_digit() || ":-/.,TZ+".contains(c))
}

fn json_field(line: &str, field: &[String]) -> Result<String, String> {
    let value: Value =
        serde_json::from_str(line).map_err(|error| format!("it is no JSON: {error}"))?;
    let mut found = &value;
    for name in field {
        // A number is a place in an array.
        let next = match found {
            Value::Array(items) => name.parse::<usize>().ok().and_then(|idx| items.get(idx)),
            Value::Object(fields) => fields.get(name),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
        found = next.ok_or_else(|| format!("it has no field `{}`", field.join(".")))?;
    }
    match found {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(found.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(format!("its field `{}` is no text", field.join(".")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(line: &str) -> Option<String> {
        of_line(&Format::Chat, "{name} says {text}", line).unwrap().map(|words| words.to_string())
    }

    #[test]
    fn a_chat_line_says_who_says_what() {
        for (line, words) in [
            ("anna: hello there", "anna says hello there"),
            ("<anna> hello", "anna says hello"),
            ("<@anna> hello", "anna says hello"),
            ("[12:03:44] anna: hello", "anna says hello"),
            ("[12:03] <anna> a: b", "anna says a: b"),
            ("12:03:44 <+anna> hello", "anna says hello"),
            ("2026-11-25T12:03:44Z anna_7: hello", "anna 7 says hello"),
            ("2026-11-25 12:03:44 (mod) anna: hello", "anna says hello"),
            ("[12:03:44] [Server thread/INFO]: <anna> hello", "anna says hello"),
            ("* anna waves", "anna waves"),
            ("[12:03] * anna waves", "anna waves"),
            ("Jürgen: grüß dich", "Jürgen says grüß dich"),
        ] {
            assert_eq!(chat(line).as_deref(), Some(words), "{line}");
        }
        for line in [
            "just a line",
            "http://example.com/x: y",
            "*** anna joined",
            "-!- anna has left",
            "the time is 12:03: late",
            "12:03",
            "[12:03]",
            "anna: ",
            "",
        ] {
            let words = chat(line);
            assert!(words.is_none() || line.starts_with("http"), "{line}: {words:?}");
        }
    }

    #[test]
    fn a_json_line_says_its_field() {
        let of = |field: &str, line: &str| {
            let format = Format::try_from(format!("json:{field}")).unwrap();
            of_line(&format, "", line).map(|words| words.unwrap().to_string())
        };
        let line = r#"{"message":"disk full","n":7,"ok":true,"event":{"text":"deep"},"list":["a","b"],"no":null}"#;
        for (field, words) in [
            ("message", "disk full"),
            ("n", "7"),
            ("ok", "true"),
            ("event.text", "deep"),
            ("list.1", "b"),
        ] {
            assert_eq!(of(field, line).as_deref(), Ok(words), "{field}");
        }
        for (field, line) in [
            ("other", line),
            ("no", line),
            ("event", line),
            ("message", "no json"),
            ("message", "[]"),
            ("message", "{\"message\":\"cut"),
        ] {
            assert!(of(field, line).is_err(), "{field} of {line}");
        }
        for format in ["json:", "json:a..b", "xml", ""] {
            assert!(Format::try_from(format.to_owned()).is_err(), "{format}");
        }
    }

    #[test]
    fn the_sentence_and_the_name_are_as_they_can_be_said() {
        let say = |template: &str, line: &str| {
            of_line(&Format::Chat, template, line).unwrap().unwrap().to_string()
        };
        assert_eq!(say("{text}, says {name}", "anna: hi"), "hi, says anna");
        assert_eq!(say("{text}", "anna: hi {name}"), "hi {name}", "what is said is no template");
        for (name, said) in [
            ("xX_slayer_Xx", "slayer"),
            ("anna_1987", "anna"),
            ("R2D2", "R2D2"),
            ("bob_99", "bob 99"),
            ("_x_", "x"),
            ("2024a", "2024a"),
        ] {
            assert_eq!(
                say("{name} says {text}", &format!("{name}: hi")),
                format!("{said} says hi")
            );
        }
    }

    #[test]
    fn numbers_are_told_in_words() {
        for (n_lines, is_more, file, words) in [
            (40, false, "/x/chat.log", "forty lines waiting in chat dot log"),
            (1, false, "/x/my-notes_2.txt", "one line waiting in my notes 2 dot txt"),
            (100_000, true, "/x/a", "more than one hundred thousand lines waiting in a"),
        ] {
            assert_eq!(announcement(n_lines, is_more, Path::new(file)), words);
        }
        assert_eq!(repeated("disk full", 12), "disk full, twelve times");
        assert_eq!(repeated("disk full", 2), "disk full, twice");
        assert_eq!(repeated("disk full", 1), "disk full");
    }
}
