// What types are, in words and in examples. A type is a schema of the description; one that has a name is told by it.

const REFERENCE = "#/components/schemas/";

/** The name that a schema refers to; `null` where it is one itself. */
export function nameOf(schema) {
  return schema?.$ref?.startsWith(REFERENCE) ? schema.$ref.slice(REFERENCE.length) : null;
}

/** Whatever a reference refers to. */
export function resolved(api, thing) {
  let place = api;
  if (!thing?.$ref) return thing;
  for (const step of thing.$ref.slice(2).split("/")) place = place?.[step];
  return place;
}

/** What a value may be, as a list of words and names: `[{ text }, { name }]`. */
export function words(schema) {
  const name = nameOf(schema);
  if (name) return [{ name }];
  const choice = schema.oneOf ?? schema.anyOf;
  if (choice) return joined(choice.map(words), " or ");
  if (schema.allOf) return joined(schema.allOf.map(words), " and ");
  const types = [schema.type ?? "anything"].flat();
  const said = [];
  for (const type of types) {
    if (said.length > 0) said.push({ text: " or " });
    if (type === "array" && schema.items) said.push({ text: "list of " }, ...words(schema.items));
    else said.push({ text: type });
  }
  const limits = limitsOf(schema);
  if (limits) said.push({ text: `, ${limits}` });
  return said;
}

function joined(lists, between) {
  return lists.flatMap((list, idx) => (idx > 0 ? [{ text: between }, ...list] : list));
}

function limitsOf(schema) {
  const limits = [];
  const values = schema.enum?.filter((value) => value !== null);
  if (values) limits.push(values.map((value) => `“${value}”`).join(", "));
  const { minimum, maximum, minItems, maxItems } = schema;
  if (minimum !== undefined && maximum !== undefined) limits.push(`${minimum} to ${maximum}`);
  if (minItems !== undefined && maxItems !== undefined) limits.push(`${minItems} to ${maxItems} of them`);
  if (schema.default !== undefined && schema.default !== null) limits.push(`else ${JSON.stringify(schema.default)}`);
  return limits.join(", ");
}

/** What a value means: what is said of it, or of what it is a choice of. */
export function meaning(schema) {
  const choice = schema.oneOf ?? schema.anyOf ?? [];
  return schema.description ?? choice.find((it) => it.description)?.description ?? "";
}

/** The fields of a type, those of its parts as well: `[{ name, schema, required }]`. */
export function fields(api, schema) {
  const whole = resolved(api, schema) ?? {};
  const parts = (whole.allOf ?? []).flatMap((part) => fields(api, part));
  const own = Object.entries(whole.properties ?? {}).map(([name, value]) => {
    return { name, schema: value, required: whole.required?.includes(name) ?? false };
  });
  return [...parts, ...own];
}

/** An example of a value: what has to be there, and what has an example of its own. */
export function example(api, schema, depth = 0) {
  const whole = resolved(api, schema) ?? {};
  if (whole.example !== undefined) return whole.example;
  if (whole.examples?.length) return whole.examples[0];
  const choice = whole.oneOf ?? whole.anyOf;
  if (choice) return example(api, choice.find((it) => it.type !== "null") ?? {}, depth);
  if (whole.enum) return whole.enum[0];
  const type = [whole.type ?? "object"].flat()[0];
  if (type === "string") return "…";
  if (type === "integer" || type === "number") return whole.default ?? whole.maximum ?? 1;
  if (type === "boolean") return false;
  if (depth > 4) return null;
  if (type === "array") return [example(api, whole.items ?? {}, depth + 1)];
  const said = {};
  for (const { name, schema: value, required } of fields(api, whole)) {
    if (required || value.example !== undefined) said[name] = example(api, value, depth + 1);
  }
  return said;
}
