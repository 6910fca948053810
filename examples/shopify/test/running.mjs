// The backend as a process of its own, with a database of its own, and a record of what it asks RunPod.
import { spawn } from "node:child_process";
import { copyFileSync, mkdtempSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KEY, read, SECRET, until } from "./fake-shopify.mjs";

const MAIN = new URL("../dist/main.js", import.meta.url).pathname;
const EMPTY = new URL("../see-in-your-room.sqlite", import.meta.url);
const TO_FAKE = new URL("to-fake.mjs", import.meta.url).href;

export async function startBackend(fake, runpod, more = {}) {
  for (;;) {
    const backend = await startAt(await freePort(), fake, runpod, more);
    if (!backend.log.includes("EADDRINUSE")) return backend; // otherwise somebody else took the port meanwhile
  }
}

async function startAt(port, fake, runpod, more) {
  const url = `http://127.0.0.1:${port}`;
  const env = {
    PATH: process.env.PATH,
    FAKE_SHOPIFY: fake.url,
    APP_URL: url,
    PORT: String(port),
    SHOPIFY_API_KEY: KEY,
    SHOPIFY_API_SECRET: SECRET,
    RUNPOD_ENDPOINT: runpod,
    RUNPOD_API_KEY: "none",
    DATABASE_URL: freshDatabase(),
    ...more,
  };
  return await start(env);
}

/** The same backend once more, after its end. */
export async function startAgain({ env }) {
  return await start(env);
}

/** A copy of what `npm run setup` made. */
export function freshDatabase() {
  const file = join(mkdtempSync(join(tmpdir(), "see-in-your-room-")), "test.sqlite");
  copyFileSync(EMPTY, file);
  return `file:${file}`;
}

async function start(env) {
  const child = spawn(process.execPath, ["--import", TO_FAKE, MAIN], { env });
  const backend = { url: env.APP_URL, env, child, log: "", ended: once(child, "exit") };
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (piece) => (backend.log += piece));
  let isClosed = false;
  child.once("close", () => (isClosed = true));
  await until(() => backend.log.includes("listening") || isClosed);
  return backend;
}

/** Passes everything on to the endpoint, and keeps the jobs. One that `hangsUp` gives no answers; one that `isDeaf`
 * passes nothing on and does not answer. */
export async function recorder(endpoint) {
  const record = { jobs: [], ids: [], hangsUp: false, isDeaf: false, asked: 0, close: () => server.close().closeAllConnections() };
  const server = createServer(async (request, response) => {
    const body = await read(request);
    record.asked += 1;
    if (record.isDeaf) return;
    const isJob = request.url.endsWith("/run");
    if (isJob) record.jobs.push(JSON.parse(body));
    const { authorization } = request.headers;
    const headers = { "content-type": "application/json", ...(authorization && { authorization }) };
    const told = await fetch(endpoint + request.url, { method: request.method, headers, ...(body.length && { body }) });
    if (record.hangsUp) return request.socket.destroy();
    const text = await told.text();
    if (isJob) record.ids.push(JSON.parse(text).id);
    response.writeHead(told.status, { "content-type": "application/json" });
    response.end(text);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(record, { url: `http://127.0.0.1:${server.address().port}` });
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
