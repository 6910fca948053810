import { readFileSync } from "node:fs";
import { Hono } from "hono";
import { createMiddleware } from "hono/factory";
import { InvalidJwtError } from "@shopify/shopify-api";
import { z } from "zod";
import type { Admin, Shopify } from "./admin.js";
import { type Job, type Jobs, stateOf } from "./jobs.js";
import type { Limits } from "./limits.js";
import type { Settings } from "./settings.js";

type Env = { Variables: { shop: string } };

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const SHOWN_JOBS = 25;

const PAGE = read("index.html");
const SCRIPT = read("admin.js");

/** The app's page in the merchant's admin, and what it asks for. */
export function createPage(settings: Settings, shopify: Shopify, admin: Admin, jobs: Jobs, limits: Limits): Hono<Env> {
  const page = new Hono<Env>();
  page.get("/", (c) => {
    const shop = shopify.utils.sanitizeShop(c.req.query("shop") ?? "");
    const ancestors = shop ? `https://${shop} https://admin.shopify.com` : "'none'";
    c.header("Content-Security-Policy", `frame-ancestors ${ancestors}`);
    return c.html(PAGE.replace("%SHOPIFY_API_KEY%", settings.SHOPIFY_API_KEY));
  });
  page.get("/admin.js", (c) => c.body(SCRIPT, 200, { "Content-Type": "text/javascript" }));

  page.use("/admin/*", ofMerchant(shopify, admin));
  page.get("/admin/shop", async (c) => c.json(await overview(c.get("shop"), jobs, limits)));
  page.put("/admin/shop", async (c) => {
    const given = limitsWithin(limits).safeParse(await c.req.json().catch(() => undefined));
    if (!given.success) return c.json({ message: "A limit is a whole number, and not above the app's own." }, 400);
    await limits.set(c.get("shop"), given.data);
    return c.json(await overview(c.get("shop"), jobs, limits));
  });
  page.onError((error, c) => {
    console.error(error);
    return c.json({ message: "The app could not answer. Please try again." }, 500);
  });
  return page;
}

/** App Bridge's session token. The first one of a shop is exchanged for a token of the app's own. */
function ofMerchant(shopify: Shopify, admin: Admin) {
  return createMiddleware<Env>(async (c, next) => {
    const token = /^Bearer (.+)$/.exec(c.req.header("authorization") ?? "")?.[1] ?? "";
    const shop = await shopOf(shopify, token);
    if (!shop) return c.json({ message: "Please open the app in Shopify's admin again." }, 401);
    await admin.install(shop, token);
    c.set("shop", shop);
    await next();
  });
}

async function shopOf(shopify: Shopify, token: string): Promise<string | null> {
  try {
    const { dest } = await shopify.session.decodeSessionToken(token);
    return shopify.utils.sanitizeShop(new URL(dest).host);
  } catch (error) {
    if (error instanceof InvalidJwtError) return null;
    throw error;
  }
}

function limitsWithin({ most }: Limits) {
  const upTo = (max: number) => z.number().int().min(0).max(max);
  return z.object({ shop: upTo(most.shop), visitor: upTo(most.visitor) });
}

async function overview(shop: string, jobs: Jobs, limits: Limits) {
  const newest = await jobs.newest(shop, SHOWN_JOBS);
  return {
    used: await limits.used(shop),
    limits: await limits.of(shop),
    most: limits.most,
    hours: byHour(await jobs.since(shop, new Date(Date.now() - DAY))),
    jobs: newest.map((job) => ({ product: job.product, since: job.since, ...stateOf(job) })),
  };
}

/** The hours that had jobs, the latest first. */
function byHour(jobs: Job[]) {
  const hours = Map.groupBy(jobs, ({ since }) => Math.floor(since.getTime() / HOUR) * HOUR);
  return [...hours].map(([since, ofHour]) => ({
    since: new Date(since),
    rooms: ofHour.length,
    failed: ofHour.filter(({ state }) => state === "failed").length,
  }));
}

function read(name: string): string {
  return readFileSync(new URL(`../admin/${name}`, import.meta.url), "utf8");
}
