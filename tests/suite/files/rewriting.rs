//! Texts that are written anew: truncated, saved by an editor, deleted and made again.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use super::{Step, WATCHED, check, read, rename, texts, truncate, write};
use crate::support::rig::Rig;

#[test]
fn a_text_that_was_truncated_begins_again() {
    let heard_first = |rig: &Rig| rig.append("a.log", "one\ntwo\n");
    check(
        "truncated",
        "",
        &[&heard_first, &|rig| write(rig, "a.log", "uno\n")],
        &["one", "two", "uno"],
    );
    check(
        "written again at equal length",
        "",
        &[&heard_first, &|rig| write(rig, "a.log", "uno\ndos\n")],
        &["one", "two", "uno", "dos"],
    );
    check(
        "written again at greater length",
        "",
        &[&heard_first, &|rig| write(rig, "a.log", "uno\ndos\ntres\ncuatro\n")],
        &["one", "two", "uno", "dos", "tres", "cuatro"],
    );
    check(
        "written again, and only what comes then is wanted",
        "on_rewrite = \"end\"\n",
        &[&heard_first, &|rig| write(rig, "a.log", "uno\ndos\ntres\n"), &|rig| {
            rig.append("a.log", "four\n");
        }],
        &["one", "two", "four"],
    );
}

#[test]
fn an_editor_that_saves_doubles_nothing() {
    let heard_first = |rig: &Rig| rig.append("a.log", "one\ntwo\n");
    let in_the_same_directory = |rig: &Rig| {
        write(rig, ".a.log.swp", read(rig, "a.log") + "three\n");
        rename(rig, ".a.log.swp", "a.log");
    };
    let from_another_directory = |rig: &Rig| {
        fs::create_dir_all(rig.path("elsewhere")).unwrap();
        write(rig, "elsewhere/a", read(rig, "a.log") + "three\n");
        rename(rig, "elsewhere/a", "a.log");
    };
    let in_place = |rig: &Rig| {
        let text = read(rig, "a.log") + "three\n";
        truncate(rig, "a.log");
        std::thread::sleep(Duration::from_millis(20));
        rig.append("a.log", &text);
    };
    let with_a_backup = |rig: &Rig| {
        let text = read(rig, "a.log") + "three\n";
        rename(rig, "a.log", "a.log~");
        write(rig, "a.log", "");
        std::thread::sleep(Duration::from_millis(20));
        let (first, rest) = text.split_at(5);
        rig.append("a.log", first);
        std::thread::sleep(Duration::from_millis(20));
        rig.append("a.log", rest);
        fs::remove_file(rig.path("a.log~")).unwrap();
    };
    let saves: [(&str, Step<'_>); 4] = [
        ("same directory", &in_the_same_directory),
        ("another directory", &from_another_directory),
        ("in place", &in_place),
        ("with a backup", &with_a_backup),
    ];
    for (name, save) in saves {
        for settings in ["", "on_rewrite = \"end\"\n"] {
            let again = |rig: &Rig| rig.append("a.log", "four\n");
            check(name, settings, &[&heard_first, save, &again], &["one", "two", "three", "four"]);
        }
    }
}

#[test]
fn a_file_made_again_on_the_same_inode_at_the_same_length_is_another_one() {
    let mut rig = Rig::start_with(WATCHED, "tone", 40.0);
    rig.append("a.log", "one\n");
    rig.wait_idle();
    rig.stop().unwrap();
    let inode = rig.path("a.log").metadata().unwrap().ino();
    // ext4 gives the number out again at once; where it is not so, it is tried for a while.
    let is_same = (0..50).any(|_| {
        fs::remove_file(rig.path("a.log")).unwrap();
        write(&rig, "a.log", "two\n");
        rig.path("a.log").metadata().unwrap().ino() == inode
    });
    rig.restart_stopped();
    rig.wait_idle();
    assert_eq!(texts(&rig), ["two"], "inode used again: {is_same}");
}
