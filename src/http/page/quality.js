// Puts into words what was found in the recordings of a voice.

import { element } from "./dom.js";
import { secs } from "./format.js";

/** The report of one voice; the limits are those of which the daemon remarks. */
export function qualityReport(quality) {
  const noise = quality.noise_distance_db;
  const rows = [
    ["Recorded", `${secs(quality.recorded_secs)}, ${secs(quality.used_secs)} of it used`],
    ["Loudness", `${decibel(quality.level_db)} – ${quality.level_db < -40 ? "too quiet" : quality.level_db < -32 ? "a little quiet" : "good"}`],
    ["Noise", `${noise.toFixed(0)} dB below the speech – ${noise < 20 ? "it can be heard" : noise < 35 ? "acceptable" : "a quiet room"}`],
    ["Clipped", quality.clipped_percent < 0.005 ? "nothing" : `${quality.clipped_percent.toFixed(2)} %${quality.clipped_percent > 0.1 ? " – it can be heard" : ""}`],
    ["Silence", `${quality.silence_percent.toFixed(0)} %`],
  ];
  const remarks = quality.remarks ?? [];
  const said =
    remarks.length > 0
      ? element("ul", { class: "remarks" }, ...remarks.map((remark) => element("li", { text: remark })))
      : element("p", { class: "remark-none", text: "Nothing could be better." });
  return element("div", { class: "quality" }, figures(rows), said);
}

/** Names and values, side by side. */
export function figures(rows) {
  return element(
    "dl",
    { class: "figures" },
    ...rows.map(([name, value]) => element("div", {}, element("dt", { text: name }), element("dd", { text: value }))),
  );
}

function decibel(db) {
  return `${db.toFixed(0).replace("-", "−")} dB`;
}
