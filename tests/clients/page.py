#!/usr/bin/env python3
"""Drives the page of a running daemon in Chromium, mostly by keyboard, and ends with 1 if anything is wrong.

Needs the Python package `playwright` and a Chromium of the system; no other browser is fetched. Where the daemon is, and a
key that is good for everything, are in the environment. The daemon must be quiet, and its sound must take its time: what
it is told to say here is expected to sound at once, and then to be paused.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile
import time
import urllib.request

from playwright.sync_api import Error, sync_playwright

VIEWS = ["monitor", "voices", "try", "health"]
LOOKS = [
    ("desk-light", 1280, 800, "light"),
    ("desk-dark", 1280, 800, "dark"),
    ("phone-light", 360, 740, "light"),
    ("phone-dark", 360, 740, "dark"),
    # A window of 1280 × 1024 at 400 %.
    ("zoomed", 320, 256, "light"),
]

# Notes violations of the policy before any script of the page runs.
WATCH_POLICY = """
window.policyViolations = [];
document.addEventListener('securitypolicyviolation', (event) =>
  window.policyViolations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""

PLOTTED = """(id) => {
  const canvas = document.getElementById(id);
  const hex = getComputedStyle(canvas).getPropertyValue('--plot').trim();
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let n = 0;
  for (let at = 0; at < data.length; at += 4)
    if (Math.abs(data[at] - r) + Math.abs(data[at + 1] - g) + Math.abs(data[at + 2] - b) < 24 && data[at + 3] > 200) n += 1;
  return n;
}"""


class Wrong(Exception):
    """What is not as it should be."""


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=os.environ.get("SPEAKERD_TEST_URL", "http://127.0.0.1:8765"))
    parser.add_argument("--key", default=os.environ.get("SPEAKERD_TEST_KEY", ""))
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for screenshots")
    parser.add_argument("--axe", type=pathlib.Path, help="axe.min.js")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--voice", help="the voice to try; the first one otherwise")
    parser.add_argument("--without-cloning", action="store_true", help="no model is there that makes voices")
    parser.add_argument("--timeout", type=float, default=30, help="seconds for one step")
    return parser.parse_args()


class Drive:
    """One page and what went wrong in it."""

    def __init__(self, args, context, name):
        self.args, self.name, self.wrong = args, name, []
        context.add_init_script(WATCH_POLICY)
        self.page = context.new_page()
        self.page.set_default_timeout(args.timeout * 1000)
        self.page.on("console", self.hear)
        self.page.on("pageerror", lambda it: self.wrong.append(f"page error: {it}"))
        self.cdp = context.new_cdp_session(self.page)

    def hear(self, message):
        if message.type in ("error", "warning"):
            self.wrong.append(f"console: {message.text}")

    def expect(self, holds, what):
        if not holds:
            raise Wrong(what)

    def wait(self, script, what, *args):
        try:
            self.page.wait_for_function(script, arg=list(args))
        except Error as error:
            raise Wrong(f"{what}: {str(error).splitlines()[0]}") from None

    def wait_text(self, selector, part):
        has_it = "([s, t]) => document.querySelector(s)?.textContent.includes(t)"
        self.wait(has_it, f"`{part}` in {selector}", selector, part)

    def tab_to(self, selector, limit=120):
        """Goes there with the tabulator, as somebody without a mouse does."""
        for _ in range(limit):
            if self.page.evaluate("(s) => document.activeElement.matches(s)", selector):
                return
            self.page.keyboard.press("Tab")
        raise Wrong(f"{selector} is not reached with the tabulator")

    def press(self, selector):
        self.tab_to(selector)
        self.page.keyboard.press("Enter")

    def go(self, view):
        """Opens a view through its link, from the top of the page."""
        self.page.evaluate("document.activeElement.blur()")
        self.page.evaluate("document.getElementById('skip-link').focus()")
        self.press(f'nav a[href="#{view}"]')
        self.page.wait_for_selector(f"#view-{view}:not([hidden])")
        focused = self.page.evaluate("document.activeElement.id")
        at_the_heading = focused in (f"{view}-title", "") or view in focused
        self.expect(at_the_heading, f"the focus goes to the heading of {view}, not to {focused}")

    def sign_in(self, key, at="#monitor"):
        self.page.goto(self.args.url.rstrip("/") + "/" + at)
        self.page.wait_for_selector("#key-dialog[open]")
        focused = self.page.evaluate("document.activeElement.id")
        self.expect(focused == "key-value", "the focus is in the field of the key")
        self.wait_text("#key-reason", "speakerd key add")
        self.page.keyboard.type(key)
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector('#connection[data-state="live"]')
        self.wait("() => document.querySelectorAll('#try-voice option').length > 0", "voices are listed")

    def look(self, view):
        """A picture, and what can be told without eyes."""
        self.page.wait_for_timeout(300)
        self.page.screenshot(path=self.args.out / f"{view}-{self.name}.png", full_page=True)
        in_sight = self.page.evaluate("[...document.querySelectorAll('main section[data-title]:not([hidden])')].length")
        if in_sight != 1:
            self.wrong.append(f"{in_sight} views are in sight at {view}")
        too_wide = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if too_wide > 0:
            self.wrong.append(f"{view} is {too_wide} px too wide")
        if self.args.axe:
            self.cdp.send("Runtime.evaluate", {"expression": self.args.axe.read_text()})
            for found in self.page.evaluate("axe.run().then((result) => result.violations)"):
                where = ", ".join(str(node["target"]) for node in found["nodes"][:3])
                self.wrong.append(f"axe in {view}: {found['id']}: {found['help']} at {where}")

    def end(self):
        """What went wrong in it."""
        self.wrong += [f"policy: {it}" for it in self.page.evaluate("window.policyViolations")]
        errors = self.page.evaluate("[...document.querySelectorAll('#errors p')].map((it) => it.textContent)")
        self.wrong += [f"the page says: {it}" for it in errors]
        return [f"{self.name}: {it}" for it in self.wrong]


