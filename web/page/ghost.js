/** The products at their true size in the photo, before anything is painted. */

import { pictureOf, reduced, show } from "./pictures.js";
import { ask } from "./server.js";
import { state, update } from "./state.js";
import { inWords } from "./words.js";

const SENT_SIDE = 1024; // pixels of the photo that is sent: the camera is looked for in as many
const PRODUCT_SIDE = 640;
const DRAWN_SIDE = 512; // CSS pixels of a ghost before it is bent into its corners

const byId = (id) => document.getElementById(id);
const small = new WeakMap(); // by picture
let isAsking = false;
let isStale = false;

/** Asks where the marked products would stand; while it asks, further calls count as one. */
export async function layOut() {
  isStale = true;
  if (isAsking) return;
  isAsking = true;
  while (isStale) {
    isStale = false;
    await layOutOnce();
  }
  isAsking = false;
}

async function layOutOnce() {
  const { room } = state;
  const marked = state.products.filter(({ picture, point, box }) => picture && (point || box));
  if (!room?.width || !marked.length) return;
  try {
    const photo = await smallOf(room, SENT_SIDE, "image/jpeg");
    const items = await Promise.all(marked.map((product) => itemOf(product, photo.width / room.width)));
    const { placements } = await ask("v1/layout", { room_image: photo.file, products: items });
    keep(marked, placements, room.width / photo.width);
  } catch (problem) {
    if (problem.fields?.length) update(inWordsOf(problem, marked));
  }
}

/* The numbers of products in the request are those of the marked ones. */
function inWordsOf(problem, marked) {
  const { problems, current } = inWords(problem);
  return { problems, current: state.products.findIndex(({ picture }) => picture === marked[current ?? 0].picture) };
}

async function smallOf(picture, side, type) {
  if (!small.has(picture)) {
    const file = await reduced(picture, side, type);
    small.set(picture, file === picture.file ? picture : await pictureOf(file));
  }
  return small.get(picture);
}

async function itemOf({ picture, fields, point, box }, scale) {
  const { file } = picture.width ? await smallOf(picture, PRODUCT_SIDE, "image/png") : picture;
  const place = box ? { placement_box: box.map((each) => each * scale) }
    : { placement_coordinates: point.map((each) => each * scale) };
  return { product_image: file, ...fields, ...place };
}

function keep(marked, placements, scale) {
  const products = state.products.map((product) => {
    const number = marked.findIndex(({ picture }) => picture === product.picture);
    if (number < 0) return product;
    const { cut_out: image, corners } = placements[number];
    const { point, box } = marked[number];
    return { ...product, layout: { image, corners: corners.map(([x, y]) => [x * scale, y * scale]), point, box } };
  });
  update({ products });
}

/** Draws the ghosts; one whose mark has moved goes with it until it is laid out anew. */
export function drawGhosts({ products, current }) {
  const layer = byId("ghosts");
  while (layer.children.length < products.length) layer.append(new Image(DRAWN_SIDE, DRAWN_SIDE));
  [...layer.children].forEach((ghost, index) => {
    const corners = products[index] && cornersOf(products[index]);
    show(ghost, corners ? products[index].layout.image : "");
    ghost.classList.toggle("current", index === current);
    if (corners) ghost.style.transform = bentInto(corners);
  });
}

function cornersOf({ layout, point, box }) {
  if (!layout || (!point && !box)) return null;
  const [x, y] = layout.point && point ? [point[0] - layout.point[0], point[1] - layout.point[1]] : [0, 0];
  return layout.corners.map((corner) => [corner[0] + x, corner[1] + y]);
}

/** Keeps the layer of the ghosts, which has the photo's pixels, as large as the photo on the screen. */
export function keepScale(stage, image) {
  const scale = () => {
    if (image.naturalWidth) byId("ghosts").style.transform = `scale(${stage.clientWidth / image.naturalWidth})`;
  };
  new ResizeObserver(scale).observe(stage);
  image.addEventListener("load", scale);
}

/* The homography of a square with corners at 0 and DRAWN_SIDE to four corners (Heckbert 1989). */
function bentInto([[x0, y0], [x1, y1], [x2, y2], [x3, y3]]) {
  const [a, b, c, d] = [x1 - x2, x3 - x2, y1 - y2, y3 - y2];
  const [x, y, area] = [x0 - x1 + x2 - x3, y0 - y1 + y2 - y3, a * d - b * c];
  const [g, h] = [(x * d - b * y) / area, (a * y - x * c) / area];
  const columns = [x1 - x0 + g * x1, y1 - y0 + g * y1, g, x3 - x0 + h * x3, y3 - y0 + h * y3, h].map((each) => each / DRAWN_SIDE);
  return `matrix3d(${[columns[0], columns[1], 0, columns[2], columns[3], columns[4], 0, columns[5], 0, 0, 1, 0, x0, y0, 0, 1]})`;
}
