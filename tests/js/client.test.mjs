// The npm client, unmodified, against BASE_URL; LOCKED_URL is a server with a key, SHORT_URL a slow one
// where one job may wait. PICTURES is a folder with room.png, product.png (a cut-out) and mask.png.
import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import OpenAI, { toFile } from "openai";

const { BASE_URL, LOCKED_URL, SHORT_URL, PICTURES } = process.env;

const clientOf = (baseURL, apiKey = "none") => new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const client = clientOf(BASE_URL);
const picture = (name) => createReadStream(join(PICTURES, name));

/** Width and height, as a PNG's header says them. */
function sizeOf(image) {
  const file = Buffer.from(image.b64_json, "base64");
  assert.equal(file.toString("latin1", 1, 4), "PNG");
  return [file.readUInt32BE(16), file.readUInt32BE(20)];
}

test("words become pictures", async () => {
  const made = await client.images.generate({ prompt: "1,2,3", n: 2, size: "512x256", seed: 7 });
  assert.deepEqual(made.data.map(sizeOf), [[512, 256], [512, 256]]);
  assert.deepEqual(made.data.map((image) => image.seed), [7, 8]);
  assert.equal(made.usage.total_tokens, 0);
});

test("one picture is edited and keeps its size", async () => {
  const made = await client.images.edit({ image: picture("room.png"), prompt: "turn it" });
  assert.deepEqual(made.data.map(sizeOf), [[160, 120]]);
});

test("several pictures are one edit", async () => {
  const made = await client.images.edit({ image: [picture("room.png"), picture("product.png")], prompt: "join", n: 2 });
  assert.deepEqual(made.data.map(sizeOf), [[160, 120], [160, 120]]);
  assert.equal(made.usage.input_images, 2);
});

test("a mask is taken", async () => {
  const made = await client.images.edit({
    image: picture("room.png"), mask: picture("mask.png"), prompt: "a rug", size: "1024x1024",
  });
  assert.deepEqual(made.data.map(sizeOf), [[160, 120]]);
  assert.match(made.warnings[0], /^size has no effect/);
});

test("placement fields put a product into a room", async () => {
  const made = await client.images.edit({
    image: [picture("room.png"), picture("product.png")],
    prompt: "a vase",
    placement_coordinates: [80, 100],
    product_scale: 0.3,
    preserve_background: true,
  });
  assert.deepEqual(made.placement_info.coordinates, [80, 100]);
  assert.deepEqual(made.data.map(sizeOf), [[160, 120]]);
});

for (const [verb, asked] of [
  ["generate", () => ({ prompt: "1,2,3", size: "256x256" })],
  ["edit", () => ({ prompt: "turn it", image: picture("room.png") })],
]) {
  test(`a stream of ${verb} shows unfinished pictures, then the last`, async () => {
    const events = [];
    for await (const event of await client.images[verb]({ ...asked(), stream: true, partial_images: 2 }))
      events.push(event);
    const family = { generate: "image_generation", edit: "image_edit" }[verb];
    const partial = `${family}.partial_image`;
    assert.deepEqual(events.map((event) => event.type), [partial, partial, `${family}.completed`]);
    assert.deepEqual(events.slice(0, 2).map((event) => event.partial_image_index), [0, 1]);
    assert.ok(sizeOf(events[2]));
  });
}

test("models are listed and found by any name", async () => {
  const listed = [];
  for await (const model of client.models.list()) listed.push(model.id);
  assert.deepEqual(listed, ["echo"]);
  assert.equal((await client.models.retrieve("any/name")).id, "echo");
});

test("errors are the client's own", async () => {
  await assert.rejects(client.images.generate({ prompt: "1,2,3", n: 11 }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.deepEqual([error.status, error.code, error.param], [400, "INVALID_INPUT", "n"]);
    assert.ok(error.requestID);
    return true;
  });
  const none = await toFile(Buffer.from("no picture"), "room.png");
  await assert.rejects(client.images.edit({ image: none, prompt: "turn it" }), OpenAI.BadRequestError);
  await assert.rejects(clientOf(LOCKED_URL, "wrong").models.list(), OpenAI.AuthenticationError);
  assert.equal((await clientOf(LOCKED_URL, "s3cret").models.list()).data.length, 1);
});

test("a stream that cannot begin is refused with a status", async () => {
  await assert.rejects(client.images.generate({ prompt: "1,2,3", stream: true, n: 11 }), OpenAI.BadRequestError);
});

test("the third of three at once meets a rate limit", async () => {
  const slow = clientOf(SHORT_URL);
  const asked = [1, 2, 3].map(() => slow.images.generate({ prompt: "1,2,3", size: "256x256" }));
  const refused = (await Promise.allSettled(asked)).filter(({ status }) => status === "rejected");
  assert.equal(refused.length, 1);
  assert.ok(refused[0].reason instanceof OpenAI.RateLimitError);
  assert.ok(refused[0].reason.headers.get("retry-after"));
});
