import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { createMiddleware } from "hono/factory";
import { InvalidHmacError } from "@shopify/shopify-api";
import { z } from "zod";
import type { Admin, Shopify } from "./admin.js";
import { Failure, MESSAGES, type Reason } from "./failures.js";
import type { Attempt, State } from "./jobs.js";
import { isJpeg } from "./jpeg.js";
import type { Rooms } from "./rooms.js";
import { ANSWER_BYTES, ORDER_BYTES, PHOTO_BYTES, type Settings } from "./settings.js";
import { attemptOf, type Order } from "./tokens.js";
import { visitorsOf } from "./visitor.js";

type Env = { Variables: { shop: string; attempt: Attempt } };

export function createApp(settings: Settings, shopify: Shopify, admin: Admin, rooms: Rooms): Hono<Env> {
  const app = new Hono<Env>();
  app.get("/health", (c) => c.text("ok"));

  app.use("/proxy/room/*", signedByShopify(shopify));
  app.post("/proxy/room", limited(ORDER_BYTES), async (c) => {
    const order = await readOrder(c.get("shop"), await c.req.parseBody());
    const visitors = visitorsOf(
      c.req.header("x-forwarded-for") ?? "", settings.OWN_PROXIES, c.req.query("logged_in_customer_id") ?? "");
    return c.json({ state: "working", token: await rooms.ask(order, visitors) }, 202);
  });
  app.get("/proxy/room/:token", async (c) => {
    c.header("Cache-Control", "no-store");
    return c.json(told(await rooms.told(c.get("shop"), c.req.param("token"))));
  });

  app.use("/hooks/runpod/:secret", ofOurJob(settings.SHOPIFY_API_SECRET));
  app.post("/hooks/runpod/:secret", limited(ANSWER_BYTES), async (c) => {
    await rooms.answered(c.get("attempt"), await c.req.json());
    return c.body(null, 200);
  });

  app.post("/hooks/shopify", limited(ORDER_BYTES), async (c) => {
    const hook = await shopify.webhooks.validate({ rawBody: await c.req.text(), rawRequest: c.req.raw });
    if (!hook.valid) return c.body(null, 401);
    if (hook.topic === "APP_UNINSTALLED") await admin.uninstall(hook.domain);
    if (hook.topic === "SHOP_REDACT") await rooms.forget(hook.domain);
    return c.body(null, 200); // of customers nothing is kept: there is nothing to hand out or to delete
  });

  app.onError((error, c) => {
    if (error instanceof SyntaxError) return c.body(null, 400);
    console.error(error instanceof Failure ? error.message : error);
    if (error instanceof Failure) return c.json(told(failed(error.reason)), 400);
    return c.json(told(failed("other")), 500);
  });
  return app;
}

/** The query of the app proxy, at most 90 seconds old. The body is not signed: it is the customer's. */
function signedByShopify(shopify: Shopify) {
  return createMiddleware<Env>(async (c, next) => {
    const query = c.req.query();
    if (!(await isSigned(shopify, query))) return c.json(told(failed("other")), 401);
    c.set("shop", shopify.utils.sanitizeShop(query["shop"] ?? "", true)!);
    await next();
  });
}

/** RunPod signs nothing: who knows the secret of an attempt's URL was told it by us. */
function ofOurJob(key: string) {
  return createMiddleware<Env>(async (c, next) => {
    const attempt = attemptOf(key, c.req.param("secret") ?? "");
    if (!attempt) return c.body(null, 401);
    c.set("attempt", attempt);
    await next();
  });
}

async function isSigned(shopify: Shopify, query: Record<string, string>): Promise<boolean> {
  try {
    return await shopify.utils.validateHmac(query, { signator: "appProxy" });
  } catch (error) {
    if (error instanceof InvalidHmacError) return false;
    throw error;
  }
}

function limited(maxSize: number) {
  return bodyLimit({ maxSize, onError: (c) => c.json(told(failed("photo")), 413) });
}

const Photo = z
  .file()
  .max(PHOTO_BYTES)
  .transform(async (file) => new Uint8Array(await file.arrayBuffer()))
  .refine(isJpeg);

const Place = z
  .string()
  .regex(/^\[\d{1,5},\d{1,5}\]$/)
  .transform((text) => JSON.parse(text) as [number, number]);

const Form = z.object({ variant: z.string().regex(/^\d{1,20}$/), photo: Photo, place: Place.optional() });

const REASONS: Record<string, Reason> = { variant: "product", photo: "photo", place: "place" };

async function readOrder(shop: string, form: unknown): Promise<Order> {
  const parsed = await Form.safeParseAsync(form);
  if (parsed.success) return { shop, ...parsed.data };
  const field = String(parsed.error.issues[0]?.path[0]);
  throw new Failure(REASONS[field] ?? "other", `the form's ${field} is missing or wrong`);
}

function failed(reason: Reason): State {
  return { state: "failed", reason };
}

function told(state: State): State & { message?: string } {
  return state.state === "failed" ? { ...state, message: MESSAGES[state.reason] } : state;
}
