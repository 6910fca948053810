// RunPod's own npm client.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import runpodSdk from "runpod-sdk";
import { version } from "./versions.mjs";

const text = async (name) => (await readFile(name)).toString("base64");
const endpoint = runpodSdk("local", { baseUrl: process.env.PLATFORM + "/v2" }).endpoint("local");
const input = { action: "edit", room_image: await text("room.png"), product_image: await text("product.png") };
assert.equal((await endpoint.runSync({ input }, 120000)).output.success, true);
const { id } = await endpoint.run({ input: { action: "edit" } });
let status = await endpoint.status(id);
while (!["COMPLETED", "FAILED"].includes(status.status)) {
  await new Promise((resolve) => setTimeout(resolve, 200));
  status = await endpoint.status(id);
}
assert.match(status.error ?? status.output.message, /Missing product_image/);
console.log(version("runpod-sdk"));
