//! Finds Flite, the library behind the built-in voices, and tells the linker about it.
//!
//! Flite comes from the system's development package. Its static archives are preferred: the
//! program then carries its voices and runs where Flite is not installed. Without the feature
//! `builtin` this script does nothing.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Linked in this order: each library uses those after it.
const LIBRARIES: [&str; 5] =
    ["flite_cmu_us_rms", "flite_cmu_us_slt", "flite_usenglish", "flite_cmulex", "flite"];

/// Looked through after the compiler's own path.
const COMMON_DIRS: [&str; 6] = [
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/opt/homebrew/lib",
    "/opt/local/lib",
    "/home/linuxbrew/.linuxbrew/lib",
];

const NOT_FOUND: &str = "\
the library Flite, which the feature `builtin` needs, was not found
  Debian, Ubuntu:  apt install flite1-dev
  Fedora:          dnf install flite-devel
  Arch:            pacman -S flite
  macOS:           brew install flite
or set FLITE_LIB_DIR to the directory that holds libflite and its voices,
or build without the built-in voices: cargo build --no-default-features";

#[derive(Clone, Copy)]
enum Linking {
    Static,
    Dynamic,
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=FLITE_LIB_DIR");
    println!("cargo::rerun-if-env-changed=CC");
    println!("cargo::rustc-check-cfg=cfg(flite_static)");
    if has_packed_relocations() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    if env::var_os("CARGO_FEATURE_BUILTIN").is_none() {
        return;
    }
    let dirs = candidate_dirs();
    let found = find(&dirs, Linking::Static).or_else(|| find(&dirs, Linking::Dynamic));
    let Some((dir, linking)) = found else {
        // Cargo fails the build for the sake of these, and shows them without anything around.
        NOT_FOUND.lines().for_each(|line| println!("cargo::error={line}"));
        return;
    };
    println!("cargo::rustc-link-search=native={}", dir.display());
    match linking {
        // Not bundled: the archives would be copied into every rlib otherwise.
        Linking::Static => {
            println!("cargo::rustc-cfg=flite_static");
            for name in LIBRARIES {
                println!("cargo::rustc-link-lib=static:-bundle={name}");
                println!("cargo::rerun-if-changed={}", dir.join(format!("lib{name}.a")).display());
            }
        }
        Linking::Dynamic => {
            for name in LIBRARIES {
                println!("cargo::rustc-link-lib=dylib={name}");
            }
        }
    }
    println!("cargo::rustc-link-lib=dylib=m");
}

/// Flite's tables are full of pointers: their relocations, 3 MB, are read at each start and stay in memory. Packed they
/// take a fiftieth of that. The C library has to know of it: glibc does since 2.36. Where the program is built for another
/// machine, nothing is known of that.
fn has_packed_relocations() -> bool {
    let is_native = env::var("HOST").ok() == env::var("TARGET").ok();
    let is_gnu = env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu");
    if !is_native || !is_gnu {
        return false;
    }
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let version = output.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    let version = version.as_deref().and_then(|version| version.trim().strip_prefix("glibc 2."));
    version.and_then(|minor| minor.parse::<u32>().ok()).is_some_and(|minor| minor >= 36)
}

/// The directories that may hold Flite, most wanted first. `FLITE_LIB_DIR` stands alone: who sets
/// it does not want another one.
fn candidate_dirs() -> Vec<PathBuf> {
    if let Some(dir) = env::var_os("FLITE_LIB_DIR") {
        return vec![PathBuf::from(dir)];
    }
    let asked = ["libflite.a", "libflite.so", "libflite.dylib"].iter().filter_map(|f| ask_cc(f));
    asked.chain(COMMON_DIRS.iter().map(PathBuf::from)).collect()
}

/// Where the C compiler would take a library from: distributions keep them in directories named
/// after the architecture, which the compiler knows best.
fn ask_cc(file: &str) -> Option<PathBuf> {
    let cc = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut words = cc.split_whitespace();
    let output =
        Command::new(words.next()?).args(words).arg(format!("-print-file-name={file}")).output();
    let path = PathBuf::from(String::from_utf8(output.ok()?.stdout).ok()?.trim());
    // A compiler that finds nothing repeats the bare name.
    if path.is_absolute() { path.parent().map(Path::to_owned) } else { None }
}

/// The first directory that has every library in the form that is asked for.
fn find(dirs: &[PathBuf], linking: Linking) -> Option<(PathBuf, Linking)> {
    let endings: &[&str] = match linking {
        Linking::Static => &["a"],
        Linking::Dynamic => &["so", "dylib"],
    };
    let complete = |dir: &&PathBuf| {
        endings.iter().any(|ending| {
            LIBRARIES.iter().all(|name| dir.join(format!("lib{name}.{ending}")).is_file())
        })
    };
    dirs.iter().find(complete).map(|dir| (dir.clone(), linking))
}
