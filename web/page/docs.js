// Shows /openapi.json as text: every route with its fields, an example and its answers.

const element = (name, text = "", ...children) => {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...children);
  return made;
};

const resolved = (api, schema) =>
  schema?.$ref ? api.components.schemas[schema.$ref.split("/").pop()] : schema ?? {};

const typeOf = (schema) => {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" | ");
  if (schema.type === "array") return schema.items ? `list of ${typeOf(schema.items)}` : "list";
  return schema.format ?? schema.type ?? "any";
};

const fieldTable = (schema) => {
  const table = element("table", "", element("tr", "", ...["field", "type", "default", "meaning"].map((name) => element("th", name))));
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const fallback = schema.required?.includes(name) ? "required" : JSON.stringify(field.default ?? null);
    const cells = [name, typeOf(field), fallback, field.description ?? ""];
    table.append(element("tr", "", ...cells.map((text) => element("td", text))));
  }
  return table;
};

const bodyOf = (api, kind, content) => {
  const part = element("details", "", element("summary", kind), fieldTable(resolved(api, content.schema)));
  if (content.example) part.append(element("pre", JSON.stringify(content.example, null, 2)));
  return part;
};

const routeOf = (api, method, path, operation) => {
  const section = element("section", "", element("h2", `${method.toUpperCase()} ${path}`), element("p", operation.description ?? ""));
  for (const [kind, content] of Object.entries(operation.requestBody?.content ?? {})) section.append(bodyOf(api, kind, content));
  section.append(element("p", `Answers: ${Object.keys(operation.responses).join(", ")}`));
  return section;
};

const show = async () => {
  const api = await (await fetch("/openapi.json")).json();
  const routes = Object.entries(api.paths).flatMap(([path, verbs]) =>
    Object.entries(verbs).map(([method, operation]) => routeOf(api, method, path, operation)));
  document.getElementById("routes").append(element("p", api.info.description), ...routes);
};

await show();
