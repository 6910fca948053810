import { PrismaLibSQL } from "@prisma/adapter-libsql";
import { PrismaPg } from "@prisma/adapter-pg";

export const DEFAULT_DATABASE = "file:./see-in-your-room.sqlite";

/** Returns the driver for `file:` (SQLite) and `postgresql:` URLs. */
export function adapterOf(url = DEFAULT_DATABASE): PrismaLibSQL | PrismaPg {
  return url.startsWith("file:") ? new PrismaLibSQL({ url }) : new PrismaPg({ connectionString: url });
}
