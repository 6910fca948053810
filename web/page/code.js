/** A request of the job interface as code to copy. `base` is the server's address, with a slash at its end. */
export function listing(language, { action, body }, locked, base) {
  return { curl, python, typescript }[language](`${base}v1/${action}`, body, locked);
}

/* A value as the language writes it; what differs is how it writes a file and a scalar. */
function written(value, file, scalar) {
  if (value instanceof Blob) return file(value.name);
  if (Array.isArray(value)) return `[${value.map((each) => written(each, file, scalar)).join(", ")}]`;
  if (typeof value === "object") return `{${fields(value, file, scalar).join(", ")}}`;
  return scalar(value);
}

function fields(value, file, scalar) {
  return Object.entries(value).map(([name, each]) => `"${name}": ${written(each, file, scalar)}`);
}

function curl(url, body, locked) {
  const file = (name) => `"$(base64 < ${quoted(name)} | tr -d '\\n')"`;
  const key = locked ? ' -H "Authorization: Bearer $API_KEY"' : "";
  return `curl -s ${quoted(url)} -H "Content-Type: application/json"${key} -d @- << END > answer.json
{
  ${fields(body, file, (value) => escaped(JSON.stringify(value))).join(",\n  ")}
}
END
python3 -c 'import base64, json; open("result.${body.output_format ?? "png"}", "wb").write(base64.b64decode(json.load(open("answer.json"))["processed_image"]))'
`;
}

/* For the shell, where it reads names and addresses, and where it reads what lies between << END and END. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const escaped = (text) => text.replace(/[\\$`]/g, "\\$&");

function python(url, body, locked) {
  const file = (name) => `picture(${JSON.stringify(name)})`;
  const scalar = (value) => (typeof value === "boolean" ? (value ? "True" : "False") : JSON.stringify(value));
  const header = locked ? `, "Authorization": "Bearer " + os.environ["API_KEY"]` : "";
  return `import base64
import json
${locked ? "import os\n" : ""}from pathlib import Path
from urllib.request import Request, urlopen


def picture(name):
    return base64.b64encode(Path(name).read_bytes()).decode()


job = {
    ${fields(body, file, scalar).join(",\n    ")},
}
headers = {"Content-Type": "application/json"${header}}
request = Request(${JSON.stringify(url)}, json.dumps(job).encode(), headers)
answer = json.load(urlopen(request))
Path("result." + answer["mime_type"].split("/")[1]).write_bytes(base64.b64decode(answer["processed_image"]))
`;
}

function typescript(url, body, locked) {
  const file = (name) => `await picture(${JSON.stringify(name)})`;
  const header = locked ? ", Authorization: `Bearer ${process.env.API_KEY}`" : "";
  return `import { readFile, writeFile } from "node:fs/promises";

const picture = (name: string) => readFile(name, "base64");

const response = await fetch(${JSON.stringify(url)}, {
  method: "POST",
  headers: { "Content-Type": "application/json"${header} },
  body: JSON.stringify({
    ${fields(body, file, JSON.stringify).join(",\n    ")},
  }),
});
const answer = await response.json();
if (!response.ok) throw new Error(answer.error);
await writeFile("result." + answer.mime_type.split("/")[1], Buffer.from(answer.processed_image, "base64"));
`;
}
