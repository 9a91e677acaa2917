// Shows how the daemon is, over the last ten minutes, against its limits.

import { call } from "./api.js";
import { onPress, tell } from "./announce.js";
import { byId, element, listOrEmpty, reconcile, setText } from "./dom.js";
import { bytes, clock, count, factor, secs } from "./format.js";
import { draw, MAX_POINTS, Series } from "./plot.js";

/** The table has a row for each so many points. */
const ROW_POINTS = 30;

/** What is measured, in the order in which it is kept. */
const FIGURES = { memory: 0, children: 1, age: 2, realTime: 3, disk: 4 };

const PLOTS = [
  {
    id: "memory",
    title: "Memory",
    layers: [
      { idx: FIGURES.memory, name: "the daemon" },
      { idx: FIGURES.children, name: "its engines’ processes" },
    ],
    written: bytes,
    smallest: 20e6,
    limitOf: (limits) => limits.memory_bytes,
    limitWord: "at most",
  },
  {
    id: "queue-age",
    title: "Queue age",
    layers: [{ idx: FIGURES.age }],
    written: secs,
    smallest: 5,
    limitOf: (limits) => limits.queue_age_secs,
    limitWord: "at most",
  },
  {
    id: "real-time-factor",
    title: "Real-time factor",
    layers: [{ idx: FIGURES.realTime }],
    written: factor,
    smallest: 0.5,
    // Not a setting: above it no speech is without gaps.
    limitOf: () => 1,
    limitWord: "as fast as speech:",
  },
  {
    id: "disk",
    title: "Free disk",
    layers: [{ idx: FIGURES.disk }],
    written: bytes,
    smallest: 1e9,
    limitOf: (limits) => limits.disk_free_bytes,
    limitWord: "at least",
  },
];

/** The view. */
export class Health {
  #series = new Series(Object.keys(FIGURES).length);
  #limits = {};
  #visible = false;
  #scheduled = false;
  #nVitals = 0;

