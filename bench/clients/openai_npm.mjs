// The official npm client.
import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import OpenAI from "openai";
import { VERSION } from "openai/version";

const client = new OpenAI({ baseURL: process.env.SERVER + "/v1", apiKey: "none", maxRetries: 0 });
const made = await client.images.generate({ prompt: "a bright living room", size: "512x512" });
assert.ok(made.data[0].b64_json);
const url = (await client.images.generate({ model: "dall-e-3", prompt: "a room", size: "1024x1024" })).data[0].url;
assert.equal((await fetch(url)).status, 200);
const image = [createReadStream("room.png"), createReadStream("product.png")];
assert.ok((await client.images.edit({ image, prompt: "on the floor" })).data[0].b64_json);
console.log(VERSION);
