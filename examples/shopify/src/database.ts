import { PrismaClient } from "@prisma/client";
import { adapterOf } from "./adapter.js";

export function openDatabase(url?: string): PrismaClient {
  return new PrismaClient({ adapter: adapterOf(url) });
}
