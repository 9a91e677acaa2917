// Shows what the daemon is doing, and steers it.

import { call } from "./api.js";
import { fail, onPress, tell } from "./announce.js";
import { confirmed } from "./confirm.js";
import { busyWhile, byId, element, listOrEmpty, reconcile, sendOnCtrlEnter, setText } from "./dom.js";
import { bytes, count } from "./format.js";
import { History } from "./history.js";
import { Queue } from "./queue.js";
import { sayAgain } from "./say.js";
import { offerVoices } from "./voicebook.js";
import { Wave } from "./wave.js";

/** A level is told in figures no more often than so: nobody reads faster. */
const LEVEL_MS = 500;

/** What is said of the daemon as a whole is cut there. */
const MAX_NOTICE_CHARS = 600;

/** The view. */
export class Monitor {
  #wave = new Wave(byId("wave"));
  #queue = new Queue();
  #history = new History();
  #status = null;
  #levelShownMs = 0;
  #levelPeak = 0;
  #volumeTimer = null;
  #volumeHeld = false;

  constructor(events) {
    events.addEventListener("status", ({ detail }) => this.#show(detail));
    events.addEventListener("level", ({ detail }) => this.#level(detail.peak));
    events.addEventListener("ended", ({ detail }) => this.#history.add(detail));
    events.addEventListener("connection", ({ detail }) => this.#connection(detail.state));
    this.#steer("pause", "Pausing", () => `/admin/${this.#status?.playback.paused ? "resume" : "pause"}`);
    this.#steer("mute", "Muting", () => `/admin/${this.#status?.playback.muted ? "unmute" : "mute"}`);
    this.#steer("skip", "Skipping", () => "/admin/skip");
    this.#steer("replay", "Replaying", () => "/admin/replay", { n: 1 });
    onPress(byId("clear"), "Clearing", () => this.#clear());
    this.#sayVolume();
    this.#startVolume();
    this.#startSay();
  }

  /** Called when it is shown, and when it no longer is. */
  setVisible(visible) {
    this.#wave.setVisible(visible);
    this.#queue.setVisible(visible);
  }

  #connection(state) {
    if (state === "live") {
      this.#history.read();
      this.#queue.changed();
    }
  }

  #steer(id, doing, pathOf, json) {
    onPress(byId(id), doing, () => call("POST", pathOf(), { json }));
  }

  async #clear() {
    const nOpen = this.#status?.queue.n_open ?? 0;
    const what = nOpen > 0 ? `${count(nOpen, "utterance is", "utterances are")} dropped, the one that sounds included.` : "Nothing waits as far as is known.";
    if (!(await confirmed("Clear the queue?", `${what} They are not spoken later either.`, "Clear the queue"))) return;
    await call("POST", "/admin/clear");
    tell("The queue was cleared");
  }

  #startVolume() {
    const slider = byId("volume");
    const send = async () => {
      this.#volumeTimer = null;
      try {
        await call("POST", "/admin/volume", { json: { volume: Number(slider.value) } });
      } catch (error) {
        fail(error, "Changing the volume");
      }
      // What the daemon says of the volume is let in again once it has heard of the last change.
      this.#volumeHeld = this.#volumeTimer !== null;
    };
    slider.addEventListener("input", () => {
      this.#volumeHeld = true;
      this.#sayVolume();
      // A dragged slider says a hundred values a second.
      this.#volumeTimer ??= setTimeout(send, 200);
    });
  }

  #sayVolume() {
    const text = `${Math.round(Number(byId("volume").value) * 100)} %`;
    setText(byId("volume-value"), text);
    byId("volume").setAttribute("aria-valuetext", text);
  }

