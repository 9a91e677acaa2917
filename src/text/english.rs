//! English words for numbers, dates, units, signs and abbreviations: what a person would say who reads the text aloud.

pub mod abbreviations;
pub mod amounts;
pub mod dates;
pub mod identifiers;
pub mod numbers;
pub mod products;
pub mod romans;
pub mod streets;
pub mod symbols;
pub mod units;
pub mod versions;
pub mod words;
pub mod years;

use words::Word;

/// The most words that one rule looks at.
const MAX_WORDS: usize = 6;

/// The text in words.
pub fn words(text: &str) -> String {
    let spaced = spaced(text);
    let parts: Vec<Part<'_>> = spaced.split_whitespace().flat_map(parts_of).collect();
    let row: Vec<Word<'_>> = parts.iter().map(|part| Word::of(part.text)).collect();
    let (mut was_number, mut was_value) = (false, false);
    let mut is_open = false; // a bracket
    let mut said = String::with_capacity(text.len() * 2);
    let mut idx = 0;
    while let Some(word) = row.get(idx) {
        let before = row.get(idx.saturating_sub(MAX_WORDS)..idx).unwrap_or_default();
        let ahead = row.get(idx..(idx + MAX_WORDS).min(row.len())).unwrap_or_default();
        let is_key = parts[idx].is_key;
        if is_key && abbreviations::is_silent_key(word.core) {
            idx += 1;
            continue;
        }
        let place = streets::say(before, ahead);
        let named = place.as_ref().map(|place| (1, place.said.clone()));
        let named = named.or_else(|| romans::say(before, ahead));
        let is_name = named.is_some() && !word.core.starts_with(|c: char| c.is_ascii_digit());
        let found = named
            .or_else(|| dates::say(before, ahead))
            .or_else(|| products::say(before, ahead))
            .or_else(|| versions::say(before, ahead))
            .or_else(|| amounts::say(before, ahead));
        // Two numbers in a row are two, and so are two settings.
        let is_number = found.is_some() && !is_name;
        let is_plain =
            |word: &Word<'_>| word.core.len() > 1 && numbers::Number::of(word.core).is_some();
        let is_value_of_number = idx > 0
            && parts[idx - 1].is_key
            && before.last().is_some_and(|key| key.core.ends_with(|c: char| c.is_ascii_digit()));
        let are_two_numbers = is_number && was_number && word.core.len() > 1;
        if are_two_numbers || is_value_of_number || (is_key && was_value) {
            pause(&mut said);
        }
        let (n_words, core) =
            found.unwrap_or_else(|| (1, single(before.last(), word, row.get(idx + 1))));
        let last = row.get(idx + n_words - 1).unwrap_or(word);
        was_number = n_words == 1 && is_plain(last) && last.goes_on();
        was_value = idx > 0 && parts[idx - 1].is_key && last.goes_on();
        let next = row.get(idx + n_words);
        let is_half_of_day = ["a.m", "p.m"].contains(&last.core);
        let is_short = n_words == 1 && abbreviations::is_with_point(word, next);
        let is_initials = symbols::initials(last.core).is_some();
        let has_a_point = (is_short || is_half_of_day || is_initials || place.is_some())
            && last.trail.starts_with('.');
        // The point is the abbreviation's, unless a sentence ends there.
        let goes_on = next.is_some_and(|next| {
            let may_end = is_half_of_day || is_initials || word.core == "etc";
            let may_end = place.as_ref().map_or(may_end, |place| place.may_end);
            !may_end || last.trail.starts_with(".,") || next.core.starts_with(char::is_lowercase)
        });
        let trail = last.trail.strip_prefix('.').filter(|_| has_a_point && goes_on);
        push(&mut said, &mut is_open, word, &core, trail.unwrap_or(last.trail));
        idx += n_words;
    }
    said.truncate(said.trim_end_matches([',', ' ']).len());
    said
}

/// Signs that join what are two words to a listener get spaces.
fn spaced(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len() + 8);
    let (mut before, mut is_sum) = (None, false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if before.is_none_or(|before: char| before.is_whitespace()) {
            is_sum = c.is_ascii_digit(); // a word of numbers and signs
        }
        let around = [before, rest.peek().copied()];
        let are_all = |test: fn(char) -> bool| around.iter().all(|c| c.is_some_and(test));
        match c {
            '*' if are_all(|c| c.is_ascii_digit()) => spaced.push_str(" times "),
            '=' if is_sum && are_all(|c| c.is_ascii_digit()) => {
                spaced.push_str(" equals ");
            }
            '|' if around.contains(&Some('|')) => spaced.push('|'),
            '|' | '•' | '·' => spaced.push_str(", "),
            '–' if are_all(char::is_alphabetic) => spaced.push_str(" to "),
            '—' | '–' if !are_all(|c| c.is_ascii_digit()) => spaced.push_str(", "),
            _ => spaced.push(c),
        }
        before = Some(c);
    }
    spaced
}

