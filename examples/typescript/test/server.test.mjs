// SERVER_URL is the worker's HTTP server with the key "key", where one job may wait; it obeys "slow N": N steps of
// 50 ms.
import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";

import { Server, toBlob } from "qwen-worker";

import { needed, product_image, room, sizeOf } from "./pictures.mjs";
import { unkind } from "./unkind.mjs";

const SERVER_URL = needed("SERVER_URL");
const network = await unkind(SERVER_URL, { key: "key" });
const server = new Server({ url: SERVER_URL, apiKey: "key" });
const throughNetwork = new Server({ url: network.url, apiKey: "key" });

beforeEach(() => (network.seen.length = 0));
after(() => network.close());

test("a product is put into a room, with progress", async () => {
  const told = [];
  const answer = await server.editProduct({ ...room, instructions: "slow 4" }, { onProgress: (now) => told.push(now) });
  assert.deepEqual(answer.placement_info.coordinates, [80, 100]);
  assert.deepEqual(await sizeOf(await toBlob(answer)), [160, 120]);
  assert.ok(told.some(({ stage }) => stage === "denoising"));
});

test("a room is made around a product", async () => {
  const { generation_info } = await server.generateEnvironment({ product_image, output_size: [320, 256] });
  assert.deepEqual(generation_info.output_size, [320, 256]);
});

test("words become pictures", async () => {
  const { data } = await server.generateImage({ prompt: "a bright room", size: "256x256", seed: 7 });
  assert.equal(data[0].seed, 7);
  await assert.rejects(server.generateImage({ prompt: "a room", n: 11 }), { code: "INVALID_INPUT", fields: ["n"] });
});

test("it tells whether it is ready", async () => {
  assert.equal(await server.isReady(), true);
  network.meet("ready", 503);
  assert.equal(await throughNetwork.isReady(), false);
});

test("failures have codes, before the job begins and while it runs", async () => {
  const wrong = new Server({ url: SERVER_URL, apiKey: "wrong" });
  await assert.rejects(wrong.editProduct(room), { name: "WorkerError", code: "UNAUTHORIZED" });
  await assert.rejects(server.editProduct({ ...room, n: 11 }), { code: "INVALID_INPUT", fields: ["n"] });
  const job = { ...room, instructions: "oom", fallback: false };
  await assert.rejects(server.editProduct(job), { code: "OUT_OF_MEMORY", message: /^Edit processing failed: / });
});

test("whoever hangs up cancels the job", async () => {
  const job = { ...room, instructions: "slow 400" };
  await assert.rejects(server.editProduct(job, { signal: AbortSignal.timeout(300) }), { name: "TimeoutError" });
  const hasty = new Server({ url: SERVER_URL, apiKey: "key", timeoutMs: 300 });
  await assert.rejects(hasty.editProduct(job), { code: "TIMEOUT" });
  const started = Date.now();
  await server.editProduct(room);
  assert.ok(Date.now() - started < 5000);
});

test("a listener that throws hangs up", async () => {
  for (const problem of [new RangeError("mine"), new SyntaxError("mine")]) {
    const onProgress = () => {
      throw problem;
    };
    const job = { ...room, instructions: "slow 400" };
    await assert.rejects(server.editProduct(job, { onProgress }), (thrown) => thrown === problem);
  }
  const started = Date.now();
  await server.editProduct(room);
  assert.ok(Date.now() - started < 5000);
});

test("those for whom there is no room come again", async () => {
  const job = { ...room, instructions: "slow 10" };
  const answers = await Promise.all([1, 2, 3].map(() => throughNetwork.editProduct(job)));
  assert.equal(answers.length, 3);
  assert.ok(network.sent("edit") > 3);
});

test("a job whose answer is lost is not sent again", async () => {
  network.meet("edit", "cut");
  await assert.rejects(throughNetwork.editProduct(room), { code: "OUTCOME_UNKNOWN" });
  assert.equal(network.sent("edit"), 1);
});
