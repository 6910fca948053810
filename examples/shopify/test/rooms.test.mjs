// Through the storefront, the backend's own process, the local platform and its worker, into the shop's Files and back.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, beforeEach, test } from "node:test";
import { FakeShopify, result as resultOf, SHOP, shopifyHook, until } from "./fake-shopify.mjs";
import { recorder, startBackend } from "./running.mjs";

const { RUNPOD_URL, PICTURES } = process.env;
const PHOTO = readFileSync(`${PICTURES}/room.jpg`);
const NO_PHOTO = Buffer.concat([PHOTO.subarray(0, 3), Buffer.from("this is no picture")]);
const CUT_OFF = PHOTO.subarray(0, PHOTO.length / 4);
const LARGE = Buffer.concat([PHOTO.subarray(0, 3), Buffer.alloc(8_000_000)]);
const ARMCHAIR = 41;

let fake, runpod, backend;
/** An order that is done: its `token`, the `job` that RunPod got, and the result. */
let first;

before(async () => {
  fake = await new FakeShopify().listen(PICTURES);
  runpod = await recorder(RUNPOD_URL);
  backend = await startBackend(fake, runpod.url, { VISITOR_JOBS_PER_HOUR: "100" });
  fake.backend = backend.url;
  fake.sell(ARMCHAIR, {
    height: { type: "dimension", value: '{"value":0.9,"unit":"METERS"}' },
    width: { type: "dimension", value: '{"value":70,"unit":"cm"}' },
    surface: { type: "single_line_text_field", value: "floor" },
  });
  fake.fate = ["UPLOADED", "PROCESSING", "READY"];
  const { told } = await order({ place: "[240,400]" });
  first = { token: told.token, ...(await result(told.token)), job: runpod.jobs[0] };
});

after(async () => {
  backend?.child.kill();
  runpod?.close();
  fake?.close();
});

beforeEach(() => {
  runpod.jobs.length = 0;
  runpod.hangsUp = false;
  fake.fate = ["UPLOADED", "READY"];
});

test("the customer sees the product in the room", async () => {
  assert.equal(first.state, "ready");
  assert.match(new URL(first.url).pathname, /^\/cdn\/files\/see-in-your-room-.+\.jpg$/);
  assert.deepEqual(sizeOf(await bytesOf(first.url)), sizeOf(PHOTO));
});

test("the worker gets the product by URL, its name, its size in centimeters and its place", () => {
  const { input } = first.job;
  assert.equal(input.product_image, `${fake.url}/cdn/product_white.png?v=1&width=2048`);
  assert.equal(input.product_name, "Armchair");
  assert.deepEqual([input.product_height_cm, input.product_width_cm, input.placement_surface], [90, 70, "floor"]);
  assert.deepEqual(input.placement_coordinates, [240, 400]);
  const agents = fake.fetched.filter(({ path }) => path === "/cdn/product_white.png").map(({ agent }) => agent);
  assert.deepEqual(agents, ["qwen-edit-generate-api"]);
});

test("RunPod drops a job when nobody waits for it any more", () => {
  assert.deepEqual(first.job.policy, { ttl: 900_000, executionTimeout: 660_000 });
});

test("the log holds no photo and no token", () => {
  assert.ok(backend.log.includes(first.token.slice(0, 8)));
  assert.ok(!backend.log.includes(first.token));
  assert.ok(!backend.log.includes(PHOTO.toString("base64").slice(0, 40)));
});

test("a double click is one job, another place is another", async () => {
  const [first, second] = await Promise.all([order({ place: "[242,400]" }), order({ place: "[242,400]" })]);
  const other = await order({ place: "[300,400]" });
  assert.equal(first.told.token, second.told.token);
  assert.notEqual(first.told.token, other.told.token);
  await Promise.all([result(first.told.token), result(other.told.token)]);
  assert.equal((await order({ place: "[242,400]" })).told.token, first.told.token);
  assert.equal(runpod.jobs.length, 2);
});

test("a variant's own picture is shown before the product's", async () => {
  fake.sell(42, { own: "product_alpha.png" });
  await result((await order({ variant: 42 })).told.token);
  assert.match(runpod.jobs[0].input.product_image, /product_alpha\.png/);
});

