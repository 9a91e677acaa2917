// Writes figures as people read them.

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

/** `29 MB`, in powers of ten, as disks are sold. */
export function bytes(n) {
  if (!Number.isFinite(n)) return "–";
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let value = n;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toFixed(unit > 0 && value < 9.95 ? 1 : 0)} ${units[unit]}`;
}

/** `0.4 s`, `12 s`, `3 min 05 s`, `4 h 10 min`, `3 d 4 h`. */
export function secs(n) {
  if (!Number.isFinite(n)) return "–";
  if (n < 9.95) return `${n.toFixed(1)} s`;
  if (n < 99.5) return `${Math.round(n)} s`;
  const two = (part) => String(part).padStart(2, "0");
  const whole = Math.round(n);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor(whole / 60) % 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor(whole / 3600) % 24} h`;
}

/** `84 ms`, `1,204 ms`. */
export function ms(n) {
  return Number.isFinite(n) ? `${Math.round(n).toLocaleString()} ms` : "–";
}

/** `0.18`. */
export function factor(n) {
  return Number.isFinite(n) ? n.toFixed(n < 10 ? 2 : 0) : "–";
}

/** The time of day; with the day where that is not today. */
export function clock(when) {
  const date = new Date(when);
  if (when === null || Number.isNaN(date.getTime())) return "–";
  const today = date.toDateString() === new Date().toDateString();
  return today ? TIME.format(date) : `${DAY.format(date)}, ${TIME.format(date)}`;
}

/** The date alone. */
export function day(when) {
  const date = new Date(when);
  return Number.isNaN(date.getTime()) ? "–" : DATE.format(date);
}

/** `1 line`, `3 lines`. */
export function count(n, one, many = `${one}s`) {
  return `${n.toLocaleString()} ${n === 1 ? one : many}`;
}

/** A text cut to so many characters. */
export function cut(text, nChars) {
  return text.length > nChars ? `${text.slice(0, nChars)}…` : text;
}
