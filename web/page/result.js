/** The picture while it is made and when it is done, with the photo before under a divider. */

import { show, urlOf } from "./pictures.js";
import { state, update } from "./state.js";
import { stageInWords } from "./words.js";

const FIRST_SPLIT = 12; // percent: a divider that is seen and hides little

const NEW_ROOM = [16, 9]; // the shape of pictures without a photo

const byId = (id) => document.getElementById(id);
let shownEntry = null;

export function listensToResult() {
  byId("split").addEventListener("input", split);
  byId("share").addEventListener("click", share);
}

export function drawResult({ job, entry, room, variant }) {
  drawJob(job);
  const picture = entry?.pictures[variant];
  byId("compare").hidden = !job && !entry;
  byId("compare").classList.toggle("working", Boolean(job));
  byId("compare").style.setProperty("--shape", shapeOf(entry, room));
  show(byId("after"), picture ? urlOf(picture.file) : job ? job.partial ?? room?.url : "");
  show(byId("before"), entry?.before ? urlOf(entry.before) : "");
  byId("split").hidden = !entry?.before;
  byId("done").hidden = !entry;
  if (entry && entry !== shownEntry) drawEntry(entry);
  if (entry) drawVariant(entry, variant);
  shownEntry = entry;
}

function shapeOf(entry, room) {
  const [width, height] = entry?.size ?? (room?.width ? [room.width, room.height] : NEW_ROOM);
  return width / height;
}

function drawJob(job) {
  byId("working").hidden = !job;
  byId("start").hidden = Boolean(job);
  byId("start").classList.toggle("quiet", Boolean(state.entry));
  if (!job) return;
  if (job.percent) byId("progress").value = job.percent;
  else byId("progress").removeAttribute("value");
  const stage = stageInWords(job.stage);
  if (byId("doing").textContent !== stage) byId("doing").textContent = stage;
}

function drawEntry(entry) {
  byId("split").value = FIRST_SPLIT;
  split();
  byId("warnings").replaceChildren(...entry.warnings.map((text) => element("li", text)));
  byId("checks").replaceChildren(...rows(entry.checks));
  byId("checks").closest("details").hidden = !Object.keys(entry.checks).length;
  byId("variants").hidden = entry.pictures.length < 2;
  byId("variants").replaceChildren(...entry.pictures.map((picture, index) => variantOf(picture, index)));
}

function variantOf({ file, seed }, index) {
  const button = Object.assign(document.createElement("button"), { type: "button" });
  const image = Object.assign(new Image(), { src: urlOf(file), alt: `Variant ${index + 1}, seed ${seed}` });
  button.append(image);
  button.addEventListener("click", () => update({ variant: index }));
  const item = document.createElement("li");
  item.append(button);
  return item;
}

function drawVariant(entry, variant) {
  const { file, seed } = entry.pictures[variant];
  byId("variants").querySelectorAll("button").forEach((button, index) => button.setAttribute("aria-pressed", String(index === variant)));
  Object.assign(byId("download"), { href: urlOf(file), download: file.name });
  byId("share").hidden = !navigator.canShare?.({ files: [file] });
  byId("told").textContent = `${entry.size.join("×")}, seed ${seed}, ${entry.seconds} s, engine ${entry.engine}`;
}

async function share() {
  const { file } = state.entry.pictures[state.variant];
  await navigator.share({ files: [file] }).catch((problem) => { // closing the sheet is no failure
    if (problem.name !== "AbortError") update({ problems: { "": "The picture cannot be shared here: download it" } });
  });
}

function split() {
  byId("compare").style.setProperty("--split", `${byId("split").value}%`);
}

function rows(told, before = "") {
  return Object.entries(told).flatMap(([name, value]) => {
    const title = before + name.replaceAll("_", " ");
    if (value && typeof value === "object" && !Array.isArray(value)) return rows(value, `${title}: `);
    const text = Array.isArray(value) ? (value.length ? value.flat().join(", ") : "none") : String(value);
    return [element("dt", title), element("dd", text)];
  });
}

function element(name, text) {
  return Object.assign(document.createElement(name), { textContent: text });
}