test("a corrected product is shown anew: its picture and its height", async () => {
  const centimeters = (value) => ({ height: { type: "dimension", value: `{"value":${value},"unit":"CENTIMETERS"}` } });
  const tokens = [];
  for (const sold of [centimeters(80), centimeters(90), { ...centimeters(90), own: "product_alpha.png" }]) {
    fake.sell(43, sold);
    tokens.push((await order({ variant: 43 })).told.token);
    assert.equal((await result(tokens.at(-1))).state, "ready");
  }
  assert.equal(new Set(tokens).size, 3);
  assert.deepEqual(runpod.jobs.map(({ input }) => input.product_height_cm), [80, 90, 90]);
});

for (const [age, what] of [[100, "from a minute and a half ago"], [-100, "from the future"]]) {
  test(`a signature ${what} is refused`, () => refused(fake.signed({}, { age })));
}

test("a signature by another secret is refused", () => refused(fake.signed({}, { secret: "psst" })));

test("a request without a signature is refused", () => refused({ shop: SHOP }));

test("a signature for another shop or with more parameters is refused", async () => {
  await refused({ ...fake.signed(), shop: "tables.myshopify.com" });
  await refused({ ...fake.signed(), more: "1" });
});

test("another shop does not see the result", async () => {
  const query = new URLSearchParams(fake.signed({}, { shop: "tables.myshopify.com" }));
  const answer = await (await fetch(`${backend.url}/proxy/room/${first.token}?${query}`)).json();
  assert.deepEqual([answer.state, answer.reason], ["failed", "gone"]);
});

for (const [name, form, status, reason] of [
  ["a photo that is too large", { photo: LARGE }, 413, "photo"],
  ["a photo that is no JPEG", { photo: PHOTO.subarray(2) }, 400, "photo"],
  ["a photo of no size", { photo: NO_PHOTO }, 400, "photo"],
  ["an order without a photo", { photo: undefined }, 400, "photo"],
  ["a variant that is no number", { variant: "41 OR 1=1" }, 400, "product"],
  ["an order without a variant", { variant: undefined }, 400, "product"],
  ["a place that is no pixel", { place: "[1.5,2]" }, 400, "place"],
]) {
  test(`${name} is refused with a sentence`, async () => {
    const answer = await order(form);
    assert.equal(answer.status, status);
    assert.equal(answer.told.reason, reason);
    assert.match(answer.told.message, /^[A-Z].+\.$/);
    assert.equal(runpod.jobs.length, 0);
  });
}

for (const [form, reason] of [
  [{ photo: CUT_OFF }, "photo"],
  [{ place: "[99999,10]" }, "place"],
]) {
  test(`what the worker refuses is told in the customer's words, and may be tried again: ${reason}`, async () => {
    const { told } = await order(form);
    const answer = await result(told.token);
    assert.deepEqual([answer.state, answer.reason], ["failed", reason]);
    assert.equal((await order(form)).told.token, told.token);
    assert.equal((await result(told.token)).reason, reason);
    await until(() => runpod.jobs.length === 2);
  });
}

for (const [name, sold] of [
  ["has no picture", { picture: null }],
  ["is not in the online store", { published: false }],
]) {
  test(`a product that ${name} is not shown`, async () => {
    fake.sell(50, sold);
    const { status, told } = await order({ variant: 50 });
    assert.deepEqual([status, told.state, told.reason], [400, "failed", "product"]);
    await until(() => backend.log.includes(`variant 50 ${name}`));
    assert.equal(runpod.jobs.length, 0);
  });
}

test("an unknown variant is not shown", async () => {
  assert.equal((await order({ variant: 404 })).told.reason, "product");
});

test("a height that is no dimension leaves the size to the worker, and the log says so", async () => {
  fake.sell(51, { height: { type: "single_line_text_field", value: "90 cm" } });
  assert.equal((await result((await order({ variant: 51 })).told.token)).state, "ready");
  assert.equal(runpod.jobs[0].input.product_height_cm, undefined);
  assert.match(backend.log, /variant 51: its height is no dimension/);
});

test("Shopify throttles, stumbles and forgets the token, and the picture arrives", { timeout: 60_000 }, async () => {
  fake.faults.push("throttled", "tooMany", "badGateway", "unauthorized");
  const { told } = await order({ place: "[244,400]" });
  assert.equal((await result(told.token)).state, "ready");
  assert.equal(fake.faults.length, 0);
});

