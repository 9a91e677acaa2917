//! Makes a line fit to be spoken: what cannot be pronounced goes, what would be read out for minutes is shortened.

/// The text to speak, or `None` where nothing in it can be spoken.
pub fn clean(text: &str) -> Option<String> {
    let mut spoken = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        let word: String = match link(word) {
            Some(link) => link,
            None => word.chars().filter(|c| !is_silent(*c)).collect(),
        };
        if word.is_empty() {
            continue;
        }
        if !spoken.is_empty() {
            spoken.push(' ');
        }
        spoken.push_str(&word);
    }
    spoken.chars().any(char::is_alphanumeric).then_some(spoken)
}

/// `https://www.example.com/a/b?c=d.` becomes `link to example dot com.`
fn link(word: &str) -> Option<String> {
    let opening: String =
        word.chars().take_while(|c| matches!(c, '(' | '<' | '[' | '"' | '\'')).collect();
    let inner = word.strip_prefix(opening.as_str())?;
    let rest = inner
        .strip_prefix("https://")
        .or_else(|| inner.strip_prefix("http://"))
        .or_else(|| inner.starts_with("www.").then_some(inner))?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = host.split(':').next().unwrap_or(host).trim_start_matches("www.");
    let host = host.trim_end_matches(|c: char| !c.is_alphanumeric());
    if host.is_empty() {
        return None;
    }
    let closing = word.chars().last().filter(|c| matches!(c, '.' | ',' | '!' | '?' | ';' | ':'));
    let spoken = host.replace('.', " dot ");
    Some(format!("link to {spoken}{}", closing.map(String::from).unwrap_or_default()))
}

/// Pictures, their modifiers and marks without a sound. The ranges are the blocks of Unicode's emoji data (UTS 51).
fn is_silent(c: char) -> bool {
    matches!(c,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{fffd}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{20e3}' | '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}'
        | '\u{1f000}'..='\u{1faff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_made_fit_to_be_spoken() {
        for (text, spoken) in [
            ("Hello, world.", Some("Hello, world.")),
            ("  two\t words\u{0}here ", Some("two words here")),
            ("see https://www.example.com/a/b?c=d.", Some("see link to example dot com.")),
            ("(http://user:pw@host.example:8080/x)", Some("link to host dot example")),
            ("www.example.org, for instance", Some("link to example dot org, for instance")),
            ("https:// nothing", Some("https:// nothing")),
            ("Done 🎉🎉 well 👩‍💻 done", Some("Done well done")),
            ("🎉", None),
            ("...", None),
            ("", None),
            ("\u{fffd}\u{fffd}", None),
            ("$12.50 for 3 items", Some("$12.50 for 3 items")),
        ] {
            assert_eq!(clean(text).as_deref(), spoken, "{text:?}");
        }
    }
}
