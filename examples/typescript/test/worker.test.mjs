// PLATFORM_URL is an endpoint of the local platform; behind it is a worker that obeys "slow N": N steps of 50 ms.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { after, beforeEach, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { fileToBase64, readWebhook, toBlob, Worker, WorkerError } from "qwen-worker";

import { needed, product_image, room, sizeOf } from "./pictures.mjs";
import { freePort, unkind } from "./unkind.mjs";

const network = await unkind(needed("PLATFORM_URL"), { key: "key" });
const access = { endpoint: network.url, apiKey: "key" };
const worker = new Worker(access);

beforeEach(() => (network.seen.length = 0));
after(() => network.close());

const slow = { ...room, instructions: "slow 400" };
const failsWith = (promise, told) => assert.rejects(promise, { name: "WorkerError", ...told });
const keys = () => network.seen.map(({ body }) => body?.input?.idempotency_key).filter(Boolean);
const throwing = (problem) => () => {
  throw problem;
};
const until = async (id, status) => {
  while ((await worker.status(id)).status !== status) await pause(50);
};

test("a product is put into a room", async () => {
  const answer = await worker.editProduct(room);
  assert.deepEqual(answer.placement_info.coordinates, [80, 100]);
  assert.deepEqual(await sizeOf(await toBlob(answer)), [160, 120]);
});

test("a room is made around a product", async () => {
  const asked = { product_image, output_size: [320, 256], n: 2, response_format: "data_url" };
  const { images, generation_info } = await worker.generateEnvironment(asked);
  assert.deepEqual(generation_info.output_size, [320, 256]);
  const blobs = await Promise.all(images.map(toBlob));
  assert.deepEqual(await Promise.all(blobs.map(sizeOf)), [
    [320, 256],
    [320, 256],
  ]);
  assert.equal(blobs[1].type, "image/png");
});

test("words become pictures", async () => {
  const { data } = await worker.generateImage({ prompt: "a bright room", size: "256x256", seed: 7 });
  assert.equal(data[0].seed, 7);
  await failsWith(worker.generateImage({ prompt: "" }), { code: "INVALID_INPUT" });
});

test("worker and endpoint tell their health", async () => {
  const health = await worker.healthCheck();
  assert.deepEqual([health.status, health.ready, health.device], ["healthy", true, "cpu"]);
  assert.ok(health.jobs.done > 0);
  for (const name of ["version", "engine", "qualities"]) assert.ok(name in health);
  assert.ok((await worker.endpointHealth()).workers);
});

test("a file of any size becomes base64", async () => {
  const bytes = randomBytes(300_001);
  assert.equal(await fileToBase64(new Blob([bytes])), bytes.toString("base64"));
});

test("a job that takes longer than one request tells its progress", async () => {
  for (const verb of ["runSync", "editProduct"]) {
    const told = [];
    const answer = await worker[verb]({ ...room, instructions: "slow 50" }, { onProgress: (now) => told.push(now) });
    assert.ok(answer.success);
    assert.equal(told.at(-1)?.stage, "denoising");
    assert.ok(told.every(({ percent }) => percent <= 100));
  }
});

test("the platform keeps an answer for half an hour, unless the job is too large for that", async () => {
  const trailing = Buffer.alloc(8_000_000);
  const large = Buffer.concat([Buffer.from(product_image, "base64"), trailing]).toString("base64");
  for (const [image, ways] of [
    [product_image, [1, 0]],
    [large, [0, 1]],
  ]) {
    network.seen.length = 0;
    assert.ok((await worker.editProduct({ ...room, product_image: image })).success);
    assert.ok((await worker.generateEnvironment({ product_image: image, output_size: [256, 256] })).success);
    assert.deepEqual([network.sent("run") / 2, network.sent("runsync") / 2], ways);
  }
});

test("a signal cancels the job, also before its id is known", async () => {
  for (const verb of ["runSync", "editProduct"])
    for (const ms of [100, 1800]) {
      network.seen.length = 0;
      await assert.rejects(worker[verb](slow, { signal: AbortSignal.timeout(ms) }), { name: "TimeoutError" });
      assert.deepEqual([network.sent(verb === "runSync" ? "runsync" : "run"), network.sent("cancel")], [1, 1]);
    }
  while ((await worker.healthCheck()).jobs.running) await pause(50);
});

test("a policy limits a job", async () => {
  const late = await worker.submit(slow, { policy: { executionTimeout: 300 } });
  await failsWith(worker.wait(late), { code: "TIMEOUT", jobId: late });
  const forgotten = await worker.submit(slow, { policy: { ttl: 300 } });
  await failsWith(worker.wait(forgotten), { code: "NOT_FOUND", jobId: forgotten });
});

