// Asks before something is done that cannot be undone.

import { byId, setText } from "./dom.js";

/** Resolves with whether it was agreed to. The focus is on the harmless answer, and goes back to where it was. */
export function confirmed(title, text, action) {
  const dialog = byId("confirm");
  if (dialog.open) return Promise.resolve(false);
  setText(byId("confirm-title"), title);
  setText(byId("confirm-text"), text);
  setText(byId("confirm-yes"), action);
  return new Promise((resolve) => {
    byId("confirm-yes").onclick = () => dialog.close("yes");
    byId("confirm-no").onclick = () => dialog.close("no");
    dialog.returnValue = "no";
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
    byId("confirm-no").focus();
  });
}
