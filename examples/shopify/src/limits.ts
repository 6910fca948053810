import type { PrismaClient } from "@prisma/client";
import { RateLimiterPrisma, RateLimiterRes } from "rate-limiter-flexible";

const HOUR_SECONDS = 3600;

/** Jobs within an hour, which begins with the first of them. */
export interface JobsPerHour {
  shop: number;
  visitor: number;
}

/** Counts jobs in the database, by shop and by visitor. */
export class Limits {
  /** `most` is for all shops; a merchant may set less. */
  constructor(
    private readonly database: PrismaClient,
    readonly most: JobsPerHour,
  ) {}

  async of(shop: string): Promise<JobsPerHour> {
    const own = (await this.database.limit.findUnique({ where: { shop } })) ?? { jobs: Infinity, visitorJobs: Infinity };
    return { shop: Math.min(own.jobs, this.most.shop), visitor: Math.min(own.visitorJobs, this.most.visitor) };
  }

  async set(shop: string, limits: JobsPerHour): Promise<void> {
    const data = { jobs: limits.shop, visitorJobs: limits.visitor };
    await this.database.limit.upsert({ where: { shop }, create: { shop, ...data }, update: data });
  }

  /** Returns the shop's jobs within the present hour. */
  async used(shop: string): Promise<number> {
    return (await this.limiter(this.most.shop).get(shop))?.consumedPoints ?? 0;
  }

  /** Returns true if the worker may be asked once more. The job then counts, whatever becomes of it. */
  async spend(shop: string, visitors: string[]): Promise<boolean> {
    const limits = await this.of(shop);
    for (const visitor of visitors) if (!(await this.isWithin(limits.visitor, `${shop} ${visitor}`))) return false;
    return await this.isWithin(limits.shop, shop);
  }

  async forgetOld(): Promise<void> {
    await this.database.rateLimiterFlexible.deleteMany({ where: { expire: { lt: new Date() } } });
  }

  async forget(shop: string): Promise<void> {
    await this.database.limit.deleteMany({ where: { shop } });
    await this.database.rateLimiterFlexible.deleteMany({ where: { key: { startsWith: `jobs:${shop}` } } });
  }

  private async isWithin(points: number, key: string): Promise<boolean> {
    try {
      await this.limiter(points).consume(key);
      return true;
    } catch (problem) {
      if (problem instanceof RateLimiterRes) return false;
      throw problem;
    }
  }

  private limiter(points: number): RateLimiterPrisma {
    return new RateLimiterPrisma({
      storeClient: this.database, keyPrefix: "jobs", points, duration: HOUR_SECONDS, clearExpiredByTimeout: false,
    });
  }
}
