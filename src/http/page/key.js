// Keeps the key of the daemon, and asks for it.

import { callForJson, onUnauthorized, setKey } from "./api.js";
import { byId, busyWhile, setText } from "./dom.js";

const STORED = "speakerd-key";

let whenSignedIn = () => {};

/** Takes the key that was kept, or asks for one. `signedIn` is called once there is one, and whenever it changes. */
export function startKey(signedIn) {
  whenSignedIn = signedIn;
  onUnauthorized((message) => ask(`The key was not accepted: ${message}.`));
  byId("key-open").addEventListener("click", () => ask(""));
  byId("key-close").addEventListener("click", () => byId("key-dialog").close());
  byId("key-forget").addEventListener("click", signOut);
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    busyWhile(byId("key-go"), signIn);
  });
  byId("key-dialog").addEventListener("close", () => {
    byId("key-value").value = "";
    setText(byId("key-error"), "");
  });
  const kept = keptKey();
  if (kept) {
    setKey(kept);
    whenSignedIn();
  } else {
    ask("The daemon wants a key. This makes one: speakerd key add page --scope speak --scope voices --scope admin");
  }
}

function ask(reason) {
  const dialog = byId("key-dialog");
  setText(byId("key-reason"), reason);
  const kept = keptKey();
  byId("key-forget").hidden = !kept;
  byId("key-remember").checked = Boolean(stored(() => localStorage.getItem(STORED)));
  if (!dialog.open) dialog.showModal();
  byId("key-value").focus();
}

async function signIn() {
  const value = byId("key-value").value.trim();
  if (!value) {
    setText(byId("key-error"), "type the key first");
    return;
  }
  setText(byId("key-error"), "");
  const remember = byId("key-remember").checked;
  setKey(value);
  try {
    await callForJson("GET", "/v1/voices");
  } catch (error) {
    setKey(keptKey() ?? "");
    if (error.status === 401) setText(byId("key-reason"), "");
    setText(byId("key-error"), error.message);
    byId("key-value").focus();
    return;
  }
  forget();
  stored(() => (remember ? localStorage : sessionStorage).setItem(STORED, value));
  byId("key-dialog").close();
  whenSignedIn();
}

/** Forgets the key, and with it all that was shown: the page starts anew. */
function signOut() {
  forget();
  location.reload();
}

function forget() {
  for (const storage of ["sessionStorage", "localStorage"]) stored(() => window[storage].removeItem(STORED));
}

function keptKey() {
  return stored(() => sessionStorage.getItem(STORED) ?? localStorage.getItem(STORED));
}

/** Storage can be forbidden; then a key lasts as long as the page. */
function stored(use) {
  try {
    return use();
  } catch {
    return null;
  }
}
