// Keeps figures over time and draws them, with a limit as a line.

import { fitted } from "./wave.js";

/** Ten minutes of one figure each second. */
export const MAX_POINTS = 600;
const SPAN_MS = 600_000;

/** Between two points so far apart nothing is known, and no line is drawn. */
const GAP_MS = 5_000;

/** The last ten minutes of some figures that are measured together. A figure may be unknown: NaN. */
export class Series {
  #times = new Float64Array(MAX_POINTS);
  #values;
  #next = 0;

  /** How many points there are. */
  length = 0;

  constructor(nFigures) {
    this.#values = Array.from({ length: nFigures }, () => new Float64Array(MAX_POINTS));
  }

  /** Adds a point; the oldest goes where there are too many. */
  push(timeMs, figures) {
    this.#times[this.#next] = timeMs;
    figures.forEach((value, idx) => (this.#values[idx][this.#next] = value));
    this.#next = (this.#next + 1) % MAX_POINTS;
    this.length = Math.min(this.length + 1, MAX_POINTS);
  }

  /** Calls `visit(time, valueOf)` for each point, oldest first. */
  forEach(visit) {
    for (let n = this.length; n > 0; n -= 1) {
      const at = (this.#next - n + MAX_POINTS) % MAX_POINTS;
      visit(this.#times[at], (idx) => this.#values[idx][at]);
    }
  }
}

/**
 * Draws figures of a series: the first of `layers` as an area, a second one as a dashed line. `limit` is `{value, label}` or
 * null; `written` writes a value; the scale goes to `smallest` at least.
 */
export function draw(canvas, series, { layers, limit, written, smallest }) {
  const sized = fitted(canvas);
  if (!sized) return;
  const { context, width, height, style } = sized;
  const color = (name) => style.getPropertyValue(name);
  const fontPx = Number.parseFloat(style.fontSize);
  context.font = `${fontPx}px ${style.fontFamily}`;
  const nowMs = Date.now();
  const top = ceiling(series, layers, limit, smallest);
  const steps = [[0, "0"], [top / 2, written(top / 2)], [top, written(top)]];
  const left = Math.max(...steps.map(([, label]) => context.measureText(label).width)) + 8;
  const box = { left, top: fontPx, right: width - 1, bottom: height - fontPx * 1.6 };
  const x = (timeMs) => box.right - ((nowMs - timeMs) / SPAN_MS) * (box.right - box.left);
  const y = (value) => box.bottom - (value / top) * (box.bottom - box.top);

  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const [value, label] of steps) {
    context.fillStyle = color("--muted");
    context.fillText(label, box.left - 6, y(value));
    context.fillStyle = color("--line");
    context.fillRect(box.left, Math.round(y(value)), box.right - box.left, 1);
  }
  context.textBaseline = "alphabetic";
  context.fillStyle = color("--muted");
  context.fillText("now", box.right, height - 3);
  context.textAlign = "center";
  context.fillText("5 min ago", (box.left + box.right) / 2, height - 3);
  context.textAlign = "left";
  context.fillText("10 min", box.left, height - 3);

  context.save();
  context.beginPath();
  context.rect(box.left, 0, box.right - box.left, height);
  context.clip();
  layers.forEach(({ idx }, nth) => {
    context.setLineDash(nth === 0 ? [] : [5, 3]);
    context.strokeStyle = context.fillStyle = color(nth === 0 ? "--plot" : "--plot-2");
    trace(context, series, idx, { x, y, bottom: nth === 0 ? box.bottom : null });
  });
  context.restore();
  if (limit) drawLimit(context, limit, { y: y(limit.value), box, fontPx, color });
}

/** Draws one figure, and fills what is below it down to `bottom`, if that is given. */
function trace(context, series, idx, { x, y, bottom }) {
  context.lineWidth = 1.75;
  context.lineJoin = "round";
  let run = [];
  const finish = () => {
    if (run.length > 0) {
      context.beginPath();
      run.forEach(([px, py]) => context.lineTo(px, py));
      // A single point has no line: it is shown as a short one.
      if (run.length === 1) context.lineTo(run[0][0] + 2, run[0][1]);
      context.stroke();
      if (bottom !== null) {
        context.lineTo(run.at(-1)[0], bottom);
        context.lineTo(run[0][0], bottom);
        context.globalAlpha = 0.13;
        context.fill();
        context.globalAlpha = 1;
      }
    }
    run = [];
  };
  let lastMs = 0;
  series.forEach((timeMs, valueOf) => {
    const value = valueOf(idx);
    if (Number.isNaN(value) || timeMs - lastMs > GAP_MS) finish();
    if (!Number.isNaN(value)) run.push([x(timeMs), y(value)]);
    lastMs = timeMs;
  });
  finish();
}

function drawLimit(context, limit, { y, box, fontPx, color }) {
  context.strokeStyle = color("--bad");
  context.lineWidth = 1.5;
  context.setLineDash([6, 4]);
  context.beginPath();
  context.moveTo(box.left, y);
  context.lineTo(box.right, y);
  context.stroke();
  context.setLineDash([]);
  context.textAlign = "right";
  // Above the line, unless that is outside; on a ground of its own, for figures may pass behind.
  const baseline = y - fontPx * 1.6 > 0 ? y - 5 : y + fontPx + 3;
  const wide = context.measureText(limit.label).width;
  context.globalAlpha = 0.85;
  context.fillStyle = color("--panel");
  context.fillRect(box.right - wide - 6, baseline - fontPx, wide + 6, fontPx * 1.25);
  context.globalAlpha = 1;
  context.fillStyle = color("--bad");
  context.fillText(limit.label, box.right - 3, baseline);
}

/** The next round value above all that is to be seen. */
function ceiling(series, layers, limit, smallest) {
  let most = Math.max(smallest, limit?.value ?? 0);
  series.forEach((_, valueOf) => {
    for (const { idx } of layers) if (valueOf(idx) > most) most = valueOf(idx);
  });
  const wanted = most * 1.08;
  const unit = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 3, 4, 5, 6, 8, 10].find((step) => step * unit >= wanted) * unit;
}
