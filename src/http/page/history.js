// Shows what was said, newest first, and which voice really said it.

import { callForJson } from "./api.js";
import { fail } from "./announce.js";
import { busyWhile, byId, element, listOrEmpty, reconcile, setText } from "./dom.js";
import { clock, count, cut, ms, secs } from "./format.js";
import { sayAgain } from "./say.js";

const MAX_ENTRIES = 200;

/** A line may be as long as a book; the first of it is enough to recognise it by. */
const SHORT_CHARS = 280;
const LONG_CHARS = 20_000;

const OUTCOMES = {
  spoken: "good",
  skipped: "plain",
  cleared: "plain",
  folded: "plain",
  expired: "warn",
  dropped: "warn",
  "timed-out": "bad",
  failed: "bad",
  abandoned: "bad",
};

/** The table of the monitor. */
export class History {
  #entries = new Map();
  #reading = 0;
  #drawing = false;

  /** Reads it anew. A daemon that was started again counts from 1 again, so nothing is kept of what was. */
  async read() {
    this.#reading += 1;
    const reading = this.#reading;
    const before = this.#entries;
    this.#entries = new Map();
    try {
      const { entries } = await callForJson("GET", `/admin/history?last=${MAX_ENTRIES}`);
      if (reading === this.#reading) for (const entry of entries) this.add(entry);
    } catch (error) {
      if (reading !== this.#reading) return;
      // Nothing is known better than what was shown.
      if (this.#entries.size === 0) this.#entries = before;
      if (error.status !== 401 && error.status !== 0) fail(error, "The history cannot be read");
    }
    this.#draw();
  }

  /** One more has ended. */
  add(entry) {
    this.#entries.set(entry.seq, entry);
    if (this.#entries.size > MAX_ENTRIES) this.#entries.delete(Math.min(...this.#entries.keys()));
    this.#draw();
  }

  #draw() {
    if (this.#drawing) return;
    this.#drawing = true;
    // Many may end at once: a clear ends a whole queue. A timer, for no frame is drawn in a hidden tab.
    setTimeout(() => {
      this.#drawing = false;
      const newestFirst = [...this.#entries.values()].sort((a, b) => b.seq - a.seq);
      reconcile(byId("history"), newestFirst, keyOf, makeRow, () => {});
      listOrEmpty(byId("history").parentElement, byId("history-empty"), newestFirst.length);
      setText(byId("history-count"), newestFirst.length > 0 ? `the last ${newestFirst.length}` : "");
    }, 50);
  }
}

/** The time belongs to it: after a new start the numbers come again. */
function keyOf(entry) {
  return `${entry.seq} ${entry.queued_at}`;
}

function makeRow(entry) {
  const when = entry.ended_at ?? entry.queued_at;
  const again = element("button", { type: "button", class: "quiet", text: "Say again", "aria-label": `Say again: ${cut(entry.text, 60)}` });
  again.addEventListener("click", () => busyWhile(again, () => sayAgain(entry.text, entry.voice)));
  return element(
    "tr",
    { role: "row" },
    cell("when", element("time", { datetime: when, text: clock(when) })),
    cell("text", ...textOf(entry)),
    cell("outcome", ...outcomeOf(entry)),
    cell("voice", ...voiceOf(entry)),
    cell("number first-audio", element("span", { class: "cell-label", text: "First audio " }), ms(entry.first_audio_ms ?? NaN)),
    cell("action", again),
  );
}

function cell(name, ...children) {
  return element("td", { role: "cell", class: name }, ...children);
}

function textOf(entry) {
  const line = element("p", { class: "line", dir: "auto", text: cut(entry.text, SHORT_CHARS) });
  const parts = [line];
  if (entry.text.length > SHORT_CHARS) {
    const more = element("button", { type: "button", class: "quiet more", "aria-expanded": "false", text: `All ${count(entry.text.length, "character")}` });
    more.addEventListener("click", () => {
      const open = more.getAttribute("aria-expanded") !== "true";
      more.setAttribute("aria-expanded", String(open));
      setText(line, cut(entry.text, open ? LONG_CHARS : SHORT_CHARS));
      setText(more, open ? "Less of it" : `All ${count(entry.text.length, "character")}`);
    });
    parts.push(more);
  }
  const facts = [entry.source, entry.audio_secs > 0 && `${secs(entry.audio_secs)} of audio`].filter(Boolean).join(" · ");
  parts.push(element("p", { class: "facts", text: facts }));
  return parts;
}

function outcomeOf(entry) {
  const pill = element("span", { class: `pill ${OUTCOMES[entry.outcome] ?? "plain"}`, text: entry.outcome });
  // Why another voice spoke is said beside the voice.
  if (!entry.reason || otherVoice(entry)) return [pill];
  return [pill, element("p", { class: "facts reason", dir: "auto", text: cut(entry.reason, 400) })];
}

function voiceOf(entry) {
  const asked = entry.voice || "the default voice";
  if (!otherVoice(entry)) return [element("span", { text: entry.spoken_voice || asked }), engineOf(entry)];
  return [
    element("span", { class: "other-voice" }, element("strong", { text: entry.spoken_voice }), ` instead of ${asked}`),
    engineOf(entry),
    element("p", { class: "facts reason", dir: "auto", text: cut(entry.reason ?? "no reason was given", 400) }),
  ];
}

function engineOf(entry) {
  return element("p", { class: "facts", text: entry.engine ?? "" });
}

function otherVoice({ voice, spoken_voice: spoken }) {
  // Whoever speaks for `auto` is who was asked for.
  return Boolean(spoken && voice && voice !== "auto" && spoken !== voice);
}
