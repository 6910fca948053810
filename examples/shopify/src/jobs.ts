import type { Reason } from "./failures.js";

export type State = { state: "working" } | { state: "ready"; url: string } | { state: "failed"; reason: Reason };

/** Where jobs are remembered. With more than one process it must be a database: every method is then one statement. */
export interface Jobs {
  /** Whether the job is new; one that failed may begin again. */
  begin(token: string, shop: string): Promise<boolean>;
  /** The shop of a job that waits for its answer; to the first who asks, and to nobody after. */
  claim(token: string): Promise<string | undefined>;
  finish(token: string, state: State): Promise<void>;
  find(token: string, shop: string): Promise<State | undefined>;
  /** How many were begun and did not fail. */
  begunSince(shop: string, time: number): Promise<number>;
  forget(shop: string): Promise<void>;
}

interface Job {
  shop: string;
  since: number;
  isClaimed: boolean;
  state: State;
}

const PATIENCE = 15 * 60_000;
const KEPT = 60 * 60_000;

/** For one process: a restart forgets all jobs, and each is forgotten after an hour. */
export class JobsInMemory implements Jobs {
  private readonly jobs = new Map<string, Job>();

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

  async begunSince(shop: string, time: number): Promise<number> {
    const counts = (job: Job) => job.shop === shop && job.since >= time && job.state.state !== "failed";
    return [...this.jobs.values()].filter(counts).length;
  }

  async forget(shop: string): Promise<void> {
    for (const [token, job] of this.jobs) if (job.shop === shop) this.jobs.delete(token);
  }

  /** An answer that did not come in time will not come. */
  private look(token: string): Job | undefined {
    const job = this.jobs.get(token);
    const isLost = job?.state.state === "working" && job.since < Date.now() - PATIENCE;
    if (isLost) job.state = { state: "failed", reason: "other" };
    return job;
  }

  private forgetOld(): void {
    for (const [token, job] of this.jobs) if (job.since < Date.now() - KEPT) this.jobs.delete(token);
  }
}