  constructor(events) {
    byId("plots").append(...PLOTS.map(makePlot));
    const resized = new ResizeObserver(() => this.#schedule());
    for (const plot of PLOTS) resized.observe(byId(`plot-${plot.id}`));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#schedule());
    document.addEventListener("visibilitychange", () => this.#schedule());
    events.addEventListener("vitals", ({ detail }) => this.#take(detail));
    events.addEventListener("status", ({ detail }) => showDaemon(detail));
    byId("figures-table").addEventListener("toggle", () => this.#fillTable());
    this.#act("engine-load", "/admin/load", "The engine is loaded");
    this.#act("engine-unload", "/admin/unload", "The engines are unloaded once they are idle");
  }

  /** Called when it is shown, and when it no longer is. */
  setVisible(visible) {
    this.#visible = visible;
    this.#schedule();
    this.#fillTable();
  }

  #act(id, path, done) {
    onPress(byId(id), "It was not done", async () => {
      await call("POST", path, { json: {} });
      tell(done);
    });
  }

  #take(vitals) {
    const figure = (value) => value ?? NaN;
    this.#limits = vitals.limits ?? {};
    this.#series.push(Date.now(), [
      figure(vitals.memory_bytes),
      figure(vitals.children_bytes),
      figure(vitals.queue_age_secs),
      figure(vitals.real_time_factor),
      figure(vitals.disk_free_bytes),
    ]);
    showAlerts(vitals.alerts ?? []);
    this.#nVitals += 1;
    this.#showCurrent(vitals);
    this.#schedule();
    // A table that changes each second cannot be read.
    if (this.#nVitals % ROW_POINTS === 1) this.#fillTable();
  }

  #showCurrent(vitals) {
    const show = (id, text) => setText(byId(`value-${id}`), text);
    const own = bytes(vitals.memory_bytes ?? NaN);
    show("memory", vitals.children_bytes > 0 ? `${own} + ${bytes(vitals.children_bytes)} of engines` : own);
    show("queue-age", secs(vitals.queue_age_secs ?? NaN));
    show("real-time-factor", vitals.real_time_factor === null ? "nothing was spoken yet" : factor(vitals.real_time_factor));
    show("disk", bytes(vitals.disk_free_bytes ?? NaN));
    for (const plot of PLOTS) {
      setText(byId(`limit-${plot.id}`), limitText(plot, this.#limits) || "no limit is set");
      byId(`plot-${plot.id}`).dataset.points = String(this.#series.length);
    }
  }

  #schedule() {
    if (!this.#visible || this.#scheduled || document.hidden) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      for (const plot of PLOTS) {
        const value = plot.limitOf(this.#limits);
        const limit = value ? { value, label: limitText(plot, this.#limits) } : null;
        draw(byId(`plot-${plot.id}`), this.#series, { ...plot, limit });
      }
    });
  }

  #fillTable() {
    if (!this.#visible || !byId("figures-table").open) return;
    const rows = [];
    let nth = 0;
    const nPoints = this.#series.length;
    this.#series.forEach((timeMs, valueOf) => {
      nth += 1;
      if ((nPoints - nth) % ROW_POINTS !== 0) return;
      const cells = [
        bytes(valueOf(FIGURES.memory)),
        bytes(valueOf(FIGURES.children)),
        secs(valueOf(FIGURES.age)),
        factor(valueOf(FIGURES.realTime)),
        bytes(valueOf(FIGURES.disk)),
      ];
      rows.push(element("tr", {}, element("th", { scope: "row", text: clock(timeMs) }), ...cells.map((text) => element("td", { text }))));
    });
    byId("figures-rows").replaceChildren(...rows.reverse().slice(0, MAX_POINTS / ROW_POINTS));
  }
}

function makePlot({ id, title, layers }) {
  const legend = layers.filter((layer) => layer.name).map((layer, n) => element("li", { class: `legend-${n + 1}`, text: layer.name }));
  return element(
    "section",
    { class: "panel plot", "aria-labelledby": `title-${id}` },
    element("h2", { id: `title-${id}`, text: title }),
    element("p", { class: "current", id: `value-${id}`, text: "–" }),
    element("p", { class: "facts", id: `limit-${id}` }),
    element("canvas", { id: `plot-${id}`, role: "img", "aria-label": `${title} over the last ten minutes; the table below says the same`, "data-points": "0" }),
    legend.length > 0 ? element("ul", { class: "legend", "aria-label": "Lines" }, ...legend) : "",
  );
}

function limitText(plot, limits) {
  const value = plot.limitOf(limits);
  return value ? `${plot.limitWord} ${plot.written(value)}` : "";
}

function showAlerts(alerts) {
  const shown = [...new Set(alerts)].slice(0, 20);
  reconcile(byId("alerts"), shown, (alert) => alert, (alert) => element("li", { text: alert.slice(0, 600) }), () => {});
  listOrEmpty(byId("alerts"), byId("alerts-empty"), shown.length);
  const badge = byId("health-badge");
  badge.hidden = shown.length === 0;
  setText(badge.firstElementChild, String(shown.length));
}

function showDaemon({ daemon, engine, queue, playback }) {
  const upSecs = (Date.now() - Date.parse(daemon.started_at)) / 1000;
  const loaded = engine.loaded.length > 0 ? engine.loaded.join(", ") : "none";
  const processes = (engine.processes ?? []).map((it) => `${it.engine}: process ${it.pid}, ${bytes(it.resident_bytes)}`);
  const broken = (engine.breakdowns ?? []).map((it) => `${it.engine}: ${it.n_in_a_row} in a row, last: ${it.last}`);
  const rows = [
    ["Version", daemon.version],
    ["Running for", upSecs >= 0 ? `${secs(upSecs)}, as process ${daemon.pid}` : "–"],
    ["Configuration", daemon.config ?? "what is built in"],
    ["Engines loaded", loaded],
    ["Engines run in", engine.isolation === "process" ? "processes of their own" : "a thread"],
    ["Engines’ processes", processes.join("; ")],
    ["Loaded, unloaded", `${engine.n_loads} times, ${engine.n_unloads} times`],
    ["Breakdowns", [count(engine.n_failures ?? 0, "breakdown"), count(engine.n_restarts ?? 0, "new start"), ...broken].join("; ")],
    ["Rescues", daemon.n_rescues > 0 ? `${daemon.n_rescues}, last: ${daemon.last_rescue ?? "unknown"}` : "none"],
    ["Spoken", `${count(queue.n_spoken, "utterance")}, ${queue.n_failed} failed`],
    ["Sound", `${playback.output || "–"}, ${playback.card}; ${count(playback.n_underruns, "underrun")}`],
  ];
  const wanted = rows.filter(([, value]) => value !== "");
  reconcile(
    byId("daemon-figures"),
    wanted,
    ([name]) => name,
    ([name]) => element("div", {}, element("dt", { text: name }), element("dd", { dir: "auto" })),
    (row, [, value]) => setText(row.lastElementChild, value),
  );
}
