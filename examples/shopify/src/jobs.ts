import type { Reason } from "./failures.js";

export type State = { state: "working" } | { state: "ready"; url: string } | { state: "failed"; reason: Reason };

/** Jobs within an hour. */
export interface Limits {
  shop: number;
  visitor: number;
}

/** Where jobs are remembered. With more than one process it must be a database: every method is then one statement. */
export interface Jobs {
  /** Whether the job is new; one that failed may begin again. */
  begin(token: string, shop: string): Promise<boolean>;
  /** The shop of a job that waits for its answer; to the first who asks, and to nobody after. */
  claim(token: string): Promise<string | undefined>;
  finish(token: string, state: State): Promise<void>;
  find(token: string, shop: string): Promise<State | undefined>;
  /** Whether the worker may be asked once more; if so it counts, whatever becomes of the job. */
  spend(shop: string, visitors: string[], limits: Limits): Promise<boolean>;
  forget(shop: string): Promise<void>;
}

interface Job {
  shop: string;
  since: number;
  isClaimed: boolean;
  state: State;
}

interface Spent {
  shop: string;
  visitors: string[];
  time: number;
}

const PATIENCE = 15 * 60_000;
const HOUR = 60 * 60_000;

/** For one process: a restart forgets all jobs, and each is forgotten after an hour. */
export class JobsInMemory implements Jobs {
  private readonly jobs = new Map<string, Job>();
  private spent: Spent[] = [];

  async begin(token: string, shop: string): Promise<boolean> {
    this.forgetOld();
    const known = this.look(token);
    if (known && known.state.state !== "failed") return false;
    this.jobs.set(token, { shop, since: Date.now(), isClaimed: false, state: { state: "working" } });
    return true;
  }

  async claim(token: string): Promise<string | undefined> {
    const job = this.jobs.get(token);
    if (!job || job.isClaimed || job.state.state !== "working") return undefined;
    job.isClaimed = true;
    return job.shop;
  }

  async finish(token: string, state: State): Promise<void> {
    const job = this.jobs.get(token);
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

  /** An answer that did not come in time will not come. */
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
