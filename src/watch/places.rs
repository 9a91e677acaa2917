//! From configured paths and patterns to files, and to the directories whose events tell about them.
//!
//! Knows nothing of what is in the files.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use crate::config::check::is_pattern;

/// A name that begins with a dot is an editor's own or hidden on purpose.
const MATCHING: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// The part of a pattern in front of its first wildcard, and the files that match.
#[derive(Debug, PartialEq, Eq)]
pub struct Expanded {
    /// The files, sorted; a plain path is there even if no file is.
    pub files: Vec<PathBuf>,
    /// Why a pattern could not be followed.
    pub problem: Option<String>,
}

/// Finds the files of a configured path, at most `limit` of them.
pub fn expand(path: &Path, limit: usize) -> Expanded {
    let Some(pattern) = path.to_str().filter(|path| is_pattern(path)) else {
        return Expanded { files: vec![path.to_path_buf()], problem: None };
    };
    let matches = match glob::glob_with(pattern, MATCHING) {
        Ok(matches) => matches,
        Err(error) => return Expanded { files: Vec::new(), problem: Some(error.to_string()) },
    };
    // An unreadable directory hides its files, not the others.
    let mut files: Vec<PathBuf> =
        matches.flatten().filter(|path| path.is_file()).take(limit + 1).collect();
    let problem = (files.len() > limit).then(|| {
        format!("more than {limit} files match; raise limits.max_files or narrow the pattern")
    });
    files.truncate(limit);
    Expanded { files, problem }
}

/// Whether a configured path or pattern is about that file.
pub fn is_about(configured: &Path, file: &Path) -> bool {
    let pattern = configured.to_str().filter(|path| is_pattern(path));
    let pattern = pattern.and_then(|path| glob::Pattern::new(path).ok());
    configured == file || pattern.is_some_and(|pattern| pattern.matches_path_with(file, MATCHING))
}

/// The directories to watch for a configured path, as far as one is a pattern.
pub fn pattern_directory(path: &Path) -> Option<PathBuf> {
    let text = path.to_str().filter(|path| is_pattern(path))?;
    let fixed = text.split(['*', '?', '[']).next().unwrap_or_default();
    let end = fixed.rfind('/')?;
    Some(PathBuf::from(fixed.get(..end.max(1))?))
}

/// The paths whose events tell about a file, with their directories: its own, and where it is a link, its target's.
pub fn telling_paths(path: &Path) -> impl Iterator<Item = PathBuf> {
    let target = path.canonicalize().ok().filter(|target| target != path);
    std::iter::once(path.to_path_buf()).chain(target)
}

/// The parents of all these paths.
pub fn parents<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> BTreeSet<PathBuf> {
    paths.into_iter().filter_map(|path| path.parent()).map(Path::to_path_buf).collect()
}

/// The same set, as the hints want it.
pub fn set(paths: impl IntoIterator<Item = PathBuf>) -> HashSet<PathBuf> {
    paths.into_iter().collect()
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
            ("/var/log/*.log", Some("/var/log")),
            ("/var/*/a.log", Some("/var")),
            ("/*.log", Some("/")),
            ("/var/log/a.log", None),
        ] {
            assert_eq!(
                pattern_directory(Path::new(path)).as_deref(),
                directory.map(Path::new),
                "{path}"
            );
        }
    }
}
