// Shows the voices, lets one hear them, and deletes them.

import { call } from "./api.js";
import { fail, onPress, tell } from "./announce.js";
import { confirmed } from "./confirm.js";
import { byId, element, listOrEmpty, reconcile } from "./dom.js";
import { cut, day } from "./format.js";
import { NewVoice } from "./newvoice.js";
import { speak, stop } from "./player.js";
import { qualityReport } from "./quality.js";
import { readVoices, voicebook, voiceCards } from "./voicebook.js";

const MAX_SHOWN = 500;

/** The view. */
export class Voices {
  #newVoice;

  constructor(events) {
    this.#newVoice = new NewVoice(events);
    voicebook.addEventListener("change", () => this.#show());
    let making = null;
    events.addEventListener("status", ({ detail }) => {
      const now = detail.voices?.making ?? null;
      // One that somebody else made is there as well.
      if (making !== null && now !== making) readVoices();
      making = now;
    });
    events.addEventListener("connection", ({ detail }) => {
      // A key that may not administrate may be one that may speak.
      if (detail.state === "live" || detail.state === "refused") readVoices();
    });
  }

  /** Called when it is shown, and when it no longer is. */
  setVisible(visible) {
    if (!visible) this.#newVoice.leave();
  }

  #show() {
    const cards = voiceCards();
    const list = byId("voice-list");
    // All of a card is in its key: one that changed is made anew, and only that.
    reconcile(list, cards.slice(0, MAX_SHOWN), (card) => JSON.stringify(card), makeVoice, () => {});
    listOrEmpty(list, byId("voices-empty"), cards.length);
    byId("voices-count").textContent = cards.length > 0 ? String(cards.length) : "";
  }
}

function makeVoice(card) {
  const status = { completed: "good", processing: "warn", failed: "bad" }[card.status] ?? "plain";
  const facts = [
    originOf(card),
    (card.languages ?? []).join(", "),
    card.model && `for ${card.model}`,
    card.created && `made ${day(card.created)}`,
    !card.predefined && (card.has_recording ? "recording kept" : "recording not kept"),
  ];
  const preview = element("button", { type: "button", "aria-label": `Preview ${card.name}`, text: "Preview" });
  preview.addEventListener("click", () => hear(preview, card.name));
  const actions = element("div", { class: "row" });
  if (card.status !== "failed") actions.append(preview);
  if (!card.predefined) {
    const remove = element("button", { type: "button", class: "danger", "aria-label": `Delete ${card.name}…`, text: "Delete…" });
    onPress(remove, `${card.name} was not deleted`, () => deleteVoice(card.name));
    actions.append(remove);
  }
  const head = element("div", { class: "voice-head" }, element("h3", { text: card.name, dir: "auto" }));
  if (!card.predefined) head.append(element("span", { class: `pill ${status}`, text: card.status }));
  head.append(actions);
  const item = element(
    "li",
    {},
    head,
    element("p", { class: "facts", text: facts.filter(Boolean).join(" · ") }),
  );
  if (card.consent) item.append(element("p", { class: "facts", dir: "auto", text: `Consent: ${cut(card.consent, 300)}` }));
  if (card.problem) item.append(element("p", { class: "problem", dir: "auto", text: cut(card.problem, 400) }));
  if (card.quality) {
    item.append(element("details", {}, element("summary", { "aria-label": `Quality of ${card.name}`, text: "Quality" }), qualityReport(card.quality)));
  }
  return item;
}

function originOf(card) {
  if (card.alias) return "another name for a voice";
  if (!card.predefined) return card.visibility;
  return card.model ? "came with a model" : "came with the program";
}

async function hear(button, voice) {
  if (button.dataset.playing) {
    stop();
    return;
  }
  button.dataset.playing = "yes";
  button.textContent = "Stop";
  button.setAttribute("aria-label", `Stop ${voice}`);
  try {
    const input = byId("preview-text").value.trim() || "This is how I sound.";
    await speak({ input, voice, speed: 1 });
  } catch (error) {
    fail(error, `${voice} cannot be heard`);
  } finally {
    delete button.dataset.playing;
    button.textContent = "Preview";
    button.setAttribute("aria-label", `Preview ${voice}`);
  }
}

async function deleteVoice(name) {
  if (!(await confirmed(`Delete the voice ${name}?`, "Its file and its recording are deleted. Nothing brings them back.", "Delete it"))) return;
  await call("DELETE", `/v1/audio/voices/${encodeURIComponent(name)}`);
  tell(`The voice ${name} was deleted`);
  await readVoices();
  // Its button is gone, and the focus with it.
  byId("voice-list-title").focus();
}
