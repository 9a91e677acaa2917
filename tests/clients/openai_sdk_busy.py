"""The `openai` package for Python where the server has one place and nobody waits: its own retries. For pytest."""

import concurrent.futures
import os
import time

import openai
import pytest

URL = os.environ["SPEAKERD_TEST_URL"] + "/v1"
KEY = os.environ["SPEAKERD_TEST_KEY"]

# Without the header, what was said once would come from the cache, where no place is needed.
OPTIONS = {"base_url": URL, "api_key": KEY, "timeout": 30, "default_headers": {"Cache-Control": "no-store"}}


@pytest.fixture
def client():
    with openai.OpenAI(**OPTIONS) as client:
        yield client


def speech(**changes):
    return {"model": "tts-1", "voice": "alloy", "input": "Tea is ready.", "response_format": "pcm"} | changes


def at_once(client, n):
    """How much audio each of so many requests got."""
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        wishes = [speech(input=f"{n} cups of tea, and this is number {idx}.") for idx in range(n)]
        return list(pool.map(lambda wish: len(client.audio.speech.create(**wish).read()), wishes))


def test_three_at_once_are_served_by_the_usual_two_retries(client):
    assert min(at_once(client, 3)) > 20_000


def test_a_burst_is_served_where_more_retries_are_allowed(client):
    assert min(at_once(client.with_options(max_retries=8), 6)) > 20_000


def test_who_finds_no_place_is_told_after_the_retries_and_gets_one_later(client):
    # One letter takes 300 ms: whoever has the place keeps it.
    held = speech(voice="slow", input="The kettle is on the stove and sings. " * 10)
    with client.audio.speech.with_streaming_response.create(**held) as answer:
        # Held: it closes the connection when it goes.
        chunks = answer.iter_bytes(64)
        next(chunks)
        begun = time.monotonic()
        with pytest.raises(openai.RateLimitError) as raised:
            client.audio.speech.create(**speech())
        error = raised.value
        assert (error.code, error.type) == ("queue_full", "rate_limit_error")
        assert "try again" in error.message
        assert error.response.headers["retry-after"] == "1"
        assert error.request.headers["x-stainless-retry-count"] == "2"
        assert time.monotonic() - begun > 1.9, "it came back when it was told to"
    assert len(client.audio.speech.create(**speech()).read()) > 20_000
