// A shop on loopback: its Admin API, its staged uploads, its CDN, and its storefront with the app proxy.
import { createHmac, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { buildSchema, graphql } from "graphql";

export const SHOP = "chairs.myshopify.com";
export const KEY = "key-of-the-app";
export const SECRET = "hush";
const API = "/admin/api/2026-10/graphql.json";
const BUCKET = "https://shopify-staged-uploads.storage.googleapis.com/";
const TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const METAFIELDS = ["height", "width", "surface"];
const SCHEMA = buildSchema(readFileSync(new URL("admin.graphql", import.meta.url), "utf8"));

export class FakeShopify {
  /** What befalls the next requests of the Admin API, in order. */
  faults = [];
  variants = new Map();
  stored = new Map();
  staged = new Map();
  uploads = 0;
  added = 0;
  tokens = 0;
  /** Grants by their kind, in order. */
  grants = [];
  isOfOurOrganization = true;
  isExchanging = true;
  /** Seconds until a token expires. */
  goodFor = 86_399;
  fetched = [];
  /** The states a new file goes through, one a look. */
  fate = ["UPLOADED", "PROCESSING", "READY"];
  page = "";
  backend = "";
  /** Who is at the storefront. */
  visitor = { address: "203.0.113.9", customer: "" };

  /** `pictures` is the folder of the products' pictures. */
  async listen(pictures) {
    this.pictures = pictures;
    this.server = createServer((request, response) => void this.serve(request, response));
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }

  /** `height`, `width` and `surface` are metafields. */
  sell(variant, { picture = "product_white.png", published = true, ...more } = {}) {
    this.variants.set(`gid://shopify/ProductVariant/${variant}`, { title: "Armchair", picture, published, ...more });
  }

  async serve(request, response) {
    const url = new URL(request.url, this.url);
    const body = await read(request);
    const answer = await this.answer(request, url, body);
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(Buffer.from(await answer.arrayBuffer()));
  }

  async answer(request, url, body) {
    if (url.pathname === "/admin/oauth/access_token") return this.grant(JSON.parse(body));
    if (url.pathname === API) return this.admin(request.headers, JSON.parse(body));
    if (request.headers["x-host"]?.startsWith("shopify-staged-uploads")) return this.takeUpload(request.headers, body);
    if (url.pathname.startsWith("/apps/room")) return this.proxy(request, url, body);
    if (url.pathname === "/session-token") return new Response(this.sessionToken());
    if (url.pathname.startsWith("/cdn/")) return this.cdn(request, url.pathname);
    if (url.pathname.startsWith("/assets/")) return asset(url.pathname.split("/").at(-1));
    return new Response(this.page, { headers: { "content-type": "text/html; charset=utf-8" } });
  }

  grant({ client_id, client_secret, grant_type, ...given }) {
    const isOurs = client_id === KEY && client_secret === SECRET;
    if (!isOurs) return Response.json({ error: "invalid_client" }, { status: 400 });
    if (!this.isGranted(grant_type, given)) return Response.json({ error: "shop_not_permitted" }, { status: 400 });
    this.grants.push(grant_type.split(":").at(-1));
    this.token = `shpat_${++this.tokens}`;
    const told = { access_token: this.token, scope: "read_products,write_files", expires_in: this.goodFor };
    if (grant_type === "client_credentials") return Response.json(told);
    this.refreshToken = `shprt_${this.tokens}`;
    return Response.json({ ...told, refresh_token: this.refreshToken, refresh_token_expires_in: 7_776_000 });
  }

  isGranted(type, { subject_token, requested_token_type, expiring, refresh_token }) {
    if (type === "client_credentials") return this.isOfOurOrganization;
    if (type === "refresh_token") return refresh_token === this.refreshToken;
    const isOffline = requested_token_type === "urn:shopify:params:oauth:token-type:offline-access-token";
    return this.isExchanging && type === TOKEN_EXCHANGE && isOffline && expiring === "1" && isSigned(subject_token);
  }

  /** What App Bridge gives the app's page. */
  sessionToken({ secret = SECRET, aud = KEY } = {}) {
    const nbf = Math.trunc(Date.now() / 1000);
    const claims = { iss: `https://${SHOP}/admin`, dest: `https://${SHOP}`, aud, sub: "7", nbf, exp: nbf + 60 };
    const text = [{ alg: "HS256", typ: "JWT" }, claims].map((part) => base64url(JSON.stringify(part))).join(".");
    return `${text}.${signature(text, secret)}`;
  }

  async admin(headers, { query, variables }) {
    const fault = this.faults.shift();
    if (fault === "unauthorized") this.token = undefined;
    if (fault) return FAULTS[fault]();
    if (headers["x-shopify-access-token"] !== this.token) return FAULTS.unauthorized();
    const told = await graphql({ schema: SCHEMA, source: query, rootValue: this, variableValues: variables });
    return Response.json({ ...told, extensions: { cost: cost(1900) } });
  }

  // The root of the schema.

  productVariant({ id }) {
    const sold = this.variants.get(id);
    if (!sold) return null;
    const media = (name) => name && { __typename: "MediaImage", id, preview: { image: this.image(`/cdn/${name}`) } };
    return {
      id,
      media: () => ({ nodes: [media(sold.own)].filter(Boolean) }),
      product: {
        title: sold.title,
        onlineStoreUrl: sold.published ? `https://${SHOP}/products/chair` : null,
        featuredMedia: media(sold.picture) ?? null,
        metafield: ({ namespace, key }) => (namespace === "$app" && METAFIELDS.includes(key) && sold[key]) || null,
      },
    };
  }

  image(path) {
    return { url: ({ transform }) => this.url + path + (transform ? `?v=1&width=${transform.maxWidth}` : "?v=1") };
  }

  stagedUploadsCreate({ input }) {
    return { stagedTargets: input.map((file) => this.target(file)), userErrors: [] };
  }

  /** The nine fields of a signed POST, as Google's storage has them. */
  target({ filename, mimeType, httpMethod }) {
    if (httpMethod !== "POST") throw new Error("this fake has targets for POST only");
    const key = `tmp/1/products/${randomUUID()}/${filename}`;
    const parameters = {
      "Content-Type": mimeType,
      success_action_status: "201",
      acl: "private",
      key,
      "x-goog-date": "20261121T130000Z",
      "x-goog-credential": "merchant-assets@shopify-tiers.iam.gserviceaccount.com/20261121/auto/storage/goog4_request",
      "x-goog-algorithm": "GOOG4-RSA-SHA256",
      "x-goog-signature": randomUUID(),
      policy: randomUUID(),
    };
    this.staged.set(BUCKET + key, { parameters });
    const listed = Object.entries(parameters).map(([name, value]) => ({ name, value }));
    return { url: BUCKET, resourceUrl: BUCKET + key, parameters: listed };
  }

  async takeUpload(headers, body) {
    const fields = [...(await new Response(body, { headers: { "content-type": headers["content-type"] } }).formData())];
    const form = Object.fromEntries(fields);
    const place = this.staged.get(BUCKET + form.key);
    if (!place) return xml("InvalidBucketName", 400, "Cannot create buckets using a POST.");
    const isAsSigned = Object.entries(place.parameters).every(([name, value]) => form[name] === value);
    if (!isAsSigned || fields.at(-1)[0] !== "file") return xml("AccessDenied", 403, "Invalid policy document.");
    place.bytes = Buffer.from(await form.file.arrayBuffer());
    this.uploads += 1;
    return xml("PostResponse", 201, BUCKET + form.key);
  }

  fileCreate({ files: [{ originalSource, filename, contentType, alt }] }) {
    const bytes = this.staged.get(originalSource)?.bytes;
    if (!bytes || contentType !== "IMAGE") {
      const error = { code: "INVALID", field: ["files", "0", "originalSource"], message: "Image URL is invalid" };
      return { files: [], userErrors: [error] };
    }
    return { files: [this.add(filename, bytes, new Date(), alt)], userErrors: [] };
  }

  add(filename, bytes, created, alt = "") {
    const id = `gid://shopify/MediaImage/${1000 + ++this.added}`;
    const file = { id, filename, bytes, created, alt, states: [...this.fate] };
    this.stored.set(id, file);
    return this.file(file, "UPLOADED");
  }

  file({ id, filename, created, alt }, fileStatus) {
    const isReady = fileStatus === "READY";
    const failure = { code: "UNACCEPTABLE_ASSET", message: "The file is not acceptable" };
    return {
      __typename: "MediaImage", id, alt, fileStatus, createdAt: created.toISOString(),
      fileErrors: fileStatus === "FAILED" ? [failure] : [],
      image: isReady ? { url: `${this.url}/cdn/files/${filename}?v=1` } : null,
    };
  }

  node({ id }) {
    const file = this.stored.get(id);
    return file ? this.file(file, file.states.length > 1 ? file.states.shift() : file.states[0]) : null;
  }

  /** Searches for whatever is older than the query's time: a caller that trusts the search deletes too much. */
  files({ first, after, query }) {
    const before = new Date(/created_at:<'([^']+)'/.exec(query)[1]);
    const found = [...this.stored.values()].filter((file) => file.created < before);
    const start = after ? found.findIndex(({ id }) => number(id) > number(after)) : 0;
    const page = start < 0 ? [] : found.slice(start, start + first);
    const last = page.at(-1);
    const pageInfo = { hasNextPage: page.length > 0 && last !== found.at(-1), endCursor: last?.id ?? null };
    return { nodes: page.map((file) => this.file(file, file.states.at(-1))), pageInfo };
  }

  fileDelete({ fileIds }) {
    for (const id of fileIds) this.stored.delete(id);
    return { deletedFileIds: fileIds, userErrors: [] };
  }

  // The storefront.

  /** As Shopify forwards it: without cookies, with its parameters and their signature. */
  async proxy(request, url, body) {
    return await this.forward(request, url, body).catch(() => new Response("<html>502</html>", { status: 502 }));
  }

  async forward(request, url, body) {
    const told = this.signed(Object.fromEntries(url.searchParams));
    const path = url.pathname.replace("/apps/room", "/proxy/room");
    const type = request.headers["content-type"];
    return await fetch(`${this.backend}${path}?${new URLSearchParams(told)}`, {
      method: request.method,
      headers: { "x-forwarded-for": this.visitor.address, ...(type && { "content-type": type }) },
      ...(request.method === "POST" && { body }),
    });
  }

  signed(query = {}, { age = 0, shop = SHOP, secret = SECRET } = {}) {
    const timestamp = String(Math.trunc(Date.now() / 1000) - age);
    const all = { ...query, shop, logged_in_customer_id: this.visitor.customer, path_prefix: "/apps/room", timestamp };
    const text = Object.entries(all).map(([name, value]) => `${name}=${value}`).sort().join("");
    return { ...all, signature: createHmac("sha256", secret).update(text).digest("hex") };
  }

  cdn(request, path) {
    this.fetched.push({ path, agent: request.headers["user-agent"] });
    const name = path.split("/").at(-1);
    const file = [...this.stored.values()].find(({ filename }) => filename === name);
    const bytes = path.startsWith("/cdn/files/") ? file?.bytes : readFileSync(`${this.pictures}/${name}`);
    const type = name.endsWith(".png") ? "image/png" : "image/jpeg";
    return bytes ? new Response(bytes, { headers: { "content-type": type } }) : new Response("", { status: 404 });
  }
}

