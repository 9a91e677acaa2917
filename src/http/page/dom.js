// Makes and changes elements. Text goes in as text only: what is spoken is written by strangers.

/** The element of that id. */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * A new element. `class` and `text` are what they say, `on` maps events to listeners, `true` is an attribute without a
 * value, `false` and `null` are none.
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "class") made.className = value;
    else if (name === "text") made.textContent = value;
    else if (name === "on") for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** Sets a text only where it differs, so that a live region does not say it again. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Brings the children of a list to the state of `items`, each known by its key. What stays is not moved nor made anew:
 * the focus may be in it.
 */
export function reconcile(parent, items, keyOf, make, update) {
  const wanted = new Set(items.map((item) => String(keyOf(item))));
  const there = new Map();
  for (const child of [...parent.children]) {
    if (wanted.has(child.dataset.key)) there.set(child.dataset.key, child);
    else child.remove();
  }
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let child = there.get(key);
    there.delete(key);
    if (!child) {
      child = make(item);
      child.dataset.key = key;
    }
    update(child, item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
}

/** Shows a list, or what is said in its place where it is empty. */
export function listOrEmpty(list, empty, nItems) {
  list.hidden = nItems === 0;
  if (empty) empty.hidden = nItems !== 0;
}

/** Runs `task` for a button. It stays focusable meanwhile, and a second press does nothing. */
export async function busyWhile(button, task) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  try {
    await task();
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

/** Ctrl or Cmd with Enter sends the form of a text. */
export function sendOnCtrlEnter(text) {
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
      event.preventDefault();
      text.form.requestSubmit();
    }
  });
}
