// Shows what waits.

import { callForJson } from "./api.js";
import { fail } from "./announce.js";
import { byId, element, listOrEmpty, reconcile, setText } from "./dom.js";

/** The status changes four times a second while something is spoken; the list is asked for less often. */
const PAUSE_MS = 500;
const MAX_SHOWN = 130;

/** The list of the monitor. */
export class Queue {
  #visible = false;
  #dirty = false;
  #reading = false;
  #failed = false;

  /** Whether anybody can see it. */
  setVisible(visible) {
    this.#visible = visible;
    if (visible && this.#dirty) this.#read();
  }

  /** It may be another than it was. */
  changed() {
    this.#dirty = true;
    this.#read();
  }

  async #read() {
    if (this.#reading || !this.#visible) return;
    this.#reading = true;
    this.#dirty = false;
    try {
      const { waiting } = await callForJson("GET", "/admin/queue");
      this.#show(waiting);
      this.#failed = false;
    } catch (error) {
      // Once is enough: the state of the connection is shown as well.
      if (!this.#failed && error.status !== 401 && error.status !== 0) fail(error, "The queue cannot be read");
      this.#failed = true;
    }
    setTimeout(() => {
      this.#reading = false;
      if (this.#dirty) this.#read();
    }, PAUSE_MS);
  }

  #show(waiting) {
    const list = byId("queue");
    const shown = waiting.slice(0, MAX_SHOWN);
    reconcile(list, shown, (it) => it.id, makeItem, () => {});
    listOrEmpty(list, byId("queue-empty"), shown.length);
  }
}

function makeItem({ source, lane, voice, text }) {
  const item = element("li", {}, element("p", { class: "line", dir: "auto", text }), element("p", { class: "facts" }));
  setText(item.lastElementChild, [lane === "important" && "important", voice || "the default voice", source].filter(Boolean).join(" · "));
  item.classList.toggle("important", lane === "important");
  return item;
}
