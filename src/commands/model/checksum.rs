//! What a file's bytes add up to, and what the hub says that they should.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// How much of a file is in memory at once.
const PART_BYTES: usize = 1 << 18;

/// What a file should add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checksum {
    /// SHA-256 of its bytes, in hexadecimal digits: what the hub says of large files.
    Sha256(String),
    /// The name that git gives it: SHA-1 of `blob`, its length and its bytes. What the hub says of small files.
    GitBlob(String),
}

/// What a file adds up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    /// How long it is.
    pub n_bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// The name that git gives it.
    pub git_blob: String,
}

impl Digests {
    /// Reads a file.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let n_bytes = file.metadata()?.len();
        let (mut sha256, mut git_blob) = (Sha256::new(), Sha1::new());
        git_blob.update(format!("blob {n_bytes}\0"));
        let mut part = vec![0; PART_BYTES];
        let mut n_read = 0;
        loop {
            match file.read(&mut part)? {
                0 => break,
                n => {
                    let bytes = part.get(..n).unwrap_or_default();
                    sha256.update(bytes);
                    git_blob.update(bytes);
                    n_read += n as u64;
                }
            }
        }
        let (sha256, git_blob) = (hex(&sha256.finalize()), hex(&git_blob.finalize()));
        Ok(Self { n_bytes: n_read, sha256, git_blob })
    }

    /// Whether the file is what it should be.
    pub fn is(&self, wanted: &Checksum) -> bool {
        match wanted {
            Checksum::Sha256(sha256) => *sha256 == self.sha256,
            Checksum::GitBlob(name) => *name == self.git_blob,
        }
    }
}

impl Checksum {
    /// What an `ETag` of the hub says, where it says one of them.
    pub fn of_etag(etag: &str) -> Option<Self> {
        let is_hex = etag.bytes().all(|byte| byte.is_ascii_hexdigit());
        let digits = etag.to_ascii_lowercase();
        match (is_hex, digits.len()) {
            (true, 64) => Some(Self::Sha256(digits)),
            (true, 40) => Some(Self::GitBlob(digits)),
            (true | false, _) => None,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a text does not fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::{Checksum, Digests};

    /// `printf hello | sha256sum`, `printf hello | git hash-object --stdin`
    #[test]
    fn sums_are_those_of_other_tools() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("x"), "hello").unwrap();
        let digests = Digests::of(&dir.path().join("x")).unwrap();
        let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        let git_blob = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0";
        assert_eq!((digests.sha256.as_str(), digests.git_blob.as_str()), (sha256, git_blob));
        assert_eq!(digests.n_bytes, 5);
        for etag in [sha256, git_blob] {
            assert!(digests.is(&Checksum::of_etag(etag).unwrap()));
        }
        assert!(!digests.is(&Checksum::of_etag(&sha256.replace('2', "3")).unwrap()));
        assert_eq!(Checksum::of_etag("5d41402abc4b2a76b9719d911017c592"), None);
    }
}
