//! What is repeated for emphasis or as a ruler: it is said once or twice.

/// A letter may stand so often in a row in some word.
const MAX_LETTERS: usize = 3;

/// Laughter of so many syllables is still laughter.
const MAX_SYLLABLES: usize = 3;

/// A word is said so often at most.
const MAX_WORDS: usize = 3;

/// The text with its repetitions folded.
pub fn fold(text: &str) -> String {
    let mut folded: Vec<String> = Vec::new();
    let mut n_equal = 0;
    for word in text.split(' ') {
        let word = syllables(&characters(word));
        let is_equal = folded.last().is_some_and(|last| same(last, &word));
        n_equal = if is_equal { n_equal + 1 } else { 1 };
        if n_equal <= MAX_WORDS {
            folded.push(word);
        }
    }
    folded.retain(|word| !word.is_empty());
    folded.join(" ")
}

fn same(one: &str, other: &str) -> bool {
    let letters = |word: &str| word.trim_end_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    one.contains(char::is_alphabetic) && letters(one) == letters(other)
}

/// `soooooo` becomes `soo`, `!!!!` one `!`, and a ruler nothing.
fn characters(word: &str) -> String {
    let mut folded = String::with_capacity(word.len());
    let mut rest = word.chars().peekable();
    while let Some(c) = rest.next() {
        let mut n = 1;
        while rest.next_if_eq(&c).is_some() {
            n += 1;
        }
        let n_kept = match c {
            _ if c.is_alphabetic() => {
                if n > MAX_LETTERS {
                    2
                } else {
                    n
                }
            }
            _ if c.is_numeric() => n,
            '!' | '?' | ',' | ';' => 1,
            '.' => n.min(3),
            // A ruler; `--` and `//` may mean something.
            _ if n > 2 => 0,
            _ => n,
        };
        folded.extend(std::iter::repeat_n(c, n_kept));
    }
    // `!!!1` is a key that was let go too early.
    if let Some((loud, _)) =
        folded.split_once("!1").filter(|(_, rest)| rest.chars().all(|c| c == '1' || c == '!'))
    {
        folded = format!("{loud}!");
    }
    // `?!?!?!` asks once.
    if folded.len() > 2
        && folded.trim_start_matches(char::is_alphanumeric).chars().all(|c| "!?".contains(c))
    {
        let n_letters = folded.trim_end_matches(['!', '?']).len();
        let marks: &str = folded.get(n_letters..).unwrap_or_default();
        let mark = match (marks.contains('?'), marks.contains('!')) {
            (true, true) => "?!",
            (true, false) => "?",
            (false, true) => "!",
            (false, false) => "",
        };
        folded = format!("{}{mark}", folded.get(..n_letters).unwrap_or_default());
    }
    folded
}

/// `hahahahahaha` becomes `hahaha`.
fn syllables(word: &str) -> String {
    if word.len() < 10 || !word.is_ascii() {
        return word.to_owned();
    }
    let bytes = word.as_bytes();
    for n in 2..=4 {
        let n_letters = bytes.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let n_repeating = (n..n_letters)
            .take_while(|idx| bytes[*idx].eq_ignore_ascii_case(&bytes[idx - n]))
            .count()
            + n;
        // The last syllable may be cut short.
        if n_repeating > MAX_SYLLABLES * n && n_letters - n_repeating < n {
            let (kept, rest) = (word.get(..MAX_SYLLABLES * n), word.get(n_letters..));
            return [kept, rest].into_iter().flatten().collect();
        }
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_folded() {
        for (text, expected) in [
            ("soooooo goood!!!!!", "soo goood!"),
            ("what?!?!?!", "what?!"),
            ("well.......... ok", "well... ok"),
            ("hahahahahahahaha!", "hahaha!"),
            ("lolololololol", "lololo"),
            ("====== Results ======", "Results"),
            ("no no no no no no", "no no no"),
            ("No, no, no, no, no!", "No, no, no,"),
            ("1000000 1111111", "1000000 1111111"),
            ("hmmm www aaa", "hmmm www aaa"),
            ("a -- b // c", "a -- b // c"),
            ("banana Mississippi", "banana Mississippi"),
        ] {
            assert_eq!(fold(text), expected, "{text}");
        }
    }
}
