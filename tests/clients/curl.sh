#!/bin/sh
# What a person types at a terminal. The server has a voice `slow` that takes its time, and lets each key ask 60 times a minute.
set -eu

url=$SPEAKERD_TEST_URL
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

# ask ARGUMENTS...: with the key; the head of an answer goes to `headers`.
ask() {
    curl --silent --show-error --max-time 60 --dump-header headers -H 'Cache-Control: no-store' -H "Authorization: Bearer $SPEAKERD_TEST_KEY" "$@"
}

# speak BODY ARGUMENTS...
speak() {
    body=$1
    shift
    ask "$url/v1/audio/speech" -H 'Content-Type: application/json' -d "$body" "$@"
}

failed() {
    printf 'FAILED: %s; the head of the last answer, and what is here:\n' "$*" >&2
    cat headers >&2 || :
    ls -l >&2
    exit 1
}

# expect_status STATUS CODE: the last answer was `answer`, and is an error of that code.
expect_status() {
    grep -q "^HTTP/1.1 $1 " headers || failed "the status is $1"
    grep -q '"code":"'"$2"'"' answer || failed "the code is $2, in $(cat answer)"
}

# header NAME: its value in the last answer.
header() {
    tr -d '\r' <headers | sed -n "s/^$1: //p"
}

n_bytes() {
    wc -c <"$1" | tr -d ' '
}

echo "a file"
speak '{"model": "tts-1", "voice": "alloy", "input": "Tea is ready.", "response_format": "wav"}' --fail -o tea.wav
[ "$(head -c 4 tea.wav)" = RIFF ] || failed "a WAV file is written"
[ "$(header content-type)" = audio/wav ] || failed "it is called one"
speak '{"model": "tts-1", "voice": "alloy", "input": "Tea is ready."}' --fail -o tea.mp3
[ "$(header content-type)" = audio/mpeg ] || failed "MP3 where nothing is said"

echo "a pipe, while it is made"
# 300 ms for each letter: a second later there is the beginning, and the end is far away.
speak '{"voice": "slow", "input": "abcdefghijklmnopqrst", "response_format": "pcm"}' --fail >stream &
streaming=$!
sleep 2
n_first=$(n_bytes stream)
wait "$streaming" || failed "the stream is whole"
n_all=$(n_bytes stream)
[ "$n_first" -gt 0 ] || failed "there is nothing after 2 s"
[ "$n_first" -lt "$n_all" ] || failed "all $n_all bytes are there after 2 s"

echo "events"
speak '{"voice": "slow", "input": "bcdefghijklm", "response_format": "pcm", "stream_format": "sse"}' --fail -N >events
[ "$(header content-type)" = text/event-stream ] || failed "events"
[ "$(grep -c '^data: {"type":"speech.audio.delta","audio":"' events)" -gt 3 ] || failed "there are deltas"
tail -n 2 events | grep -q '^data: {"type":"speech.audio.done","usage":{' || failed "the last one tells that it is complete"

echo "an upload"
ask "$url/v1/audio/voices" -F name=anna -F consent='It is my own.' -F audio_sample=@tea.wav >answer
# No cloning here, or a recording of a second: either is told in words.
case $(sed -n '1s/^HTTP\/1.1 \([0-9]*\).*/\1/p' headers) in
    400 | 422 | 501 | 503) grep -q '"message":"[^"]\{20,\}"' answer || failed "it says why: $(cat answer)" ;;
    *) failed "a refusal: $(cat answer)" ;;
esac
cat answer && echo
ask "$url/v1/audio/voices" -F name=anna >answer
expect_status 400 invalid_value
ask "$url/v1/audio/voices/nobody" -X DELETE >answer
grep -q -E '^HTTP/1.1 (404|501) ' headers || failed "nobody cannot be removed"

echo "who is let in"
curl --silent --dump-header headers "$url/v1/audio/speech" -H 'Content-Type: application/json' -d '{"input": "Tea."}' >answer
expect_status 401 invalid_api_key
[ "$(header www-authenticate)" = Bearer ] || failed "it says what is missing"
ask "$url/v1/audio/speech" -d '{"input": "Tea."}' >answer
expect_status 415 unsupported_media_type
speak '{"input": "Tea.", "voice": "nobody"}' >answer
expect_status 404 voice_not_found
speak 'Tea.' >answer
expect_status 400 invalid_json
ask "$url/v1/audio/speech" >answer
expect_status 405 method_not_allowed
ask "$url/v1/audio/peach" >answer
expect_status 404 not_found

echo "who comes too often"
# A key of its own, so that the other one can go on.
SPEAKERD_TEST_KEY=$SPEAKERD_TEST_POOR_KEY
ask "$url/v1/audio/voices?[1-70]" -o answer
expect_status 429 rate_limit_exceeded
[ "$(header retry-after | tail -n 1)" -ge 1 ] || failed "it says when to come back"
echo "all is well"
