// Makes a voice of recordings: those that are made here, and files.

import { callForJson, isAbort } from "./api.js";
import { fail } from "./announce.js";
import { busyWhile, byId, element, reconcile, setText } from "./dom.js";
import { bytes, secs } from "./format.js";
import { qualityReport } from "./quality.js";
import { MAX_SECS, Recorder, whyNoRecording } from "./recorder.js";
import { readVoices, voicebook, voiceCards } from "./voicebook.js";

const MAX_FILES = 20;
const FILE_NAME = /\.(wav|mp3|flac|ogg|oga)$/i;

/** The form. */
export class NewVoice {
  /** `{id, file, secs, recorded, url}`; a url is made when one is added, and given back when it goes. */
  #samples = [];
  #nextId = 1;
  #recorder = null;
  #starting = false;
  #abort = null;

  constructor(events) {
    this.#startRecorder();
    this.#startFiles();
    byId("voice-name").addEventListener("input", () => this.#offerReplacing());
    voicebook.addEventListener("change", () => this.#offerReplacing());
    byId("new-voice").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#complete()) busyWhile(byId("voice-make"), () => this.#make());
    });
    byId("voice-cancel").addEventListener("click", () => this.#abort?.abort());
    events.addEventListener("status", ({ detail }) => this.#progress(detail.voices));
  }

  /** Nobody is recorded who does not see it. */
  leave() {
    if (this.#recorder) this.#endRecording();
  }

  #startRecorder() {
    const reason = whyNoRecording();
    byId("recorder").hidden = Boolean(reason);
    byId("recorder-missing").hidden = !reason;
    setText(byId("recorder-missing"), reason);
    byId("record").addEventListener("click", () => (this.#recorder ? this.#endRecording() : this.#record()));
  }

  async #record() {
    if (this.#starting) return;
    this.#starting = true;
    const recorder = new Recorder({ onProgress: showRecording, onLimit: () => this.#endRecording() });
    try {
      await recorder.start();
      this.#recorder = recorder;
      byId("recorder").dataset.recording = "yes";
      setText(byId("record"), "Stop recording");
    } catch (error) {
      fail(error, "Nothing is recorded");
    } finally {
      this.#starting = false;
    }
  }

  async #endRecording() {
    const recorder = this.#recorder;
    this.#recorder = null;
    delete byId("recorder").dataset.recording;
    const recorded = await recorder.stop();
    showRecording(recorded.secs, 0);
    this.#showSamples();
    if (recorded.secs < 0.5) return;
    // To record again is to replace: a second try is not to be mixed with the first.
    for (const sample of this.#samples.filter((it) => it.recorded)) this.#remove(sample.id);
    this.#add(recorded.file, true, recorded.secs);
  }

  #startFiles() {
    const input = byId("files-input");
    input.addEventListener("change", () => {
      this.#addFiles(input.files);
      // The same file may be chosen again after it was removed.
      input.value = "";
    });
    const drop = byId("drop");
    const over = (event) => {
      event.preventDefault();
      drop.dataset.over = "yes";
    };
    drop.addEventListener("dragenter", over);
    drop.addEventListener("dragover", over);
    drop.addEventListener("dragleave", () => delete drop.dataset.over);
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      delete drop.dataset.over;
      this.#addFiles(event.dataTransfer.files);
    });
    // A file that misses its place is not to replace the page.
    for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
  }

  #addFiles(files) {
    const refused = [];
    for (const file of files) {
      if (!FILE_NAME.test(file.name)) refused.push(`${file.name} is no WAV, MP3, FLAC or OGG file`);
      else if (this.#samples.length >= MAX_FILES) refused.push(`${file.name} is one too many: ${MAX_FILES} are enough`);
      else this.#add(file, false, null);
    }
    setText(byId("samples-error"), refused.join("; "));
  }

  #add(file, recorded, lengthSecs) {
    this.#samples.push({ id: this.#nextId, file, recorded, secs: lengthSecs, url: URL.createObjectURL(file) });
    this.#nextId += 1;
    setText(byId("samples-error"), "");
    this.#showSamples();
  }

  #remove(id) {
    const idx = this.#samples.findIndex((it) => it.id === id);
    if (idx < 0) return;
    URL.revokeObjectURL(this.#samples[idx].url);
    this.#samples.splice(idx, 1);
    this.#showSamples();
  }

  #showSamples() {
    const make = (sample) => {
      const name = sample.recorded ? "Your recording" : sample.file.name;
      const facts = [sample.secs !== null && secs(sample.secs), bytes(sample.file.size)].filter(Boolean).join(" · ");
      const remove = element("button", { type: "button", class: "quiet", "aria-label": `Remove ${name}`, text: "Remove" });
      remove.addEventListener("click", () => {
        this.#remove(sample.id);
        byId("files-input").focus();
      });
      return element(
        "li",
        {},
        element("div", { class: "sample-head" }, element("p", { dir: "auto", text: name }), element("span", { class: "facts", text: facts }), remove),
        element("audio", { controls: true, preload: "metadata", src: sample.url, "aria-label": `Play ${name}` }),
      );
    };
    reconcile(byId("samples"), this.#samples, (it) => it.id, make, () => {});
    if (!this.#recorder) setText(byId("record"), this.#samples.some((it) => it.recorded) ? "Record again" : "Record");
  }

  #offerReplacing() {
    const name = byId("voice-name").value.trim();
    const taken = voiceCards().some((card) => card.name === name && !card.predefined);
    byId("replace-row").hidden = !taken;
    if (!taken) byId("voice-replace").checked = false;
  }

  /** Whether all is there; says what is not, and goes to the first of it. */
  #complete() {
    const name = byId("voice-name");
    const note = byId("consent-note");
    const given = byId("consent-given");
    const taken = !byId("replace-row").hidden && !byId("voice-replace").checked;
    const wrong = [
      [byId("files-input"), "samples-error", this.#samples.length === 0 && "record something, or choose a file"],
      [name, "voice-name-error", (!name.value.trim() && "give it a name") || (taken && "there is one of that name: replace it, or take another name")],
      [given, "consent-error", !given.checked && "without the consent of who speaks no voice is made"],
      [note, "consent-error", given.checked && !note.value.trim() && "say who agreed, and to what"],
    ];
    for (const id of ["samples-error", "voice-name-error", "consent-error"]) setText(byId(id), "");
    let first = null;
    for (const [field, id, message] of wrong) {
      if (field !== byId("files-input")) field.setAttribute("aria-invalid", String(Boolean(message)));
      if (!message) continue;
      setText(byId(id), message);
      first ??= field;
    }
    first?.focus();
    return first === null;
  }

  async #make() {
    const name = byId("voice-name").value.trim();
    const form = new FormData();
    form.append("name", name);
    form.append("consent", byId("consent-note").value.trim());
    form.append("visibility", byId("voice-visibility").value);
    if (byId("voice-language").value) form.append("language", byId("voice-language").value);
    if (byId("voice-replace").checked) form.append("replace", "true");
    for (const { file } of this.#samples) form.append("audio_sample", file, file.name);
    this.#abort = new AbortController();
    this.#showMaking(true);
    try {
      const card = await callForJson("POST", "/v1/audio/voices", { form, signal: this.#abort.signal });
      this.#made(card);
    } catch (error) {
      if (isAbort(error)) setText(byId("new-report"), "Cancelled.");
      else fail(error, `The voice ${name} was not made`);
    } finally {
      this.#abort = null;
      this.#showMaking(false);
      readVoices();
    }
  }

  #made(card) {
    const report = byId("new-report");
    const failed = card.status === "failed";
    report.replaceChildren(element("h3", { tabindex: "-1", text: failed ? `${card.name} could not be made` : `${card.name} is ready` }));
    if (card.problem) report.append(element("p", { class: "problem", text: card.problem }));
    if (card.quality) report.append(qualityReport(card.quality));
    if (failed) return;
    for (const sample of [...this.#samples]) this.#remove(sample.id);
    byId("new-voice").reset();
    showRecording(0, 0);
    this.#offerReplacing();
    report.firstElementChild.focus();
  }

  #showMaking(making) {
    byId("making").hidden = !making;
    byId("voice-cancel").hidden = !making;
    if (!making) return;
    byId("new-report").replaceChildren();
    setText(byId("making-text"), "Sending the recordings");
    byId("making-bar").removeAttribute("value");
  }

  #progress(voices) {
    if (!this.#abort || !voices?.making) return;
    const waiting = voices.n_waiting > 0 ? `, ${voices.n_waiting} waiting` : "";
    setText(byId("making-text"), `Making ${voices.making}${waiting}`);
    byId("making-bar").value = voices.progress;
  }
}

function showRecording(lengthSecs, peak) {
  setText(byId("record-time"), `${lengthSecs.toFixed(1)} of ${MAX_SECS} s`);
  const meter = byId("record-meter");
  const percent = Math.round(Math.min(peak, 1) ** 0.6 * 100);
  meter.setAttribute("aria-valuenow", String(percent));
  meter.dataset.state = peak > 0.98 ? "clipped" : "good";
  meter.firstElementChild.style.width = `${percent}%`;
}
