import { failure, isObject, tell, Thrown, WorkerError } from "./errors.js";
import { events } from "./events.js";
import { Http, pause, within } from "./http.js";
import { answerOf, isFinal, orThrow, progressOf } from "./jobs.js";
import type { AnswerOf, EditAnswer, GenerateAnswer, Job, JobStatus } from "./jobs.js";
import type { EditJob, GenerateJob, GenerationBody, HealthAnswer, ImagesAnswer, Progress } from "./types.js";

const JOB_MS = 600_000;
const REQUEST_MS = 120_000;
/** The worker tells its progress once a second. */
const POLL_MS = 1000;
/** The least that /runsync waits. The job's id comes back after it, and with it all that can be done about the job. */
const SYNC_WAIT_MS = 1000;
/** The platform's ways for a job, and how large one may be. */
const RUN = { path: "/run", mb: 10 };
const RUNSYNC = { path: `/runsync?wait=${SYNC_WAIT_MS}`, mb: 20 };

export interface Access {
  apiKey?: string;
  fetch?: typeof fetch;
  /** How long a job may take, its time in the queue included; then it is cancelled. Ten minutes unless given. */
  timeoutMs?: number;
}

export interface WaitOptions {
  /** What it throws cancels the job, and comes through unchanged. */
  onProgress?: (progress: Progress) => void;
  /** Cancels the job too. */
  signal?: AbortSignal;
}

export interface JobOptions extends WaitOptions {
  /** Random unless given. A repeat gets the answer of the first from the same worker, while that keeps it. */
  idempotencyKey?: string;
}

/** How long the platform has for a job, in milliseconds. */
export interface Policy {
  /** From its submission on; then it is gone, and `wait` finds none. A day unless given. */
  ttl?: number;
  /** At the worker; then it is TIMED_OUT. The endpoint's own unless given. */
  executionTimeout?: number;
}

export interface SubmitOptions {
  /** Where the platform posts the finished job: see readWebhook. */
  webhook?: string;
  policy?: Policy;
  idempotencyKey?: string;
}

type Way = typeof RUN;
/** Fields with a name: the route ignores others with a warning, the compiler finds typos. */
type Named<T> = { [K in keyof T as string extends K ? never : K]: T[K] };
type Pictures = Omit<Named<GenerationBody>, "stream" | "partial_images">;

abstract class Client {
  protected readonly http: Http;
  protected readonly timeoutMs: number;
  protected abstract readonly images: string;

  constructor(base: string, { apiKey, fetch, timeoutMs = JOB_MS }: Access) {
    this.http = new Http(base, apiKey, fetch);
    this.timeoutMs = timeoutMs;
  }

  protected abstract run<J extends EditJob | GenerateJob>(job: J, options: JobOptions): Promise<AnswerOf<J>>;

  /** The product into the customer's room photo. */
  editProduct(input: Omit<EditJob, "action">, options: JobOptions = {}): Promise<EditAnswer> {
    return this.run({ ...input, action: "edit" }, options);
  }

  /** A new room around the product. */
  generateEnvironment(input: Omit<GenerateJob, "action">, options: JobOptions = {}): Promise<GenerateAnswer> {
    return this.run({ ...input, action: "generate" }, options);
  }

  /** OpenAI's images API: words to pictures. Through a queue the signal ends the waiting alone. */
  async generateImage(input: Pictures, { signal }: { signal?: AbortSignal } = {}): Promise<ImagesAnswer> {
    const told = await this.http.json(this.images, { body: JSON.stringify(input), ms: this.timeoutMs, signal });
    return orThrow(told, "JOB_FAILED") as ImagesAnswer;
  }

  /** The way of one job, from its first request on. */
  protected async within<T>(signal: AbortSignal | undefined, work: (ends: AbortSignal) => Promise<T>): Promise<T> {
    const late = () => new WorkerError("TIMEOUT", `The job was not done in ${this.timeoutMs} ms`);
    try {
      return await within({ ms: this.timeoutMs, signal, late }, work);
    } catch (problem) {
      throw problem instanceof Thrown ? problem.problem : problem;
    }
  }
}

/** A queue endpoint of RunPod: `endpoint` is https://api.runpod.ai/v2/<id>. */
export class Worker extends Client {
  protected readonly images = "/openai/v1/images/generations";

  constructor({ endpoint, ...access }: { endpoint: string } & Access) {
    super(endpoint, access);
  }

  /** How the worker is; starts one where none is there. */
  healthCheck(options: WaitOptions = {}): Promise<HealthAnswer> {
    return this.runSync({ action: "health_check" }, options);
  }

  /** Submits the job and waits for its answer. Takes more than `submit`, and the platform forgets it a minute later:
   * `editProduct` and `generateEnvironment` go this way where the other takes no more. */
  runSync<J extends Job>(job: J, options: JobOptions = {}): Promise<AnswerOf<J>> {
    return this.#waitedFor(RUNSYNC, bodyOf(job, options.idempotencyKey), options);
  }

