import type { ErrorCode } from "./types.js";

/** What can happen on the way, beside the worker's own codes. */
export type WayCode =
  | "OUTCOME_UNKNOWN" // the job was sent and no answer came, or it could not be cancelled: it may be running
  | "UNREACHABLE" // the request never arrived, or nobody served it
  | "REQUEST_TOO_LARGE" // over the platform's limit
  | "NOT_FOUND" // no such endpoint or job; jobs are forgotten some time after they are done
  | "JOB_FAILED" // without a code: the worker died, say
  | "ANSWER_MISSING" // done, but without an answer: the platform drops those over its limit
  | "MALFORMED" // a reply that is none of the platform's or the worker's
  | "REFUSED"; // by the platform, which says why in the message

export type Code = ErrorCode | WayCode;

export interface Details {
  /** The inputs at fault. */
  fields?: readonly string[] | undefined;
  jobId?: string | undefined;
  cause?: unknown;
}

export class WorkerError extends Error {
  override readonly name = "WorkerError";
  readonly code: Code;
  readonly fields: readonly string[];
  readonly jobId: string | undefined;

  constructor(code: Code, message: string, { fields = [], jobId, cause }: Details = {}) {
    super(message, { cause });
    this.code = code;
    this.fields = fields;
    this.jobId = jobId;
  }
}

/** How failures are told: by a job, by the platform about one, or by OpenAI's API, where `error` is an object. */
interface Told {
  error?: unknown;
  error_code?: unknown;
  fields?: unknown;
  output?: unknown;
}

/** `otherwise` is its code where it names none; of a failed job the platform may leave little more than a text. */
export function failure(told: unknown, otherwise: Code, missing: string, jobId?: string): WorkerError {
  const { error, output, ...beside } = (isObject(told) ? told : {}) as Told;
  const { error_code, fields } = { ...beside, ...(isObject(output) ? (output as Told) : {}) };
  const { message, code, param } = isObject(error) ? error : { message: error };
  const text = typeof message === "string" && message ? message : missing;
  const named = [error_code, code, /\[([A-Z_]+)\]$/.exec(text)?.[1], otherwise].find(isText);
  const atFault = Array.isArray(fields) ? fields : [param];
  return new WorkerError(named as Code, text, { fields: atFault.filter(isText), jobId });
}

function isText(told: unknown): told is string {
  return typeof told === "string";
}

export function isObject(told: unknown): told is Record<string, unknown> {
  return typeof told === "object" && told !== null && !Array.isArray(told);
}

/** What a caller's own listener threw, so that nothing on the way takes it for a failure of its own. */
export class Thrown {
  constructor(readonly problem: unknown) {}
}

export function tell<T>(listener: ((told: T) => void) | undefined, told: T): void {
  try {
    listener?.(told);
  } catch (problem) {
    throw new Thrown(problem);
  }
}
