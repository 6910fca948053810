import "./to-fake.mjs";
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Admin, connect } from "../dist/admin.js";
import { openDatabase } from "../dist/database.js";
import { deleteOld, publish } from "../dist/files.js";
import { FakeShopify, KEY, SECRET, SHOP } from "./fake-shopify.mjs";
import { freshDatabase } from "./running.mjs";

const DAY = 86_400_000;
let fake, admin;

before(async () => {
  fake = await new FakeShopify().listen("");
  process.env.FAKE_SHOPIFY = fake.url;
  const shopify = connect({ APP_URL: "https://rooms.example", SHOPIFY_API_KEY: KEY, SHOPIFY_API_SECRET: SECRET });
  admin = new Admin(shopify, openDatabase(freshDatabase()));
});

after(() => fake.close());

test("old results are deleted, and nothing of the merchant's", async () => {
  const old = new Date(Date.now() - 9 * DAY);
  for (let each = 0; each < 120; each++) fake.add(`see-in-your-room-${each}.jpg`, Buffer.from("a"), old);
  fake.add("logo.jpg", Buffer.from("b"), old);
  fake.add("see-in-your-room-new.jpg", Buffer.from("c"), new Date());
  assert.equal(await deleteOld(admin, SHOP, new Date(Date.now() - 7 * DAY)), 120);
  const left = [...fake.stored.values()].map(({ filename }) => filename);
  assert.deepEqual(left, ["logo.jpg", "see-in-your-room-new.jpg"]);
  assert.equal(await deleteOld(admin, SHOP, new Date(Date.now() - 7 * DAY)), 0);
});

test("old files that failed or never were ready are deleted too, and hide no others", async () => {
  const old = new Date(Date.now() - 9 * DAY);
  fake.stored.clear();
  fake.fate = ["FAILED"];
  for (let each = 0; each < 60; each++) fake.add("logo.jpg", Buffer.from("a"), old, "Our logo");
  await assert.rejects(publish(admin, SHOP, "token", Buffer.from("b")), /refused/);
  [...fake.stored.values()].at(-1).created = old;
  fake.fate = ["PROCESSING"];
  fake.add("see-in-your-room-1.jpg", Buffer.from("c"), old, "see-in-your-room-1.jpg");
  fake.fate = ["READY"];
  fake.add("see-in-your-room-2.jpg", Buffer.from("d"), old);
  assert.equal(await deleteOld(admin, SHOP, new Date(Date.now() - 7 * DAY)), 3);
  assert.equal(fake.stored.size, 60);
});

test("what Shopify throttles to the end is an error", { timeout: 20_000 }, async () => {
  fake.faults = Array(5).fill("throttled");
  await assert.rejects(publish(admin, SHOP, "token", Buffer.from("a")), /Throttled/);
  assert.equal(fake.faults.length, 0);
});

test("a token is asked for once a day, not once a request", () => assert.equal(fake.tokens, 1));
