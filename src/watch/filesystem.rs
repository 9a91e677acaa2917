//! Which file systems tell of changes, and which must be looked at again and again.

use std::path::Path;

/// File systems on which others can write without this kernel's knowing, by the numbers in statfs(2).
const SILENT: [(u32, &str); 14] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x7375_7245, "Coda"),
    (0x5346_414f, "AFS"),
    (0x00c3_6400, "Ceph"),
    (0x4750_4653, "GPFS"),
    (0x0bd0_0bd0, "Lustre"),
    (0x786f_4256, "a VirtualBox shared folder"),
    (0xbacb_acbc, "a VMware shared folder"),
    (0x7c7c_6673, "a Parallels shared folder"),
];

/// The name of the file system of a directory, if it does not tell of all changes.
pub fn silent(directory: &Path) -> Option<&'static str> {
    let kind = rustix::fs::statfs(directory).ok()?.f_type;
    // The field is signed and of different widths; the numbers have 32 bits.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
    let kind = kind as u32;
    SILENT.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_file_systems_tell_of_changes() {
        assert_eq!(silent(Path::new("/proc")), None);
        assert_eq!(silent(&std::env::temp_dir()), None);
        assert_eq!(silent(Path::new("/nowhere")), None);
    }
}