test("a listener that throws cancels the job", async () => {
  for (const problem of [new RangeError("mine"), new WorkerError("TIMEOUT", "mine"), "mine"]) {
    const id = await worker.submit(slow);
    await assert.rejects(worker.wait(id, { onProgress: throwing(problem) }), (thrown) => thrown === problem);
    await until(id, "CANCELLED");
  }
});

test("a signal that was aborted before sends nothing", async () => {
  await assert.rejects(worker.editProduct(room, { signal: AbortSignal.abort() }), { name: "AbortError" });
  assert.equal(network.seen.length, 0);
});

test("a job that takes too long is cancelled", async () => {
  const id = await worker.submit(slow);
  await failsWith(new Worker({ ...access, timeoutMs: 1500 }).wait(id), { code: "TIMEOUT", jobId: id });
  await until(id, "CANCELLED");
  await failsWith(worker.wait(id), { code: "CANCELLED", jobId: id });
});

test("a job that cannot be cancelled may be running", async () => {
  const id = await worker.submit({ ...room, instructions: "slow 4" });
  network.meet("cancel", 400);
  await failsWith(worker.wait(id, { signal: AbortSignal.abort() }), { code: "OUTCOME_UNKNOWN", jobId: id });
});

test("a wrong field is named", async () => {
  await failsWith(worker.editProduct({ ...room, seed: "7" }), { code: "INVALID_INPUT", fields: ["seed"] });
});

test("a job submitted twice under one key runs once", async () => {
  const [first, second] = await Promise.all(
    [1, 2].map(() => worker.editProduct({ ...room, instructions: "slow 10" }, { idempotencyKey: "order-1" })),
  );
  assert.deepEqual(first, second); // its seed was random
  assert.deepEqual(keys(), ["order-1", "order-1"]);
});

test("every job has a key of its own, or its caller's", async () => {
  for (const job of [room, room, { ...room, idempotency_key: "mine" }]) await worker.cancel(await worker.submit(job));
  const [first, second, third] = keys();
  assert.match(first, /^[0-9a-f-]{36}$/);
  assert.notEqual(first, second);
  assert.equal(third, "mine");
});

test("a job that was turned away is sent again", async () => {
  network.meet("run", 429, 503, 429);
  await worker.cancel(await worker.submit(room));
  assert.equal(network.sent("run"), 4);
  assert.equal(new Set(keys()).size, 1);
});

test("a job that never arrived is sent again", async () => {
  const port = await freePort();
  const id = new Worker({ ...access, endpoint: `http://127.0.0.1:${port}` }).submit(room);
  await pause(200);
  const late = await unkind(needed("PLATFORM_URL"), { port, key: "key" });
  await worker.cancel(await id);
  assert.equal(late.sent("run"), 1);
  late.close();
});

for (const fate of ["cut", "silent", 500, 502])
  test(`a job whose answer is lost (${fate}) is not sent again`, async () => {
    network.meet("run", fate);
    const hasty = new Worker({ ...access, timeoutMs: 1000 });
    await failsWith(hasty.submit(room), { code: "OUTCOME_UNKNOWN" });
    assert.equal(network.sent("run"), 1);
  });

test("a signal does not hide that a job may be running", async () => {
  network.meet("run", "silent");
  const hasty = new Worker({ ...access, timeoutMs: 400 });
  await failsWith(hasty.editProduct(room, { signal: AbortSignal.timeout(100) }), { code: "OUTCOME_UNKNOWN" });
});

test("lost answers to polls are asked for again", async () => {
  network.meet("status", "cut", 500, 429, 502);
  assert.ok((await worker.wait(await worker.submit(room))).success);
  assert.ok(network.sent("status") > 4);
  assert.equal(network.sent("run"), 1);
});

test("who knows no such request has begun nothing", async () => {
  for (const [status, code] of Object.entries({ 501: "REFUSED", 405: "REFUSED", 404: "NOT_FOUND" })) {
    network.meet("run", Number(status));
    await failsWith(worker.submit(room), { code });
  }
});

test("a page in place of a reply is none", async () => {
  const pages = new Worker({ ...access, fetch: async () => new Response("<p>hello</p>") });
  await failsWith(pages.submit(room), { code: "MALFORMED" });
  await failsWith(pages.status("1"), { code: "MALFORMED", jobId: "1" });
});

test("a key may have letters of any alphabet, and one that no header holds is not shown", async () => {
  const told = [];
  const fetch = async (_, { headers }) => {
    told.push(Buffer.from(new Headers(headers).get("authorization"), "latin1").toString());
    return Response.json({ id: "1", status: "IN_QUEUE" });
  };
  await new Worker({ ...access, apiKey: "sécret-ключ", fetch }).submit(room);
  assert.deepEqual(told, ["Bearer sécret-ключ"]);
  for (const apiKey of ["bad\nkey", "bad\tkey", "bad key ", "bad\0", "bad\ud800"])
    assert.throws(
      () => new Worker({ ...access, apiKey }),
      (problem) => problem.code === "UNAUTHORIZED" && !problem.message.includes("bad"),
    );
});