const FAULTS = {
  throttled: () =>
    Response.json({
      errors: [
        {
          message: "Throttled",
          extensions: { code: "THROTTLED", documentation: "https://shopify.dev/api/usage/rate-limits" },
        },
      ],
      extensions: { cost: cost(3) },
    }),
  tooMany: () =>
    Response.json(
      { errors: "Exceeded 2 calls per second for api client." },
      { status: 429, headers: { "retry-after": "1.0" } },
    ),
  badGateway: () => new Response("<html>502</html>", { status: 502, headers: { "content-type": "text/html" } }),
  unauthorized: () =>
    Response.json(
      { errors: "[API] Invalid API key or access token (unrecognized login or wrong password)" },
      { status: 401 },
    ),
};

function cost(currentlyAvailable) {
  const throttleStatus = { maximumAvailable: 2000, currentlyAvailable, restoreRate: 100 };
  return { requestedQueryCost: 10, actualQueryCost: 10, throttleStatus };
}

/** Of a file, by which Shopify sorts and its cursors go on. */
function number(id) {
  return Number(id.split("/").at(-1));
}

function isSigned(token) {
  const dot = token.lastIndexOf(".");
  return token.slice(dot + 1) === signature(token.slice(0, dot), SECRET);
}

function signature(text, secret) {
  return createHmac("sha256", secret).update(text).digest("base64url");
}

