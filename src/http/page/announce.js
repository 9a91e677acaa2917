// Says what went wrong, or right, where everyone sees and hears it.

import { busyWhile, byId, element } from "./dom.js";

/** More would cover the page. */
const MAX_ERRORS = 3;
const MESSAGE_MS = 6000;

/** Shows an error until it is dismissed. */
export function fail(error, doing) {
  const message = error instanceof Error ? error.message : String(error);
  const text = doing ? `${doing}: ${message}` : message;
  const list = byId("errors");
  // The same again is moved to the end, not shown twice.
  for (const shown of [...list.children]) if (shown.firstChild.textContent === text) shown.remove();
  const dismiss = element("button", { type: "button", class: "quiet", "aria-label": "Dismiss this error", text: "✕" });
  const toast = element("div", { class: "toast bad" }, element("p", { text }), dismiss);
  dismiss.addEventListener("click", () => {
    toast.remove();
    (list.querySelector("button") ?? byId("main")).focus({ preventScroll: true });
  });
  list.append(toast);
  while (list.children.length > MAX_ERRORS) list.firstElementChild.remove();
}

/** Runs `task` whenever a button is pressed, once at a time, and says what was `doing` where it fails. */
export function onPress(button, doing, task) {
  const run = async () => {
    try {
      await task();
    } catch (error) {
      fail(error, doing);
    }
  };
  button.addEventListener("click", () => busyWhile(button, run));
}

/** Shows for a few seconds that something was done. */
export function tell(text) {
  const toast = element("div", { class: "toast" }, element("p", { text }));
  byId("messages").replaceChildren(toast);
  setTimeout(() => toast.remove(), MESSAGE_MS);
}
