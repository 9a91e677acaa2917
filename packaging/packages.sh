# What speakerd's build and its tests need from the system, and how to get it. Sourced by try.sh and test.sh; POSIX sh.
# shellcheck shell=sh
#
# The sourcing script has changed to the root of the repository and runs under `set -eu`.
# SKIP_PACKAGES=1 in the environment: everything is there, do not look.

BUILD_APT="gcc libc6-dev make cmake pkg-config libasound2-dev flite1-dev ca-certificates"
BUILD_DNF="gcc make cmake pkgconf-pkg-config alsa-lib-devel flite-devel"
BUILD_PACMAN="gcc make cmake pkgconf alsa-lib flite"
BUILD_BREW="cmake flite"

# Only the tests need these: a private sound server, the other engine, what reads recordings and decodes what was encoded, a
# file system that tells of no changes, a service manager, a clock that can be set, and two clients of the speech server, of
# which one is a browser (the large one: some 400 MB). Homebrew has no Chromium; one that is there is used.
TEST_APT="pulseaudio pulseaudio-utils libasound2-plugins espeak-ng sox mpg123 opus-tools flac python3 python3-venv bindfs systemd procps faketime curl chromium"
TEST_DNF="pulseaudio pulseaudio-utils alsa-plugins-pulseaudio espeak-ng sox mpg123 opus-tools flac python3 bindfs systemd procps-ng libfaketime curl chromium"
TEST_PACMAN="pulseaudio alsa-plugins espeak-ng sox mpg123 opus-tools flac python libfaketime curl chromium"
TEST_BREW="pulseaudio espeak-ng sox mpg123 opus-tools flac python"

# give_up MESSAGE: ends the script.
give_up() {
    printf '%s\n' "$*" >&2
    exit 1
}

package_manager() {
    for manager in apt-get dnf pacman brew; do
        if command -v "$manager" >/dev/null 2>&1; then
            echo "$manager"
            return
        fi
    done
    echo none
}

# is_installed MANAGER PACKAGE
is_installed() {
    case $1 in
        # `dpkg -s` alone succeeds for a removed package whose settings were kept.
        apt-get) dpkg -s "$2" 2>/dev/null | grep -q '^Status: .* installed$' ;;
        dnf) rpm -q --quiet "$2" ;;
        pacman) pacman -Qq "$2" >/dev/null 2>&1 ;;
        brew) brew list --versions "$2" >/dev/null 2>&1 ;;
        *) return 1 ;;
    esac
}

can_be_root() {
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null 2>&1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# --no-remove: a package that would push another one off this machine is not worth it.
apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends --no-remove "$@" </dev/null
}

apt_knows() {
    for package in "$@"; do
        apt-cache show "$package" >/dev/null 2>&1 || return 1
    done
}

# Package lists may be missing, as in a fresh container, or stale: then they are fetched, once.
apt_get() {
    if apt_knows "$@" && apt_install "$@"; then
        return
    fi
    as_root apt-get update -q </dev/null || : # one broken source of many need not matter
    apt_install "$@"
}

# need_packages build|tests: installs what is missing, or says how to and ends the script.
need_packages() {
    if [ "${SKIP_PACKAGES:-}" = 1 ]; then
        return
    fi
    manager=$(package_manager)
    case $manager in
        apt-get) wanted=$BUILD_APT && for_tests=$TEST_APT ;;
        dnf) wanted=$BUILD_DNF && for_tests=$TEST_DNF ;;
        pacman) wanted=$BUILD_PACMAN && for_tests=$TEST_PACMAN ;;
        brew) wanted=$BUILD_BREW && for_tests=$TEST_BREW ;;
        *) wanted="everything" && for_tests="" ;;
    esac
    if [ "$1" = tests ]; then
        wanted="$wanted $for_tests"
    fi
    missing=
    for package in $wanted; do
        is_installed "$manager" "$package" || missing="$missing $package"
    done
    keep_the_sound_server
    leave_the_browser
    if [ -z "$missing" ]; then
        return
    fi
    if [ "$manager" = apt-get ] && can_be_root; then
        printf 'installing%s\n' "$missing"
        # shellcheck disable=SC2086 # a list of words
        apt_get $missing || give_up "could not install$missing
(with SKIP_PACKAGES=1 this is not tried: for when they are there in another way)"
        return
    fi
    printf 'these packages are missing: %s\n' "${missing# }" >&2
    print_commands "$1" >&2
    give_up "then run this again (with SKIP_PACKAGES=1 if they are there in another way)"
}

