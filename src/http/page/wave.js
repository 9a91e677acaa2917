// Draws the loudness of the last ten seconds, moving while there is something to see and still otherwise.

const SPAN_MS = 10_000;
const SLOT_MS = 50;
const N_SLOTS = SPAN_MS / SLOT_MS + 2;

/** A picture that moves on demand would not be one for those who asked for less motion: it changes twice a second. */
const CALM_MS = 500;

const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

/** A canvas that follows a level. */
export class Wave {
  #canvas;
  #levels = new Float32Array(N_SLOTS);
  // Which slot of time a level belongs to; what is older than the ring has another number.
  #slots = new Float64Array(N_SLOTS).fill(-1);
  #lastMs = -Infinity;
  #drawnMs = -Infinity;
  #looping = false;
  #visible = false;

  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.#draw(performance.now())).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw(performance.now()));
    document.addEventListener("visibilitychange", () => this.#wake());
  }

  /** Whether anybody can see it. */
  setVisible(visible) {
    this.#visible = visible;
    this.#wake();
  }

  /** The loudest sample since the last one, 0 to 1. */
  push(peak) {
    const now = performance.now();
    const slot = Math.floor(now / SLOT_MS);
    const idx = slot % N_SLOTS;
    const level = Math.min(Math.max(peak, 0), 1);
    this.#levels[idx] = this.#slots[idx] === slot ? Math.max(this.#levels[idx], level) : level;
    this.#slots[idx] = slot;
    this.#lastMs = now;
    this.#wake();
  }

  #wake() {
    if (this.#looping || !this.#visible || document.hidden) return;
    this.#looping = true;
    requestAnimationFrame((now) => this.#step(now));
  }

  #step(now) {
    if (!reducedMotion.matches || now - this.#drawnMs >= CALM_MS) this.#draw(now);
    this.#looping = this.#visible && !document.hidden && now - this.#lastMs < SPAN_MS + CALM_MS + 100;
    if (this.#looping) requestAnimationFrame((next) => this.#step(next));
  }

  #levelOf(slot) {
    const at = (wanted) => (this.#slots[wanted % N_SLOTS] === wanted ? this.#levels[wanted % N_SLOTS] : null);
    // Levels come about every slot, not exactly: a single gap between two is none.
    return at(slot) ?? ((at(slot - 1) ?? 0) + (at(slot + 1) ?? 0)) / 2;
  }

  #draw(now) {
    const sized = fitted(this.#canvas);
    if (!sized) return;
    this.#drawnMs = now;
    const { context, width, height, style } = sized;
    const smooth = reducedMotion.matches ? Math.floor(now / CALM_MS) * CALM_MS : now;
    const lastSlot = Math.floor(smooth / SLOT_MS);
    const pitch = width / (SPAN_MS / SLOT_MS);
    // On a narrow screen two slots share a bar: bars of a pixel are a haze.
    const merged = pitch < 2.5 ? 2 : 1;
    const barWidth = Math.max(1, pitch * merged * 0.6);
    const middle = height / 2;
    context.fillStyle = style.getPropertyValue("--signal");
    const first = Math.ceil((lastSlot - SPAN_MS / SLOT_MS) / merged) * merged;
    for (let slot = Math.max(first, 0); slot <= lastSlot; slot += merged) {
      let level = this.#levelOf(slot);
      if (merged === 2) level = Math.max(level, this.#levelOf(slot + 1));
      // Loudness is nearer to a power of the sample than to the sample.
      const bar = Math.max(1.5, level ** 0.6 * (height - 4));
      const x = width - (smooth - slot * SLOT_MS) / SPAN_MS * width;
      context.globalAlpha = level > 0.002 ? 1 : 0.45;
      context.fillRect(x - barWidth, middle - bar / 2, barWidth, bar);
    }
    context.globalAlpha = 1;
  }
}

/** Brings a canvas to the size at which it is shown and clears it; null where it is not shown. */
export function fitted(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  if (width < 2 || height < 2) return null;
  const ratio = Math.min(devicePixelRatio || 1, 3);
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height, style: getComputedStyle(canvas) };
}
