//! From configured paths and patterns to files, and to the directories whose events tell about them.
//!
//! Knows nothing of what is in the files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config::check::is_pattern;

/// A name that begins with a dot is an editor's own or hidden on purpose.
const MATCHING: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// How many files beyond the limit are known by name: whoever has more of them has other worries.
const MAX_BEYOND: usize = 10_000;

/// The part of a pattern in front of its first wildcard, and the files that match.
#[derive(Debug, PartialEq, Eq)]
pub struct Expanded {
    /// The files, sorted; a plain path is there even if no file is.
    pub files: Vec<PathBuf>,
    /// Some more that match and are beyond the limit.
    pub beyond: Vec<PathBuf>,
    /// Why a pattern could not be followed.
    pub problem: Option<String>,
}

/// Finds the files of a configured path, at most `limit` of them.
pub fn expand(path: &Path, limit: usize) -> Expanded {
    let Some(pattern) = path.to_str().filter(|path| is_pattern(path)) else {
        return Expanded { files: vec![path.to_path_buf()], beyond: Vec::new(), problem: None };
    };
    let matches = match glob::glob_with(pattern, MATCHING) {
        Ok(matches) => matches,
        Err(error) => {
            let problem = Some(error.to_string());
            return Expanded { files: Vec::new(), beyond: Vec::new(), problem };
        }
    };
    // An unreadable directory hides its files, not the others.
    let mut matches = matches.flatten().filter(|path| path.is_file());
    let files: Vec<_> = matches.by_ref().take(limit).collect();
    let beyond: Vec<_> = matches.take(MAX_BEYOND).collect();
    let problem = (!beyond.is_empty()).then(|| {
        format!("more than {limit} files match; raise limits.max_files or narrow the pattern")
    });
    Expanded { files, beyond, problem }
}

/// Whether a configured path or pattern is about that file.
pub fn is_about(configured: &Path, file: &Path) -> bool {
    let pattern = configured.to_str().filter(|path| is_pattern(path));
    let pattern = pattern.and_then(|path| glob::Pattern::new(path).ok());
    configured == file || pattern.is_some_and(|pattern| pattern.matches_path_with(file, MATCHING))
}

/// A pattern, compiled for the names that events tell of.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// The pattern, and those of its directories that have a wildcard as well: a new directory may bring files that match.
    globs: Vec<glob::Pattern>,
}

impl Pattern {
    /// The pattern in a configured path; `None` where it is a plain one.
    pub fn of(path: &Path) -> Option<Self> {
        let patterns = path.ancestors().map_while(|it| it.to_str().filter(|it| is_pattern(it)));
        let globs: Vec<_> = patterns.filter_map(|it| glob::Pattern::new(it).ok()).collect();
        (!globs.is_empty()).then_some(Self { globs })
    }

    /// Whether a name that came or went may change what matches.
    pub fn is_concerned(&self, path: &Path) -> bool {
        self.globs.iter().any(|glob| glob.matches_path_with(path, MATCHING))
    }
}

/// The directories whose entries matter to a pattern: the part without wildcards, and where directories are matched,
/// those that there are, at most `limit` of them.
pub fn pattern_directories(path: &Path, limit: usize) -> Vec<PathBuf> {
    let Some(text) = path.to_str().filter(|path| is_pattern(path)) else { return Vec::new() };
    let fixed = text.split(['*', '?', '[']).next().unwrap_or_default();
    let Some(fixed) = fixed.rfind('/').and_then(|end| fixed.get(..end.max(1))) else {
        return Vec::new();
    };
    let mut directories = vec![PathBuf::from(fixed)];
    let between = path.ancestors().skip(1).take_while(|it| *it != Path::new(fixed));
    for pattern in between.filter_map(Path::to_str) {
        let found = glob::glob_with(pattern, MATCHING).into_iter().flatten().flatten();
        directories.extend(found.filter(|path| path.is_dir()).take(limit));
    }
    directories.truncate(limit);
    directories
}

