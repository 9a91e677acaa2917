// Speaks a text in the browser and tells how long it took.

import { call } from "./api.js";
import { fail, onPress, tell } from "./announce.js";
import { busyWhile, byId, element, sendOnCtrlEnter, setText } from "./dom.js";
import { count, factor, ms, secs } from "./format.js";
import { speak, stop } from "./player.js";
import { offerVoices } from "./voicebook.js";
import { fitted } from "./wave.js";

/** So many peaks draw any length of speech: two are made one whenever there would be more. */
const MAX_PEAKS = 400;
const FIRST_PEAK_SAMPLES = 1200;

/** The view. */
export class Try {
  #peaks = [];
  #peakSamples = FIRST_PEAK_SAMPLES;
  #open = { peak: 0, nSamples: 0 };
  #drawing = false;

  constructor() {
    offerVoices(byId("try-voice"));
    sendOnCtrlEnter(byId("try-text"));
    byId("try").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#speak();
    });
    byId("try-stop").addEventListener("click", stop);
    onPress(byId("try-save"), "It was not saved", () => this.#save());
    byId("try-speed").addEventListener("input", showSpeed);
    // A reloaded page keeps what its fields were.
    showSpeed();
    new ResizeObserver(() => this.#draw()).observe(byId("try-wave"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  #speak() {
    const request = requested();
    if (!request) return;
    this.#peaks = [];
    this.#peakSamples = FIRST_PEAK_SAMPLES;
    this.#open = { peak: 0, nSamples: 0 };
    this.#draw();
    setText(byId("try-said"), "");
    busyWhile(byId("try-speak"), async () => {
      byId("try-stop").removeAttribute("aria-disabled");
      try {
        const heard = { figures: showFigures, samples: (samples) => this.#take(samples) };
        showFigures({ firstByteMs: null, firstSoundMs: null, deliveredSecs: null, audioSecs: 0, nGaps: 0 });
        const figures = await speak(request, heard);
        if (figures.silent) fail("the browser has no sound output", "Nothing was heard");
        setText(byId("try-said"), summary(figures));
      } catch (error) {
        fail(error, "It was not spoken");
      } finally {
        byId("try-stop").setAttribute("aria-disabled", "true");
      }
    });
  }

  async #save() {
    const request = requested();
    if (!request) return;
    const json = { model: "tts-1", ...request, response_format: "mp3" };
    const response = await call("POST", "/v1/audio/speech", { json });
    const link = element("a", { href: URL.createObjectURL(await response.blob()), download: "speech.mp3" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    tell("Saved as speech.mp3");
  }

  #take(samples) {
    for (const sample of samples) {
      this.#open.peak = Math.max(this.#open.peak, Math.abs(sample));
      this.#open.nSamples += 1;
      if (this.#open.nSamples < this.#peakSamples) continue;
      this.#peaks.push(this.#open.peak);
      this.#open = { peak: 0, nSamples: 0 };
      if (this.#peaks.length >= MAX_PEAKS) this.#halve();
    }
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#draw();
    });
  }

  #halve() {
    const halved = [];
    for (let idx = 0; idx + 1 < this.#peaks.length; idx += 2) halved.push(Math.max(this.#peaks[idx], this.#peaks[idx + 1]));
    this.#peaks = halved;
    this.#peakSamples *= 2;
  }

  #draw() {
    const sized = fitted(byId("try-wave"));
    if (!sized) return;
    const { context, width, height, style } = sized;
    context.fillStyle = style.getPropertyValue("--signal");
    // Speech that is short does not fill the picture: bars as wide as doors say nothing.
    const pitch = width / Math.max(this.#peaks.length, 60);
    this.#peaks.forEach((peak, idx) => {
      const bar = Math.max(1.5, peak ** 0.6 * (height - 4));
      context.fillRect(idx * pitch, (height - bar) / 2, Math.max(pitch * 0.65, 0.8), bar);
    });
  }
}

function requested() {
  const input = byId("try-text").value.trim();
  const voice = byId("try-voice").value;
  if (!input) {
    fail("type a text first");
    byId("try-text").focus();
    return null;
  }
  if (!voice) {
    fail("there is no voice to speak in: make one, or see whether the daemon is reached");
    return null;
  }
  return { input, voice, speed: Number(byId("try-speed").value) };
}

function showSpeed() {
  const speed = Number(byId("try-speed").value).toFixed(2);
  setText(byId("try-speed-value"), `${speed} ×`);
  byId("try-speed").setAttribute("aria-valuetext", `${speed} times`);
}

function showFigures(figures) {
  const timed = (id, value) => {
    setText(byId(id), ms(value ?? NaN));
    byId(id).dataset.ms = value === null ? "" : value.toFixed(1);
  };
  timed("try-first-sound", figures.firstSoundMs);
  timed("try-first-byte", figures.firstByteMs);
  const done = figures.deliveredSecs !== null;
  setText(byId("try-delivered"), secs(figures.deliveredSecs ?? NaN));
  setText(byId("try-audio"), figures.audioSecs > 0 ? secs(figures.audioSecs) : "–");
  setText(byId("try-rtf"), done && figures.audioSecs > 0 ? factor(figures.deliveredSecs / figures.audioSecs) : "–");
  setText(byId("try-gaps"), figures.audioSecs > 0 ? (figures.nGaps === 0 ? "none" : String(figures.nGaps)) : "–");
}

function summary({ firstSoundMs, deliveredSecs, audioSecs, nGaps, stopped }) {
  if (stopped) return "Stopped";
  const gaps = nGaps === 0 ? "no gaps" : count(nGaps, "gap");
  return `Spoken: first sound after ${ms(firstSoundMs)}, ${secs(audioSecs)} of audio in ${secs(deliveredSecs)}, ${gaps}`;
}