  #startSay() {
    const text = byId("say-text");
    offerVoices(byId("say-voice"), "the default voice");
    sendOnCtrlEnter(text);
    byId("say").addEventListener("submit", (event) => {
      event.preventDefault();
      if (!text.value.trim()) return;
      busyWhile(byId("say-go"), async () => {
        const said = await sayAgain(text.value, byId("say-voice").value);
        if (!said) return;
        text.value = "";
        text.focus();
      });
    });
  }

  #show(status) {
    this.#status = status;
    const { playback, queue, watch } = status;
    setText(byId("pause"), playback.paused ? "Resume" : "Pause");
    setText(byId("mute"), playback.muted ? "Unmute" : "Mute");
    if (!this.#volumeHeld) {
      byId("volume").value = String(playback.volume);
      this.#sayVolume();
    }
    this.#showNow(playback);
    this.#showNotices(status);
    this.#showFiles(watch);
    this.#queue.changed();
    setText(byId("queue-count"), queue.n_open > 0 ? `${queue.n_open} open, room for ${queue.capacity}` : "");
  }

  #showNow({ speaking, paused, muted, output }) {
    const sounding = speaking !== null && !paused;
    byId("now").dataset.sounding = sounding && !muted ? "yes" : "no";
    const states = [paused && "paused", muted && "muted"].filter(Boolean).join(" and ");
    const what = speaking ? "Speaking now" : "Nothing is spoken";
    setText(byId("now-state"), states ? `${what} – ${states}` : what);
    setText(byId("now-line"), speaking ? speaking.text : "Append a line to a watched file, or say something below.");
    const where = output && output !== "card" ? `, to ${output} output` : "";
    setText(byId("now-source"), speaking ? `${speaking.voice || "the default voice"}, from ${speaking.source}${where}` : "");
  }

  #showNotices(status) {
    const { daemon, watch, text, engine, playback, alerts } = status;
    const restart = daemon.needs_restart ?? [];
    const notices = [
      playback.problem,
      watch.problem,
      engine.degraded,
      ...(engine.failing ?? []),
      daemon.config_problem,
      text?.problem,
      restart.length > 0 && `These settings hold from the next start on: ${restart.join(", ")}`,
      daemon.stopping && "The daemon is on its way out",
      ...(watch.unmatched ?? []).map((pattern) => `No file matches ${pattern} yet`),
      ...(alerts ?? []),
    ];
    const unique = [...new Set(notices.filter(Boolean))].slice(0, 20);
    const list = byId("notices");
    reconcile(list, unique, (notice) => notice, (notice) => element("li", { text: notice.slice(0, MAX_NOTICE_CHARS) }), () => {});
    listOrEmpty(list, null, unique.length);
  }

  #showFiles(watch) {
    const list = byId("files");
    const files = watch.files.slice(0, 200);
    reconcile(list, files, (file) => file.path, makeFile, updateFile);
    listOrEmpty(list, byId("files-empty"), files.length);
    setText(byId("files-count"), watch.files.length > 0 ? String(watch.files.length) : "");
  }

  #level(peak) {
    this.#wave.push(peak);
    this.#levelPeak = Math.max(this.#levelPeak, peak);
    if (this.#levelShownMs > 0) return;
    this.#levelShownMs = LEVEL_MS;
    // The loudest of each half second is told, and silence once nothing more comes.
    const tell = () => {
      const heard = this.#levelPeak;
      showLevel(heard);
      this.#levelPeak = 0;
      if (heard > 0) setTimeout(tell, LEVEL_MS);
      else this.#levelShownMs = 0;
    };
    setTimeout(tell, LEVEL_MS);
  }
}

function showLevel(peak) {
  const level = byId("level");
  const db = peak > 0.001 ? Math.round(20 * Math.log10(peak)) : -60;
  const text = db <= -60 ? "silent" : `${String(db).replace("-", "−")} dB`;
  setText(level, text);
  level.setAttribute("aria-valuenow", String(db));
  level.setAttribute("aria-valuetext", text);
}

function makeFile() {
  return element(
    "li",
    {},
    element("p", { class: "path", dir: "auto" }),
    element("p", { class: "facts" }),
    element("p", { class: "problem", dir: "auto" }),
  );
}

function updateFile(item, file) {
  const [path, facts, problem] = item.children;
  setText(path, file.path);
  const told = [
    file.voice ? `read by ${file.voice}` : "read by the default voice",
    file.unread_bytes > 0 ? `${bytes(file.unread_bytes)} unread` : "all read",
    file.important && "important",
    file.polled && "polled",
    file.n_cut_lines > 0 && count(file.n_cut_lines, "line cut", "lines cut"),
    !file.exists && "not there yet",
  ];
  setText(facts, told.filter(Boolean).join(" · "));
  item.classList.toggle("unread", file.unread_bytes > 0);
  setText(problem, file.problem ?? "");
  problem.hidden = !file.problem;
}
