//! The user's own words for words: a file that says how names and abbreviations are to be spoken.
//!
//! ```toml
//! [words]                     # whole words, whatever their case
//! nginx = "engine x"
//!
//! [[rule]]                    # or a regular expression, for one voice or one language only
//! regex = 'PR (\d+)'
//! say = "pull request $1"
//! language = "en"
//! ```
//!
//! Read again when it changes. One that cannot be understood leaves the last good one in force, and says why.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};
use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use super::Speaking;

/// A larger file is no dictionary that a person wrote.
const MAX_BYTES: u64 = 1 << 20;

/// Each rule is one pass over the text.
const MAX_RULES: usize = 1_000;

/// How large a compiled rule may be, in bytes: counted repetitions of repetitions grow without end otherwise.
const MAX_RULE_BYTES: usize = 256 << 10;

/// A rule may make a text longer, but not without end.
const MAX_GROWTH: usize = 8;

/// How often the file is asked whether it has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What was read of the file.
#[derive(Debug, Default)]
pub struct Dictionary {
    words: Option<Words>,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Words {
    finder: AhoCorasick,
    /// For each word, those whose speech differs first.
    said: Vec<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    say: String,
    is_for: Audience,
}

#[derive(Debug)]
struct Rule {
    pattern: Regex,
    say: String,
    is_for: Audience,
}

/// Whose speech an entry is for.
#[derive(Debug, Clone, Default)]
struct Audience {
    voice: Option<String>,
    language: Option<String>,
}

impl Audience {
    fn is_everybody(&self) -> bool {
        self.voice.is_none() && self.language.is_none()
    }

