import { listing } from "./code.js";
import { drawGhosts, keepScale, layOut } from "./ghost.js";
import { drawHistory, forget, recall, remember } from "./history.js";
import { blobOf, pictureOf, show, thumbnail } from "./pictures.js";
import { drawMarks, marksPlaces, unmark } from "./place.js";
import { fieldsOf, jobOf } from "./request.js";
import { drawResult, listensToResult } from "./result.js";
import { run } from "./server.js";
import { currentProduct, drawnBy, MOST_PRODUCTS, newProduct, state, update, updateProduct } from "./state.js";
import { inWords, mistakeIn } from "./words.js";

const byId = (id) => document.getElementById(id);
const form = byId("form");
const controls = [...form.elements].filter(({ name }) => name);
const ofProduct = controls.filter(({ dataset }) => "product" in dataset);
const ofJob = controls.filter(({ dataset }) => !("product" in dataset));
const languages = [...document.querySelectorAll("[data-language]")];
let isLocked = false;
let reading = Promise.resolve(); // pictures that are still being read

/* Pictures. */

function take(what, file) {
  const taken = read(what, file);
  reading = Promise.all([reading, taken]);
  return taken;
}

async function read(what, file) {
  const field = `${what}_image`;
  try {
    const picture = await pictureOf(file);
    if (what === "room") update({ room: picture, replaced: null, products: state.products.map(unmarked) });
    else updateProduct({ picture, layout: null });
    update({ entry: null, note: "", problems: { ...state.problems, [field]: "", "": "" } });
    layOut();
  } catch ({ message }) {
    update({ problems: { ...state.problems, [field]: message } });
  }
}

const unmarked = (product) => ({ ...product, point: null, box: null, layout: null });

for (const input of document.querySelectorAll("[data-picture]")) {
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (file) await take(input.dataset.picture, file);
    input.value = ""; // the same file can be chosen again
  });
}

/* Where nothing says what a picture is, it is what is still missing, else one more product. */
function takeAnywhere(file, target) {
  const what = target?.closest?.("[data-drop]")?.dataset.drop ?? (target?.closest?.("#placing") && "room");
  if (what) return take(what, file);
  if (currentProduct().picture && state.room) addProduct();
  return take(currentProduct().picture && !state.room ? "room" : "product", file);
}

document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("over"); });
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("over"); });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  takeAll(event.dataTransfer.files, event.target);
});
document.addEventListener("paste", ({ clipboardData, target }) => takeAll(clipboardData.files, target));

async function takeAll(files, target) {
  for (const file of files) await takeAnywhere(file, target);
}

byId("example").addEventListener("click", async () => {
  for (const what of ["product", "room"]) {
    const picture = await (await fetch(`studio/example-${what}.png`)).blob();
    await take(what, new File([picture], `${what}.png`, { type: "image/png" }));
  }
  if (!currentProduct().fields.product_height_cm) updateProduct({ fields: { ...currentProduct().fields, product_height_cm: 90 } });
  fillIn();
});

/* Products. */

function addProduct() {
  if (state.products.length === MOST_PRODUCTS) return;
  const tool = state.tool === "replace" ? "point" : state.tool;
  update({ products: [...state.products, newProduct()], current: state.products.length, replaced: null, tool });
  fillIn();
}

function removeProduct() {
  const products = state.products.filter((product) => product !== currentProduct());
  update({ products, current: Math.min(state.current, products.length - 1), problems: {} });
  fillIn();
  layOut();
}

/* Writes the current product into its controls. */
function fillIn() {
  for (const control of ofProduct) control.value = currentProduct().fields[control.name] ?? "";
  update({});
}