def drive_try(it):
    it.go("try")
    if it.args.voice:
        it.page.select_option("#try-voice", it.args.voice)
    it.tab_to("#try-text")
    it.page.keyboard.press("Control+Enter")
    it.wait("() => Number(document.getElementById('try-first-byte').dataset.ms) > 0", "a first byte")
    it.wait("() => Number(document.getElementById('try-first-sound').dataset.ms) > 0", "a first sound")
    it.wait_text("#try-said", "Spoken")
    read = lambda name: float(it.page.evaluate("(id) => document.getElementById(id).dataset.ms", name))
    byte_ms, sound_ms = read("try-first-byte"), read("try-first-sound")
    it.expect(byte_ms < sound_ms, f"the first sound ({sound_ms} ms) follows the first byte ({byte_ms} ms)")
    print(f"  first byte {byte_ms:.0f} ms, first sound {sound_ms:.0f} ms, {it.page.text_content('#try-said')}")
    # Stop ends it before its time.
    it.page.fill("#try-text", "This is a long sentence that nobody will hear to its end. " * 12)
    it.press("#try-speak")
    it.wait("() => Number(document.getElementById('try-first-sound').dataset.ms) > 0", "a first sound of the long text")
    it.press("#try-stop")
    it.wait_text("#try-said", "Stopped")
    it.page.fill("#try-text", "Short.")
    with it.page.expect_download() as download:
        it.press("#try-save")
    saved = pathlib.Path(download.value.path()).read_bytes()
    it.expect(saved[:3] == b"ID3" or saved[0] == 0xFF, f"an MP3 file is saved, not {saved[:8]}")


def drive_monitor(it):
    it.go("monitor")
    mark = f"mark {time.time_ns() % 1_000_000}"
    hostile = f"<img src=x onerror=\"document.title='owned'\"> {mark}. "
    text = hostile + "This is said at some length, so that there is time to hold it. " * 4
    it.tab_to("#say-text")
    it.page.keyboard.insert_text(text)
    it.page.keyboard.press("Control+Enter")
    it.wait_text("#now-state", "Speaking now")
    it.wait("() => document.getElementById('level').textContent !== 'silent'", "a level while it sounds")
    it.page.evaluate("document.getElementById('skip-link').focus()")
    it.press("#pause")
    it.wait_text("#now-state", "paused")
    it.wait_text("#pause", "Resume")
    it.press("#pause")
    it.wait_text("#pause", "Pause")
    it.press("#mute")
    it.wait_text("#now-state", "muted")
    it.press("#mute")
    it.wait_text("#mute", "Mute")
    it.page.evaluate("document.getElementById('skip-link').focus()")
    it.press("#skip")
    row = "[...document.querySelectorAll('#history tr')].find((row) => row.textContent.includes(mark))"
    it.wait(f"([mark]) => {row}?.textContent.includes('skipped')", "an entry of the history", mark)
    it.expect(it.page.evaluate("document.querySelectorAll('main img').length") == 0, "what is spoken is text only")
    it.expect("owned" not in it.page.title(), "what is spoken is no program")
    it.page.evaluate("document.getElementById('skip-link').focus()")
    it.press("#clear")
    it.page.wait_for_selector("#confirm[open]")
    it.expect(it.page.evaluate("document.activeElement.id") == "confirm-no", "the focus is on the harmless answer")
    it.page.keyboard.press("Escape")
    it.page.wait_for_selector("#confirm", state="hidden")
    it.expect(it.page.evaluate("document.activeElement.id") == "clear", "the focus comes back")
    it.tab_to("#volume")
    before = it.page.input_value("#volume")
    it.page.keyboard.press("ArrowLeft")
    it.page.wait_for_timeout(1500)
    it.expect(float(it.page.input_value("#volume")) < float(before), "the volume stays as it was set")
    it.page.keyboard.press("ArrowRight")
    it.page.wait_for_timeout(500)


