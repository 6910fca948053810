import { openAsBlob } from "node:fs";
import { join } from "node:path";

import { fileToBase64 } from "qwen-worker/browser";

const NEEDS = {
  PICTURES: "a folder with product.png, and room.png of 160x120 pixels",
  PLATFORM_URL: "an endpoint at `python -m local_platform --workers 0`, with a worker of testing/unkind_worker.py",
  SERVER_URL: 'the HTTP server of the same engine, with API_KEY "key" and QUEUE_LIMIT=1',
};

/** A variable that the tests need. */
export function needed(name) {
  if (process.env[name]) return process.env[name];
  const all = "python -m pytest tests/examples/test_typescript_client.py, in the repository, starts and sets all of it";
  console.error(`${name} is not set: ${NEEDS[name]}. ${all}.`);
  process.exit(1);
}

const picture = async (name) => fileToBase64(await openAsBlob(join(needed("PICTURES"), name)));

export const product_image = await picture("product.png");
export const room = { product_image, room_image: await picture("room.png"), placement_coordinates: [80, 100] };

/** Width and height, as a PNG's header says them. */
export async function sizeOf(blob) {
  const file = Buffer.from(await blob.arrayBuffer());
  return [file.readUInt32BE(16), file.readUInt32BE(20)];
}
