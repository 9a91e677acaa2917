//! A word between its punctuation, and the row of words that rules look at.

/// What stands in front of a word and is none of it.
const LEADING: &[char] = &['(', '[', '{', '"', '\'', '<', '¿', '¡', '*', '`'];

/// What stands behind a word and is none of it.
const TRAILING: &[char] =
    &['.', ',', ';', ':', '!', '?', ')', ']', '}', '"', '\'', '>', '…', '*', '`'];

/// A word, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'a> {
    /// Punctuation in front of it.
    pub lead: &'a str,
    /// The word; empty where there is only punctuation.
    pub core: &'a str,
    /// Punctuation behind it.
    pub trail: &'a str,
}

impl<'a> Word<'a> {
    /// Takes a word apart.
    pub fn of(word: &'a str) -> Self {
        let mut rest = word.trim_start_matches(LEADING);
        // `<5` is no opening bracket.
        if word.starts_with('<') && !word.contains('>') {
            rest = word;
        }
        let lead = word.get(..word.len() - rest.len()).unwrap_or_default();
        let core = rest.trim_end_matches(TRAILING);
        let trail = rest.get(core.len()..).unwrap_or_default();
        Self { lead, core, trail }
    }

    /// Whether the next word belongs to it: nothing stands in between.
    pub fn goes_on(&self) -> bool {
        self.trail.is_empty()
    }
}

/// What a rule has found: so many words are said so.
pub type Said = Option<(usize, String)>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_is_no_part_of_a_word() {
        for (word, lead, core, trail) in [
            ("(hello),", "(", "hello", "),"),
            ("$12.50.", "", "$12.50", "."),
            ("\"e.g.\"", "\"", "e.g", ".\""),
            ("...", "", "", "..."),
            ("it's", "", "it's", ""),
        ] {
            assert_eq!(Word::of(word), Word { lead, core, trail }, "{word}");
        }
    }
}
