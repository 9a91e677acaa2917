//! Hashes, identifiers and addresses: nobody can follow forty signs, the first few tell them apart.

use super::english::words::Word;

/// How many signs are said.
const N_SAID: usize = 4;

/// The text with what nobody could follow shortened.
pub fn shorten(text: &str, is_english: bool) -> String {
    let mut shortened = String::with_capacity(text.len());
    for (idx, word) in text.split(' ').enumerate() {
        if idx > 0 {
            shortened.push(' ');
        }
        let Word { lead, core, trail } = Word::of(word);
        let (label, code) = core.split_once(':').unwrap_or(("", core));
        if let Some(name) = without_generated(core) {
            shortened.extend([lead, name, trail]);
            continue;
        }
        let Some(kind) = kind(code) else {
            shortened.push_str(word);
            continue;
        };
        shortened.push_str(lead);
        if !label.is_empty() && !is_hash_name(label) {
            shortened.extend([label, ": "]);
        }
        shortened.push_str(&said(kind, code, is_english));
        shortened.push_str(trail);
    }
    shortened
}

/// `api-7d9f8b6c5-x2x4z` is "api": what a machine has added to a name says nothing.
fn without_generated(word: &str) -> Option<&str> {
    let is_generated = |part: &str| matches!(kind(part), Some(Kind::Hash));
    let (mut n_bytes, mut parts) = (0, word.split('-'));
    n_bytes +=
        parts.next().filter(|first| first.bytes().all(|byte| byte.is_ascii_alphabetic()))?.len();
    for part in parts {
        if is_generated(part) {
            return word.get(..n_bytes).filter(|_| !matches!(kind(word), Some(Kind::Id)));
        }
        n_bytes += 1 + part.len();
    }
    None
}

fn is_hash_name(label: &str) -> bool {
    ["sha1", "sha256", "sha512", "md5", "blake3"].contains(&label.to_ascii_lowercase().as_str())
}

#[derive(Clone, Copy)]
enum Kind {
    Hash,
    Id,
    Address,
    /// A long word that is none: a token, a key, something encoded.
    Long,
}

fn said(kind: Kind, code: &str, is_english: bool) -> String {
    let signs = code.trim_start_matches("0x").trim_start_matches('0').chars();
    let signs = signs.filter(char::is_ascii_alphanumeric);
    let signs: Vec<String> =
        signs.take(N_SAID).map(|c| c.to_ascii_uppercase().to_string()).collect();
    let signs = signs.join(" ");
    match kind {
        _ if !is_english => signs,
        Kind::Hash => format!("hash {signs}"),
        Kind::Id => format!("ID {signs}"),
        Kind::Address => format!("address {signs}"),
        Kind::Long => "a long code".to_owned(),
    }
}

fn kind(word: &str) -> Option<Kind> {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    let has_letter = word.bytes().any(|byte| byte.is_ascii_alphabetic());
    if let Some(rest) = word.strip_prefix("0x") {
        return (rest.len() > 6 && is_hex(rest)).then_some(Kind::Address);
    }
    let parts: Vec<_> = word.splitn(6, '-').map(str::len).collect();
    if parts == [8, 4, 4, 4, 12] && is_hex(&word.replace('-', "")) {
        return Some(Kind::Id);
    }
    if !has_digit || !has_letter {
        return None;
    }
    if (7..=128).contains(&word.len()) && is_hex(word) && !is_a_number_with_a_unit(word) {
        return Some(Kind::Hash);
    }
    let is_encoded =
        word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-.".contains(&byte));
    let has_both_cases = word.bytes().any(|byte| byte.is_ascii_lowercase())
        && word.bytes().any(|byte| byte.is_ascii_uppercase());
    // A long name in an identifier's style has words between its signs.
    let longest = word.split(['-', '_', '.', '/']).map(str::len).max().unwrap_or(0);
    (is_encoded && has_both_cases && longest >= 20).then_some(Kind::Long)
}

/// `1234567b` is a size.
fn is_a_number_with_a_unit(word: &str) -> bool {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() == 1 && word.len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_by_their_first_signs() {
        for (text, expected) in [
            ("commit 3f2a9c1d8b7e6f5a4d3c2b1a0f9e8d7c6b5a4d3c", "commit hash 3 F 2 A"),
            ("(a1b2c3d)", "(hash A 1 B 2)"),
            ("sha256:9f86d081884c7d659a2feaa0c55ad015,", "hash 9 F 8 6,"),
            ("pod api-server-7d9f8b6c5-x2x4z up", "pod api-server up"),
            ("id:9f86d081884c", "id: hash 9 F 8 6"),
            ("550e8400-e29b-41d4-a716-446655440000 done", "ID 5 5 0 E done"),
            ("at 0x7ffee4b2a910", "at address 7 F F E"),
            ("key eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", "key a long code"),
            (
                "deadbeef facade 1234567 20261125 v1.2.3 abc123",
                "deadbeef facade 1234567 20261125 v1.2.3 abc123",
            ),
            (
                "getElementById2 some_long_identifier_of_3_words",
                "getElementById2 some_long_identifier_of_3_words",
            ),
        ] {
            assert_eq!(shorten(text, true), expected, "{text}");
        }
    }
}