/// The paths whose events tell about a file: its own, and where it is a link, those it leads over.
pub fn telling_paths(path: &Path) -> Vec<PathBuf> {
    /// As many as the kernel follows.
    const MAX_LINKS: usize = 40;
    let mut paths = vec![path.to_path_buf()];
    let mut at = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        let Ok(target) = std::fs::read_link(&at) else { break };
        at = at.parent().unwrap_or(Path::new("/")).join(target);
        paths.push(at.clone());
    }
    // Events name a directory as it was armed: with `..` and links resolved there is one name for it.
    if paths.len() > 1
        && let Ok(target) = path.canonicalize()
    {
        paths.push(target);
    }
    paths
}

/// The parents of all these paths.
pub fn parents<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> BTreeSet<PathBuf> {
    paths.into_iter().filter_map(|path| path.parent()).map(Path::to_path_buf).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_finds_files_but_no_directories_and_no_hidden_ones() {
        let home = tempfile::tempdir().unwrap();
        for name in ["a.log", "b.log", ".hidden.log", "c.txt"] {
            std::fs::write(home.path().join(name), "").unwrap();
        }
        std::fs::create_dir(home.path().join("d.log")).unwrap();
        let pattern = home.path().join("*.log");
        let names = |limit| {
            let expanded = expand(&pattern, limit);
            let names = expanded.files.iter().map(|path| path.file_name().unwrap().to_owned());
            (names.collect::<Vec<_>>(), expanded.problem.is_some())
        };
        assert_eq!(names(9), (vec!["a.log".into(), "b.log".into()], false));
        assert_eq!(names(1), (vec!["a.log".into()], true));
    }

    #[test]
    fn a_plain_path_is_taken_whether_it_is_there_or_not() {
        let path = Path::new("/nowhere/a.log");
        assert_eq!(expand(path, 9).files, [path]);
    }

    #[test]
    fn the_directory_of_a_pattern_is_the_part_without_wildcards() {
        for (path, directory) in [
            ("/nowhere/log/*.log", Some("/nowhere/log")),
            ("/nowhere/*/a.log", Some("/nowhere")),
            ("/*.nothing", Some("/")),
            ("/var/log/a.log", None),
        ] {
            let expected: Vec<_> = directory.map(PathBuf::from).into_iter().collect();
            assert_eq!(pattern_directories(Path::new(path), 9), expected, "{path}");
        }
    }

    #[test]
    fn directories_that_a_pattern_matches_are_watched_as_well() {
        let home = tempfile::tempdir().unwrap();
        for name in ["one/logs", "two/logs", ".hidden/logs", "three"] {
            std::fs::create_dir_all(home.path().join(name)).unwrap();
        }
        let found = pattern_directories(&home.path().join("*/logs/*.log"), 99);
        let expected = ["", "one/logs", "two/logs", "one", "three", "two"];
        assert_eq!(found, expected.map(|name| home.path().join(name)));
        let pattern = Pattern::of(&home.path().join("*/logs/*.log")).unwrap();
        assert!(pattern.is_concerned(&home.path().join("four")));
        let flat = Pattern::of(&home.path().join("*.log")).unwrap();
        assert!(flat.is_concerned(&home.path().join("a.log")));
        assert!(!flat.is_concerned(&home.path().join("a.swp")));
    }

    #[test]
    fn a_link_is_told_of_by_every_link_on_the_way() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        std::fs::write(path("target"), "").unwrap();
        std::os::unix::fs::symlink("target", path("middle")).unwrap();
        std::os::unix::fs::symlink(path("middle"), path("link")).unwrap();
        let told: BTreeSet<_> = telling_paths(&path("link")).into_iter().collect();
        let mut expected: BTreeSet<_> = ["link", "middle", "target"].map(path).into();
        expected.insert(path("link").canonicalize().unwrap());
        assert_eq!(told, expected);
        assert_eq!(telling_paths(&path("target")), [path("target")]);
    }
}
