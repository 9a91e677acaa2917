// Follows what the daemon tells of itself: one stream of events, opened again whenever it ends.

import { call, isAbort } from "./api.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/** `vitals` come each second: a stream that is silent for so long is lost, whatever TCP believes. */
const SILENCE_MS = 10_000;

/** A stream that lived for so long was a good one: the next wait is the first again. */
const GOOD_MS = 5_000;

/** An event is a few kB. More than this without an end is none. */
const MAX_BUFFER_CHARS = 4_000_000;

/**
 * Dispatches each event of the daemon under its name with the data as `detail`, and `connection` with
 * `{state, retryAt, reason}`: `off`, `connecting`, `live`, `waiting` until `retryAt`, or `refused`.
 */
export class Events extends EventTarget {
  #abort = null;
  #timer = null;
  #waitMs = FIRST_WAIT_MS;

  state = "off";

  /** Opens the stream, anew if it is open: the key may be another. */
  start() {
    this.stop();
    this.#waitMs = FIRST_WAIT_MS;
    this.#follow();
  }

  /** Ends it. */
  stop() {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = null;
    this.#become("off");
  }

  /** Does not wait any longer. */
  retryNow() {
    if (this.state !== "waiting") return;
    clearTimeout(this.#timer);
    this.#follow();
  }

  #become(state, more = {}) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("connection", { detail: { state, retryAt: null, reason: "", ...more } }));
  }

  async #follow() {
    const abort = new AbortController();
    this.#abort = abort;
    this.#become("connecting");
    const openedAt = performance.now();
    let failure = null;
    try {
      await this.#read(abort);
    } catch (error) {
      if (!isAbort(error)) failure = error;
    }
    // Somebody else has started or stopped meanwhile.
    if (this.#abort !== abort) return;
    abort.abort();
    if (failure?.status === 401 || failure?.status === 403) {
      this.#become("refused", { reason: failure.message });
      return;
    }
    if (performance.now() - openedAt > GOOD_MS) this.#waitMs = FIRST_WAIT_MS;
    this.#wait(failure);
  }

  #wait(failure) {
    // Not all pages of a daemon that comes back are to knock at the same moment.
    let waitMs = this.#waitMs * (0.8 + 0.4 * Math.random());
    if (failure?.retryAfterSecs) waitMs = Math.min(Math.max(waitMs, failure.retryAfterSecs * 1000), 60_000);
    this.#waitMs = Math.min(this.#waitMs * 2, LONGEST_WAIT_MS);
    this.#timer = setTimeout(() => this.#follow(), waitMs);
    this.#become("waiting", { retryAt: Date.now() + waitMs, reason: failure?.message ?? "the stream ended" });
  }

  async #read(abort) {
    let heardAt = performance.now();
    const watchdog = setInterval(() => {
      if (performance.now() - heardAt > SILENCE_MS) abort.abort();
    }, 2000);
    try {
      const response = await call("GET", "/admin/events", { signal: abort.signal });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new Parser((name, detail) => this.#dispatch(name, detail));
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        heardAt = performance.now();
        if (this.state === "connecting" && this.#abort === abort) this.#become("live");
        parser.feed(value);
      }
    } finally {
      clearInterval(watchdog);
    }
  }

  #dispatch(name, text) {
    let detail;
    try {
      detail = JSON.parse(text);
    } catch {
      // One event that cannot be read ends nothing.
      return;
    }
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** Cuts a text/event-stream into events. */
export class Parser {
  #rest = "";
  #name = "";
  #lines = [];
  #emit;

  constructor(emit) {
    this.#emit = emit;
  }

  /** Takes the next piece, however it was cut. */
  feed(text) {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop();
    if (this.#rest.length > MAX_BUFFER_CHARS) this.#rest = "";
    for (const line of lines) this.#line(line.endsWith("\r") ? line.slice(0, -1) : line);
  }

  #line(line) {
    if (line === "") {
      if (this.#lines.length > 0) this.#emit(this.#name || "message", this.#lines.join("\n"));
      this.#name = "";
      this.#lines = [];
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#name = value;
    else if (field === "data") this.#lines.push(value);
  }
}
