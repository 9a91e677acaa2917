"""What Open WebUI does: it lists models and voices without its key, and asks for each sentence of an answer, all of them at
once, with the libraries that it uses. For pytest; `mpg123` decodes what it saved."""

import asyncio
import json
import os
import re
import shutil
import subprocess

import aiohttp
import requests

URL = os.environ["SPEAKERD_TEST_URL"] + "/v1"
KEY = os.environ["SPEAKERD_TEST_KEY"]

ANSWER = """\
The kettle is on. Tea is nearly ready. Would you like milk? There is sugar too. The biscuits are here. Take some of them.
It will rain today. The post has not come. Your sister called. She will call again. Dinner is at seven. I hope you like it."""


def test_models_and_voices_are_listed_without_a_key():
    models = requests.get(f"{URL}/audio/models", timeout=1)
    models.raise_for_status()
    assert "tts-1" in [model["id"] for model in models.json().get("models", [])]
    voices = requests.get(f"{URL}/audio/voices", timeout=1)
    voices.raise_for_status()
    names = {voice["id"]: voice["name"] for voice in voices.json().get("voices", [])}
    assert {"alloy", "echo", "fable", "onyx", "nova", "shimmer"} <= set(names)


async def ask(session, wish):
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {KEY}",
        "X-OpenWebUI-User-Name": "Anna",
        "X-OpenWebUI-User-Role": "user",
    }
    async with session.post(f"{URL}/audio/speech", json=wish, headers=headers) as answer:
        return answer.status, await answer.read()


def ask_all(wishes):
    async def together():
        async with aiohttp.ClientSession(trust_env=True, timeout=aiohttp.ClientTimeout(30)) as session:
            return await asyncio.gather(*(ask(session, wish) for wish in wishes))

    return asyncio.run(together())


def n_samples(file, tmp_path):
    """How much audio a strict decoder finds in an MP3 file; it must have nothing to complain about."""
    wav = tmp_path / "decoded.wav"
    decoded = subprocess.run(
        [shutil.which("mpg123"), "-q", "--no-resync", "-w", wav, file], capture_output=True, text=True, check=False
    )
    assert (decoded.returncode, decoded.stderr) == (0, "")
    return (wav.stat().st_size - 44) // 2


def test_speech_without_a_format_is_an_mp3_file(tmp_path):
    [(status, audio)] = ask_all([{"input": "Tea is ready.", "voice": "alloy", "model": "tts-1"}])
    assert status == 200, audio
    file = tmp_path / "speech.mp3"
    file.write_bytes(audio)
    assert n_samples(file, tmp_path) > 0.5 * 24_000


def test_a_whole_answer_is_spoken_though_all_its_sentences_come_at_once(tmp_path):
    sentences = re.split(r"(?<=[.?!])\s+", ANSWER)
    assert len(sentences) == 12
    wishes = [{"input": sentence, "voice": "nova", "model": "tts-1"} for sentence in sentences]
    answers = ask_all(wishes)
    assert [status for status, _ in answers] == [200] * 12
    for idx, (_, audio) in enumerate(answers):
        file = tmp_path / f"{idx}.mp3"
        file.write_bytes(audio)
        assert n_samples(file, tmp_path) > 0.5 * 24_000


def test_its_user_is_told_what_is_wrong():
    [(status, body)] = ask_all([{"input": "Tea is ready.", "voice": "nobody", "model": "tts-1"}])
    shown = f"External: {json.loads(body)['error'].get('message', '')}"
    assert (status, "`nobody`" in shown) == (404, True), shown
