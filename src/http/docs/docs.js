// The reference: makes a page of the description that the server has of itself. Everything on it comes from there, as text.

import { byId, element } from "../assets/dom.js";
import { example, fields, meaning, nameOf, resolved, words } from "./schema.js";

const METHODS = ["get", "post", "put", "patch", "delete"];

/** Text in which `words` between backquotes are code. */
function prose(text) {
  return (text ?? "").split("`").map((part, idx) => (idx % 2 ? element("code", { text: part }) : part));
}

function paragraphs(text) {
  return (text ?? "").split(/\n\n+/).filter(Boolean).map((part) => element("p", {}, ...prose(part)));
}

/** What a value may be, with names that lead to what they mean. */
function kind(schema) {
  return words(schema).map(({ name, text }) => (name ? element("a", { href: `#type-${name}`, text: name }) : text));
}

function table(caption, head, rows) {
  const cells = (row) => row.map((cell, idx) => element(idx ? "td" : "th", idx ? {} : { scope: "row" }, ...[cell].flat()));
  return element("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": caption },
    element("table", { class: "fields" },
      element("caption", { class: "hidden-text", text: caption }),
      element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col", text })))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells(row))))));
}

function fieldTable(api, caption, schema) {
  const rows = fields(api, schema).map(({ name, schema: value, required }) => [
    name,
    [element("span", { class: "kind" }, ...kind(value))],
    required ? "yes" : "no",
    prose(meaning(value)),
  ]);
  return table(caption, ["Field", "Value", "Needed", "Meaning"], rows);
}

/** A command that asks this, for a shell. */
function command(api, { method, path, operation }) {
  const address = location.origin + path.replace(/\{\w+\}/g, "NAME");
  const needsKey = operation.security?.length > 0;
  const key = needsKey ? ['-H "Authorization: Bearer $SPEAKERD_KEY"'] : [];
  if (operation.responses["101"]) {
    return [`websocat ${address.replace(/^http/, "ws")}`, ...key].join(" \\\n  ");
  }
  const flags = [];
  const content = operation.requestBody?.content ?? {};
  const json = content["application/json"];
  const upload = content["multipart/form-data"];
  // What has a body is a POST by itself.
  if (method !== "get" && !json && !upload) flags.push(`-X ${method.toUpperCase()}`);
  if (json) {
    const body = JSON.stringify(example(api, json.schema)).replaceAll("'", "'\\''");
    flags.push("--json '" + body + "'");
  }
  if (upload) {
    for (const { name, schema, required } of fields(api, upload.schema)) {
      if (required) flags.push(`-F ${name}=${schema.type === "array" ? "@recording.wav" : "anna"}`);
    }
  }
  const answers = Object.keys(operation.responses["200"]?.content ?? {});
  const audio = answers.find((it) => it.startsWith("audio/"));
  if (audio) flags.push(`-o speech.${audio === "audio/mpeg" ? "mp3" : audio.slice(6)}`);
  if (answers[0] === "text/event-stream") flags.push("-N");
  return [`curl ${address}`, ...key, ...flags].join(" \\\n  ");
}

function exampleOf(text) {
  const button = element("button", { type: "button", class: "quiet", text: "Copy" });
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Cannot copy";
    }
  });
  return element("div", { class: "example" }, element("pre", { tabindex: "0" }, element("code", { text })), button);
}

function bodies(api, title, content) {
  return Object.entries(content ?? {}).flatMap(([type, { schema }]) => {
    const name = nameOf(schema);
    const said = element("p", {}, element("code", { text: type }), ": ", ...kind(schema ?? {}));
    return name || !schema?.properties ? [said] : [said, fieldTable(api, title, schema)];
  });
}

