import { randomUUID } from "node:crypto";
import type { Reason } from "./failures.js";

export type State = { state: "working" } | { state: "ready"; url: string } | { state: "failed"; reason: Reason };

/** A job that failed may begin again: what is still told about an earlier attempt is not about it. */
export interface Attempt {
  token: string;
  id: string;
}

/** Jobs within an hour. */
export interface Limits {
  shop: number;
  visitor: number;
}

/** Where jobs are remembered. With more than one process it must be a database: every method is then one statement. */
export interface Jobs {
  /** Of a job that is new, or failed. */
  begin(token: string, shop: string): Promise<Attempt | undefined>;
  /** The shop of an attempt that waits for its answer; to the first who asks, and to nobody after. */
  claim(attempt: Attempt): Promise<string | undefined>;
  finish(attempt: Attempt, state: State): Promise<void>;
  find(token: string, shop: string): Promise<State | undefined>;
  /** Whether the worker may be asked once more; if so it counts, whatever becomes of the job. */
  spend(shop: string, visitors: string[], limits: Limits): Promise<boolean>;
  forget(shop: string): Promise<void>;
}

interface Job {
  shop: string;
  attempt: string;
  since: number;
  isClaimed: boolean;
  state: State;
}

interface Spent {
  shop: string;
  visitors: string[];
  time: number;
}

/** In ms; an answer that did not come in time will not come. */
export const PATIENCE = 15 * 60_000;
const HOUR = 60 * 60_000;

/** For one process: a restart forgets all jobs, and each is forgotten after an hour. */
export class JobsInMemory implements Jobs {
  private readonly jobs = new Map<string, Job>();
  private spent: Spent[] = [];

  async begin(token: string, shop: string): Promise<Attempt | undefined> {
    this.forgetOld();
    const known = this.look(token);
    if (known && known.state.state !== "failed") return undefined;
    const id = randomUUID();
    this.jobs.set(token, { shop, attempt: id, since: Date.now(), isClaimed: false, state: { state: "working" } });
    return { token, id };
  }

  async claim(attempt: Attempt): Promise<string | undefined> {
    const job = this.of(attempt);
    if (!job || job.isClaimed || job.state.state !== "working") return undefined;
    job.isClaimed = true;
    return job.shop;
  }

  async finish(attempt: Attempt, state: State): Promise<void> {
    const job = this.of(attempt);
    if (job) job.state = state;
  }

  async find(token: string, shop: string): Promise<State | undefined> {
    const job = this.look(token);
    return job?.shop === shop ? job.state : undefined;
  }

  async spend(shop: string, visitors: string[], limits: Limits): Promise<boolean> {
    this.spent = this.spent.filter(({ time }) => time >= Date.now() - HOUR);
    const ofShop = this.spent.filter((one) => one.shop === shop);
    const most = Math.max(...visitors.map((visitor) => ofShop.filter((one) => one.visitors.includes(visitor)).length));
    if (ofShop.length >= limits.shop || most >= limits.visitor) return false;
    this.spent.push({ shop, visitors, time: Date.now() });
    return true;
  }

  async forget(shop: string): Promise<void> {
    for (const [token, job] of this.jobs) if (job.shop === shop) this.jobs.delete(token);
    this.spent = this.spent.filter((one) => one.shop !== shop);
  }

  private of({ token, id }: Attempt): Job | undefined {
    const job = this.jobs.get(token);
    return job?.attempt === id ? job : undefined;
  }

  private look(token: string): Job | undefined {
    const job = this.jobs.get(token);
    const isLost = job?.state.state === "working" && job.since < Date.now() - PATIENCE;
    if (isLost) job.state = { state: "failed", reason: "other" };
    return job;
  }

  private forgetOld(): void {
    for (const [token, job] of this.jobs) if (job.since < Date.now() - HOUR) this.jobs.delete(token);
  }
}