for (const control of ofProduct) {
  control.addEventListener("input", () => updateProduct({ fields: fieldsOf(ofProduct) }));
  control.addEventListener("change", () => layOut());
}
/* A mistake is shown when its control is left, and taken back while it is mended: the button stays where it is clicked. */
for (const control of controls) {
  const look = () => update({ problems: { ...state.problems, [control.name]: mistakeIn(control) } });
  control.addEventListener("change", look);
  control.addEventListener("input", () => { if (state.problems[control.name]) look(); });
}
byId("add").addEventListener("click", () => { addProduct(); byId("product").focus(); });
byId("remove").addEventListener("click", removeProduct);
byId("no-room").addEventListener("click", () => {
  update({ room: null, replaced: null, products: state.products.map(unmarked), problems: { ...state.problems, room_image: "" } });
});
byId("no-place").addEventListener("click", () => { unmark(); byId("stage").focus(); });
byId("again").addEventListener("click", () => { update({ entry: null }); byId("stage").focus(); });
for (const radio of document.querySelectorAll("[name=tool]")) radio.addEventListener("change", () => update({ tool: radio.value }));

/* The job. */

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  await reading;
  if (state.job) return;
  const problems = mistakes();
  update({ problems, detail: "", note: "" });
  if (Object.values(problems).some(Boolean)) document.querySelector("[aria-invalid=true]")?.focus();
  else make();
});

function mistakes() {
  const problems = Object.fromEntries(controls.map((control) => [control.name, control.closest("[hidden]") ? "" : mistakeIn(control)]));
  const products = state.products.filter(({ picture }) => picture);
  problems.room_image = state.problems.room_image ?? "";
  if (!products.length) problems.product_image = "Choose a picture of the product first";
  if (products.length > 1 && !state.room) problems.room_image = "Several products need a photo of the room";
  return problems;
}

async function make() {
  const request = jobOf(state, fieldsOf(ofJob));
  const abort = new AbortController();
  update({ request, entry: null, variant: 0, job: { abort, stage: "", percent: 0, partial: "" } });
  byId("compare").scrollIntoView({ block: "nearest" });
  try {
    const answer = await run(`v1/${request.action}`, request.body, abort.signal, {
      progress: ({ stage, percent }) => update({ job: { ...state.job, stage, percent } }),
      partial_image: ({ image, mime_type: type }) => update({ job: { ...state.job, partial: `data:${type};base64,${image}` } }),
    });
    const entry = await entryOf(answer, request);
    update({ job: null, entry, note: "" });
    await remember(entry);
  } catch (problem) {
    fail(problem);
  }
}

function fail(problem) {
  const told = problem.name === "AbortError" ? { note: "Stopped" }
    : problem instanceof TypeError ? { problems: { "": "The server cannot be reached" } }
    : { ...inWords(problem), detail: problem.message };
  update({ job: null, ...told });
  document.querySelector("[aria-invalid=true]")?.focus();
}

/* A result as the history keeps it. */
async function entryOf(answer, { action, body }) {
  const info = answer.placement_info ?? answer.generation_info;
  const images = answer.images ?? [{ image: answer.processed_image, mime_type: answer.mime_type, seed: info.seed }];
  const pictures = images.map(({ image, mime_type: type, seed }) => (
    { seed, file: new File([blobOf(image, type)], `${action}-${seed}.${type.split("/")[1]}`, { type }) }));
  const why = info.fallback_used ? `, as the model failed (${info.fallback_reason})` : info.engine === "preview" ? ", a preview without a model" : "";
  return {
    id: Date.now(),
    title: [].concat(body.products ?? body).map((product) => product.product_name ?? product.product_image.name).join(", "),
    pictures,
    thumbnail: await thumbnail(pictures[0].file),
    before: body.room_image && state.room?.width ? body.room_image : null,
    size: info.original_size ?? info.output_size,
    engine: info.engine + why,
    seconds: answer.processing_time,
    warnings: answer.warnings ?? [],
    checks: info.checks ?? {},
  };
}

byId("stop").addEventListener("click", () => state.job.abort.abort());
byId("forget").addEventListener("click", forget);

/* The code. */

