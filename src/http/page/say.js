// Has a text said where the daemon runs.

import { call } from "./api.js";
import { fail, tell } from "./announce.js";

/** Has a text said by the daemon; resolves with whether it took it. */
export async function sayAgain(text, voice) {
  try {
    await call("POST", "/admin/say", { json: voice ? { text, voice } : { text } });
    tell("It waits its turn");
    return true;
  } catch (error) {
    fail(error, "It was not taken");
    return false;
  }
}