/// A part of a word.
struct Part<'a> {
    text: &'a str,
    /// What follows is its value.
    is_key: bool,
}

/// `status=500` and `total:8kB` are two words, `name@1.2.3` is a name and a version.
fn parts_of(word: &str) -> impl Iterator<Item = Part<'_>> {
    let bytes = word.as_bytes();
    // What has a point in front of a colon is a host with its port.
    let host = word.split(':').next().unwrap_or(word);
    let is_host = host.contains('.') || host.ends_with("localhost");
    let begins_with_letter = word.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let is_split = move |idx: usize| {
        let before = idx.checked_sub(1).map(|idx| bytes[idx]);
        let after = bytes.get(idx + 1).copied();
        let (Some(before), Some(after)) = (before, after) else { return false };
        match bytes[idx] {
            b'=' => begins_with_letter && before.is_ascii_alphanumeric() && after != b'=',
            b':' => before.is_ascii_alphabetic() && after.is_ascii_alphanumeric() && !is_host,
            b'@' => before.is_ascii_alphanumeric() && after.is_ascii_digit(),
            _ => false,
        }
    };
    let mut rest = Some(0);
    std::iter::from_fn(move || {
        let from = rest?;
        let end = (from..bytes.len()).find(|idx| is_split(*idx));
        rest = end.map(|end| end + 1);
        // A colon is heard as a pause.
        let to = end.map_or(bytes.len(), |end| end + usize::from(bytes[end] == b':'));
        let is_key = end.is_some_and(|end| bytes[end] == b'=');
        Some(Part { text: word.get(from..to)?, is_key })
    })
}

fn single(before: Option<&Word<'_>>, word: &Word<'_>, after: Option<&Word<'_>>) -> String {
    let whole = [word.lead, word.core, word.trail].concat();
    if let Some(name) = symbols::operator(before, &whole, after) {
        return name.to_owned();
    }
    if let Some(long) = after.and_then(|after| abbreviations::before_number(word, after)) {
        return long.to_owned();
    }
    // `sshd[99]:` is a program and the number of its process.
    if word.trail.starts_with("]:")
        && let Some((name, number)) = word.core.split_once('[')
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        return symbols::name(name);
    }
    // A pair of words and a slash is a choice: "yes or no", "TCP IP".
    if let Some((one, other)) = word.core.split_once('/')
        && [one, other].iter().all(|part| part.chars().all(char::is_alphabetic) && part.len() > 1)
    {
        return format!("{} {}", symbols::name(one), symbols::name(other));
    }
    symbols::name(word.core)
}

/// A comma, where nothing makes a pause yet.
fn pause(said: &mut String) {
    if said.ends_with(|c: char| c.is_alphanumeric() || c == ')') {
        said.push(',');
    }
}

/// Adds a word with as much of its punctuation as a voice makes something of.
fn push(said: &mut String, is_open: &mut bool, word: &Word<'_>, core: &str, trail: &str) {
    let is_heard = |c: &char| matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | ')' | '…');
    let mut marks: String = trail.chars().filter(is_heard).collect();
    if core.is_empty() {
        // What stands alone between words is a pause.
        let is_dash = ["-", "--", "~", "="].contains(&word.core);
        let mark = if is_dash { Some(',') } else { marks.chars().next().filter(|c| *c != ')') };
        if said.ends_with(|c: char| c.is_alphanumeric() || c == ')') {
            said.extend(mark);
        }
        return;
    }
    // `[disk]` in front of a message is a heading.
    if word.lead.contains('[') && trail.contains(']') && marks.is_empty() {
        marks.push(',');
    }
    if !said.is_empty() {
        said.push(' ');
    }
    if word.lead.contains('(') && (said.len() > 1 || marks.contains(')')) {
        said.push('(');
        *is_open = true;
    } else {
        marks.retain(|c| c != ')' || *is_open);
    }
    if core.ends_with(['.', ',', '!', '?']) && marks.starts_with(['.', ',']) {
        marks.remove(0);
    }
    said.push_str(core);
    said.push_str(&marks);
}
