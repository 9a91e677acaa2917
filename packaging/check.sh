#!/bin/sh
# Checks a speakerd that was packaged, without a sound card: a daemon in a throw-away home speaks a line that is
# appended to a file into a WAV file. Usage: sh packaging/check.sh PROGRAM
set -eu

program=$1
# Not below the build folder: the path of a socket has 107 bytes at most.
home=$(mktemp -d)
daemon=
clean_up() {
    if [ -n "$daemon" ]; then
        kill "$daemon" 2>/dev/null || :
        wait "$daemon" || :
    fi
    rm -rf "$home"
}
trap clean_up EXIT

failed() {
    printf 'speakerd: %s; its log:\n' "$1" >&2
    cat "$home/log" >&2
    exit 1
}

# Nothing of whoever builds the package may decide: neither a configuration nor a daemon that runs. A function would
# stand between the daemon and the signal that ends it.
set -- env -i PATH="$PATH" HOME="$home" XDG_RUNTIME_DIR="$home" SPEAKERD_AUDIO_OUTPUT=wav \
    SPEAKERD_AUDIO_WAV_DIR="$home/wav" "$program"

: >"$home/log"
: >"$home/notes.txt"
"$@" config check >/dev/null
"$@" run --watch "$home/notes.txt" 2>"$home/log" &
daemon=$!
tries=50
until "$@" status >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || failed "the daemon did not start"
    sleep 0.1
done
echo 'Tea is ready.' >>"$home/notes.txt"
"$@" wait-idle --timeout 50 || failed "the line was not spoken in time"
"$@" shutdown
wait "$daemon" || failed "the daemon failed"
daemon=
[ -n "$(find "$home/wav" -name '*.wav' -size +16k)" ] || failed "there is no speech"
echo "speakerd speaks"