    fn includes(&self, speaking: Speaking<'_>) -> bool {
        let of_language = |language: &String| {
            let rest = speaking.language.strip_prefix(language.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        self.voice.as_ref().is_none_or(|voice| voice == speaking.voice)
            && self.language.as_ref().is_none_or(of_language)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    words: BTreeMap<String, String>,
    rule: Vec<RawRule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    word: Option<String>,
    regex: Option<String>,
    say: String,
    voice: Option<String>,
    language: Option<String>,
    #[serde(default)]
    case: bool,
}

impl Dictionary {
    /// Reads a dictionary.
    ///
    /// # Errors
    /// Says which entry is wrong, and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let raw: Raw = toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())?;
        if raw.rule.len() > MAX_RULES {
            return Err(format!("has more than {MAX_RULES} rules"));
        }
        let (mut words, mut rules) = (BTreeMap::<String, Vec<Entry>>::new(), Vec::new());
        let mut add = |word: &str, entry: Entry| -> Result<(), String> {
            let entries = words.entry(checked(word)?.to_ascii_lowercase()).or_default();
            let place = if entry.is_for.is_everybody() { entries.len() } else { 0 };
            entries.insert(place, entry);
            Ok(())
        };
        for (word, say) in raw.words {
            add(&word, Entry { say, is_for: Audience::default() })?;
        }
        for (idx, rule) in raw.rule.into_iter().enumerate() {
            let is_for = Audience { voice: rule.voice, language: rule.language };
            match (rule.word, rule.regex) {
                (Some(word), None) if !rule.case => add(&word, Entry { say: rule.say, is_for })?,
                (Some(word), None) => {
                    let pattern =
                        compile(&format!(r"\b{}\b", regex::escape(&checked(&word)?)), true)?;
                    rules.push(Rule { pattern, say: rule.say.replace('$', "$$"), is_for });
                }
                (None, Some(regex)) => {
                    let pattern = compile(&regex, rule.case)?;
                    if pattern.is_match("") {
                        return Err(format!(
                            "the rule `{regex}` matches nothing, that is, everywhere"
                        ));
                    }
                    rules.push(Rule { pattern, say: rule.say, is_for });
                }
                (Some(_), Some(_)) | (None, None) => {
                    return Err(format!(
                        "rule {} has neither or both of `word` and `regex`",
                        idx + 1
                    ));
                }
            }
        }
        let (words, said): (Vec<_>, Vec<_>) = words.into_iter().unzip();
        let finder = (!words.is_empty()).then(|| {
            AhoCorasickBuilder::new()
                .match_kind(MatchKind::LeftmostLongest)
                .ascii_case_insensitive(true)
                .build(&words)
        });
        let finder = finder.transpose().map_err(|error| error.to_string())?;
        Ok(Self { words: finder.map(|finder| Words { finder, said }), rules })
    }

    /// The text with the user's words in it.
    pub fn replace(&self, text: &str, speaking: Speaking<'_>) -> String {
        let mut replaced = match &self.words {
            Some(words) => words.replace(text, speaking),
            None => text.to_owned(),
        };
        let max_bytes = MAX_GROWTH * text.len().max(64);
        for rule in self.rules.iter().filter(|rule| rule.is_for.includes(speaking)) {
            let new = rule.pattern.replace_all(&replaced, rule.say.as_str());
            if new.len() <= max_bytes {
                replaced = new.into_owned();
            }
        }
        replaced
    }
}

impl Words {
    fn replace(&self, text: &str, speaking: Speaking<'_>) -> String {
        let (mut replaced, mut from) = (String::with_capacity(text.len()), 0);
        for found in self.finder.find_iter(text) {
            let entries = &self.said[found.pattern().as_usize()];
            let entry = entries.iter().find(|entry| entry.is_for.includes(speaking));
            if let Some(entry) = entry.filter(|_| is_whole(text, found.range())) {
                replaced.push_str(text.get(from..found.start()).unwrap_or_default());
                replaced.push_str(&entry.say);
                from = found.end();
            }
        }
        replaced.push_str(text.get(from..).unwrap_or_default());
        replaced
    }
}

/// Whether no letter or digit stands right before or after a place that begins or ends with one.
fn is_whole(text: &str, place: std::ops::Range<usize>) -> bool {
    let within = text.get(place.clone()).unwrap_or_default();
    let joins = |one: Option<char>, other: Option<char>| {
        [one, other].iter().all(|c| c.is_some_and(|c| c.is_alphanumeric() || c == '_'))
    };
    let before = text.get(..place.start).and_then(|it| it.chars().next_back());
    let after = text.get(place.end..).and_then(|it| it.chars().next());
    !joins(before, within.chars().next()) && !joins(within.chars().next_back(), after)
}

fn checked(word: &str) -> Result<String, String> {
    if word.trim().is_empty() || word.len() > 200 {
        return Err(format!("`{word}` is no word"));
    }
    Ok(word.to_owned())
}

fn compile(pattern: &str, case: bool) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .case_insensitive(!case)
        .size_limit(MAX_RULE_BYTES)
        .dfa_size_limit(MAX_RULE_BYTES)
        .build()
        .map_err(|error| format!("the rule `{pattern}`: {error}"))
}

/// The dictionary in its file.
#[derive(Debug)]
pub struct DictionaryFile {
    path: PathBuf,
    current: Dictionary,
    seen: Option<(SystemTime, u64)>,
    looked_at: Option<Instant>,
    problem: Option<String>,
}

impl DictionaryFile {
    /// The dictionary at a path, which need not be there. Not read yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, current: Dictionary::default(), seen: None, looked_at: None, problem: None }
    }

    /// Looks whether the file has changed; asks at most once a second.
    pub fn look(&mut self, now: Instant) {
        if self.looked_at.is_none_or(|at| now.duration_since(at) >= LOOK_EVERY) {
            self.looked_at = Some(now);
            self.read_again();
        }
    }

    /// The last good dictionary.
    pub fn current(&self) -> &Dictionary {
        &self.current
    }

    /// Why the file is not in force as it stands.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    fn read_again(&mut self) {
        let stamp = |path: &Path| {
            let metadata = path.metadata().ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        let seen = stamp(&self.path);
        if seen == self.seen && (seen.is_some() || self.problem.is_none()) {
            return;
        }
        self.seen = seen;
        match self.read() {
            Ok(dictionary) => {
                self.current = dictionary;
                self.problem = None;
            }
            Err(reason) => {
                let path = self.path.display();
                self.problem = Some(format!(
                    "the dictionary `{path}` {reason}; the last good one stays in force"
                ));
            }
        }
    }