function base64url(text) {
  return Buffer.from(text).toString("base64url");
}

function xml(name, status, text) {
  const body = `<?xml version='1.0' encoding='UTF-8'?><${name}>${text}</${name}>`;
  return new Response(body, { status, headers: { "content-type": "application/xml; charset=UTF-8" } });
}

function asset(name) {
  const bytes = readFileSync(new URL(`../extensions/see-in-your-room/assets/${name}`, import.meta.url));
  return new Response(bytes, { headers: { "content-type": name.endsWith(".css") ? "text/css" : "text/javascript" } });
}

/** A webhook of Shopify's to the app. */
export function shopifyHook(backend, topic, body, secret = SECRET) {
  const headers = {
    "content-type": "application/json",
    "x-shopify-topic": topic,
    "x-shopify-shop-domain": SHOP,
    "x-shopify-api-version": "2026-10",
    "x-shopify-webhook-id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
    "x-shopify-hmac-sha256": createHmac("sha256", secret).update(body).digest("base64"),
  };
  return fetch(`${backend.url}/hooks/shopify`, { method: "POST", headers, body });
}

/** Orders a room at the storefront. */
export async function order(fake, photo, { variant = 41, place } = {}) {
  const form = new FormData();
  form.append("variant", String(variant));
  if (place) form.append("place", JSON.stringify(place));
  form.append("photo", new Blob([photo], { type: "image/jpeg" }), "photo.jpg");
  return await (await fetch(`${fake.url}/apps/room`, { method: "POST", body: form })).json();
}

/** Waits for the result as the storefront's page does. */
export async function result(fake, token) {
  return await until(async () => {
    const told = await (await fetch(`${fake.url}/apps/room/${token}`)).json();
    return told.state !== "working" && told;
  });
}

export async function until(isSo, seconds = 300) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const so = await isSo();
    if (so) return so;
    if (Date.now() > deadline) throw new Error(`not in ${seconds} seconds: ${isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function read(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces);
}
