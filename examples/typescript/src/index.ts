export { Server, Worker } from "./client.js";
export type { Access, JobOptions, SubmitOptions, WaitOptions } from "./client.js";
export { WorkerError } from "./errors.js";
export type { Code } from "./errors.js";
export { readWebhook } from "./jobs.js";
export type { Health, Job, JobStatus } from "./jobs.js";
export type { ErrorCode, GenerationBody, ImagesAnswer } from "./types.js";
export * from "./browser.js";
