import { serve } from "@hono/node-server";
import { Admin, connect } from "./admin.js";
import { createApp } from "./app.js";
import { openDatabase } from "./database.js";
import { Jobs } from "./jobs.js";
import { Limits } from "./limits.js";
import { createPage } from "./page.js";
import { Rooms } from "./rooms.js";
import { RunPod } from "./runpod.js";
import { readSettings, type Settings } from "./settings.js";

const HOUR = 3_600_000;

/** How many times the hold on a job is renewed before it would end. */
const LOOKS_PER_LEASE = 3;

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
const database = openDatabase(settings.DATABASE_URL);
const admin = new Admin(shopify, database);
const runpod = new RunPod(settings.RUNPOD_ENDPOINT, settings.RUNPOD_API_KEY);
const lease = settings.RESUME_SECONDS * 1000;
const jobs = new Jobs(database, lease);
const limits = new Limits(database, { shop: settings.JOBS_PER_HOUR, visitor: settings.VISITOR_JOBS_PER_HOUR });
const rooms = new Rooms(settings, admin, runpod, jobs, limits);
const app = createApp(settings, shopify, admin, rooms);
app.route("/", createPage(settings, shopify, admin, jobs, limits));
const server = serve({ fetch: app.fetch, port: settings.PORT }, ({ port }) => console.info(`listening on ${port}`));
const sweeping = setInterval(() => void rooms.sweep().catch(console.error), HOUR);
const resuming = setInterval(() => void rooms.resume().catch(console.error), lease / LOOKS_PER_LEASE);

process.once("SIGTERM", () => {
  clearInterval(sweeping);
  clearInterval(resuming);
  server.close(() => void rooms.settled().then(() => process.exit(0)));
});
