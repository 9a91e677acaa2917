// Plays speech from the daemon as it arrives, and measures how fast it came.

import { call, isAbort } from "./api.js";

const RATE_HZ = 24_000;

/** So much has to be there before the first sound: less, and the first hiccup of the network is heard. */
const START_SAMPLES = RATE_HZ * 0.08;

/** From the decision to play until it sounds: the audio thread needs a moment to take it. */
const START_SECS = 0.02;

/** After a gap more is waited for, or the next one follows at once. */
const REFILL_SECS = 0.12;

/** Smaller pieces are put together: each costs a node. */
const MIN_PIECE_SAMPLES = RATE_HZ * 0.02;

const FADE_SECS = 0.02;

/** The audio thread goes on for so long after the last sample. */
const LINGER_MS = 500;

let context = null;
let current = null;

/**
 * Speaks `{input, voice, speed}` in the browser. What spoke before is stopped. `heard.figures` is called with the figures
 * as they are known, `heard.samples` with each piece of audio. Resolves with the figures when the last sample has sounded
 * or it was stopped; rejects where the daemon refuses or breaks off.
 *
 * To be called from a click: browsers make no sound otherwise.
 */
export async function speak(request, heard = {}) {
  stop();
  const playing = new Playing(heard);
  current = playing;
  try {
    await playing.run(request);
  } finally {
    if (current === playing) current = null;
    // What was faded or handed to the sound device is still to be heard.
    setTimeout(() => current ?? context.suspend(), LINGER_MS);
  }
  return playing.figures;
}

/** Stops what is spoken; the daemon stops making more of it. */
export function stop() {
  current?.stop();
}

class Playing {
  figures = { firstByteMs: null, firstSoundMs: null, deliveredSecs: null, audioSecs: 0, nGaps: 0, stopped: false, silent: false };
  #heard;
  #abort = new AbortController();
  #clickedMs = performance.now();
  #gain;
  #sources = new Set();
  #waiting = [];
  #nWaiting = 0;
  #nextSecs = null;
  #whenQuiet = null;

  constructor(heard) {
    this.#heard = heard;
    context ??= new AudioContext({ sampleRate: RATE_HZ, latencyHint: "interactive" });
    context.resume();
    this.#gain = new GainNode(context);
    this.#gain.connect(context.destination);
  }

  async run({ input, voice, speed }) {
    try {
      const json = { model: "tts-1", input, voice, speed, response_format: "pcm" };
      const response = await call("POST", "/v1/audio/speech", { json, signal: this.#abort.signal });
      await this.#receive(response.body.getReader());
      if (this.#sources.size > 0) await new Promise((resolve) => (this.#whenQuiet = resolve));
    } catch (error) {
      if (!isAbort(error)) {
        this.#silence();
        throw error.status === undefined ? new Error("the speech broke off: the connection was lost") : error;
      }
    } finally {
      setTimeout(() => this.#gain.disconnect(), LINGER_MS);
    }
  }

  stop() {
    this.figures.stopped = true;
    this.#abort.abort();
    this.#silence();
    this.#whenQuiet?.();
  }

  async #receive(reader) {
    // A piece may end within a sample.
    let odd = new Uint8Array(0);
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      if (this.figures.firstByteMs === null) {
        this.figures.firstByteMs = performance.now() - this.#clickedMs;
      }
      const joined = new Uint8Array(odd.length + value.length);
      joined.set(odd);
      joined.set(value, odd.length);
      const whole = joined.length - (joined.length % 2);
      odd = joined.slice(whole);
      this.#take(samplesOf(joined.subarray(0, whole)));
    }
    this.#flush();
    this.figures.deliveredSecs = (performance.now() - this.#clickedMs) / 1000;
    this.#report();
  }

  #take(samples) {
    if (samples.length === 0) return;
    this.figures.audioSecs += samples.length / RATE_HZ;
    this.#waiting.push(samples);
    this.#nWaiting += samples.length;
    this.#heard.samples?.(samples);
    if (this.#nWaiting >= (this.#nextSecs === null ? START_SAMPLES : MIN_PIECE_SAMPLES)) this.#flush();
    this.#report();
  }

  #flush() {
    if (this.#nWaiting === 0 || this.#abort.signal.aborted) return;
    const buffer = new AudioBuffer({ length: this.#nWaiting, numberOfChannels: 1, sampleRate: RATE_HZ });
    let at = 0;
    for (const samples of this.#waiting) {
      buffer.copyToChannel(samples, 0, at);
      at += samples.length;
    }
    this.#waiting = [];
    this.#nWaiting = 0;
    const now = context.currentTime;
    if (this.#nextSecs === null) {
      this.#nextSecs = now + START_SECS;
      this.#noteFirstSound(this.#nextSecs);
    } else if (this.#nextSecs < now) {
      this.figures.nGaps += 1;
      this.#nextSecs = now + REFILL_SECS;
    }
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(this.#gain);
    source.onended = () => {
      this.#sources.delete(source);
      source.disconnect();
      if (this.#sources.size === 0) this.#whenQuiet?.();
    };
    this.#sources.add(source);
    source.start(this.#nextSecs);
    this.#nextSecs += buffer.duration;
  }

  async #noteFirstSound(startSecs) {
    // Until the sound device has started, the context's clock stands still.
    if (context.state !== "running") {
      const waited = new Promise((resolve) => setTimeout(resolve, 2000, "late"));
      if ((await Promise.race([context.resume(), waited])) === "late") {
        this.figures.silent = true;
        this.#report();
        return;
      }
    }
    const latencySecs = context.outputLatency || context.baseLatency || 0;
    const untilMs = Math.max(0, startSecs - context.currentTime + latencySecs) * 1000;
    this.figures.firstSoundMs = performance.now() + untilMs - this.#clickedMs;
    this.#report();
  }

  #silence() {
    const now = context.currentTime;
    this.#gain.gain.setValueAtTime(1, now);
    this.#gain.gain.linearRampToValueAtTime(0, now + FADE_SECS);
    for (const source of this.#sources) source.stop(now + FADE_SECS);
  }

  #report() {
    this.#heard.figures?.(this.figures);
  }
}

function samplesOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const samples = new Float32Array(bytes.byteLength / 2);
  for (let idx = 0; idx < samples.length; idx += 1) samples[idx] = view.getInt16(idx * 2, true) / 32_768;
  return samples;
}
