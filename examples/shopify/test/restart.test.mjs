// The backend is killed in the middle of its work and started again, with the same database.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, beforeEach, test } from "node:test";
import { FakeShopify, order, result, until } from "./fake-shopify.mjs";
import { recorder, startAgain, startBackend } from "./running.mjs";

const { RUNPOD_URL, PICTURES } = process.env;
const PHOTO = readFileSync(`${PICTURES}/room.jpg`);

let fake, runpod, backend;

before(async () => {
  fake = await new FakeShopify().listen(PICTURES);
  fake.sell(41);
  fake.fate = ["READY"];
  runpod = await recorder(RUNPOD_URL);
  backend = await startBackend(fake, runpod.url, { RESUME_SECONDS: "1", JOBS_PER_HOUR: "5" });
  fake.backend = backend.url;
});

after(() => {
  backend?.child.kill("SIGKILL");
  runpod?.close();
  fake?.close();
});

beforeEach(() => (runpod.jobs.length = 0));

test("a job that the worker had when the app was killed is not lost, nor done twice", async () => {
  const { token } = await order(fake, PHOTO, { place: [260, 400] });
  await kill();
  await until(async () => (await statusOf(runpod.ids.at(-1))) === "COMPLETED");
  backend = await startAgain(backend);
  assert.equal((await result(fake, token)).state, "ready");
  assert.equal((await order(fake, PHOTO, { place: [260, 400] })).token, token);
  assert.equal(runpod.jobs.length, 1);
});

test("a picture that was being published when the app was killed is published", async () => {
  fake.fate = ["PROCESSING"];
  const { uploads } = fake;
  const { token } = await order(fake, PHOTO, { place: [261, 400] });
  await until(() => fake.uploads > uploads);
  await kill();
  fake.fate = ["READY"];
  backend = await startAgain(backend);
  assert.equal((await result(fake, token)).state, "ready");
  assert.equal(runpod.jobs.length, 1);
});

test("an order that RunPod did not have when the app was killed may be made again", async () => {
  runpod.isDeaf = true;
  const { asked } = runpod;
  const lost = order(fake, PHOTO, { place: [262, 400] });
  await until(() => runpod.asked > asked);
  await Promise.all([kill(), assert.rejects(lost)]);
  runpod.isDeaf = false;
  backend = await startAgain(backend);
  await until(() => backend.log.includes("the app ended before RunPod had it"));
  assert.equal((await result(fake, (await order(fake, PHOTO, { place: [262, 400] })).token)).state, "ready");
  assert.equal(runpod.jobs.length, 1);
});

test("the limits and the shop's token outlive the app", async () => {
  for (let place = 1; (await fate(place)) !== "busy"; place++) assert.ok(place <= 5);
  const { tokens } = fake;
  await kill();
  backend = await startAgain(backend);
  assert.equal(await fate(9), "busy");
  assert.equal(fake.tokens, tokens);
});

/** Why an order for a place outside the photo failed. */
async function fate(place) {
  return (await result(fake, (await order(fake, PHOTO, { place: [99999, place] })).token)).reason;
}

async function kill() {
  backend.child.kill("SIGKILL");
  await backend.ended;
}

async function statusOf(id) {
  return (await (await fetch(`${RUNPOD_URL}/status/${id}`)).json()).status;
}
