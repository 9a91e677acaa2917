"""The `websockets` package, with text in pieces as a language model writes it. For pytest."""

import json
import os

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

URL = os.environ["SPEAKERD_TEST_URL"].replace("http://", "ws://") + "/v1/audio/speech/stream"
KEY = os.environ["SPEAKERD_TEST_KEY"]
PATIENCE_SECS = 30


@pytest.fixture
def socket():
    with connect(URL, additional_headers={"Authorization": f"Bearer {KEY}"}) as socket:
        yield socket


def say(socket, kind, **more):
    socket.send(json.dumps({"type": kind, **more}))


def hear(socket, last):
    """Messages until one of that type, each with the audio that came behind it."""
    heard = []
    while not heard or heard[-1][0]["type"] != last:
        message = socket.recv(timeout=PATIENCE_SECS)
        if isinstance(message, str):
            heard.append([json.loads(message), b""])
        else:
            heard[-1][1] += message
    return heard


def test_pieces_of_text_become_sentences_of_audio(socket):
    say(socket, "session.config", voice="nova", response_format="pcm")
    for piece in ["The ket", "tle is on. ", "Tea will be ", "ready so", "on. Bis", "cuits"]:
        say(socket, "input.text", text=piece)
    say(socket, "input.done")
    heard = hear(socket, "session.done")
    assert [it["type"] for it, _ in heard] == ["audio.start", "audio.done"] * 3 + ["session.done"]
    starts = [(it["sentence_index"], it["sentence_text"].strip()) for it, _ in heard[0:6:2]]
    assert starts == [(0, "The kettle is on."), (1, "Tea will be ready soon."), (2, "Biscuits")]
    assert all(it["sample_rate"] == 24_000 and it["format"] == "pcm" for it, _ in heard[0:6:2])
    assert all(len(audio) > 10_000 for _, audio in heard[0:6:2])
    assert heard[-1][0]["total_sentences"] == 3


def test_a_sentence_is_heard_before_the_next_is_written(socket):
    say(socket, "input.text", text="Tea is ready. It")
    assert hear(socket, "audio.done")[0][0]["sentence_text"].strip() == "Tea is ready."


def test_each_sentence_is_a_file_of_its_own(socket):
    say(socket, "session.config", voice="echo", response_format="mp3")
    say(socket, "input.text", text="Tea is ready. It is hot. ")
    say(socket, "input.done")
    heard = hear(socket, "session.done")
    files = [audio for it, audio in heard if it["type"] == "audio.start"]
    assert len(files) == 2
    assert all(file[0] == 0xFF and len(file) > 2_000 for file in files)


def test_what_is_wrong_costs_one_sentence(socket):
    socket.send(b"\x00\x01")
    assert hear(socket, "error")[0][0]["error"]["code"] == "invalid_message"
    say(socket, "session.config", voice="nobody")
    say(socket, "input.text", text="Tea is ready.\n")
    assert hear(socket, "error")[0][0]["error"]["code"] == "voice_not_found"
    say(socket, "session.config", voice="rms")
    say(socket, "input.text", text="Tea is ready.\n")
    assert len(hear(socket, "audio.done")[0][1]) > 20_000


def test_a_key_is_needed_and_can_come_as_a_protocol():
    with pytest.raises(InvalidStatus) as raised, connect(URL):
        pass
    assert raised.value.response.status_code == 401
    # What a browser can send.
    with connect(URL, subprotocols=["realtime", f"openai-insecure-api-key.{KEY}"]) as socket:
        assert socket.subprotocol == "realtime"
        say(socket, "input.text", text="Tea.")
        say(socket, "input.done")
        assert hear(socket, "session.done")[-1][0]["total_sentences"] == 1


def test_a_ping_is_answered(socket):
    assert socket.ping().wait(PATIENCE_SECS)
