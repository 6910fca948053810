/** Results that this browser keeps, newest first. Where it keeps nothing they last as long as the page. */

import { show, urlOf } from "./pictures.js";
import { state, update } from "./state.js";

const MOST = 20;
const STORE = "pictures";

const byId = (id) => document.getElementById(id);
const database = opened();
let drawn = null;

function opened() {
  return new Promise((resolve) => {
    const request = indexedDB.open("studio", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => resolve(null); // a private window of some browsers
  });
}

/* The result of a request on the store; undefined where it cannot be kept. */
async function stored(mode, work) {
  const open = await database;
  if (!open) return undefined;
  return new Promise((resolve) => {
    const transaction = open.transaction(STORE, mode);
    const request = work(transaction.objectStore(STORE));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => resolve(undefined);
  });
}

export async function recall() {
  const entries = await stored("readonly", (store) => store.getAll());
  update({ history: (entries ?? []).sort((one, other) => other.id - one.id) });
}

export async function remember(entry) {
  const history = [entry, ...state.history];
  update({ history: history.slice(0, MOST) });
  for (const old of history.slice(MOST)) await stored("readwrite", (store) => store.delete(old.id));
  await stored("readwrite", (store) => store.put(entry));
}

export async function forget() {
  update({ history: [], entry: null });
  await stored("readwrite", (store) => store.clear());
}

export function drawHistory({ history, entry }) {
  byId("history").hidden = !history.length;
  if (history !== drawn) byId("entries").replaceChildren(...history.map(itemOf));
  drawn = history;
  [...byId("entries").children].forEach((item, index) => {
    item.firstChild.setAttribute("aria-pressed", String(history[index] === entry));
  });
}

function itemOf(entry) {
  const button = Object.assign(document.createElement("button"), { type: "button" });
  const image = new Image();
  show(image, urlOf(entry.thumbnail));
  image.alt = `${entry.title}, ${new Date(entry.id).toLocaleString()}`;
  button.append(image);
  button.addEventListener("click", () => {
    update({ entry, variant: 0, problems: {}, note: "" });
    byId("compare").scrollIntoView({ block: "nearest" });
  });
  const item = document.createElement("li");
  item.append(button);
  return item;
}