  /** The job's id; its answer comes by `webhook`, or by `wait`, within half an hour. */
  async submit(job: Job, { webhook, policy, idempotencyKey }: SubmitOptions = {}): Promise<string> {
    return (await this.#submitted(RUN, bodyOf(job, idempotencyKey, { webhook, policy }))).id;
  }

  status(id: string): Promise<JobStatus> {
    return this.#about(id, "status");
  }

  /** A job that is over stays as it is. */
  cancel(id: string): Promise<JobStatus> {
    return this.#about(id, "cancel");
  }

  /** The answer of a submitted job. */
  wait<J extends Job = EditJob | GenerateJob>(id: string, options: WaitOptions = {}): Promise<AnswerOf<J>> {
    return this.within(options.signal, (ends) => this.#answer<J>({ id, status: "IN_QUEUE" }, options, ends));
  }

  /** Jobs and workers of the endpoint, as the platform counts them. */
  endpointHealth(): Promise<unknown> {
    return this.http.json("/health", { method: "GET", ms: REQUEST_MS, repeatable: true });
  }

  protected run<J extends EditJob | GenerateJob>(job: J, options: JobOptions): Promise<AnswerOf<J>> {
    const body = bodyOf(job, options.idempotencyKey);
    return this.#waitedFor(megabytesOf(body) > RUN.mb ? RUNSYNC : RUN, body, options);
  }

  #waitedFor<J extends Job>(way: Way, body: string, options: JobOptions): Promise<AnswerOf<J>> {
    return this.within(options.signal, async (ends) =>
      this.#answer<J>(await this.#submitted(way, body, ends), options, ends),
    );
  }

  /** Never broken off: without the id that comes back, the job could not be cancelled. */
  async #submitted(way: Way, body: string, signal?: AbortSignal): Promise<JobStatus> {
    const megabytes = megabytesOf(body);
    if (megabytes > way.mb) throw tooLarge(megabytes, way);
    const ms = Math.min(REQUEST_MS, this.timeoutMs);
    return statusOf(await this.http.json(way.path, { body, ms, signal, whole: true }));
  }

  async #answer<J extends Job>(told: JobStatus, { onProgress }: WaitOptions, ends: AbortSignal): Promise<AnswerOf<J>> {
    const { id } = told;
    try {
      for (let pauseMs = 0; !isFinal(told); pauseMs = POLL_MS) {
        await pause(pauseMs, ends);
        told = await this.#about(id, "status", ends);
        const progress = progressOf(told);
        if (progress && !isFinal(told)) tell(onProgress, progress);
      }
    } catch (problem) {
      if (ends.aborted || problem instanceof Thrown) await this.#givenUp(id);
      throw problem instanceof WorkerError
        ? new WorkerError(problem.code, problem.message, { jobId: id, cause: problem })
        : problem;
    }
    return answerOf(told) as unknown as AnswerOf<J>;
  }

  async #givenUp(jobId: string): Promise<void> {
    try {
      await this.cancel(jobId);
    } catch (cause) {
      const text = "The job could not be cancelled: it may be running";
      throw new WorkerError("OUTCOME_UNKNOWN", text, { jobId, cause });
    }
  }

  /** With a signal, until it says stop. */
  async #about(jobId: string, verb: "status" | "cancel", signal?: AbortSignal): Promise<JobStatus> {
    const method = verb === "status" ? "GET" : "POST";
    const tries = signal && Infinity;
    const asked = { method, ms: REQUEST_MS, signal, repeatable: true, tries, jobId } as const;
    return statusOf(await this.http.json(`/${verb}/${encodeURIComponent(jobId)}`, asked));
  }
}

/** The worker's own HTTP server, `python server.py`. */
export class Server extends Client {
  protected readonly images = "/v1/images/generations";

  constructor({ url, ...access }: { url: string } & Access) {
    super(url, access);
  }

  /** Whether the model is loaded and can be trusted. */
  isReady(): Promise<boolean> {
    return this.http.json("/ready", { method: "GET", ms: REQUEST_MS, repeatable: true, tries: 1 }).then(
      () => true,
      () => false,
    );
  }

  /** As events, which tell the progress and keep the connection alive; hanging up cancels the job. */
  protected run<J extends EditJob | GenerateJob>(job: J, options: JobOptions): Promise<AnswerOf<J>> {
    const body = JSON.stringify(keyed(job, options.idempotencyKey));
    return this.within(options.signal, (signal) =>
      this.http.read(`/v1/${job.action}`, { body, accept: "text/event-stream", signal }, async (response) => {
        for await (const { name, data } of events(response)) {
          if (name === "progress") tell(options.onProgress, data as Progress);
          if (name === "error") throw failure(data, "JOB_FAILED", "The job failed");
          if (name === "answer") return data as AnswerOf<J>;
        }
        throw new Error("the stream broke off");
      }),
    );
  }
}

function keyed<J extends Job>(job: J, key?: string): J {
  if (job.action === "health_check") return job;
  return { ...job, idempotency_key: key ?? job.idempotency_key ?? crypto.randomUUID() };
}

function bodyOf(job: Job, key?: string, beside?: object): string {
  return JSON.stringify({ ...beside, input: keyed(job, key) });
}

function megabytesOf(body: string): number {
  return new Blob([body]).size / 1e6;
}

function statusOf(told: unknown): JobStatus {
  if (isObject(told) && typeof told["id"] === "string" && typeof told["status"] === "string")
    return told as unknown as JobStatus;
  throw failure(told, "MALFORMED", "This is no job of the platform");
}

function tooLarge(megabytes: number, { path, mb }: Way): WorkerError {
  const route = path.split("?")[0];
  const more = mb < RUNSYNC.mb ? `, or use runSync, which takes ${RUNSYNC.mb} MB` : "";
  const text = `The job has ${megabytes.toFixed(1)} MB, and the platform's ${route} takes ${mb} MB`;
  return new WorkerError("REQUEST_TOO_LARGE", `${text}: send pictures by https URL or as smaller JPEGs${more}`);
}
