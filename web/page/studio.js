import { listing } from "./code.js";
import { events } from "./events.js";
import { Place } from "./place.js";

const byId = (id) => document.getElementById(id);
const form = byId("form");
const place = new Place(byId("stage"), byId("room-shown"), byId("marks"), byId("by-finger"), tellPlace);
let running = null;
let locked = false;
let request = null;

/* The pictures. */

for (const [name, shown] of [["product", byId("product-shown")], ["room", byId("room-shown")]]) {
  const input = byId(name);
  input.addEventListener("change", () => show(input, shown));
  const drop = byId(`${name}-drop`);
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files.length) choose(input, event.dataTransfer.files);
  });
}

function choose(input, files) {
  input.files = files;
  input.dispatchEvent(new Event("change"));
}

function show(input, shown) {
  URL.revokeObjectURL(shown.src);
  const [file] = input.files;
  input.classList.remove("wrong");
  shown.hidden = !file;
  if (file) shown.src = URL.createObjectURL(file);
  else shown.removeAttribute("src");
  if (input.id === "room") switchTo(file ? "edit" : "generate");
}

/* What a browser cannot show (HEIC, say) the server may still read. */
byId("product-shown").addEventListener("error", (event) => { event.target.hidden = true; });
byId("room-shown").addEventListener("error", () => { byId("stage").closest("fieldset").hidden = true; });

function switchTo(action) {
  place.clear();
  for (const field of form.querySelectorAll(".edit")) field.hidden = action !== "edit";
  for (const field of form.querySelectorAll(".generate")) field.hidden = action !== "generate";
}

byId("example").addEventListener("click", async () => {
  for (const name of ["product", "room"]) {
    const picture = await (await fetch(`studio/example-${name}.png`)).blob();
    const files = new DataTransfer();
    files.items.add(new File([picture], `${name}.png`, { type: "image/png" }));
    choose(byId(name), files.files);
  }
  form.elements.product_height_cm.value ||= 90;
});

function tellPlace({ point, box }) {
  byId("no-place").hidden = !point && !box;
  byId("place").value = box ? `In the box ${box.join(", ")}`
    : point ? `It stands at ${point.join(", ")}`
    : "No place chosen: words decide, or a free piece of floor";
}
byId("no-place").addEventListener("click", () => place.clear());

/* The request. */

const NUMBERS = ["product_height_cm", "seed", "harmonize"];