test("what is too large is not sent", async () => {
  const job = { ...room, room_image: "A".repeat(11_000_000) };
  await failsWith(worker.submit(job), { code: "REQUEST_TOO_LARGE" });
  await assert.rejects(worker.submit(job), /11\.0 MB.*\/run takes 10 MB: .*https URL.*runSync/);
  await failsWith(worker.editProduct({ ...job, mask: job.room_image }), { code: "REQUEST_TOO_LARGE" });
  assert.equal(network.seen.length, 0);
});

test("the platform's own failures have codes", async () => {
  await failsWith(worker.status("nobody"), { code: "NOT_FOUND", jobId: "nobody" });
  await failsWith(new Worker({ ...access, apiKey: "wrong" }).submit(room), { code: "UNAUTHORIZED" });
  const died = { id: "7", status: "FAILED", error: "job timed out after 1 retries" };
  const dropped = { id: "8", status: "COMPLETED" };
  network.meet("run", died, dropped);
  await failsWith(worker.editProduct(room), { code: "JOB_FAILED", jobId: "7" });
  await failsWith(worker.editProduct(room), { code: "ANSWER_MISSING", jobId: "8" });
});

test("finished jobs are posted to the webhook", async () => {
  const posted = [];
  const shop = createServer(async (request, response) => {
    posted.push(JSON.parse(Buffer.concat(await request.toArray())));
    response.end();
  });
  await new Promise((resolve) => shop.listen(0, "127.0.0.1", resolve));
  const webhook = `http://127.0.0.1:${shop.address().port}/hook`;
  const id = await worker.submit(room, { webhook, idempotencyKey: "order-2" });
  await worker.wait(id);
  const bad = await worker.submit({ ...room, mask: "none" }, { webhook });
  while (posted.length < 2) await pause(50);
  shop.close();
  const [first, second] = [id, bad].map((each) => posted.find((body) => body.id === each));
  assert.equal(readWebhook(first).id, id);
  assert.deepEqual(await sizeOf(await toBlob(readWebhook(first).answer)), [160, 120]);
  const told = { name: "WorkerError", code: "INVALID_INPUT", jobId: bad };
  assert.throws(() => readWebhook(second), { ...told, fields: ["mask"] });
  delete second.output; // which the platform may leave out
  assert.throws(() => readWebhook(second), told);
});

test("what is no finished job is no webhook's", () => {
  const strange = [null, "text", [], {}, { id: "1", status: "IN_PROGRESS", output: {} }, { id: 1, status: "FAILED" }];
  const noText = { toString: 1, valueOf: 1 };
  const states = ["toString", "constructor", noText, null].map((status) => ({ id: "1", status, output: {} }));
  for (const body of [...strange, ...states, { id: "1", status: "COMPLETED", output: { status: "healthy" } }])
    assert.throws(() => readWebhook(body), { name: "WorkerError", code: "MALFORMED" });
});

test("what is no picture in a webhook is none for whoever reads it", () => {
  const right = { processed_image: "QUFB", mime_type: "image/png", placement_info: { seed: 7 } };
  const body = (changed) => ({ id: "1", status: "COMPLETED", output: { ...right, ...changed } });
  const urls = ["https://shop.example/1.png", "data:image/png;base64,QUFB"];
  for (const image of ["QUFB", ...urls]) assert.ok(readWebhook(body({ processed_image: image })).answer);
  const images = [[], 5, [null], [{ image: "x", mime_type: "image/png" }], [{ image: "QUFB" }]];
  for (const changed of [
    ...["", "x", "!!!!", "QU=B", 5, null].map((processed_image) => ({ processed_image })),
    ...[null, 5, "text/html"].map((mime_type) => ({ mime_type })),
    ...images.map((images) => ({ images })),
  ])
    assert.throws(() => readWebhook(body(changed)), { name: "WorkerError", code: "MALFORMED", jobId: "1" });
});

test("a strange error in a webhook is one of no code", () => {
  const noText = { toString: 1, valueOf: 1 };
  const deep = JSON.parse("[".repeat(50_000) + "]".repeat(50_000));
  for (const told of [
    { error: "no", error_code: 5 },
    { error: "no", fields: 5 },
    { error: "no", fields: [[]] },
    { error: { message: 5, code: noText, param: noText } },
    { error: { message: "no", code: deep, param: deep } },
  ])
    for (const [status, output] of Object.entries({ FAILED: {}, TIMED_OUT: told }))
      assert.throws(
        () => readWebhook({ id: "1", status, ...told, output }),
        ({ name, code, fields }) =>
          name === "WorkerError" && ["JOB_FAILED", "TIMEOUT"].includes(code) && fields.length === 0,
      );
});
