#!/bin/sh
# Installs what the tests need, and runs every check that a change must pass.
set -eu

case ${CARGO_TARGET_DIR:-} in
    '' | /*) ;;
    *) export CARGO_TARGET_DIR="$PWD/$CARGO_TARGET_DIR" ;; # relative to where this was started
esac
cd "$(dirname "$0")/.."
. packaging/packages.sh

cache=${XDG_CACHE_HOME:-$HOME/.cache}/speakerd
if [ "${CI:-}" = true ] && [ -z "${CARGO_TARGET_DIR:-}" ]; then
    # Each run has a fresh checkout: what it builds is kept elsewhere, so that the next one is quick.
    export CARGO_TARGET_DIR="$cache/target"
fi
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"

# step COMMAND...: says what it does and how long it took; the script ends where it fails.
step() {
    printf '\n== %s\n' "$*"
    begun=$(date +%s)
    if "$@"; then
        printf '== %s s\n' "$(($(date +%s) - begun))"
    else
        give_up "== failed: $*"
    fi
}

packages() {
    need_packages tests
}

rust() {
    need_rust
    cargo --version
    if ! cargo fmt --version || ! cargo clippy --version; then
        echo "rustfmt or clippy is missing: rustup component add rustfmt clippy" >&2
        return 1
    fi
}

# The judge of intelligibility: a speech recogniser and a measure of its errors, both from PyPI, in their own place.
recogniser() {
    venv=$cache/venv
    if ! has_recogniser && ! install_recogniser; then
        if [ "${CI:-}" = true ]; then
            echo "the recogniser could not be installed: $venv needs pocketsphinx and jiwer from PyPI" >&2
            return 1
        fi
        printf '%s\n' \
            "WARNING: the recogniser could not be installed (pocketsphinx and jiwer, from PyPI)." \
            "WARNING: whether the voices can be understood is NOT tested." >&2
        return 0
    fi
    export SPEAKERD_TEST_PYTHON="$venv/bin/python"
    "$SPEAKERD_TEST_PYTHON" --version
}

has_recogniser() {
    "$venv/bin/python" -c 'import jiwer, pocketsphinx' 2>/dev/null
}

install_recogniser() {
    python3 -m venv --clear "$venv" \
        && "$venv/bin/python" -m pip install --quiet --disable-pip-version-check 'pocketsphinx>=5,<6' 'jiwer>=3' \
        && has_recogniser
}

# The small build is for machines without sound: nothing that opens a card may come in through some other crate.
small_build_opens_no_card() {
    tree=$(cargo tree --locked --prefix none --no-default-features --features builtin) || return 1
    if printf '%s\n' "$tree" | grep -E '^(rodio|cpal) '; then
        echo "is in the build without the feature card" >&2
        return 1
    fi
}

docs() {
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
}

step packages
step rust
step recogniser
step cargo fmt --check
step cargo clippy --locked --all-targets -- -D warnings
step cargo clippy --locked --all-targets --no-default-features --features builtin -- -D warnings
step cargo test --locked
step small_build_opens_no_card
step cargo check --locked --no-default-features --features builtin
step cargo test --locked --no-default-features --features builtin
step docs
printf '\n== all passed\n'
