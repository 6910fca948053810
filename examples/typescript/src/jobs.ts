import { failure, isObject, WorkerError, type Code } from "./errors.js";
import type {
  EditJob,
  GenerateJob,
  GenerationInfo,
  HealthAnswer,
  HealthJob,
  PictureAnswer,
  PlacementInfo,
  Progress,
} from "./types.js";

export type Job = EditJob | GenerateJob | HealthJob;

export type EditAnswer = PictureAnswer & { action: "edit"; placement_info: PlacementInfo };
export type GenerateAnswer = PictureAnswer & { action: "generate"; generation_info: GenerationInfo };

export type AnswerOf<J extends Job> = J extends HealthJob
  ? HealthAnswer
  : J extends GenerateJob
    ? GenerateAnswer
    : EditAnswer;

/** A job as the platform knows it. */
export interface JobStatus {
  id: string;
  status: "IN_QUEUE" | "IN_PROGRESS" | "RUNNING" | keyof typeof FINAL;
  /** The answer; before that, of a job in progress, its progress. */
  output?: unknown;
  error?: string;
  /** Milliseconds in the queue, and at the worker. */
  delayTime?: number;
  executionTime?: number;
}

const FINAL = { COMPLETED: "ANSWER_MISSING", FAILED: "JOB_FAILED", CANCELLED: "CANCELLED", TIMED_OUT: "TIMEOUT" } as const;

const MIME_TYPES: unknown[] = ["image/png", "image/jpeg", "image/webp"];

const DROPPED = "The job has no answer, as happens to answers over the platform's limit: ask for jpeg or a URL";

export function isFinal({ status }: JobStatus): boolean {
  return typeof status === "string" && Object.hasOwn(FINAL, status);
}

export function progressOf({ output }: JobStatus): Progress | undefined {
  return isObject(output) && "percent" in output ? (output as unknown as Progress) : undefined;
}

/** The answer of a job that is over. Throws a WorkerError. */
export function answerOf(told: JobStatus): Record<string, unknown> {
  const { id, status, output } = told;
  if (status === "COMPLETED" && isObject(output)) return output;
  const text = status === "COMPLETED" ? DROPPED : `The job is ${status}`;
  throw failure(told, FINAL[status as keyof typeof FINAL], text, id);
}

/** What the platform posts to the `webhook` of a job of `edit` or `generate`. Throws the WorkerError of a failed job.
 * Nothing signs it: see the README for how to know that it is the platform's. */
export function readWebhook(body: unknown): { id: string; answer: PictureAnswer } {
  if (!isObject(body) || typeof body["id"] !== "string" || !isFinal(body as unknown as JobStatus))
    throw new WorkerError("MALFORMED", "This is no finished job of the platform");
  const told = body as unknown as JobStatus;
  const answer = answerOf(told);
  const { processed_image: image, mime_type, images = [{ image, mime_type }] } = answer;
  if (!Array.isArray(images) || !images.length || ![{ image, mime_type }, ...images].every(isPicture))
    throw new WorkerError("MALFORMED", "The answer has no picture", { jobId: told.id });
  return { id: told.id, answer: answer as unknown as PictureAnswer };
}

/** One that toBlob takes. */
function isPicture(told: unknown): boolean {
  if (!isObject(told) || typeof told["image"] !== "string" || !MIME_TYPES.includes(told["mime_type"])) return false;
  return /^https?:\/\//.test(told["image"]) || isBase64(told["image"].slice(told["image"].indexOf(",") + 1));
}

/** Of megabytes, over which one expression for the whole would take too much of its stack. */
function isBase64(text: string): boolean {
  return text !== "" && text.length % 4 === 0 && !/[^A-Za-z0-9+/]/.test(text.replace(/={1,2}$/, ""));
}

/** A platform's text, in place of an answer, under 200. */
export function orThrow(told: unknown, otherwise: Code): unknown {
  if (isObject(told) && "error" in told) throw failure(told, otherwise, "The job failed");
  return told;
}
