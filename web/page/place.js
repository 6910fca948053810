/** Marks in the photo of the room, made by mouse, finger or keyboard, in the photo's own pixels. */

import { currentProduct, state, update, updateProduct } from "./state.js";

const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STEPS = 100; // arrow keys along the photo's longer side
const FIRST_ROW = 0.8; // of the photo: where the keyboard begins
const CLICK_PIXELS = 6; // on the screen: less is no drag

const byId = (id) => document.getElementById(id);
const image = byId("room-shown");
const stage = byId("stage");
let start = null;

/** Calls `changed` after each mark. */
export function marksPlaces(changed) {
  const marks = (handle) => (event) => { if (handle(event)) changed(); };
  stage.addEventListener("pointerdown", marks(down));
  stage.addEventListener("pointermove", marks(move));
  stage.addEventListener("pointerup", marks(up));
  stage.addEventListener("pointercancel", () => { start = null; });
  stage.addEventListener("keydown", marks(key));
  image.addEventListener("load", () => update({}));
}

/** Takes the mark of the chosen tool away. */
export function unmark() {
  if (state.tool === "replace") update({ replaced: null });
  else updateProduct({ point: null, box: null, layout: null });
  return true;
}

const markedBox = () => (state.tool === "replace" ? state.replaced : currentProduct().box);

function markPoint(point) {
  updateProduct({ point, box: null });
  return true;
}

function markBox(box) {
  if (state.tool === "replace") update({ replaced: box });
  else updateProduct({ point: null, box });
  return true;
}

function pixelAt({ clientX, clientY }) {
  const { left, top, width, height } = stage.getBoundingClientRect();
  return inside([((clientX - left) / width) * image.naturalWidth, ((clientY - top) / height) * image.naturalHeight]);
}

function inside([x, y]) {
  const within = (value, size) => Math.min(size - 1, Math.max(0, Math.floor(value)));
  return [within(x, image.naturalWidth), within(y, image.naturalHeight)];
}

/* A finger scrolls the page, unless it draws a box. */
const drags = ({ pointerType }) => pointerType !== "touch" || state.tool !== "point";

function down(event) {
  if (event.button) return;
  start = { x: event.clientX, y: event.clientY, pixel: pixelAt(event) };
  if (drags(event)) stage.setPointerCapture(event.pointerId);
}

const isClick = (event) => Math.hypot(event.clientX - start.x, event.clientY - start.y) <= CLICK_PIXELS;

function move(event) {
  if (!start || !drags(event) || (isClick(event) && !start.moved)) return false;
  start.moved = true;
  return state.tool === "point" ? markPoint(pixelAt(event)) : markBox(between(start.pixel, pixelAt(event)));
}

function up(event) {
  const isTap = start && !start.moved && isClick(event);
  const pixel = start?.pixel;
  start = null;
  return isTap && state.tool === "point" && markPoint(pixel);
}

function key(event) {
  if (event.key === "Escape") return unmark();
  const way = WAYS[event.key];
  if (!way || !image.naturalWidth) return false;
  event.preventDefault();
  const step = Math.max(1, Math.round(Math.max(image.naturalWidth, image.naturalHeight) / STEPS));
  const moved = ([x, y]) => inside([x + way[0] * step, y + way[1] * step]);
  return event.shiftKey || state.tool === "replace" ? pullBox(moved) : movePoint(moved);
}

const middle = () => [Math.round(image.naturalWidth / 2), Math.round(image.naturalHeight * FIRST_ROW)];

function movePoint(moved) {
  const { point, box } = currentProduct();
  return markPoint(point || box ? moved(point ?? [box[2], box[3]]) : middle());
}

function pullBox(moved) {
  const [left, top, right, bottom] = markedBox() ?? [];
  const anchor = (state.tool !== "replace" && currentProduct().point) || (right ? [right, bottom] : middle());
  return markBox(between(right ? [left, top] : anchor, moved(anchor)));
}

/* At least a pixel wide and high. */
function between([a, b], [c, d]) {
  return [Math.min(a, c), Math.min(b, d), Math.max(a, c) + 1, Math.max(b, d) + 1];
}

export function drawMarks({ replaced, tool }) {
  const { point, box } = currentProduct();
  drawBox(byId("marks").querySelector(".box"), box);
  drawBox(byId("marks").querySelector(".old"), replaced);
  drawPoint(byId("marks").querySelector("g"), point);
  stage.classList.toggle("boxes", tool !== "point");
  byId("no-place").hidden = !(tool === "replace" ? replaced : point ?? box);
  byId("place").value = sentence(tool, point, box, replaced);
}

const percent = (value, size) => `${(100 * value) / size}%`;

function drawBox(rect, box) {
  rect.toggleAttribute("hidden", !box || !image.naturalWidth);
  if (rect.hasAttribute("hidden")) return;
  const [left, top, right, bottom] = box;
  rect.setAttribute("x", percent(left, image.naturalWidth));
  rect.setAttribute("y", percent(top, image.naturalHeight));
  rect.setAttribute("width", percent(right - left, image.naturalWidth));
  rect.setAttribute("height", percent(bottom - top, image.naturalHeight));
}

function drawPoint(mark, point) {
  mark.toggleAttribute("hidden", !point || !image.naturalWidth);
  if (mark.hasAttribute("hidden")) return;
  const [x, y] = point;
  mark.style.transform = `translate(${percent(x + 0.5, image.naturalWidth)}, ${percent(y + 0.5, image.naturalHeight)})`;
}

function sentence(tool, point, box, replaced) {
  if (tool === "replace") return replaced ? `Replaces what is in the box ${replaced.join(", ")}` : "Nothing is replaced yet: drag a box";
  if (box) return `In the box ${box.join(", ")}`;
  if (point) return `At ${point.join(", ")}`;
  return tool === "box" ? "No box yet: drag one" : "No place yet: words decide, or a free place is found";
}
