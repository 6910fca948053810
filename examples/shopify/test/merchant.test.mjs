// The merchant installs the app, opens its page, and uninstalls it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { FakeShopify, order, result, SHOP, shopifyHook } from "./fake-shopify.mjs";
import { recorder, startBackend } from "./running.mjs";

const { RUNPOD_URL, PICTURES } = process.env;
const PHOTO = readFileSync(`${PICTURES}/room.jpg`);
const ELEMENTS = new URL(import.meta.resolve("@shopify/polaris-types/custom-elements"));

/** A place that the worker refuses at once. */
const NOWHERE = [99999, 1];

let fake, runpod, backend;

before(async () => {
  fake = await new FakeShopify().listen(PICTURES);
  fake.sell(41);
  fake.fate = ["READY"];
  runpod = await recorder(RUNPOD_URL);
  backend = await startBackend(fake, runpod.url, { JOBS_PER_HOUR: "5" });
  fake.backend = backend.url;
});

after(() => {
  backend?.child.kill();
  runpod?.close();
  fake?.close();
});

test("a shop of another organization", (t) =>
  anew(async () => {
    fake.isOfOurOrganization = false;
    await t.test("is told to try again if Shopify gives no token for it", async () => {
      fake.isExchanging = false;
      const { status, told } = await ask();
      assert.deepEqual([status, told], [500, { message: "The app could not answer. Please try again." }]);
      assert.equal((await order(fake, PHOTO, { place: NOWHERE })).reason, "other");
    });
    await t.test("installs the app when its merchant opens it: the session token is exchanged, once", async () => {
      Object.assign(fake, { isExchanging: true, goodFor: 30 });
      assert.equal((await ask()).status, 200);
      fake.goodFor = 3600;
      assert.deepEqual(fake.grants, ["token-exchange"]);
    });
    await t.test("gets its token refreshed before it expires", async () => {
      const { token } = await order(fake, PHOTO, { place: [270, 400] });
      assert.equal((await result(fake, token)).state, "ready");
      assert.equal((await ask()).status, 200);
      assert.deepEqual(fake.grants, ["token-exchange", "refresh_token"]);
    });
    await t.test("has no token here after an uninstall", async () => {
      const body = JSON.stringify({ myshopify_domain: SHOP });
      assert.equal((await shopifyHook(backend, "app/uninstalled", body, "psst")).status, 401);
      assert.equal((await shopifyHook(backend, "app/uninstalled", body)).status, 200);
      assert.equal((await order(fake, PHOTO, { place: NOWHERE })).reason, "other");
    });
  }));

test("a shop of the app's own organization needs nobody to open the app", () =>
  anew(async () => {
    const { token } = await order(fake, PHOTO, { place: NOWHERE });
    assert.equal((await result(fake, token)).reason, "place");
    assert.deepEqual(fake.grants, ["client_credentials"]);
  }));

for (const [what, token] of [
  ["none", () => ""],
  ["one of another app", () => fake.sessionToken({ aud: "another" })],
  ["one by another secret", () => fake.sessionToken({ secret: "psst" })],
]) {
  test(`the page's data needs a session token: ${what} is refused`, async () => {
    const answer = await ask({}, token());
    assert.equal(answer.status, 401);
    assert.equal(answer.told.message, "Please open the app in Shopify's admin again.");
  });
}

test("the page shows the jobs, their usage and the limits", async () => {
  const { token } = await order(fake, PHOTO, { place: [274, 400] });
  const { url } = await result(fake, token);
  await result(fake, (await order(fake, PHOTO, { place: NOWHERE })).token);
  const { told } = await ask();
  assert.deepEqual([told.used, told.limits, told.most], [2, { shop: 5, visitor: 20 }, { shop: 5, visitor: 20 }]);
  assert.deepEqual(told.jobs.map(({ product, state }) => [product, state]), [["Armchair", "failed"], ["Armchair", "ready"]]);
  assert.equal(told.jobs[1].url, url);
  const hours = told.hours.map(({ rooms, failed }) => [rooms, failed]);
  assert.deepEqual([sum(hours, 0), sum(hours, 1)], [2, 1]);
});

test("a merchant sets limits below the app's own, and they hold", async () => {
  const { used } = (await ask()).told;
  assert.deepEqual((await set({ shop: used + 1, visitor: 20 })).told.limits, { shop: used + 1, visitor: 20 });
  assert.equal((await result(fake, (await order(fake, PHOTO, { place: [275, 400] })).token)).state, "ready");
  assert.equal((await result(fake, (await order(fake, PHOTO, { place: [276, 400] })).token)).reason, "busy");
});

for (const limits of [{ shop: 6, visitor: 1 }, { shop: -1, visitor: 1 }, { shop: 1.5, visitor: 1 }, { shop: 1 }, "no"]) {
  test(`limits of ${JSON.stringify(limits)} are refused`, async () => {
    const answer = await set(limits);
    assert.equal(answer.status, 400);
    assert.match(answer.told.message, /whole number/);
  });
}

test("the page may stand in the frame of its own shop's admin alone", async () => {
  const policyFor = async (query) => (await fetch(backend.url + query)).headers.get("content-security-policy");
  assert.equal(await policyFor(`/?shop=${SHOP}`), `frame-ancestors https://${SHOP} https://admin.shopify.com`);
  for (const query of ["/", "/?shop=evil.example"]) assert.equal(await policyFor(query), "frame-ancestors 'none'");
});

test("the page uses only elements and attributes that Polaris has", async () => {
  const html = await (await fetch(`${backend.url}/`)).text();
  const script = await (await fetch(`${backend.url}/admin.js`)).text();
  const known = polaris();
  const made = [...script.matchAll(/createElement\("([^"]+)"\)/g)].map(([, name]) => [name, ""]);
  const written = [...html.matchAll(/<(s-[a-z-]+)([^>]*)>/g)].map(([, name, attributes]) => [name, attributes]);
  assert.ok(made.length > 3 && written.length > 20);
  for (const [name, attributes] of [...made, ...written]) {
    assert.ok(known.has(name), name);
    for (const [, attribute] of attributes.matchAll(/([a-z]+)(?:="[^"]*")?/g))
      assert.ok([...known.get(name), "id", "slot", "hidden"].includes(attribute), `${name} ${attribute}`);
  }
  assert.ok(html.includes('content="key-of-the-app"'));
});

/** The attributes of each element. */
function polaris() {
  const { modules } = JSON.parse(readFileSync(ELEMENTS, "utf8"));
  const elements = modules.flatMap(({ declarations = [] }) => declarations).filter(({ tagName }) => tagName);
  return new Map(elements.map(({ tagName, attributes = [] }) => [tagName, attributes.map(({ name }) => name)]));
}

/** With a backend of its own, in a shop that has not installed the app. */
async function anew(work) {
  const fresh = await startBackend(fake, runpod.url);
  const shared = backend;
  Object.assign(fake, { grants: [], backend: fresh.url });
  backend = fresh;
  try {
    await work();
  } finally {
    Object.assign(fake, { goodFor: 86_399, isOfOurOrganization: true, isExchanging: true, backend: shared.url });
    backend = shared;
    fresh.child.kill();
  }
}

async function ask(options = {}, token = fake.sessionToken()) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const answer = await fetch(`${backend.url}/admin/shop`, { ...options, headers });
  return { status: answer.status, told: await answer.json() };
}

function set(limits) {
  return ask({ method: "PUT", body: JSON.stringify(limits) });
}

function sum(rows, column) {
  return rows.reduce((total, row) => total + row[column], 0);
}
