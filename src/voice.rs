//! Voices: what is known of each, the library of those that were made of recordings, and how they are made.
//!
//! Knows no engine: what an engine makes of a recording are tensors with names here.

pub mod card;
pub mod request;

#[cfg(feature = "pocket")]
pub mod desk;
#[cfg(feature = "pocket")]
pub mod library;
#[cfg(feature = "pocket")]
pub mod prompt;
#[cfg(feature = "pocket")]
pub mod quality;
#[cfg(feature = "pocket")]
pub mod recording;

/// A voice that was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotMade {
    /// Somebody gave it up.
    Cancelled,
    /// It could not be made.
    Failed(String),
}

/// The longest name of a voice or a model.
pub const MAX_NAME_BYTES: usize = 64;

/// Whether a name is one that files may have: `a-z`, `0-9`, and behind the first also `_`, `-` and `.`.
pub fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|byte| is_plain(byte) || b"_-.".contains(&byte))
        && name.bytes().next().is_some_and(is_plain)
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names_lead_nowhere_else() {
        for (name, wanted) in [
            ("english", true),
            ("english_2026-10", true),
            ("a.b", true),
            ("", false),
            (".", false),
            ("..", false),
            (".a", false),
            ("-a", false),
            ("a/b", false),
            ("A", false),
            ("ä", false),
            (&"a".repeat(65), false),
        ] {
            assert_eq!(is_name(name), wanted, "{name}");
        }
    }
}
