/** A request of the job interface as code to copy. `base` is the server's address, with a slash at its end. */
export function listing(language, { action, told, files, locked }, base) {
  return { curl, python, typescript }[language](`${base}v1/${action}`, told, files, locked);
}

const FIELDS = { product: "product_image", room: "room_image" };

function curl(url, told, files, locked) {
  const pictures = Object.entries(files).map(([name, file]) => `  "${FIELDS[name]}": "$(base64 < ${quoted(file)} | tr -d '\\n')"`);
  const others = Object.entries(told).map(([name, value]) => `  "${name}": ${escaped(JSON.stringify(value))}`);
  const key = locked ? ' -H "Authorization: Bearer $API_KEY"' : "";
  return `curl -s ${quoted(url)} -H "Content-Type: application/json"${key} -d @- << END > answer.json
{
${[...pictures, ...others].join(",\n")}
}
END
python3 -c 'import base64, json; open("result.${told.output_format ?? "png"}", "wb").write(base64.b64decode(json.load(open("answer.json"))["processed_image"]))'
`;
}

/* For the shell, where it reads names and addresses, and where it reads what lies between << END and END. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const escaped = (text) => text.replace(/[\\$`]/g, "\\$&");

function python(url, told, files, locked) {
  const pictures = Object.entries(files).map(([name, file]) => `    "${FIELDS[name]}": picture(${JSON.stringify(file)}),\n`);
  const others = Object.entries(told).map(([name, value]) => `    "${name}": ${inPython(value)},\n`);
  const header = locked ? `, "Authorization": "Bearer " + os.environ["API_KEY"]` : "";
  return `import base64
import json
${locked ? "import os\n" : ""}from pathlib import Path
from urllib.request import Request, urlopen


def picture(name):
    return base64.b64encode(Path(name).read_bytes()).decode()


job = {
${[...pictures, ...others].join("")}}
headers = {"Content-Type": "application/json"${header}}
request = Request(${JSON.stringify(url)}, json.dumps(job).encode(), headers)
answer = json.load(urlopen(request))
Path("result." + answer["mime_type"].split("/")[1]).write_bytes(base64.b64decode(answer["processed_image"]))
`;
}

function inPython(value) {
  return typeof value === "boolean" ? (value ? "True" : "False") : JSON.stringify(value);
}

function typescript(url, told, files, locked) {
  const pictures = Object.entries(files).map(([name, file]) => `    ${FIELDS[name]}: await picture(${JSON.stringify(file)}),\n`);
  const others = Object.entries(told).map(([name, value]) => `    ${name}: ${JSON.stringify(value)},\n`);
  const header = locked ? ", Authorization: `Bearer ${process.env.API_KEY}`" : "";
  return `import { readFile, writeFile } from "node:fs/promises";

const picture = (name: string) => readFile(name, "base64");

const response = await fetch(${JSON.stringify(url)}, {
  method: "POST",
  headers: { "Content-Type": "application/json"${header} },
  body: JSON.stringify({
${[...pictures, ...others].join("")}  }),
});
const answer = await response.json();
if (!response.ok) throw new Error(answer.error);
await writeFile("result." + answer.mime_type.split("/")[1], Buffer.from(answer.processed_image, "base64"));
`;
}
