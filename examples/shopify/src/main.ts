import { serve } from "@hono/node-server";
import { Worker } from "qwen-worker";
import { Admin, connect } from "./admin.js";
import { createApp } from "./app.js";
import { JobsInMemory } from "./jobs.js";
import { Rooms } from "./rooms.js";
import { readSettings, type Settings } from "./settings.js";

const HOUR = 3_600_000;

function settingsOrExit(): Settings {
  try {
    return readSettings(process.env);
  } catch (error) {
    console.error((error as Error).message);
    process.exit(1);
  }
}

const settings = settingsOrExit();
const shopify = connect(settings);
const worker = new Worker({ endpoint: settings.RUNPOD_ENDPOINT, apiKey: settings.RUNPOD_API_KEY });
const rooms = new Rooms(settings, new Admin(shopify), worker, new JobsInMemory());
const server = serve({ fetch: createApp(settings, shopify, rooms).fetch, port: settings.PORT });
const sweeping = setInterval(() => void rooms.sweep(), HOUR);
console.info(`listening on ${settings.PORT}`);

process.once("SIGTERM", () => {
  clearInterval(sweeping);
  server.close(() => void rooms.settled().then(() => process.exit(0)));
});