function operationPart(api, asked) {
  const { method, path, operation, id } = asked;
  const title = `${method.toUpperCase()} ${path}`;
  const inside = element("div", { class: "inside" }, ...paragraphs(operation.description));
  const scopes = operation.security?.flatMap((it) => Object.values(it).flat()) ?? [];
  const needs = scopes.length > 0 ? ["Needs a key that is good for ", element("code", { text: scopes.join(", ") }), "."] : ["Open to everyone."];
  inside.append(element("p", {}, ...needs));
  const parameters = (operation.parameters ?? []).map((it) => resolved(api, it));
  if (parameters.length > 0) {
    const rows = parameters.map((it) => [it.name, it.in, [element("span", { class: "kind" }, ...kind(it.schema ?? {}))], it.required ? "yes" : "no", prose(it.description ?? "")]);
    inside.append(element("h4", { text: "Parameters" }), table(`Parameters of ${title}`, ["Name", "Where", "Value", "Needed", "Meaning"], rows));
  }
  if (operation.requestBody) {
    inside.append(element("h4", { text: "Body" }));
    for (const [type, { schema }] of Object.entries(operation.requestBody.content)) {
      inside.append(element("p", {}, element("code", { text: type }), ": ", ...kind(schema)));
      inside.append(fieldTable(api, `Fields of the body of ${title}`, (schema.oneOf ?? [schema]).find((it) => it.type !== "null")));
    }
  }
  inside.append(element("h4", { text: "Example" }), exampleOf(command(api, asked)));
  const rows = Object.entries(operation.responses).map(([status, response]) => {
    const whole = resolved(api, response) ?? {};
    return [status, [...prose(whole.description), ...bodies(api, `${status} of ${title}`, whole.content)]];
  });
  inside.append(element("h4", { text: "Answers" }), table(`Answers of ${title}`, ["Status", "Meaning"], rows));
  return element("details", { class: "panel operation", id },
    element("summary", {},
      element("h3", {}, element("span", { class: "method", text: method.toUpperCase() }), ` ${path}`),
      element("span", { class: "about" }, ...prose(operation.summary))),
    inside);
}

function typePart(api, name, schema) {
  const inside = element("div", { class: "inside" }, ...paragraphs(schema.description));
  if (fields(api, schema).length > 0) inside.append(fieldTable(api, `Fields of ${name}`, schema));
  else inside.append(element("p", { class: "kind" }, ...kind(schema)));
  return element("details", { class: "panel type", id: `type-${name}` },
    element("summary", {}, element("h3", { text: name })), inside);
}

function operations(api) {
  return Object.entries(api.paths).flatMap(([path, item]) => METHODS.filter((method) => item[method]).map((method) => {
    const operation = item[method];
    return { method, path, operation, id: `request-${operation.operationId}`, tag: operation.tags?.[0] ?? "Other" };
  }));
}

function show(api) {
  byId("about").replaceChildren(...prose(api.info.description), ` Version ${api.info.version}.`);
  const all = operations(api);
  for (const { name, description } of api.tags) {
    const own = all.filter(({ tag }) => tag === name);
    if (own.length === 0) continue;
    const title = element("h2", { class: "part", text: name, id: `tag-${name.replaceAll(" ", "-")}` });
    byId("requests").append(element("section", { class: "tag", "aria-labelledby": title.id },
      title, element("p", {}, ...prose(description)), ...own.map((asked) => operationPart(api, asked))));
    const links = own.map(({ id, method, path }) => element("li", { "data-for": id },
      element("a", { href: `#${id}`, text: `${method.toUpperCase()} ${path}` })));
    byId("contents").append(element("h3", { text: name }), element("ul", {}, ...links));
  }
  for (const [name, schema] of Object.entries(api.components.schemas)) byId("types").append(typePart(api, name, schema));
}

/** Shows only what has every word of what is wanted in it. */
function search() {
  const wanted = byId("wanted").value.toLowerCase().split(/\s+/).filter(Boolean);
  let nFound = 0;
  for (const part of document.querySelectorAll(".operation, .type")) {
    const text = part.textContent.toLowerCase();
    part.hidden = !wanted.every((word) => text.includes(word));
    if (!part.hidden) nFound += 1;
    const link = document.querySelector(`li[data-for="${CSS.escape(part.id)}"]`);
    if (link) link.hidden = part.hidden;
  }
  for (const tag of document.querySelectorAll(".tag")) tag.hidden = !tag.querySelector(".operation:not([hidden])");
  for (const list of document.querySelectorAll("#contents ul")) {
    list.hidden = list.previousElementSibling.hidden = !list.querySelector("li:not([hidden])");
  }
  byId("found").textContent = wanted.length > 0 ? `${nFound} found` : "";
}

/** Opens what the address leads to. */
function follow() {
  const part = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!(part instanceof HTMLDetailsElement)) return;
  if (part.hidden) {
    byId("wanted").value = "";
    search();
  }
  part.open = true;
  part.scrollIntoView();
  part.querySelector("summary").focus({ preventScroll: true });
}

try {
  const answer = await fetch("openapi.json");
  if (!answer.ok) throw new Error(`the server answers with ${answer.status}`);
  show(await answer.json());
  byId("wanted").addEventListener("input", search);
  addEventListener("hashchange", follow);
  follow();
} catch (error) {
  byId("about").textContent = `The description cannot be read: ${error.message}. Load the page again.`;
}
