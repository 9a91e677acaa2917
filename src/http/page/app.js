// Starts the page: the views, the way between them, and the state of the connection.

import { byId, setText } from "./dom.js";
import { Events } from "./events.js";
import { clock } from "./format.js";
import { Health } from "./health.js";
import { startKey } from "./key.js";
import { Monitor } from "./monitor.js";
import { stop } from "./player.js";
import { Try } from "./try.js";
import { Voices } from "./voices.js";

const events = new Events();
const views = { monitor: new Monitor(events), voices: new Voices(events), try: new Try(), health: new Health(events) };

let shown = "";
let retryAt = null;
let ticking = null;
let heardAt = null;

/** Shows the view that the address names. What is no view changes nothing. */
function route(event) {
  const wanted = location.hash.slice(1);
  const name = Object.hasOwn(views, wanted) ? wanted : shown || "monitor";
  if (name === shown) return;
  if (shown) {
    views[shown].setVisible?.(false);
    // What is heard and cannot be seen cannot be stopped.
    stop();
  }
  shown = name;
  // The first time as well: the page is written with the monitor in sight.
  for (const other of Object.keys(views)) byId(`view-${other}`).hidden = other !== name;
  const view = byId(`view-${name}`);
  views[name].setVisible?.(true);
  document.title = `${view.dataset.title} – speakerd`;
  for (const link of document.querySelectorAll(".top nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!event) return;
  window.scrollTo(0, 0);
  view.querySelector("h1").focus({ preventScroll: true });
}

function showConnection({ detail }) {
  const words = {
    off: "not connected",
    connecting: "connecting",
    live: "connected",
    waiting: "reconnecting",
    refused: "refused",
  };
  const { state, reason } = detail;
  byId("connection").dataset.state = state;
  setText(byId("connection-text"), words[state]);
  retryAt = detail.retryAt;
  // Between two attempts it connects for a moment: what is shown is no fresher for it.
  if (state === "connecting" && heardAt !== null) return;
  const lost = state === "waiting" || state === "refused";
  document.body.dataset.stale = lost ? "yes" : "no";
  byId("stale").hidden = !lost;
  byId("stale-retry").hidden = state === "refused";
  if (state === "live") setText(byId("connection-said"), "Connected");
  else if (lost) setText(byId("connection-said"), `Connection lost: ${reason}`);
  clearInterval(ticking);
  if (!lost) return;
  const say = () => {
    const since = heardAt === null ? "Nothing is known yet" : `What you see is as of ${clock(heardAt)}`;
    const left = retryAt === null ? 0 : Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    const next = state === "refused" ? "See whether the key may do this." : left > 0 ? `Trying again in ${left} s.` : "Trying again.";
    setText(byId("stale-text"), `${since}: ${reason}. ${next}`);
  };
  say();
  ticking = setInterval(say, 1000);
}

events.addEventListener("connection", showConnection);
for (const name of ["status", "vitals"]) events.addEventListener(name, () => (heardAt = Date.now()));
byId("stale-retry").addEventListener("click", () => events.retryNow());
window.addEventListener("online", () => events.retryNow());
document.addEventListener("visibilitychange", () => !document.hidden && events.retryNow());
byId("skip-link").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
window.addEventListener("hashchange", route);

route(null);
startKey(() => events.start());
