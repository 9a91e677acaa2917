use super::*;
use std::time::{Duration, SystemTime};

/// A directory in which files have been rotated.
struct Place(tempfile::TempDir, SystemTime);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap(), SystemTime::now())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file that was last written so many seconds ago.
    fn write(&self, name: &str, content: &str, age_secs: u64) {
        std::fs::write(self.path(name), content).unwrap();
        let modified = self.1 - Duration::from_secs(age_secs);
        File::options().write(true).open(self.path(name)).unwrap().set_modified(modified).unwrap();
    }

    /// The mark behind the whole text of a file, as it was when it had its name.
    fn mark(&self, name: &str) -> Mark {
        let metadata = self.path(name).metadata().unwrap();
        let content = std::fs::read(self.path(name)).unwrap();
        let offset = content.len() as u64;
        Mark::new(FileId::of_metadata(&metadata), offset, &content, modified_ns(&metadata))
    }
}

fn names(siblings: &[Sibling]) -> Vec<String> {
    let name = |it: &Sibling| it.path.file_name().unwrap().to_str().unwrap().to_owned();
    siblings.iter().map(name).collect()
}

#[test]
fn a_moved_text_is_found_by_inode_and_content_and_a_backup_is_not() {
    for (moved_to, is_found) in
        [("a.log.1", true), ("old", true), ("a-20261125.log", true), ("a.log~", false)]
    {
        let place = Place::new();
        place.write("a.log", "one\n", 10);
        let mark = place.mark("a.log");
        std::fs::rename(place.path("a.log"), place.path(moved_to)).unwrap();
        place.write("a.log", "new\n", 0);
        assert_eq!(find_moved(&place.path("a.log"), &mark).is_some(), is_found, "{moved_to}");
        let moved = Whereabouts::Moved(moved_to.into());
        assert_eq!(whereabouts(&place.path("a.log"), mark.id) == moved, is_found, "{moved_to}");
    }
}

#[test]
fn a_moved_file_with_another_text_in_it_is_not_the_text() {
    let place = Place::new();
    place.write("a.log", "one\n", 10);
    let mark = place.mark("a.log");
    std::fs::rename(place.path("a.log"), place.path("a.log.1")).unwrap();
    place.write("a.log.1", "uno\n", 0);
    assert!(find(&place.path("a.log"), &mark).is_none());
}

#[test]
fn a_copy_is_found_and_an_older_file_that_begins_alike_is_not() {
    let place = Place::new();
    place.write("a.log.2", "header\nlong ago\n", 100);
    place.write("a.log", "header\n", 10);
    let mark = place.mark("a.log");
    assert!(find_copy(&place.path("a.log"), &mark).is_none(), "it is older than the text");
    place.write("a.log.1", "header\nmore\n", 0);
    let copy = find_copy(&place.path("a.log"), &mark).unwrap();
    assert_eq!(names(&[copy]), ["a.log.1"]);
}

#[test]
fn a_backup_copy_of_an_editor_is_no_rotation() {
    let place = Place::new();
    place.write("a.log", "one\n", 10);
    let mark = place.mark("a.log");
    for name in ["a.log~", "a.log.bak", ".a.log.swp", "b.log"] {
        place.write(name, "one\n", 0);
    }
    assert!(find(&place.path("a.log"), &mark).is_none());
}

#[test]
fn what_was_rotated_in_between_is_found_in_order_and_no_history_is() {
    for (files, from, expected) in [
        // logrotate: the lowest number is the newest
        (
            &[("a.log.4", 90), ("a.log.3", 50), ("a.log.2", 20), ("a.log.1", 10)][..],
            "a.log.3",
            &["a.log.2", "a.log.1"][..],
        ),
        // numbers that count up
        (
            &[("a.1.log", 90), ("a.2.log", 50), ("a.3.log", 20), ("a.10.log", 10)],
            "a.2.log",
            &["a.3.log", "a.10.log"],
        ),
        // dates
        (
            &[("a.log-20261123", 50), ("a.log-20261124", 20), ("a.log-20261125", 10)],
            "a.log-20261123",
            &["a.log-20261124", "a.log-20261125"],
        ),
        // all within one tick of the clock
        (&[("a.log.3", 50), ("a.log.2", 50), ("a.log.1", 50)], "a.log.3", &["a.log.2", "a.log.1"]),
        // others' names, and compressed ones, are not of the family
        (
            &[
                ("a.log.2", 50),
                ("a.log.1", 20),
                ("a.log.1.gz", 20),
                ("a.log.old", 10),
                ("b.log.1", 10),
            ],
            "a.log.2",
            &["a.log.1"],
        ),
        (&[("a.log.old", 50), ("a.log.1", 20)], "a.log.old", &[]),
        // older than what was heard, whatever its number says
        (&[("a.log.2", 50), ("a.log.1", 60)], "a.log.2", &[]),
    ] {
        let place = Place::new();
        for (name, age_secs) in files {
            place.write(name, name, *age_secs);
        }
        let mark = place.mark(from);
        place.write("a.log", "current", 0);
        let (path, old) = (place.path("a.log"), mark.id);
        let current = FileId::of_metadata(&path.metadata().unwrap());
        assert_eq!(rotated_between(&path, &mark, old, old).unwrap_err(), Unstable);
        let found = rotated_between(&path, &mark, old, current).unwrap();
        assert_eq!(names(&found), expected, "{from} of {files:?}");
    }
}

#[test]
fn a_name_is_taken_apart_into_what_rotation_has_added() {
    for (name, rest) in [
        ("a.log", None),
        ("a.log.1", Some(".1")),
        ("a.log-2026-11-25", Some("-2026-11-25")),
        ("a.1.log", Some(".1")),
        ("a-20261125.log", Some("-20261125")),
        ("a-other.log", None),
        ("ab.log", None),
        ("a.log~", None),
        ("b.log.1", None),
    ] {
        let found = rest_of_name(Path::new("/x/a.log"), std::ffi::OsStr::new(name));
        assert_eq!(found.as_deref(), rest.map(str::as_bytes), "{name}");
    }
    assert_eq!(shape_of(b"-2026-11-05.1"), (b"-#-#-#.#".to_vec(), vec![2026, 11, 5, 1]));
}