def drive_recorder(it):
    it.go("voices")
    it.press("#record")
    it.wait("() => parseFloat(document.getElementById('record-time').textContent) > 1.5", "a recording that grows")
    it.press("#record")
    it.wait("() => document.querySelector('#samples audio')?.duration > 1", "a WAV file that the browser plays")
    it.press("#samples button")
    it.wait("() => document.querySelectorAll('#samples li').length === 0", "the recording is removed")
    it.expect(it.page.text_content("#record") == "Record", "there is no recording to make again")


def recording(it):
    """A WAV file of speech, made by the daemon itself."""
    voice = it.args.voice or it.page.evaluate("document.getElementById('try-voice').value")
    text = "The north wind and the sun were disputing which was the stronger, when a traveller came along in a warm cloak."
    asked = {"model": "tts-1", "voice": voice, "response_format": "wav", "input": text}
    headers = {"Authorization": f"Bearer {it.args.key}", "Content-Type": "application/json"}
    url = it.args.url.rstrip("/") + "/v1/audio/speech"
    request = urllib.request.Request(url, json.dumps(asked).encode(), headers)
    path = pathlib.Path(tempfile.mkdtemp()) / "recording.wav"
    path.write_bytes(urllib.request.urlopen(request, timeout=it.args.timeout).read())
    return path


def drive_voices(it):
    it.go("voices")
    name = f"page{time.time_ns() % 1_000_000}"
    it.press("#voice-make")
    it.wait_text("#samples-error", "record something")
    it.page.set_input_files("#files-input", recording(it))
    it.wait("() => document.querySelectorAll('#samples li').length === 1", "the file is listed")
    it.tab_to("#voice-name")
    it.page.keyboard.type(name)
    it.press("#voice-make")
    it.wait_text("#consent-error", "consent")
    it.page.keyboard.press("Space")
    it.tab_to("#consent-note")
    it.page.keyboard.type("made by a test, of a voice of the daemon")
    it.page.keyboard.press("Enter")
    it.wait_text("#new-report h3", name)
    it.expect(it.page.locator("#new-report .figures dd").count() >= 5, "a report of the quality")
    print(f"  {it.page.text_content('#new-report')[:160]}")
    it.look("voices-made")
    its_button = "([name]) => document.querySelector(`button[aria-label='Delete ${name}…']`)"
    it.wait(its_button, "the new voice is listed", name)
    it.page.evaluate("document.getElementById('preview-text').focus()")
    it.press(f"button[aria-label='Delete {name}…']")
    it.page.wait_for_selector("#confirm[open]")
    it.press("#confirm-yes")
    listed = "[...document.querySelectorAll('#voice-list h3')].some((it) => it.textContent === name)"
    it.wait(f"([name]) => !{listed}", "it is gone", name)


def drive_health(it):
    it.go("health")
    it.wait("() => Number(document.getElementById('plot-memory').dataset.points) >= 4", "points in the plots")
    it.page.wait_for_timeout(300)
    for plot in ["memory", "queue-age", "disk"]:
        it.expect(it.page.evaluate(PLOTTED, f"plot-{plot}") > 0, f"a line in the plot of {plot}")
        it.expect(it.page.text_content(f"#value-{plot}") != "–", f"a figure for {plot}")
    it.press("#figures-table summary")
    it.wait("() => document.querySelectorAll('#figures-rows tr').length > 0", "rows in the table")
    it.press("#figures-table summary")


def drive_key(it):
    it.page.evaluate("document.getElementById('skip-link').focus()")
    it.press("#key-open")
    it.press("#key-forget")
    it.page.wait_for_selector("#key-dialog[open]")
    it.wait("() => sessionStorage.length + localStorage.length === 0", "the key is forgotten")


def main():
    args = options()
    args.out.mkdir(parents=True, exist_ok=True)
    wrong = []
    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    if os.geteuid() == 0:
        # Chromium's sandbox is not for root, which containers are.
        flags.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=args.chromium, args=flags)
        for name, width, height, scheme in LOOKS:
            motion = "reduce" if name == "phone-dark" else "no-preference"
            size = {"width": width, "height": height}
            context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion=motion)
            it = Drive(args, context, name)
            step = "sign in"
            try:
                it.sign_in(args.key, "#health" if name == "desk-dark" else "")
                if name == "desk-dark":
                    it.expect(it.page.is_visible("#view-health"), "a view can be linked to")
                if name == "desk-light":
                    steps = [drive_try, drive_monitor, drive_recorder, drive_voices, drive_health]
                    if args.without_cloning:
                        steps.remove(drive_voices)
                    for drive in steps:
                        step = drive.__name__
                        print(step)
                        drive(it)
                for view in VIEWS:
                    step = f"look at {view}"
                    it.go(view)
                    it.look(view)
                step = "sign out"
                wrong += it.end()
                it.wrong = []
                drive_key(it)
                it.look("key")
            except (Wrong, Error) as error:
                wrong.append(f"{name}: {step}: {error}")
                it.page.screenshot(path=args.out / f"wrong-{name}.png", full_page=True)
            wrong += it.end()
            context.close()
        browser.close()
    for line in wrong:
        print(f"WRONG {line}", file=sys.stderr)
    print("wrong" if wrong else "all is well")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