test("a job whose receipt is lost may run, and its answer counts", async () => {
  runpod.hangsUp = true;
  const { told } = await order({ place: "[254,400]" });
  assert.equal((await result(told.token)).state, "ready");
  assert.equal(runpod.jobs.length, 1);
});

test("a file that Shopify refuses is a failed job", async () => {
  fake.fate = ["UPLOADED", "FAILED"];
  const answer = await result((await order({ place: "[245,400]" })).told.token);
  assert.deepEqual([answer.state, answer.reason], ["failed", "other"]);
});

test("a webhook that comes again changes nothing", async () => {
  const { uploads } = fake;
  const { webhook, input } = first.job;
  const again = { id: "1", status: "COMPLETED", input, output: { success: true, processed_image: "AAAA" } };
  assert.equal((await post(webhook, again)).status, 200);
  assert.equal((await post(webhook, { id: "1", status: "FAILED", error: "no [INTERNAL_ERROR]", input })).status, 200);
  assert.equal((await result(first.token)).url, first.url);
  assert.equal(fake.uploads, uploads);
});

test("a webhook of an earlier attempt changes nothing", async () => {
  const place = "[256,400]";
  fake.fate = ["UPLOADED", "FAILED"];
  const { token } = (await order({ place })).told;
  assert.equal((await result(token)).state, "failed");
  fake.fate = ["UPLOADED", "READY"];
  assert.equal((await order({ place })).told.token, token);
  assert.equal((await post(runpod.jobs[0].webhook, { id: "1", status: "FAILED", error: "no" })).status, 200);
  assert.equal((await result(token)).state, "ready");
});

test("a webhook is answered before its picture is published, and the first counts", async () => {
  const { token } = (await order({ place: "[255,400]" })).told;
  await until(() => runpod.jobs.length === 1);
  fake.fate = ["PROCESSING"];
  const output = { success: true, processed_image: PHOTO.toString("base64"), mime_type: "image/jpeg" };
  const done = { id: "1", status: "COMPLETED", output };
  assert.equal((await post(runpod.jobs[0].webhook, done)).status, 200);
  const file = await until(() => [...fake.stored.values()].find(({ filename }) => filename.includes(token)));
  file.states = ["READY"];
  assert.deepEqual(await bytesOf((await result(token)).url), PHOTO);
});

test("a webhook under another secret is refused, also under the customer's token", async () => {
  const { token } = (await order({ place: "[247,400]" })).told;
  await until(() => runpod.jobs.length === 1);
  const hooks = `${backend.url}/hooks/runpod`;
  const ofAnother = first.job.webhook.replace(first.token, token);
  for (const url of [`${runpod.jobs[0].webhook}A`, ofAnother, `${hooks}/${token}`]) {
    assert.equal((await post(url, { id: "1", status: "FAILED", error: "no" })).status, 401);
  }
  assert.equal((await result(token)).state, "ready");
});

test("a webhook that is too large or no JSON is refused", async () => {
  const large = { method: "POST", body: Buffer.alloc(25 * 1024 * 1024) };
  assert.equal((await fetch(first.job.webhook, large)).status, 413);
  assert.equal((await fetch(first.job.webhook, { method: "POST", body: "{" })).status, 400);
});

test("the shop's jobs an hour are limited", () =>
  limitedTo({ JOBS_PER_HOUR: "1" }, async () => {
    const { told } = await order({ place: "[249,400]" });
    assert.equal((await result(told.token)).state, "ready");
    assert.equal(await reasonFor("[250,400]"), "busy");
    assert.equal((await order({ place: "[249,400]" })).told.token, told.token);
    assert.equal((await result(told.token)).state, "ready");
  }));

test("jobs that fail count, also those of one order", () =>
  limitedTo({ JOBS_PER_HOUR: "2" }, async () => {
    const reasons = [await reasonFor("[99998,10]"), await reasonFor("[99998,10]"), await reasonFor("[99998,10]")];
    assert.deepEqual(reasons, ["place", "place", "busy"]);
    assert.equal(runpod.jobs.length, 2);
  }));

