/** What a browser needs. It has no API key: it asks your own server, and that asks the worker. */

import type { PictureAnswer, Variant } from "./types.js";

export type { EditJob, ErrorAnswer, GenerateJob, PictureAnswer, Progress, Variant } from "./types.js";
export type { EditAnswer, GenerateAnswer } from "./jobs.js";

/** Of String.fromCharCode's arguments, which have a limit. */
const CHUNK = 0x8000;

/** For `product_image`, `room_image` and `mask`. */
export async function fileToBase64(file: Blob): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let start = 0; start < bytes.length; start += CHUNK)
    text += String.fromCharCode(...bytes.subarray(start, start + CHUNK));
  return btoa(text);
}

/** The picture of an answer, or one of its `images`; one that is a URL is fetched. */
export async function toBlob(answer: PictureAnswer | Variant): Promise<Blob> {
  const text = "image" in answer ? answer.image : answer.processed_image;
  if (!text.startsWith("https://") && !text.startsWith("http://")) return decoded(text, answer.mime_type);
  const response = await fetch(text);
  if (!response.ok) throw new Error(`The picture cannot be fetched: HTTP ${response.status}`);
  return response.blob();
}

/** Of base64, or of a data URL. */
function decoded(text: string, type: string): Blob {
  const bytes = atob(text.slice(text.indexOf(",") + 1));
  return new Blob([Uint8Array.from(bytes, (byte) => byte.charCodeAt(0))], { type });
}
