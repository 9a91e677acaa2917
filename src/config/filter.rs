//! Which lines of a file are wanted: `include` and `exclude`, looked for in the bytes as they stand in the file.
//!
//! Knows nothing of files. Searches whole blocks instead of line by line, so that a gigabyte in which nothing is wanted
//! is passed over as fast as it can be read.

use std::ops::Range;

use grep_matcher::{LineMatchKind, Matcher};
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use memchr::{memchr, memrchr};

use super::ConfigError;

/// The patterns of one watch.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// A line must match one of these.
    include: Option<RegexMatcher>,
    /// And none of these.
    exclude: Option<RegexMatcher>,
    /// As they were typed.
    patterns: [Vec<String>; 2],
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

impl Filter {
    /// Compiles the patterns; an empty list of `include` wants every line.
    ///
    /// # Errors
    /// Names the key, and says what is wrong with the first pattern that is none.
    pub fn new(include: Vec<String>, exclude: Vec<String>) -> Result<Self, ConfigError> {
        let compiled = |key, patterns: &[String]| {
            compile(patterns).map_err(|reason| ConfigError::of(key, reason))
        };
        Ok(Self {
            include: compiled("include", &include)?,
            exclude: compiled("exclude", &exclude)?,
            patterns: [include, exclude],
        })
    }

    /// Whether every line is wanted.
    pub fn is_open(&self) -> bool {
        self.include.is_none() && self.exclude.is_none()
    }

    /// Whether one line, without its newline, is wanted.
    pub fn wants(&self, line: &[u8]) -> bool {
        self.include.as_ref().is_none_or(|include| is_match(include, line))
            && !self.exclude.as_ref().is_some_and(|exclude| is_match(exclude, line))
    }

    /// Finds the first wanted line, without its newline, among complete lines. Of a longer line than `max_line_bytes`
    /// only the beginning counts.
    pub fn next_wanted(&self, lines: &[u8], max_line_bytes: usize) -> Option<Range<usize>> {
        let mut from = 0;
        while from < lines.len() {
            // A candidate may turn out to be none; whoever looks for nothing takes each line in turn.
            let at = match &self.include {
                Some(include) => from + candidate(include, &lines[from..])?,
                None => from,
            };
            if at >= lines.len() {
                return None; // a match of nothing, behind the last line
            }
            let line = line_around(lines, at);
            let kept = line.start..line.end.min(line.start.saturating_add(max_line_bytes));
            if self.wants(&lines[kept]) {
                return Some(line);
            }
            from = line.end + 1;
        }
        None
    }
}

/// A place within the first line that may match.
fn candidate(pattern: &RegexMatcher, lines: &[u8]) -> Option<usize> {
    // The error is a type without values.
    match pattern.find_candidate_line(lines).ok().flatten()? {
        LineMatchKind::Confirmed(at) | LineMatchKind::Candidate(at) => Some(at),
    }
}

fn is_match(pattern: &RegexMatcher, line: &[u8]) -> bool {
    pattern.is_match(line).unwrap_or(false)
}

/// The line that a place is in, without its newline.
fn line_around(lines: &[u8], at: usize) -> Range<usize> {
    let start = memrchr(b'\n', &lines[..at]).map_or(0, |newline| newline + 1);
    let end = memchr(b'\n', &lines[at..]).map_or(lines.len(), |newline| at + newline);
    start..end
}

fn compile(patterns: &[String]) -> Result<Option<RegexMatcher>, String> {
    if patterns.is_empty() {
        return Ok(None);
    }
    // One by one first, so that an error tells which.
    let mut builder = RegexMatcherBuilder::new();
    builder.multi_line(true).line_terminator(Some(b'\n'));
    for pattern in patterns {
        builder.build(pattern).map_err(|error| format!("`{pattern}` is no pattern: {error}"))?;
    }
    builder.build_many(patterns).map(Some).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let owned =
            |patterns: &[&str]| patterns.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        Filter::new(owned(include), owned(exclude)).unwrap()
    }

    fn wanted(filter: &Filter, mut lines: &str) -> Vec<String> {
        let mut found = Vec::new();
        while let Some(line) = filter.next_wanted(lines.as_bytes(), 100) {
            found.push(lines.get(line.clone()).unwrap().to_owned());
            lines = lines.get(line.end + 1..).unwrap_or_default();
        }
        found
    }

    #[test]
    fn a_line_is_wanted_if_it_matches_one_and_none_of_the_others() {
        let lines = "ERROR one\nfine\nWARN two\nERROR three ignored\n\nend ERROR\n";
        for (include, exclude, expected) in [
            (&["ERROR"][..], &[][..], &["ERROR one", "ERROR three ignored", "end ERROR"][..]),
            (&["ERROR", "WARN"], &["ignored"], &["ERROR one", "WARN two", "end ERROR"]),
            (&["^ERROR"], &[], &["ERROR one", "ERROR three ignored"]),
            (&["one$", "(?i)error$"], &[], &["ERROR one", "end ERROR"]),
            (&[], &["ERROR", "^$"], &["fine", "WARN two"]),
            (&[r"E\s+o", "x[^a]y"], &[], &[]),
            (&["nowhere"], &[], &[]),
            (&[".*"], &["."], &[""]),
        ] {
            let filter = filter(include, exclude);
            assert_eq!(wanted(&filter, lines), expected, "{include:?} {exclude:?}");
            let one_by_one: Vec<_> =
                lines.lines().filter(|line| filter.wants(line.as_bytes())).collect();
            assert_eq!(one_by_one, expected, "{include:?} {exclude:?}, line by line");
        }
        assert!(filter(&[], &[]).is_open());
    }

    #[test]
    fn behind_the_last_line_there_is_none() {
        for pattern in ["^$", "^(ERROR.*)?$"] {
            assert_eq!(filter(&[pattern], &[]).next_wanted(b"one\ntwo\n", 100), None, "{pattern}");
        }
    }

    #[test]
    fn of_a_long_line_only_the_beginning_counts() {
        let lines = b"a long line with ERROR behind the cut\nERROR\n";
        assert_eq!(filter(&["ERROR"], &[]).next_wanted(lines, 10), Some(38..43));
        assert_eq!(filter(&[], &["ERROR"]).next_wanted(lines, 10), Some(0..37));
    }

    #[test]
    fn a_match_never_spans_two_lines() {
        for pattern in [r"a\s*b", "a[^x]b", "(?s)a.b", r"a\W*b"] {
            assert_eq!(
                wanted(&filter(&[pattern], &[]), "a\nb\n"),
                Vec::<String>::new(),
                "{pattern}"
            );
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_by_name() {
        let error = Filter::new(vec!["fine".to_owned(), "(".to_owned()], Vec::new()).unwrap_err();
        assert_eq!(error.key.as_deref(), Some("include"));
        assert!(error.reason.contains("`(`"), "{error}");
        assert!(Filter::new(Vec::new(), vec!["a\nb".to_owned()]).is_err());
    }
}
