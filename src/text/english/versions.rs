//! Versions, network addresses and ports: numbers with points in them that are no quantities.

use super::dates::two_pairs;
use super::numbers::{cardinal, digits, quantity};
use super::units;
use super::words::{Said, Word};

/// What the next word says as a version, an address or a code; `before` are some of the words in front of it.
pub fn say(before: &[Word<'_>], words: &[Word<'_>]) -> Said {
    let core = words.first()?.core;
    let said = address(core)
        .or_else(|| version(core))
        .or_else(|| host_and_port(core))
        .or_else(|| numbered(core))
        .or_else(|| resolution(core))
        .or_else(|| named_number(before.last()?.core, core).filter(|_| !is_counted(words)))?;
    Some((1, said))
}

/// `#1234` is "number twelve thirty-four".
fn numbered(core: &str) -> Option<String> {
    let number = core.strip_prefix('#').filter(|number| is_digits(number))?;
    Some(format!(
        "number {}",
        if number.len() == 4 { port_words(number) } else { quantity(number) }
    ))
}

/// Ports, and codes of three digits: "HTTP four oh four".
fn named_number(before: &str, core: &str) -> Option<String> {
    if !is_digits(core) {
        return None;
    }
    match before.to_ascii_lowercase().as_str() {
        "port" if (2..=5).contains(&core.len()) => Some(port_words(core)),
        "room" | "suite" | "flight" | "bus" | "highway" | "route" | "boeing" | "airbus"
        | "gate" | "apartment" | "http" | "http/1.1" | "http/2" | "status" | "code" | "error"
            if core.len() == 3 =>
        {
            Some(spoken_code(core))
        }
        "process" | "pid" | "job" | "ticket" | "order" if core.len() == 4 => Some(port_words(core)),
        // "RTX forty ninety", "PID forty-two forty-two"
        _ if core.len() == 4 && is_capitals(before) => Some(port_words(core)),
        _ => None,
    }
}

/// Whether a unit follows.
pub fn is_counted(words: &[Word<'_>]) -> bool {
    matches!(words, [number, next, ..] if number.goes_on() && units::of_word(next.core).is_some())
}

fn is_capitals(word: &str) -> bool {
    (2..=5).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// `1080p` is "ten eighty p".
fn resolution(core: &str) -> Option<String> {
    let lines = core.strip_suffix('p').filter(|lines| is_digits(lines))?;
    match lines.len() {
        3 => Some(format!("{} p", spoken_code(lines))),
        4 => Some(format!("{} p", port_words(lines))),
        _ => None,
    }
}

/// "four oh four", "five hundred", "one ninety-two".
pub fn spoken_code(three: &str) -> String {
    match (three.get(..1), three.get(1..)) {
        (Some(first), Some(last)) if first != "0" => {
            format!("{} {}", cardinal(first), super::numbers::pair(last))
        }
        _ => digits(three),
    }
}

/// `192.168.0.1`, `10.0.0.0/8`, `127.0.0.1:8080`.
fn address(core: &str) -> Option<String> {
    let (core, port) = split_port(core);
    let (core, mask) = match core.split_once('/') {
        Some((core, mask)) if is_digits(mask) && mask.len() <= 2 => (core, Some(mask)),
        Some(_) => return None,
        None => (core, None),
    };
    let parts: Vec<_> = core.splitn(5, '.').collect();
    let is_part = |part: &&str| is_digits(part) && part.len() <= 3 && part.parse::<u8>().is_ok();
    if parts.len() != 4 || !parts.iter().all(is_part) {
        return None;
    }
    let octet = |part: &str| if part.len() == 3 { spoken_code(part) } else { cardinal(part) };
    let mut said = parts.into_iter().map(octet).collect::<Vec<_>>().join(" dot ");
    if let Some(mask) = mask {
        said = format!("{said} slash {}", cardinal(mask));
    }
    if let Some(port) = port {
        said = format!("{said} port {}", port_words(port));
    }
    Some(said)
}

/// `v1.2.3`, `1.2.3-rc.1`, `v2`. Two numbers with a point between them are a quantity, unless a `v` says otherwise.
fn version(core: &str) -> Option<String> {
    let unmarked = core.strip_prefix(['v', 'V']);
    let rest = unmarked.unwrap_or(core);
    let (numbers, label) = match rest.find(['-', '+']) {
        Some(at) => (rest.get(..at)?, rest.get(at + 1..)?),
        None => (rest, ""),
    };
    let parts: Vec<_> = numbers.splitn(6, '.').collect();
    let n_needed = if unmarked.is_some() { 1 } else { 3 };
    if !(n_needed..=5).contains(&parts.len())
        || !parts.iter().all(|part| is_digits(part) && part.len() <= 8)
    {
        return None;
    }
    let mut said = parts.into_iter().map(cardinal).collect::<Vec<_>>().join(" point ");
    if unmarked.is_some() {
        said = format!("version {said}");
    }
    if !label.is_empty() {
        said = format!("{said} {}", label_words(label));
    }
    Some(said)
}

/// "R C one" for `rc1`; also `beta.2`.
pub fn label_words(label: &str) -> String {
    let mut said = String::new();
    for part in label.split(['.', '-', '+']) {
        let n_letters =
            part.len() - part.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (name, number) = part.split_at(n_letters);
        for word in [name.replace("rc", "R C"), cardinal_or(number)] {
            if !word.is_empty() {
                said.push_str(if said.is_empty() { "" } else { " " });
                said.push_str(&word);
            }
        }
    }
    said
}

fn cardinal_or(text: &str) -> String {
    if is_digits(text) && text.len() <= 12 { cardinal(text) } else { text.to_owned() }
}

/// `localhost:8080`, `:443`.
fn host_and_port(core: &str) -> Option<String> {
    let (host, port) = split_port(core);
    let port = port?;
    let is_host = host.is_empty()
        || host == "localhost"
        || (host.contains('.')
            && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-'));
    let host = host.replace('.', " dot ");
    is_host.then(|| format!("{host} port {}", port_words(port)).trim().to_owned())
}

fn split_port(core: &str) -> (&str, Option<&str>) {
    match core.rsplit_once(':') {
        Some((host, port)) if is_digits(port) && (2..=5).contains(&port.len()) => {
            (host, Some(port))
        }
        Some(_) | None => (core, None),
    }
}

/// `8080` is "eighty eighty", `443` "four four three".
fn port_words(port: &str) -> String {
    match port.len() {
        4 if port.ends_with("000") => cardinal(port),
        4 => two_pairs(port),
        2 => cardinal(port),
        _ => digits(port),
    }
}

/// Whether it is digits and nothing else.
pub fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
