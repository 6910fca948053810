import { existsSync } from "node:fs";
import { defineConfig } from "prisma/config";
import { adapterOf, DEFAULT_DATABASE } from "./src/adapter.ts";

/** Queries and migrations go through the app's own drivers. Prisma would still download its two engines, which are then
 * not used; the name of any file in their place spares that. */
process.env["PRISMA_QUERY_ENGINE_LIBRARY"] ??= process.execPath;
process.env["PRISMA_SCHEMA_ENGINE_BINARY"] ??= process.execPath;

if (existsSync(".env")) process.loadEnvFile();
process.env["DATABASE_URL"] ||= DEFAULT_DATABASE;

export default defineConfig({
  schema: "prisma/schema.prisma",
  experimental: { adapter: true },
  engine: "js",
  adapter: async () => adapterOf(process.env["DATABASE_URL"]),
});