for (const button of languages) {
  button.addEventListener("click", () => {
    for (const other of languages) other.setAttribute("aria-pressed", String(other === button));
    update({});
  });
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

/* What is seen. */

function drawForm({ products, room, current, problems }) {
  const { picture, fields } = products[current];
  show(byId("product-shown"), picture?.url);
  show(byId("room-thumb"), room?.url);
  for (const field of document.querySelectorAll(".edit")) field.hidden = !room;
  for (const field of document.querySelectorAll(".generate")) field.hidden = Boolean(room);
  for (const field of document.querySelectorAll(".single")) field.hidden = !room || products.length > 1;
  document.querySelector(".rug").hidden = !room || fields.placement_surface !== "rug";
  byId("no-room").hidden = !room && !problems.room_image;
  byId("remove").hidden = products.length < 2;
  byId("add").hidden = products.length === MOST_PRODUCTS || !picture;
}

function drawProducts({ products, current }) {
  const list = byId("products");
  list.hidden = products.length < 2;
  while (list.children.length < products.length) list.append(tabOf(list.children.length));
  while (list.children.length > products.length) list.lastChild.remove();
  [...list.children].forEach((item, index) => {
    const [button, { picture }] = [item.firstChild, products[index]];
    button.setAttribute("aria-pressed", String(index === current));
    show(button.firstChild, picture?.url);
  });
}

function tabOf(index) {
  const button = Object.assign(document.createElement("button"), { type: "button" });
  button.append(Object.assign(new Image(), { alt: "" }), `${index + 1}`);
  button.setAttribute("aria-label", `Product ${index + 1}`);
  button.addEventListener("click", () => { update({ current: index }); fillIn(); });
  const item = document.createElement("li");
  item.append(button);
  return item;
}

function drawPanel({ room, job, entry, products, tool }) {
  const isPlacing = Boolean(room?.width) && !job && !entry;
  if (room?.width) {
    show(byId("room-shown"), room.url);
    byId("stage").style.setProperty("--shape", room.width / room.height);
  }
  byId("placing").hidden = !isPlacing;
  byId("empty").hidden = isPlacing || Boolean(job || entry || (room && products[0].picture));
  byId("again").hidden = !entry || !room?.width;
  document.querySelector(`[name=tool][value=${tool}]`).checked = true;
}

function drawProblems({ problems, detail, note }) {
  for (const control of controls) drawProblem(control, problems[control.name]);
  byId("problem").hidden = !problems[""];
  byId("problem").textContent = problems[""] ?? "";
  if (detail && detail !== problems[""] && problems[""]) byId("problem").append(smallText(detail));
  byId("note").textContent = note;
}

const smallText = (text) => Object.assign(document.createElement("small"), { textContent: text });

/* Beside its field. */
function drawProblem(control, sentence) {
  const id = `${control.name}-problem`;
  control.toggleAttribute("aria-invalid", false);
  byId(id)?.remove();
  if (!sentence) return;
  control.setAttribute("aria-invalid", "true");
  control.setAttribute("aria-describedby", id);
  const place = control.type === "file" ? control.closest(".pick") : control.closest("label");
  place.append(Object.assign(document.createElement("p"), { id, className: "problem", textContent: sentence }));
}

function drawCode({ request }) {
  byId("code").hidden = !request;
  if (!request) return;
  const { language } = languages.find((button) => button.getAttribute("aria-pressed") === "true").dataset;
  byId("text").textContent = listing(language, request, isLocked, new URL(".", location.href).href);
}

/* What serves here. */

fetch("v1/models").then(async (answer) => {
  const name = (await answer.json()).data[0].id;
  byId("engine").textContent = name === "preview" ? "Engine: preview, a compositor without a model." : `Engine: ${name}.`;
});
fetch("v1/models", { credentials: "omit" }).then(({ status }) => { isLocked = status === 401; });
fetch("studio/example-room.png", { method: "HEAD" }).then(({ ok }) => { byId("examples").hidden = !ok; });

marksPlaces(layOut);
listensToResult();
keepScale(byId("stage"), byId("room-shown"));
drawnBy(drawForm, drawProducts, drawPanel, drawGhosts, drawMarks, drawResult, drawHistory, drawProblems, drawCode);
recall();
