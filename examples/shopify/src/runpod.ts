import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { isJpeg } from "./jpeg.js";

const REQUEST_MS = 60_000;

/** Pauses before a job that RunPod turned away is sent again. */
const PAUSES_MS = [1000, 3000];
const TURNED_AWAY = [429, 503];

/** The fields of the worker's `edit` action that this app sends. */
export interface EditJob {
  action: "edit";
  product_image: string;
  /** Base64. */
  room_image: string;
  product_name: string;
  product_height_cm?: number;
  product_width_cm?: number;
  placement_surface?: string;
  /** In pixels of the room image. */
  placement_coordinates?: [number, number];
  output_format: "jpeg";
  idempotency_key: string;
}

export interface Submission {
  input: EditJob;
  /** Where RunPod posts the finished job. */
  webhook: string;
  /** In milliseconds: from the submission on, and at the worker. */
  policy: { ttl: number; executionTimeout: number };
}

/** A job that failed, or a request that RunPod refused. `code` is the worker's, or REFUSED, NOT_FOUND or JOB_FAILED. */
export class RunPodError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly fields: string[] = [],
  ) {
    super(message);
  }
}

/** The request was sent and no answer came: the job may be running. */
export class OutcomeUnknown extends Error {}

const Status = z.object({
  id: z.string().min(1),
  status: z.enum(["IN_QUEUE", "IN_PROGRESS", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"]),
  output: z.unknown().optional(),
  error: z.unknown().optional(),
});
const Picture = z.object({ processed_image: z.string() });
const Failed = z.object({
  error: z.string().default(""),
  error_code: z.string().optional(),
  fields: z.array(z.string()).default([]),
});

export type Status = z.infer<typeof Status>;

/** A queue endpoint of RunPod: https://api.runpod.ai/v2/<id>. */
export class RunPod {
  constructor(
    private readonly endpoint: string,
    private readonly apiKey: string,
  ) {}

  /** Returns the job's id. A job is sent again only if RunPod certainly did not take it. */
  async submit(job: Submission): Promise<string> {
    const body = JSON.stringify(job);
    for (let tries = 0; ; tries++) {
      const answer = await this.request("/run", { method: "POST", body }).catch(unlessItMayRun);
      const pause = PAUSES_MS[tries];
      if (TURNED_AWAY.includes(answer.status) && pause !== undefined) await sleep(pause);
      else return idOf(answer);
    }
  }

  async status(id: string): Promise<Status> {
    const answer = await this.request(`/status/${encodeURIComponent(id)}`, {});
    if (answer.status === 404) throw new RunPodError("NOT_FOUND", "RunPod no longer knows the job");
    if (!answer.ok) throw new RunPodError("REFUSED", `RunPod answered ${answer.status}`);
    return Status.parse(await answer.json());
  }

  private request(path: string, options: RequestInit): Promise<Response> {
    const headers = { authorization: `Bearer ${this.apiKey}`, "content-type": "application/json" };
    return fetch(this.endpoint + path, { ...options, headers, signal: AbortSignal.timeout(REQUEST_MS) });
  }
}

export function isFinished({ status }: Status): boolean {
  return !["IN_QUEUE", "IN_PROGRESS", "RUNNING"].includes(status);
}

/** Returns the picture of a finished job, from its webhook or its status. Throws a RunPodError if there is none. */
export function pictureOf(finished: unknown): Buffer<ArrayBuffer> {
  const { status, output, error } = Status.parse(finished);
  const { data } = Picture.safeParse(output);
  const picture = Buffer.from(data?.processed_image ?? "", "base64");
  if (status === "COMPLETED" && isJpeg(picture)) return picture;
  throw failure(output) ?? failure({ error }) ?? new RunPodError("JOB_FAILED", `the job is ${status} without a picture`);
}

/** RunPod may pass on only the text of a failed job; the worker ends it with the code in brackets. */
function failure(told: unknown): RunPodError | undefined {
  const { data } = Failed.safeParse(told);
  if (!data?.error) return undefined;
  const code = data.error_code ?? /\[([A-Z_]+)\]$/.exec(data.error)?.[1] ?? "JOB_FAILED";
  return new RunPodError(code, data.error, data.fields);
}

async function idOf(answer: Response): Promise<string> {
  if (answer.ok) return await readId(answer);
  if (answer.status >= 500 && answer.status !== 503) throw new OutcomeUnknown(`RunPod answered ${answer.status}`);
  const code = TURNED_AWAY.includes(answer.status) ? "TOO_MANY_REQUESTS" : "REFUSED";
  throw new RunPodError(code, `RunPod answered ${answer.status}`);
}

async function readId(answer: Response): Promise<string> {
  const told = Status.safeParse(await answer.json().catch(() => undefined));
  if (!told.success) throw new OutcomeUnknown("RunPod's answer cannot be read");
  return told.data.id;
}

/** A request that never arrived is an ordinary error. */
function unlessItMayRun(problem: unknown): never {
  const { cause } = problem as { cause?: { syscall?: string; code?: string } };
  const neverArrived = ["connect", "getaddrinfo"].includes(cause?.syscall ?? "");
  if (neverArrived || cause?.code === "UND_ERR_CONNECT_TIMEOUT") throw new RunPodError("TOO_MANY_REQUESTS", String(problem));
  throw new OutcomeUnknown(String(problem));
}
