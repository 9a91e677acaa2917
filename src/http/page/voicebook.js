// Knows which voices there are, and fills the fields where one is chosen.

import { callForJson } from "./api.js";
import { fail } from "./announce.js";
import { element } from "./dom.js";

/** Tells `change` whenever the list was read. */
export const voicebook = new EventTarget();

let cards = [];

/** The cards as they were read last: those that were made first, then those that came along, then other names for them, each by name. */
export function voiceCards() {
  return cards;
}

/** Reads the list again. */
export async function readVoices() {
  try {
    const [own, all] = await Promise.all([callForJson("GET", "/v1/voices"), callForJson("GET", "/v1/audio/voices")]);
    const named = new Set(own.voices.map((card) => card.name));
    // Other names for voices have no card: the thirteen that OpenAI's clients know, and those of the configuration.
    const aliases = all.voices.filter((voice) => !named.has(voice.id)).map((voice) => ({ name: voice.id, alias: true, predefined: true, status: "completed" }));
    const rank = (card) => (card.alias ? 2 : card.predefined ? 1 : 0);
    cards = [...own.voices, ...aliases].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
    voicebook.dispatchEvent(new Event("change"));
  } catch (error) {
    if (error.status !== 401) fail(error, "The voices cannot be listed");
  }
}

/** Fills a select with the voices that can speak, and keeps what was chosen. `unset` names the first choice, if any. */
export function offerVoices(select, unset = null) {
  const fill = () => {
    const chosen = select.value;
    const speaking = cards.filter((card) => card.status !== "failed");
    const groups = [
      ["Made here", speaking.filter((card) => !card.predefined)],
      ["Predefined", speaking.filter((card) => card.predefined)],
    ];
    const options = unset === null ? [] : [element("option", { value: "", text: unset })];
    for (const [label, members] of groups) {
      if (members.length === 0) continue;
      options.push(element("optgroup", { label }, ...members.map((card) => element("option", { value: card.name, text: card.name }))));
    }
    select.replaceChildren(...options);
    const known = speaking.some((card) => card.name === chosen);
    const usual = speaking.find((card) => card.visibility === "default") ?? speaking[0];
    select.value = known ? chosen : unset === null ? (usual?.name ?? "") : "";
  };
  voicebook.addEventListener("change", fill);
  fill();
}
