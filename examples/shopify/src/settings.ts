import { z } from "zod";
import { DEFAULT_DATABASE } from "./adapter.js";

const MiB = 1024 * 1024;

/** RunPod takes requests of 10 MB; base64 makes a photo a third larger. */
export const PHOTO_BYTES = 7_000_000;
export const ORDER_BYTES = PHOTO_BYTES + 64 * 1024;

/** RunPod's webhook holds the job's input and its answer, each of at most 10 MB. */
export const ANSWER_BYTES = 24 * MiB;

/** A file on Shopify. */
export const FILE_BYTES = 20 * MiB;

/** Photos and keys travel encrypted; a rehearsal on one machine needs no certificate. */
const ADDRESS = /^(https:\/\/[^/]+|http:\/\/(127\.0\.0\.1|localhost)(:\d+)?)(\/|$)/;

const Address = z
  .string()
  .regex(ADDRESS, "must be an https:// URL")
  .transform((url) => url.replace(/\/+$/, ""));

const Metafield = z.string().regex(/^.+\..+$/, "must be namespace.key");

const Environment = z.object({
  APP_URL: Address,
  PORT: z.coerce.number().int().min(1).max(65535).default(3000),
  SHOPIFY_API_KEY: z.string().min(1),
  SHOPIFY_API_SECRET: z.string().min(1),
  HEIGHT_METAFIELD: Metafield.default("$app.height"),
  WIDTH_METAFIELD: Metafield.default("$app.width"),
  SURFACE_METAFIELD: Metafield.default("$app.surface"),
  DATABASE_URL: z.string().regex(/^(file|postgres(ql)?):/, "must begin with file: or postgresql:").default(DEFAULT_DATABASE),
  RUNPOD_ENDPOINT: Address,
  RUNPOD_API_KEY: z.string().min(1),
  JOBS_PER_HOUR: z.coerce.number().int().positive().default(100),
  VISITOR_JOBS_PER_HOUR: z.coerce.number().int().positive().default(20),
  OWN_PROXIES: z.coerce.number().int().nonnegative().default(1),
  RESULT_DAYS: z.coerce.number().positive().default(7),
  RESUME_SECONDS: z.coerce.number().positive().default(15),
});

export type Settings = z.infer<typeof Environment>;

/** Throws an Error of one sentence that names every variable at fault. */
export function readSettings(environment: Record<string, string | undefined>): Settings {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ""));
  const parsed = Environment.safeParse(given);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join(".")} (${issue.message})`);
  throw new Error(`These settings are missing or wrong: ${faults.join(", ")}.`);
}
