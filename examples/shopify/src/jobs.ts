import { randomUUID } from "node:crypto";
import { Prisma, type Job, type PrismaClient } from "@prisma/client";
import type { Reason } from "./failures.js";

export type { Job };

export type State = { state: "working" } | { state: "ready"; url: string } | { state: "failed"; reason: Reason };

/** One try of a job. A job that failed may begin again; what arrives about an earlier attempt is not about this one. */
export interface Attempt {
  token: string;
  id: string;
}

/** In ms; an answer that did not come in time will not come. */
export const PATIENCE = 15 * 60_000;

/** Prisma's code for a row that exists already. */
const EXISTS = "P2002";

/**
 * The jobs in the database. Several processes may share it: each method that decides something is one statement.
 *
 * A working job has a time at which it is due. The process that works on it keeps moving that time; if the process dies,
 * the job becomes due and is taken up by another process, or after the restart.
 */
export class Jobs {
  constructor(
    private readonly database: PrismaClient,
    private readonly leaseMs: number,
  ) {}

  /** Returns an attempt if the job is new, or if it failed. */
  async begin(token: string, shop: string, product: string): Promise<Attempt | undefined> {
    const attempt = { token, id: randomUUID() };
    const row = {
      shop, product, attempt: attempt.id, state: "working", since: new Date(), dueAt: this.lease(),
      reason: null, url: null, runpodId: null, isClaimed: false,
    };
    const again = await this.database.job.updateMany({ where: { token, state: "failed" }, data: row });
    if (again.count === 1) return attempt;
    return (await this.create({ token, ...row })) ? attempt : undefined;
  }

  /** RunPod has the job. Without an id, which was lost on the way, only the webhook can bring the answer. */
  async submitted(attempt: Attempt, runpodId?: string): Promise<void> {
    const dueAt = runpodId ? this.lease() : new Date(Date.now() + PATIENCE);
    await this.update(attempt, { runpodId: runpodId ?? null, dueAt });
  }

  /** Returns the shop of a working job to the first caller, and to nobody after. */
  async claim(attempt: Attempt): Promise<string | undefined> {
    const isFirst = await this.update(attempt, { isClaimed: true, dueAt: this.lease() }, { isClaimed: false });
    if (!isFirst) return undefined;
    return (await this.database.job.findUnique({ where: { token: attempt.token } }))?.shop;
  }

  async finish(attempt: Attempt, state: State): Promise<void> {
    await this.update(attempt, state);
  }

  async find(token: string, shop: string): Promise<State | undefined> {
    const job = await this.database.job.findUnique({ where: { token } });
    return job?.shop === shop ? stateOf(job) : undefined;
  }

  /** Keeps jobs from becoming due while this process works on them. */
  async hold(tokens: string[]): Promise<void> {
    if (tokens.length === 0) return;
    const where = { token: { in: tokens }, state: "working" };
    await this.database.job.updateMany({ where, data: { dueAt: this.lease() } });
  }

  /** Returns the jobs that are due, each to one caller. */
  async takeDue(): Promise<Job[]> {
    const where = { state: "working", dueAt: { lt: new Date() } };
    return await this.database.job.updateManyAndReturn({ where, data: { dueAt: this.lease(), isClaimed: false } });
  }

  /** Returns the shop's newest jobs first. */
  async newest(shop: string, take: number): Promise<Job[]> {
    return await this.database.job.findMany({ where: { shop }, orderBy: { since: "desc" }, take });
  }

  async since(shop: string, since: Date): Promise<Job[]> {
    return await this.database.job.findMany({ where: { shop, since: { gte: since } }, orderBy: { since: "desc" } });
  }

  async forget(shop: string): Promise<void> {
    await this.database.job.deleteMany({ where: { shop } });
  }

  async forgetOld(before: Date): Promise<void> {
    await this.database.job.deleteMany({ where: { since: { lt: before } } });
  }

  private lease(): Date {
    return new Date(Date.now() + this.leaseMs);
  }

  private async create(data: Prisma.JobCreateInput): Promise<boolean> {
    try {
      await this.database.job.create({ data });
      return true;
    } catch (error) {
      if (error instanceof Prisma.PrismaClientKnownRequestError && error.code === EXISTS) return false;
      throw error;
    }
  }

  /** Returns true if the attempt is the job's present one, and still working. */
  private async update({ token, id }: Attempt, data: Prisma.JobUpdateInput, more: Prisma.JobWhereInput = {}) {
    const where = { ...more, token, attempt: id, state: "working" };
    return (await this.database.job.updateMany({ where, data })).count === 1;
  }
}

export function stateOf({ state, url, reason }: Job): State {
  if (state === "ready") return { state, url: url! };
  return state === "failed" ? { state, reason: reason as Reason } : { state: "working" };
}
