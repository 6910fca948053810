import { openAsBlob } from "node:fs";
import { join } from "node:path";

import { fileToBase64 } from "qwen-worker/browser";

const picture = async (name) => fileToBase64(await openAsBlob(join(process.env.PICTURES, name)));

export const product_image = await picture("product.png");
export const room = { product_image, room_image: await picture("room.png"), placement_coordinates: [80, 100] };

/** Width and height, as a PNG's header says them. */
export async function sizeOf(blob) {
  const file = Buffer.from(await blob.arrayBuffer());
  return [file.readUInt32BE(16), file.readUInt32BE(20)];
}
