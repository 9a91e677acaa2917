//! Links, mail addresses and paths, shortened to what a listener can use: where a link leads to, and the last name of a
//! path.

use linkify::{LinkFinder, LinkKind};

use super::english::words::Word;

/// The text with everything shortened; with English words around it where they are understood.
pub fn shorten(text: &str, is_english: bool) -> String {
    // Most lines have nothing of it.
    if !text.contains(['/', '@', '\\']) && !text.contains("www.") {
        return text.to_owned();
    }
    let mut shortened = String::with_capacity(text.len());
    let mut finder = LinkFinder::new();
    finder.url_must_have_scheme(true).kinds(&[LinkKind::Url, LinkKind::Email]);
    for span in finder.spans(text) {
        match span.kind() {
            Some(LinkKind::Url) => shortened.push_str(&link(span.as_str(), is_english)),
            Some(LinkKind::Email) if is_english => {
                shortened.push_str(&span.as_str().replace('@', " at ").replace('.', " dot "));
            }
            Some(_) => shortened.push_str(span.as_str()),
            None => paths(&mut shortened, span.as_str(), is_english),
        }
    }
    shortened
}

/// `https://user@www.example.com:8080/a/b?c=d` becomes `link to example dot com`.
fn link(url: &str, is_english: bool) -> String {
    let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
    let rest = rest.trim_start_matches('/');
    if scheme == "file" {
        return last_name(rest, is_english);
    }
    if scheme == "mailto" && is_english {
        return rest.replace('@', " at ").replace('.', " dot ");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = host.split(':').next().unwrap_or(host).trim_start_matches("www.");
    let host = host.trim_end_matches(|c: char| !c.is_alphanumeric());
    match is_english {
        true if host.is_empty() => "link".to_owned(),
        true if host.chars().all(|c| c.is_ascii_digit() || c == '.') => format!("link to {host}"),
        true => format!("link to {}", host.replace('.', " dot ")),
        false => host.to_owned(),
    }
}

/// Shortens the paths among the words of a text.
fn paths(shortened: &mut String, text: &str, is_english: bool) {
    for (idx, word) in text.split(' ').enumerate() {
        if idx > 0 {
            shortened.push(' ');
        }
        let Word { lead, core, trail } = Word::of(word);
        if core.starts_with("www.") && core.matches('.').count() > 1 {
            shortened.push_str(lead);
            shortened.push_str(&link(core, is_english));
            shortened.push_str(trail);
        } else if let Some((key, path)) = core.split_once('=').filter(|(_, path)| is_path(path)) {
            shortened.extend([lead, key, "=", &last_name(path, is_english), trail]);
        } else if is_path(core) {
            shortened.push_str(lead);
            shortened.push_str(&last_name(core, is_english));
            shortened.push_str(trail);
        } else {
            shortened.push_str(word);
        }
    }
}

/// What begins like a path and has two names, or has slashes and ends with a file's name. `and/or`, `km/h`, `24/7` and
/// `/help` are none.
fn is_path(word: &str) -> bool {
    let n_names = word.split(['/', '\\']).filter(|name| !name.is_empty()).count();
    let is_windows =
        word.get(1..3) == Some(":\\") && word.starts_with(|c: char| c.is_ascii_alphabetic());
    let begins = ["/", "~/", "./", "../", "\\\\"].iter().any(|begin| word.starts_with(begin));
    let is_rooted = begins && n_names > 1;
    let Some((directory, name)) = word.rsplit_once('/') else { return is_windows };
    let name = name.split(':').next().unwrap_or(name);
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    let is_file = extension.is_some_and(|it| {
        (1..=5).contains(&it.len())
            && it.chars().all(|c| c.is_ascii_alphanumeric())
            && it.chars().any(|c| c.is_ascii_alphabetic())
    });
    let is_named = directory.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '@');
    is_windows || is_rooted || (is_file && is_named && !word.contains(' '))
}

/// The last name of a path, with the line where one is told: `src/main.rs:42:7` is `main.rs line 42`.
fn last_name(path: &str, is_english: bool) -> String {
    // A query of a request; a local name may have any sign in it.
    let path =
        path.split_once('?').filter(|(_, query)| query.contains('=')).map_or(path, |it| it.0);
    let path = path.trim_end_matches(['/', '\\', ':']);
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    if let Some((name, part)) = name.split_once("::") {
        return format!("{name} {part}");
    }
    match name.split_once(':') {
        Some((name, line)) if is_english => {
            let line: String = line.chars().take_while(char::is_ascii_digit).collect();
            if line.is_empty() { name.to_owned() } else { format!("{name} line {line}") }
        }
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_paths_are_shortened() {
        for (text, expected) in [
            ("see https://www.example.com/a/b?c=d.", "see link to example dot com."),
            ("(http://user:pw@host.example:8080/x)", "(link to host dot example)"),
            ("www.example.org, for instance", "link to example dot org, for instance"),
            ("http://127.0.0.1:8080/", "link to 127.0.0.1"),
            ("write to anna.b@example.org!", "write to anna dot b at example dot org!"),
            ("cannot open /var/log/nginx/error.log: denied", "cannot open error.log: denied"),
            ("src/main.rs:42:7: error", "main.rs line 42: error"),
            ("in ~/notes/today.txt", "in today.txt"),
            ("tests/test_api.py::test_login", "test_api.py test_login"),
            ("path=/v1/users", "path=users"),
            ("C:\\Users\\anna\\file.txt", "file.txt"),
            ("and/or km/h 24/7 TCP/IP 1/2 /help w/o", "and/or km/h 24/7 TCP/IP 1/2 /help w/o"),
            ("https:// nothing", "https:// nothing"),
        ] {
            assert_eq!(shorten(text, true), expected, "{text}");
        }
        assert_eq!(shorten("siehe https://example.com/x", false), "siehe example.com");
    }
}
