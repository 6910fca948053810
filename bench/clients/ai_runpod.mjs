// The AI SDK with RunPod's provider: `input: {prompt, images, size}` through the platform's queue.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRunpod } from "@runpod/ai-sdk-provider";
import { version } from "./versions.mjs";

const runpod = createRunpod({ apiKey: "local", baseURL: process.env.PLATFORM + "/v2/local" });
const model = runpod.image(process.env.PLATFORM + "/v2/local");
const shared = { n: 1, size: "1024x1024", seed: 7, providerOptions: {} };
const made = await model.doGenerate({ prompt: "a bright living room", ...shared });
assert.ok(made.images[0].length > 1000);
const files = await Promise.all(["room.png", "product.png"].map(async (name) => ({
  type: "file", mediaType: "image/png", data: new Uint8Array(await readFile(name)),
})));
const edited = await model.doGenerate({ prompt: "on the floor", files, ...shared });
assert.ok(edited.images[0].length > 1000);
console.log(`${version("ai")}, ${version("@runpod/ai-sdk-provider")}`);
