//! The date and time that a log puts in front of each line. Who hears a line as it comes knows what time it is.
//!
//! A time that a person has written stays: only what has a date *and* a time, seconds, or brackets around it is a stamp.

/// What a log calls how bad something is: a stamp may stand behind it.
const LEVELS: [&str; 8] = ["TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "FATAL"];

/// The text without the stamps in front of it.
pub fn without(text: &str) -> String {
    if let Some((level, rest)) = text.split_once(' ').filter(|(first, _)| LEVELS.contains(first)) {
        return format!("{level} {}", stripped(rest.trim_start()));
    }
    stripped(text).to_owned()
}

fn stripped(text: &str) -> &str {
    let mut rest = text;
    for _ in 0..3 {
        let Some(after) = stamp(rest) else { break };
        let after = after.trim_start_matches([' ', '\t', ',', ':', '-', '|']);
        if after.is_empty() {
            break;
        }
        rest = after;
    }
    rest
}

/// What follows a stamp.
fn stamp(text: &str) -> Option<&str> {
    bracketed(text).or_else(|| date_and_time(text)).or_else(|| syslog(text)).or_else(|| {
        let (time, rest) = time(text)?;
        (time.has_seconds && is_end(rest)).then_some(rest)
    })
}

fn bracketed(text: &str) -> Option<&str> {
    let (close, inner) = match text.as_bytes().first()? {
        b'[' => (']', text.get(1..)?),
        b'(' => (')', text.get(1..)?),
        _ => return None,
    };
    let inner_rest = date_and_time(inner)
        .or_else(|| time(inner).map(|(_, rest)| rest))
        .or_else(|| seconds_since_start(inner))?;
    inner_rest.trim_start().strip_prefix(close)
}

/// `    1.234567` as the kernel writes it.
fn seconds_since_start(text: &str) -> Option<&str> {
    let (secs, rest) = digits(text.trim_start(), 1..=8)?;
    let (_, rest) = digits(rest.strip_prefix('.')?, 6..=6)?;
    (!secs.is_empty()).then_some(rest)
}

/// `2026-11-25 12:03:44,123`, `2026/11/25 12:03`, `2026-11-25T12:03:44.123456Z`, `25/Nov/2026:12:03:44 +0000`.
fn date_and_time(text: &str) -> Option<&str> {
    let rest = iso_date(text).or_else(|| web_date(text))?;
    let rest = rest.strip_prefix(['T', ' ', ':', '_'])?;
    let (_, rest) = time(rest)?;
    let rest = zone(rest);
    (is_end(rest) || rest.starts_with([']', ')'])).then_some(rest)
}

fn iso_date(text: &str) -> Option<&str> {
    let (_, rest) = digits(text, 4..=4)?;
    let separator = rest.chars().next().filter(|c| "-/.".contains(*c))?;
    let (_, rest) = digits(rest.strip_prefix(separator)?, 1..=2)?;
    Some(digits(rest.strip_prefix(separator)?, 1..=2)?.1)
}

fn web_date(text: &str) -> Option<&str> {
    let (_, rest) = digits(text, 1..=2)?;
    let rest = month(rest.strip_prefix('/')?)?;
    Some(digits(rest.strip_prefix('/')?, 4..=4)?.1)
}

/// `Nov 25 12:03:44` of the system's log; the machine's name behind it stays.
fn syslog(text: &str) -> Option<&str> {
    let rest = month(text)?.strip_prefix(' ')?.trim_start_matches(' ');
    let (_, rest) = digits(rest, 1..=2)?;
    let (time, rest) = time(rest.strip_prefix(' ')?)?;
    (time.has_seconds && is_end(rest)).then_some(rest)
}

fn month(text: &str) -> Option<&str> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    MONTHS.iter().find_map(|month| text.strip_prefix(month))
}

struct Time {
    has_seconds: bool,
}

/// `12:03`, `12:03:44`, `12:03:44.123`, `12:03:44,123`.
fn time(text: &str) -> Option<(Time, &str)> {
    let (_, rest) = digits(text, 1..=2)?;
    let (_, rest) = digits(rest.strip_prefix(':')?, 2..=2)?;
    let Some((_, rest)) = rest.strip_prefix(':').and_then(|rest| digits(rest, 2..=2)) else {
        return Some((Time { has_seconds: false }, rest));
    };
    let fraction = rest.strip_prefix(['.', ',']).and_then(|rest| digits(rest, 1..=9));
    Some((Time { has_seconds: true }, fraction.map_or(rest, |(_, rest)| rest)))
}

/// `Z`, `+01:00`, ` +0000`, ` UTC`.
fn zone(text: &str) -> &str {
    let trimmed = text.strip_prefix(' ').unwrap_or(text);
    if let Some(rest) = trimmed.strip_prefix("UTC").or_else(|| text.strip_prefix('Z')) {
        return rest;
    }
    let offset = trimmed.strip_prefix(['+', '-']).and_then(|rest| {
        let hours_and_minutes = digits(rest, 4..=4);
        hours_and_minutes.or_else(|| digits(digits(rest, 2..=2)?.1.strip_prefix(':')?, 2..=2))
    });
    offset.map_or(text, |(_, rest)| rest)
}

/// Exactly as many digits as there may be.
fn digits(text: &str, range: std::ops::RangeInclusive<usize>) -> Option<(&str, &str)> {
    let n = text.bytes().take(range.end() + 1).take_while(u8::is_ascii_digit).count();
    range.contains(&n).then(|| text.split_at(n))
}

fn is_end(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with([' ', '\t', ':', ',', '|'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_go_and_times_that_mean_something_stay() {
        for (text, expected) in [
            ("2026-11-25T12:03:44.123Z ERROR disk full", "ERROR disk full"),
            ("2026-11-25 12:03:44,123 - root - INFO", "root - INFO"),
            ("2026-11-25 12:03:44+01:00 up", "up"),
            ("[2026-11-25 12:03:44] up", "up"),
            ("[12:03:44] up", "up"),
            ("[12:03] <anna> hi", "<anna> hi"),
            ("Nov 25 12:03:44 host sshd[99]: bye", "host sshd[99]: bye"),
            ("Nov  5 12:03:44 host up", "host up"),
            ("12:03:44 up", "up"),
            ("12:03:44.001 | up", "up"),
            ("[25/Nov/2026:12:03:44 +0000] GET", "GET"),
            ("[    1.234567] usb 1-1: new device", "usb 1-1: new device"),
            ("INFO 2026-11-25 12:00:00 worker up", "INFO worker up"),
            ("INFO 12:30 lunch", "INFO 12:30 lunch"),
            ("12:30 lunch with Anna", "12:30 lunch with Anna"),
            ("2026-11-25 is a Wednesday", "2026-11-25 is a Wednesday"),
            ("May 5 we leave", "May 5 we leave"),
            ("[1] a footnote", "[1] a footnote"),
            ("12:03:44", "12:03:44"),
            ("", ""),
        ] {
            assert_eq!(without(text), expected, "{text}");
        }
    }
}
