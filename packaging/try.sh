#!/bin/sh
# Builds speakerd and lets you hear it: a daemon in a throw-away home speaks lines that are appended to a text file.
# Nothing of yours is touched, and nothing stays but the build, and WAV files where there is no sound card.
set -eu

case ${CARGO_TARGET_DIR:-} in
    '' | /*) ;;
    *) export CARGO_TARGET_DIR="$PWD/$CARGO_TARGET_DIR" ;; # relative to where this was started
esac
cd "$(dirname "$0")/.."
. packaging/packages.sh

need_packages build
need_rust
unset CARGO_BUILD_TARGET # it would put the program into another folder
cargo build --release --locked
target=$(cargo metadata --locked --no-deps --format-version 1 \
    | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
speakerd=$target/release/speakerd
[ -x "$speakerd" ] || give_up "cargo built no $speakerd"
wavs=$target/try-wav

home=$(mktemp -d)
notes=$home/notes.txt
log=$home/log
daemon=
follower=

clean_up() {
    status=$?
    trap '' HUP INT TERM
    trap - EXIT
    if [ -n "$daemon" ]; then
        end_daemon
    fi
    if [ -n "$wavs" ]; then
        rm -f "$wavs"/.*.part # of a line that was cut
    fi
    rm -rf "$home"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# has_ended PID TENTHS: waits for so many tenths of a second at most.
has_ended() {
    left=$2
    while kill -0 "$1" 2>/dev/null; do
        if [ "$left" -le 0 ]; then
            return 1
        fi
        left=$((left - 1))
        sleep 0.1
    done
}

# ask SECS ARGUMENT...: asks the daemon, and waits for so long at most.
ask() {
    limit=$1
    shift
    "$speakerd" "$@" &
    asked=$!
    if has_ended "$asked" $((limit * 10)); then
        wait "$asked"
    else
        kill "$asked" 2>/dev/null || :
        return 1
    fi
}

# It ends by itself in a second or two; in ten, it is killed.
end_daemon() {
    kill "$daemon" 2>/dev/null || :
    has_ended "$daemon" 100 || kill -9 "$daemon" 2>/dev/null || :
    wait "$daemon" 2>/dev/null || :
    daemon=
    if [ -n "$follower" ]; then
        wait "$follower" || : # it ends with the daemon
        follower=
    fi
}

failed() {
    printf 'speakerd: %s; its log:\n' "$1" >&2
    tail -n 20 "$log" >&2
    exit 1
}

# start card|wav
start() {
    # The short limit is for whoever interrupts this: a line that sounds is cut, not finished.
    SPEAKERD_AUDIO_OUTPUT=$1 SPEAKERD_AUDIO_WAV_DIR=$wavs SPEAKERD_LIMITS_SHUTDOWN_SECS=1 \
        "$speakerd" run --watch "$notes" >"$log" 2>&1 &
    daemon=$!
    tries=50
    until ask 5 status >/dev/null 2>&1; do
        tries=$((tries - 1))
        if [ "$tries" -le 0 ] || ! kill -0 "$daemon" 2>/dev/null; then
            failed "the daemon did not start"
        fi
        sleep 0.1
    done
}

# value KEY: of the JSON object on standard input, where its value is a string without quotes in it.
value() {
    sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p'
}

# Whether the sound card plays, once there is something to say. It is opened in milliseconds, or not at all.
card_plays() {
    tries=30
    while [ "$tries" -gt 0 ]; do
        now=$(ask 5 status --json) || failed "the daemon does not answer"
        case $now in
            *'"card":"open"'*) return 0 ;;
            *'"card":"lost"'*) break ;;
        esac
        tries=$((tries - 1))
        sleep 0.1
    done
    return 1
}

# Prints each line when it was spoken, and how long after its append its first sound came.
follow() {
    "$speakerd" history --follow --json | while IFS= read -r entry; do
        text=$(printf '%s\n' "$entry" \
            | sed 's/.*"text":"//; s/","spoken_text":.*//; s/\\\(["\\]\)/\1/g')
        delay=$(printf '%s\n' "$entry" | sed -n 's/.*"first_audio_ms":\([0-9]*\).*/\1/p')
        outcome=$(printf '%s\n' "$entry" | value outcome)
        if [ "$outcome" = spoken ]; then
            printf '%7s ms  %s\n' "$delay" "$text"
        else
            printf '%10s  %s\n' "$outcome" "$text"
        fi
    done
}

# append LINE...: all at once; waits until they were heard. Half a second of silence first: else its time would include
# what is left of the pause that the daemon makes between two lines.
append() {
    sleep 0.5
    printf '%s\n' "$@" >>"$notes"
    ask 90 wait-idle --timeout 80 || failed "not everything was spoken in time"
}

# The daemon's home is a throw-away one, but the sound is yours.
sound=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}
if [ -z "${PULSE_SERVER:-}" ] && [ -S "$sound/pulse/native" ]; then
    export PULSE_SERVER="unix:$sound/pulse/native"
fi
if [ -z "${PIPEWIRE_RUNTIME_DIR:-}" ] && [ -S "$sound/pipewire-0" ]; then
    export PIPEWIRE_RUNTIME_DIR="$sound"
fi
for cookie in "${XDG_CONFIG_HOME:-$HOME/.config}/pulse/cookie" "$HOME/.pulse-cookie"; do
    if [ -z "${PULSE_COOKIE:-}" ] && [ -f "$cookie" ]; then
        export PULSE_COOKIE="$cookie"
    fi
done
if [ -f "$HOME/.asoundrc" ]; then
    ln -s "$HOME/.asoundrc" "$home/.asoundrc"
fi
for name in $(env | sed -n 's/^\(SPEAKERD_[A-Za-z0-9_]*\)=.*/\1/p') \
    NOTIFY_SOCKET LISTEN_PID LISTEN_FDS LISTEN_FDNAMES JOURNAL_STREAM; do
    unset "$name"
done
export HOME="$home" TMPDIR="$home"
export XDG_CONFIG_HOME="$home/config" XDG_DATA_HOME="$home/data" XDG_STATE_HOME="$home/state"
export XDG_CACHE_HOME="$home/cache" XDG_RUNTIME_DIR="$home/run"
mkdir -m 700 "$XDG_RUNTIME_DIR"
: >"$notes"

start card
ask 5 say "Hello. This is speakerd." || failed "it does not take orders"
if card_plays; then
    echo "playing on the sound card"
    wavs=
else
    why=$(printf '%s\n' "$now" | value problem)
    printf 'no sound card: %s\n' "${why:-it does not open}"
    end_daemon
    rm -rf "$wavs"
    start wav
    ask 5 say "Hello. This is speakerd." || failed "it does not take orders"
    printf 'writing what would be heard to %s\n' "$wavs"
fi
printf '\n%10s\n' "after"
follow &
follower=$!
ask 60 wait-idle --timeout 50 || failed "the first line was not spoken in time"

append 'Append a line to a text file, and it is spoken.'
# shellcheck disable=SC2016 # dollars
append 'The bill was $12.50 for 3 items, and 1,250 people came on May 4th.'
append 'Read more at https://www.example.com/docs?page=2.'
append 'The tests are green 🎉 and the kettle is on.'
append 'Many lines at once wait their turn.' 'One.' 'Two.' 'Three.' 'And this is the last one.'

end_daemon
printf '\nEach time is from the line to its first sound; lines that came at once wait for those before them.\n'
if [ -n "$wavs" ]; then
    printf 'Listen to them in %s\n' "$wavs"
fi
printf 'To use it:\n  %s run --watch ~/notes.txt\n' "$speakerd"
