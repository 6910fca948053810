/** Picture files: what is seen of them, and what is sent. */

const UNREADABLE = "This file is no picture I can read";
const THUMBNAIL = 256; // pixels of the longer side

/** Returns {file, url, width, height}; without a size where only the server can read the file. */
export async function pictureOf(file) {
  const url = URL.createObjectURL(file);
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
  } catch {
    URL.revokeObjectURL(url);
    if (!(await isForServer(file))) throw new Error(UNREADABLE);
    return { file, url: "", width: 0, height: 0 };
  }
  return { file, url, width: image.naturalWidth, height: image.naturalHeight };
}

/* HEIC and AVIF (ISO media files) and TIFF: browsers differ in what they show. */
async function isForServer(file) {
  const head = String.fromCharCode(...new Uint8Array(await file.slice(0, 8).arrayBuffer()));
  return head.slice(4) === "ftyp" || head.startsWith("II*\0") || head.startsWith("MM\0*");
}

/** Returns the file at most `side` pixels long, or as it is. */
export async function reduced({ file, width, height }, side, type = file.type) {
  const scale = side / Math.max(width, height, 1);
  return width && scale < 1 ? drawn(file, Math.round(width * scale), Math.round(height * scale), type) : file;
}

export async function thumbnail(file) {
  const { width, height } = await createImageBitmap(file);
  const scale = Math.min(1, THUMBNAIL / Math.max(width, height));
  return drawn(file, Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)), "image/jpeg");
}

async function drawn(file, width, height, type) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const bitmap = await createImageBitmap(file, { resizeWidth: width, resizeHeight: height, resizeQuality: "medium" });
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return new Promise((resolve) => { canvas.toBlob(resolve, type, 0.9); });
}

/** Returns a copy of a body with its files as base64. */
export async function withPictures(value) {
  if (value instanceof Blob) return base64(value);
  if (Array.isArray(value)) return Promise.all(value.map(withPictures));
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).map(async ([name, each]) => [name, await withPictures(each)]);
  return Object.fromEntries(await Promise.all(entries));
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new Error(`${file.name} cannot be read`));
    reader.readAsDataURL(file);
  });
}

export const blobOf = (text, type) => new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], { type });

const urls = new WeakMap();

/** Returns one URL for each file or blob, as long as the page is open. */
export function urlOf(blob) {
  if (!urls.has(blob)) urls.set(blob, URL.createObjectURL(blob));
  return urls.get(blob);
}

/** Shows `url` in an image, or hides the image where there is none: no browser draws it broken. */
export function show(image, url) {
  image.hidden = !url;
  if (!url) image.removeAttribute("src");
  else if (image.getAttribute("src") !== url) image.src = url;
}
