//! Numbers behind the names of programs: `Python 3.12` is "Python three point twelve".

use super::numbers::{cardinal, digits, pair, year};
use super::versions::{is_counted, is_digits, label_words};
use super::words::{Said, Word};
use super::years::year_of;

/// Names that are nothing else, in small letters.
const NAMES: [&str; 80] = [
    "alpine",
    "android",
    "angular",
    "ansible",
    "bash",
    "blender",
    "bluetooth",
    "centos",
    "chromium",
    "clang",
    "cmake",
    "cpython",
    "cuda",
    "debian",
    "deno",
    "django",
    "docker",
    "elixir",
    "emacs",
    "erlang",
    "fedora",
    "ffmpeg",
    "firefox",
    "flask",
    "freebsd",
    "gcc",
    "ghc",
    "gimp",
    "git",
    "glibc",
    "gnome",
    "golang",
    "gradle",
    "gtk",
    "haskell",
    "ios",
    "ipados",
    "java",
    "javascript",
    "jdk",
    "kernel",
    "kotlin",
    "kubernetes",
    "kubuntu",
    "laravel",
    "libreoffice",
    "linux",
    "llvm",
    "macos",
    "mariadb",
    "minecraft",
    "mysql",
    "neovim",
    "nginx",
    "nixos",
    "node.js",
    "nodejs",
    "npm",
    "numpy",
    "openbsd",
    "openssl",
    "perl",
    "php",
    "pip",
    "plasma",
    "postgres",
    "postgresql",
    "python",
    "pytorch",
    "redis",
    "release",
    "releases",
    "rustc",
    "tensorflow",
    "typescript",
    "ubuntu",
    "version",
    "versions",
    "windows",
    "xubuntu",
];

/// Names that are words as well: only with a capital.
const WORDS: [&str; 16] = [
    "Chrome", "Edge", "Go", "Julia", "Lua", "Mint", "Node", "Office", "Qt", "React", "Ruby",
    "Rust", "Safari", "Swift", "Vim", "Vue",
];

/// What is numbered by the year and month it came out.
const BY_MONTH: [&str; 4] = ["ubuntu", "kubuntu", "xubuntu", "nixos"];

/// Of these, numbers of four digits are years.
const BY_YEAR: [&str; 3] = ["Office", "Rust", "Windows"];

/// What the next word says as the version of a product; `before` are some of the words in front of it.
pub fn say(before: &[Word<'_>], words: &[Word<'_>]) -> Said {
    let core = words.first()?.core;
    if !core.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let product = product(before)?;
    if BY_YEAR.contains(&product) && year_of(core).is_some() {
        return Some((1, year(core.parse().ok()?)));
    }
    if is_counted(words) {
        return None;
    }
    let is_by_month = BY_MONTH.contains(&product.to_ascii_lowercase().as_str());
    let point = if is_by_month { " " } else { " point " };
    if let Some(numbers) = core.strip_suffix('+') {
        return Some((1, format!("{} plus", version_words(numbers, point)?)));
    }
    let Some((numbers, label)) = core.split_once('-') else {
        return Some((1, version_words(core, point)?));
    };
    let said = version_words(numbers, point)?;
    Some((
        1,
        match version_words(label, point) {
            Some(last) => format!("{said} to {last}"),
            None => format!("{said} {}", label_words(label)),
        },
    ))
}

/// `3.12`, `24.04.1`, with what the first point is called.
fn version_words(version: &str, first_point: &str) -> Option<String> {
    if !is_version(version) {
        return None;
    }
    let mut said = String::new();
    for (idx, part) in version.split('.').enumerate() {
        said.push_str(match idx {
            0 => "",
            1 => first_point,
            _ => " point ",
        });
        said.push_str(&match part.len() {
            2 if idx > 0 && part != "00" => pair(part),
            _ if part.starts_with('0') => digits(part),
            _ => cardinal(part),
        });
    }
    Some(said)
}

/// Whether it is two to four numbers with points between them.
fn is_version(text: &str) -> bool {
    let parts: Vec<_> = text.splitn(5, '.').collect();
    (2..=4).contains(&parts.len()) && parts.iter().all(|part| is_digits(part) && part.len() <= 4)
}

/// The product whose version comes next: right in front of it, or as in "Python 3.11 and 3.12".
fn product<'a>(before: &[Word<'a>]) -> Option<&'a str> {
    let mut name = before.last().filter(|last| last.goes_on())?;
    if let [.., several, first, joint] = before
        && ["and", "or", "to"].contains(&joint.core)
        && is_version(first.core)
    {
        name = several;
    }
    let lower = name.core.to_ascii_lowercase();
    let is_product = WORDS.contains(&name.core) || NAMES.contains(&lower.as_str());
    is_product.then_some(name.core)
}
