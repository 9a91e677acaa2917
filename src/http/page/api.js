// Sends requests to the daemon that serves the page, with the key, and turns refusals into errors that say why.

// The page may be served below another path by a proxy: all addresses are relative to this file's parent.
const ROOT = new URL("../", import.meta.url);

let key = "";
let whenUnauthorized = () => {};

/** A request that was not carried out. `status` is 0 where the daemon was not reached. */
export class ApiError extends Error {
  constructor(message, status, retryAfterSecs = null) {
    super(message);
    this.status = status;
    this.retryAfterSecs = retryAfterSecs;
  }
}

/** The key that is sent from now on; an empty one is none. */
export function setKey(value) {
  key = value;
}

/** What is called when the daemon does not accept the key that it was sent. */
export function onUnauthorized(listener) {
  whenUnauthorized = listener;
}

/** Whether somebody hung up on purpose. */
export function isAbort(error) {
  return error?.name === "AbortError";
}

/** Sends a request and resolves with the response once its head is there; rejects with an [ApiError] unless it is 2xx. */
export async function call(method, path, { json, form, signal } = {}) {
  const sentKey = key;
  const headers = new Headers();
  if (sentKey) headers.set("Authorization", `Bearer ${sentKey}`);
  if (json !== undefined) headers.set("Content-Type", "application/json");
  const body = json === undefined ? form : JSON.stringify(json);
  let response;
  try {
    response = await fetch(new URL(path.slice(1), ROOT), { method, headers, body, signal, cache: "no-store" });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError("the daemon cannot be reached: see whether it runs", 0);
  }
  if (response.ok) return response;
  const refusal = await refusalOf(response);
  // An answer to a key that was replaced meanwhile says nothing about the new one.
  if (response.status === 401 && sentKey === key) whenUnauthorized(refusal.message);
  throw refusal;
}

/** As `call`, and reads the answer as JSON. */
export async function callForJson(method, path, options) {
  const response = await call(method, path, options);
  try {
    return await response.json();
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError(`the answer to ${path} cannot be read`, response.status);
  }
}

async function refusalOf(response) {
  let message = "";
  try {
    message = (await response.json()).error?.message ?? "";
  } catch {
    // A proxy in between answers in HTML; the status has to do.
  }
  if (!message) message = `the daemon answered ${response.status} ${response.statusText}`.trim();
  const retryAfter = Number.parseFloat(response.headers.get("Retry-After") ?? "");
  if (!Number.isFinite(retryAfter)) return new ApiError(message, response.status);
  return new ApiError(`${message} (try again in ${Math.ceil(retryAfter)} s)`, response.status, retryAfter);
}
