export { Server, Worker } from "./client.js";
export type { Access, JobOptions, Policy, SubmitOptions, WaitOptions } from "./client.js";
export { WorkerError } from "./errors.js";
export type { Code } from "./errors.js";
export { readWebhook } from "./jobs.js";
export type { Job, JobStatus } from "./jobs.js";
export type { ErrorCode, GenerationBody, HealthAnswer, ImagesAnswer } from "./types.js";
export * from "./browser.js";
