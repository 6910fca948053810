// The backend as a process of its own, and a record of what it asks RunPod.
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { once } from "node:events";
import { KEY, read, SECRET } from "./fake-shopify.mjs";

const MAIN = new URL("../dist/main.js", import.meta.url).pathname;
const TO_FAKE = new URL("to-fake.mjs", import.meta.url).href;

export async function startBackend(fake, runpod, more = {}) {
  const port = await freePort();
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
    ...more,
  };
  const child = spawn(process.execPath, ["--import", TO_FAKE, MAIN], { env });
  const backend = { url, child, log: "", ended: once(child, "exit") };
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (piece) => (backend.log += piece));
  await until(() => backend.log.includes("listening") || child.exitCode !== null);
  return backend;
}

/** Passes everything on to the endpoint, and keeps the jobs. One that `hangsUp` gives no answers. */
export async function recorder(endpoint) {
  const record = { jobs: [], hangsUp: false, close: () => server.close().closeAllConnections() };
  const server = createServer(async (request, response) => {
    const body = await read(request);
    if (request.url.endsWith("/run")) record.jobs.push(JSON.parse(body));
    const { authorization } = request.headers;
    const headers = { "content-type": "application/json", ...(authorization && { authorization }) };
    const told = await fetch(endpoint + request.url, { method: request.method, headers, ...(body.length && { body }) });
    if (record.hangsUp) return request.socket.destroy();
    response.writeHead(told.status, { "content-type": "application/json" });
    response.end(await told.text());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(record, { url: `http://127.0.0.1:${server.address().port}` });
}

export async function until(isSo, seconds = 30) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const so = await isSo();
    if (so) return so;
    if (Date.now() > deadline) throw new Error(`not in ${seconds} seconds: ${isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
