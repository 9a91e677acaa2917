#!/bin/sh
# Builds a Debian package, with completions and the manual page in it.
set -eu

cd "$(dirname "$0")/.."
. packaging/packages.sh

need_packages build
need_rust
unset CARGO_TARGET_DIR # the package's list of files names this folder
cargo deb --version >/dev/null 2>&1 || cargo install --locked cargo-deb
target=target
cargo build --release --locked
package=$target/package
mkdir -p "$package"
"$target/release/speakerd" completions bash > "$package/speakerd.bash"
"$target/release/speakerd" completions zsh > "$package/_speakerd"
"$target/release/speakerd" completions fish > "$package/speakerd.fish"
"$target/release/speakerd" man > "$package/speakerd.1"
cargo deb --no-build --locked --strip