function fields() {
  const edits = byId("room").files.length > 0;
  const told = {};
  for (const control of form.elements) {
    if (!control.name || control.type === "file" || control.closest("[hidden]")) continue;
    const value = control.value.trim();
    if (control.type !== "checkbox" && value) told[control.name] = NUMBERS.includes(control.name) ? Number(value) : value;
    if (control.type === "checkbox" && !control.checked) told[control.name] = false;
  }
  if (edits && place.box) told.placement_box = place.box;
  else if (edits && place.point) told.placement_coordinates = place.point;
  return { action: edits ? "edit" : "generate", told };
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new Error(`${file.name} cannot be read`));
    reader.readAsDataURL(file);
  });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (running) return;
  const { action, told } = fields();
  const [product] = byId("product").files;
  const [room] = byId("room").files;
  request = { action, told, files: { product: product.name, ...(room && { room: room.name }) }, locked };
  running = new AbortController();
  begin();
  try {
    const body = { ...told, product_image: await base64(product) };
    if (room) body.room_image = await base64(room);
    const answer = await fetch(`v1/${action}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
      body: JSON.stringify(body),
      signal: running.signal,
    });
    if (!answer.ok) throw refusal(await answer.json().catch(() => null), answer.status);
    await follow(answer, room);
  } catch (problem) {
    fail(problem);
  } finally {
    end();
  }
});

byId("stop").addEventListener("click", () => running?.abort());

async function follow(answer, room) {
  for await (const { event, data } of events(answer.body)) {
    if (event === "progress") progress(data);
    if (event === "partial_image") picture(byId("after"), data.image, data.mime_type);
    if (event === "error") throw refusal(data);
    if (event === "answer") return finish(data, room);
  }
  throw new Error("The answer broke off: is the server still there?");
}

function refusal(told, status) {
  const message = typeof told?.error === "string" ? told.error : told?.error?.message;
  const problem = new Error(message ?? `The server answered ${status}`);
  problem.fields = told?.fields ?? [];
  return problem;
}

/* What is seen of it. */

function begin() {
  byId("problem").hidden = true;
  for (const field of form.querySelectorAll(".wrong")) field.classList.remove("wrong");
  byId("start").disabled = true;
  byId("stop").hidden = false;
  byId("result").hidden = false;
  byId("working").hidden = false;
  byId("done").hidden = true;
  byId("before").hidden = true;
  byId("code").hidden = false;
  byId("after").removeAttribute("src");
  byId("progress").removeAttribute("value");
  byId("doing").textContent = "Waiting for its turn";
  write();
  byId("result").scrollIntoView({ block: "nearest", behavior: "smooth" });
}

function end() {
  running = null;
  byId("start").disabled = false;
  byId("stop").hidden = true;
  byId("working").hidden = true;
}

function fail(problem) {
  byId("result").hidden = true;
  byId("problem").hidden = false;
  byId("problem").textContent = problem.name === "AbortError" ? "Stopped"
    : problem instanceof TypeError ? "The server cannot be reached"
    : problem.message;
  for (const name of problem.fields ?? []) form.elements[name]?.classList.add("wrong");
  form.querySelector(".wrong")?.focus();
}

function progress({ stage, percent }) {
  byId("progress").value = percent;
  if (byId("doing").textContent !== stage) byId("doing").textContent = stage;
}

function picture(image, text, type) {
  URL.revokeObjectURL(image.src);
  const url = URL.createObjectURL(new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], { type }));
  image.src = url;
  return url;
}

function finish(answer, room) {
  const info = answer.placement_info ?? answer.generation_info;
  const url = picture(byId("after"), answer.processed_image, answer.mime_type);
  const download = byId("download");
  download.href = url;
  download.download = `${answer.action}-${info.seed}.${answer.mime_type.split("/")[1]}`;
  if (room && byId("room-shown").naturalWidth) {
    byId("before").src = byId("room-shown").src;
    byId("before").hidden = byId("slide").hidden = false;
  } else byId("slide").hidden = true;
  split();
  byId("after").decode().then(() => {
    const { naturalWidth, naturalHeight } = byId("after");
    const by = info.fallback_used ? `, as the model failed (${info.fallback_reason})`
      : info.engine === "preview" ? ", a preview without a model" : "";
    byId("told").textContent =
      `${naturalWidth}×${naturalHeight}, seed ${info.seed}, ${answer.processing_time} s, engine ${info.engine}${by}`;
  });
  byId("warnings").replaceChildren(...(answer.warnings ?? []).map((text) => element("li", text)));
  byId("checks").replaceChildren(...rows(info.checks ?? {}));
  byId("checks").closest("details").hidden = !info.checks;
  byId("done").hidden = false;
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function rows(told, before = "") {
  return Object.entries(told).flatMap(([name, value]) => {
    const title = before + name.replaceAll("_", " ");
    if (value && typeof value === "object" && !Array.isArray(value)) return rows(value, `${title}: `);
    const text = Array.isArray(value) ? (value.length ? value.flat().join(", ") : "none") : String(value);
    return [element("dt", title), element("dd", text)];
  });
}

byId("split").addEventListener("input", split);
function split() {
  byId("compare").style.setProperty("--split", `${byId("split").value}%`);
}

/* The code. */

const languages = [...document.querySelectorAll("[data-language]")];
for (const button of languages) {
  button.addEventListener("click", () => {
    for (const other of languages) other.setAttribute("aria-pressed", String(other === button));
    write();
  });
}

function write() {
  const { language } = languages.find((button) => button.getAttribute("aria-pressed") === "true").dataset;
  byId("text").textContent = listing(language, { ...request, locked }, new URL(".", location.href).href);
}

byId("copy").addEventListener("click", async ({ target }) => {
  const text = byId("text");
  try {
    await navigator.clipboard.writeText(text.textContent);
    target.textContent = "Copied";
  } catch { /* not a secure context: select it, so that a key press copies */
    getSelection().selectAllChildren(text);
    target.textContent = "Selected";
  }
  setTimeout(() => { target.textContent = "Copy"; }, 2000);
});

/* What serves here. */

fetch("v1/models").then(async (answer) => {
  const name = (await answer.json()).data[0].id;
  byId("engine").textContent = name === "preview" ? "Engine: preview, a compositor without a model." : `Engine: ${name}.`;
});
fetch("v1/models", { credentials: "omit" }).then(({ status }) => { locked = status === 401; });
fetch("studio/example-room.png", { method: "HEAD" }).then(({ ok }) => { byId("examples").hidden = !ok; });
switchTo("generate");