for (const [who, one, other] of [
  ["an address", { address: "203.0.113.9" }, { address: "203.0.113.10" }],
  ["a customer", { address: "203.0.113.11", customer: "7" }, { address: "203.0.113.12", customer: "8" }],
]) {
  test(`the jobs of ${who} an hour are limited, and others still get theirs`, () =>
    limitedTo({ VISITOR_JOBS_PER_HOUR: "1" }, async () => {
      fake.visitor = { customer: "", ...one };
      assert.equal(await reasonFor("[99999,11]"), "place");
      if (one.customer) fake.visitor = { ...one, address: "203.0.113.13" };
      assert.equal(await reasonFor("[99999,12]"), "busy");
      fake.visitor = { customer: "", ...other };
      assert.equal(await reasonFor("[99999,12]"), "place");
    }));
}

test("what is being published at the end is published", async () => {
  const ending = await startBackend(fake, runpod.url);
  fake.backend = ending.url;
  try {
    const uploads = fake.uploads;
    await order({ place: "[251,400]" });
    await until(() => fake.uploads > uploads);
    ending.child.kill("SIGTERM");
    assert.deepEqual(await ending.ended, [0, null]);
    assert.match(ending.log, /ready\n$/);
  } finally {
    fake.backend = backend.url;
    ending.child.kill();
  }
});

test("customers' requests for their data are answered when they are Shopify's own", async () => {
  for (const topic of ["customers/data_request", "customers/redact"]) {
    const body = JSON.stringify({ shop_domain: SHOP, customer: { id: 1 }, orders_requested: [] });
    assert.equal((await hook(topic, body)).status, 200);
    assert.equal((await hook(topic, body, "psst")).status, 401);
  }
});

test("a shop that is redacted is forgotten", async () => {
  assert.equal((await hook("shop/redact", JSON.stringify({ shop_domain: SHOP }))).status, 200);
  assert.equal((await result(first.token)).reason, "gone");
});

test("settings that are missing or wrong end the start with one sentence", async () => {
  const wrong = await startBackend(fake, "my-endpoint", { APP_URL: "http://rooms.example", JOBS_PER_HOUR: "many" });
  assert.equal(wrong.child.exitCode, 1);
  const faults = ["APP_URL (must be an https:// URL)", "RUNPOD_ENDPOINT (must be an https:// URL)", "JOBS_PER_HOUR ("];
  assert.ok(faults.every((fault) => wrong.log.includes(fault)), wrong.log);
  assert.match(wrong.log, /^These settings are missing or wrong: .+\.\n$/);
});

/** With a backend of its own. */
async function limitedTo(settings, work) {
  const small = await startBackend(fake, runpod.url, settings);
  const { visitor } = fake;
  fake.backend = small.url;
  try {
    await work();
  } finally {
    Object.assign(fake, { backend: backend.url, visitor });
    small.child.kill();
  }
}

/** Why an order for this place failed. */
async function reasonFor(place) {
  return (await result((await order({ place })).told.token)).reason;
}

async function order(given) {
  const { photo, ...fields } = { variant: ARMCHAIR, photo: PHOTO, ...given };
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) form.append(name, String(value));
  if (photo) form.append("photo", new Blob([photo], { type: "image/jpeg" }), "photo.jpg");
  const answer = await fetch(`${fake.url}/apps/room`, { method: "POST", body: form });
  return { status: answer.status, told: await answer.json() };
}

function result(token) {
  return resultOf(fake, token);
}

async function refused(query) {
  const answer = await fetch(`${backend.url}/proxy/room?${new URLSearchParams(query)}`, { method: "POST", body: "" });
  assert.equal(answer.status, 401);
  assert.equal(runpod.jobs.length, 0);
}

function post(url, body) {
  return fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
}

function hook(topic, body, secret) {
  return shopifyHook(backend, topic, body, secret);
}

async function bytesOf(url) {
  return Buffer.from(await (await fetch(url)).arrayBuffer());
}

/** Width and height, of a JPEG's frame. */
function sizeOf(jpeg) {
  let at = 2;
  while (![0xc0, 0xc1, 0xc2].includes(jpeg[at + 1])) at += 2 + jpeg.readUInt16BE(at + 2);
  return [jpeg.readUInt16BE(at + 7), jpeg.readUInt16BE(at + 5)];
}