# PulseAudio beside PipeWire would take over the sound of the desktop at the next login. The tests only want the
# program, so on such a machine its owner decides.
keep_the_sound_server() {
    case "$manager $missing " in
        "apt-get "*" pulseaudio "*) ;;
        *) return 0 ;;
    esac
    if ! is_installed apt-get pipewire-pulse; then
        return 0
    fi
    leave_out pulseaudio
    printf '%s\n' \
        "PipeWire is this machine's sound server, so pulseaudio is not installed beside it by itself." \
        "Tests that play to a private pulseaudio will fail; to have them: sudo apt install pulseaudio" >&2
}

# Ubuntu's packages of Chromium only send for it elsewhere, so there its owner decides.
leave_the_browser() {
    case "$manager $missing " in
        "apt-get "*" chromium "*) ;;
        *) return 0 ;;
    esac
    if ! grep -q -E '^ID(_LIKE)?=.*ubuntu' /etc/os-release; then
        return 0
    fi
    leave_out chromium
    if ! command -v chromium >/dev/null 2>&1 && ! command -v google-chrome >/dev/null 2>&1; then
        echo "There is no Chromium, so the page is not tested; to have it tested: sudo snap install chromium" >&2
    fi
}

# leave_out PACKAGE: it is not missed.
leave_out() {
    missing=$(printf '%s' "$missing" | sed "s/ $1 / /; s/ $1\$//")
}

# print_commands build|tests
print_commands() {
    apt=$BUILD_APT dnf=$BUILD_DNF pacman=$BUILD_PACMAN brew=$BUILD_BREW
    if [ "$1" = tests ]; then
        apt="$apt $TEST_APT" dnf="$dnf $TEST_DNF" pacman="$pacman $TEST_PACMAN" brew="$brew $TEST_BREW"
    fi
    printf '%s\n' \
        "what is needed, as root:" \
        "  Debian, Ubuntu:  apt install $apt" \
        "  Fedora:          dnf install $dnf" \
        "  Arch:            pacman -S --needed $pacman" \
        "as yourself:" \
        "  macOS:           brew install $brew"
}

# The oldest Rust that the package asks for.
wanted_rust() {
    sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml
}

# Whether the cargo that is found is new enough. Not so where rustup is there without a toolchain.
rust_is_new_enough() {
    found=$(cargo --version 2>/dev/null | sed -n 's/^cargo \([0-9]*\.[0-9]*\).*/\1/p')
    if [ -z "$found" ]; then
        return 1
    fi
    wanted=$(wanted_rust)
    if [ "${found%%.*}" -ne "${wanted%%.*}" ]; then
        [ "${found%%.*}" -gt "${wanted%%.*}" ]
        return
    fi
    wanted=${wanted#*.}
    [ "${found#*.}" -ge "${wanted%%.*}" ]
}

# Finds Rust, or gets it from the distribution's rustup, or says how to get it and ends the script.
need_rust() {
    if rust_is_new_enough; then
        return
    fi
    # A rustup whose lines in the shell's profile are not read here.
    PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    export PATH
    if rust_is_new_enough; then
        return
    fi
    if ! command -v rustup >/dev/null 2>&1 \
        && [ "${SKIP_PACKAGES:-}" != 1 ] && [ "$(package_manager)" = apt-get ] && can_be_root; then
        echo "installing rustup"
        apt_get rustup || echo "there is no package rustup for this system, or it cannot be installed" >&2
        hash -r
    fi
    if command -v rustup >/dev/null 2>&1; then
        rustup_toolchain
    fi
    if ! rust_is_new_enough; then
        give_up "Rust $(wanted_rust) or newer is needed, found: $(cargo --version 2>/dev/null || echo none).
Get it with rustup: https://rustup.rs tells how, or install your distribution's package rustup where it has one
(remove its packages cargo and rustc first) and run: rustup default stable"
    fi
}

# A toolchain that was chosen stays chosen; it is only passed over here, if it is too old.
rustup_toolchain() {
    if rustup default >/dev/null 2>&1; then
        rustup toolchain install stable --profile minimal --component rustfmt --component clippy || return 0
        RUSTUP_TOOLCHAIN=stable
        export RUSTUP_TOOLCHAIN
    else
        rustup default stable || return 0
    fi
}
