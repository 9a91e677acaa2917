"""The `openai` package for Python, as its users use it. For pytest; the server has a voice `slow` that takes its time."""

import asyncio
import base64
import json
import os
import time

import openai
import pytest

URL = os.environ["SPEAKERD_TEST_URL"] + "/v1"
KEY = os.environ["SPEAKERD_TEST_KEY"]
# Good for making voices, and not for speaking.
POOR_KEY = os.environ["SPEAKERD_TEST_POOR_KEY"]

# Without the header, what was said once would come from the cache.
OPTIONS = {"base_url": URL, "api_key": KEY, "timeout": 30, "default_headers": {"Cache-Control": "no-store"}}

LONG = "The kettle is on the stove and sings. " * 10

BEGINNINGS = {"mp3": b"\xff", "opus": b"OggS", "flac": b"fLaC", "wav": b"RIFF", "pcm": b""}


@pytest.fixture
def client():
    with openai.OpenAI(**OPTIONS) as client:
        yield client


def speech(**changes):
    return {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Tea is ready."} | changes


@pytest.mark.parametrize("format", BEGINNINGS)
def test_every_format_is_spoken(client, format):
    answer = client.audio.speech.create(**speech(response_format=format, instructions="Be calm."))
    audio = answer.read()
    assert audio.startswith(BEGINNINGS[format]), audio[:8]
    assert len(audio) > 3_000
    assert answer.response.headers["content-type"].startswith("audio/")


def test_an_mp3_file_is_written_where_no_format_is_named(client, tmp_path):
    file = tmp_path / "speech.mp3"
    with client.audio.speech.with_streaming_response.create(**speech()) as answer:
        answer.stream_to_file(file)
    assert file.stat().st_size > 3_000
    assert file.read_bytes()[0] == 0xFF


def test_what_was_said_before_is_there_at_once(client):
    keeping = client.with_options(default_headers={"Cache-Control": ""})
    wish = speech(voice="slow", input="pot", response_format="flac")
    spoken = [keeping.audio.speech.with_raw_response.create(**wish) for _ in range(2)]
    assert spoken[1].headers["x-speakerd-cache"] == "hit"
    assert spoken[0].content == spoken[1].content


def test_the_first_bytes_come_before_the_last_are_made(client):
    # 300 ms for each letter.
    begun = time.monotonic()
    wish = speech(voice="slow", input="abcdefghijkl", response_format="pcm")
    with client.audio.speech.with_streaming_response.create(**wish) as answer:
        arrivals = [time.monotonic() - begun for chunk in answer.iter_bytes() if chunk]
    assert arrivals[-1] > 3, arrivals
    assert arrivals[0] < arrivals[-1] / 2, arrivals
    assert len(arrivals) > 5, arrivals


def events(lines):
    """What `data:` lines say."""
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


def test_events_carry_the_audio(client):
    wish = speech(stream_format="sse", response_format="pcm")
    with client.audio.speech.with_streaming_response.create(**wish) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        *deltas, done = events(answer.iter_lines())
    assert {it["type"] for it in deltas} == {"speech.audio.delta"}
    assert done["type"] == "speech.audio.done"
    audio = b"".join(base64.b64decode(it["audio"]) for it in deltas)
    assert len(audio) > 20_000
    usage = done["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0


@pytest.mark.parametrize(
    ("changes", "kind", "code", "param", "words"),
    [
        ({"voice": "nobody"}, openai.NotFoundError, "voice_not_found", "voice", "`nobody`"),
        ({"speed": 9}, openai.BadRequestError, "invalid_value", "speed", "between"),
        ({"input": ""}, openai.BadRequestError, "invalid_value", "input", "missing"),
        ({"input": "a" * 5_000}, openai.BadRequestError, "invalid_value", "input", "4096"),
        ({"response_format": "aac"}, openai.BadRequestError, "unsupported_format", "response_format", "mp3"),
    ],
)
def test_what_is_wrong_becomes_an_exception_that_says_so(client, changes, kind, code, param, words):
    with pytest.raises(kind) as raised:
        client.audio.speech.create(**speech(**changes))
    error = raised.value
    assert (error.code, error.param, error.type) == (code, param, "invalid_request_error")
    assert words in error.message


def test_a_wrong_key_and_one_for_other_things_are_told_apart(client):
    with pytest.raises(openai.AuthenticationError) as raised:
        client.with_options(api_key="spk_wrong").audio.speech.create(**speech())
    assert (raised.value.code, raised.value.type) == ("invalid_api_key", "authentication_error")
    assert "speakerd key add" in raised.value.message
    with pytest.raises(openai.PermissionDeniedError) as raised:
        client.with_options(api_key=POOR_KEY).audio.speech.create(**speech())
    assert (raised.value.code, raised.value.type) == ("missing_scope", "permission_error")
    assert "speak" in raised.value.message


def test_models_are_listed(client):
    models = client.models.list().data
    assert {"tts-1", "gpt-4o-mini-tts"} <= {model.id for model in models}
    assert all(model.object == "model" and model.created > 0 for model in models)


def n_pending(client):
    return client.get("/info", cast_to=object)["n_pending"]


def expect_a_free_place(client):
    begun = time.monotonic()
    while n_pending(client):
        assert time.monotonic() - begun < 10
        time.sleep(0.02)


def test_a_client_that_waits_no_longer_frees_its_place(client):
    # 300 ms for each letter, the first as well.
    wish = speech(voice="slow", input=LONG, response_format="pcm")
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.15, max_retries=0).audio.speech.create(**wish)
    expect_a_free_place(client)


def test_a_client_that_leaves_in_the_middle_frees_its_place(client):
    wish = speech(voice="slow", input=LONG, response_format="pcm")
    with client.audio.speech.with_streaming_response.create(**wish) as answer:
        # Held: it closes the connection when it goes.
        chunks = answer.iter_bytes(64)
        next(chunks)
        assert n_pending(client) == 1
    expect_a_free_place(client)


def test_ten_at_once_are_all_served():
    async def ask():
        async with openai.AsyncOpenAI(**OPTIONS) as client:
            wishes = [speech(input=f"This is cup number {idx}.", response_format="pcm") for idx in range(10)]
            answers = await asyncio.gather(*(client.audio.speech.create(**wish) for wish in wishes))
            return [await answer.aread() for answer in answers]

    assert all(len(audio) > 20_000 for audio in asyncio.run(ask()))


def test_an_asynchronous_client_reads_while_it_is_made():
    async def ask():
        begun = time.monotonic()
        async with openai.AsyncOpenAI(**OPTIONS) as client:
            wish = speech(voice="slow", input="bcdefghijklm", response_format="pcm")
            async with client.audio.speech.with_streaming_response.create(**wish) as answer:
                return [time.monotonic() - begun async for chunk in answer.iter_bytes() if chunk]

    arrivals = asyncio.run(ask())
    assert arrivals[0] < arrivals[-1] / 2, arrivals
