// A JavaScript class with the methods that the Qwen Edit & Generate API documents, posting to one URL.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

class QwenEditClient {
  constructor(url) { this.url = url; }
  async post(input) {
    const answer = await fetch(this.url, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ input }),
    });
    return answer.json();
  }
  healthCheck() { return this.post({ action: "health_check" }); }
  editProduct(product, room, instructions, coordinates) {
    return this.post({
      action: "edit", product_image: product, room_image: room, instructions, placement_coordinates: coordinates,
    });
  }
  generateEnvironment(product, kind, size) {
    return this.post({ action: "generate", product_image: product, environment_type: kind, output_size: size });
  }
  static async fileToBase64(file) { return "data:image/png;base64," + (await readFile(file)).toString("base64"); }
}

const product = await QwenEditClient.fileToBase64("product.png");
const room = await QwenEditClient.fileToBase64("room.png");
for (const url of [process.env.SERVER, process.env.PLATFORM]) {
  const client = new QwenEditClient(url);
  assert.equal((await client.healthCheck()).status, "healthy");
  const edited = await client.editProduct(product, room, "next to the window", [320, 400]);
  assert.equal(edited.success, true);
  assert.deepEqual(edited.placement_info.coordinates, [320, 400]);
  const made = await client.generateEnvironment(product, "bedroom", [640, 512]);
  assert.deepEqual(made.generation_info.output_size, [640, 512]);
  const failed = await client.post({ action: "edit", room_image: room });
  assert.equal(failed.success, false);
  assert.match(failed.error, /Missing product_image/);
}
console.log("as documented");