    fn read(&self) -> Result<Dictionary, String> {
        let cannot = |error: io::Error| format!("cannot be read: {error}");
        match self.path.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Dictionary::default());
            }
            Err(error) => return Err(cannot(error)),
            Ok(metadata) if metadata.len() > MAX_BYTES => {
                return Err(format!("is larger than {MAX_BYTES} bytes"));
            }
            Ok(metadata) if !metadata.is_file() => return Err("is no file".to_owned()),
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(&self.path).map_err(cannot)?;
        Dictionary::parse(&text).map_err(|reason| format!("is not understood: {reason}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RMS: Speaking<'_> = Speaking { voice: "rms", language: "en" };
    const GERMAN: Speaking<'_> = Speaking { voice: "espeak:de", language: "de" };

    const FILE: &str = r#"
        [words]
        nginx = "engine x"
        "C++" = "see plus plus"
        [[rule]]
        regex = 'PR (\d+)'
        say = "pull request $1"
        [[rule]]
        word = "Linux"
        say = "Linnux"
        language = "de"
        [[rule]]
        word = "US"
        case = true
        say = "the States"
        [[rule]]
        word = "SQL"
        say = "sequel"
        voice = "slt"
    "#;

    #[test]
    fn words_are_replaced_whole_and_rules_by_their_groups() {
        let dictionary = Dictionary::parse(FILE).unwrap();
        for (text, expected) in [
            ("NGINX: nginx's nginxed", "engine x: engine x's nginxed"),
            ("C++ and C", "see plus plus and C"),
            ("pr 42 is open", "pull request 42 is open"),
            ("tell us of the US", "tell us of the the States"),
            ("Linux and SQL", "Linux and SQL"),
        ] {
            assert_eq!(dictionary.replace(text, RMS), expected, "{text}");
        }
        assert_eq!(dictionary.replace("Linux", GERMAN), "Linnux");
        assert_eq!(dictionary.replace("SQL", Speaking { voice: "slt", ..RMS }), "sequel");
        let both =
            "[words]\ncat = 'feline'\n[[rule]]\nword = 'Cat'\nsay = 'Katze'\nlanguage = 'de'\n";
        let both = Dictionary::parse(both).unwrap();
        assert_eq!(
            (both.replace("cat", RMS), both.replace("cat", GERMAN)),
            ("feline".into(), "Katze".into())
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("[words]\nx = 1", "expected a string"),
            ("[[rule]]\nregex = '('\nsay = ''", "`(`"),
            ("[[rule]]\nsay = 'x'", "rule 1"),
            ("[[rule]]\nregex = 'x*'\nsay = 'y'", "matches nothing"),
            ("[[rule]]\nregex = '((a{100}){100}){100}'\nsay = 'y'", "size"),
            ("[wrods]", "wrods"),
        ] {
            let error = Dictionary::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_broken_one_leaves_the_last_in_force() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("pronunciation.toml");
        let mut file = DictionaryFile::new(path.clone());
        let mut now = crate::clock::now();
        let mut said = |content: Option<&str>| {
            match content {
                Some(content) => std::fs::write(&path, content).unwrap(),
                None => drop(std::fs::remove_file(&path)),
            }
            now += LOOK_EVERY;
            file.look(now);
            let said = file.current().replace("cat", RMS);
            (said, file.problem().is_some())
        };
        assert_eq!(said(None), ("cat".to_owned(), false));
        assert_eq!(said(Some("[words]\ncat = 'feline'")), ("feline".to_owned(), false));
        assert_eq!(said(Some("[words]\ncat = ")), ("feline".to_owned(), true));
        assert_eq!(said(Some("[words]\ncat = 'tiger'")), ("tiger".to_owned(), false));
        assert_eq!(said(None), ("cat".to_owned(), false));
    }
}
