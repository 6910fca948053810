import { RunPodError } from "./runpod.js";

/** Why there is no picture, in words fit for a customer. */
export const MESSAGES = {
  photo: "This photo could not be used. Please try another one.",
  place: "Please choose a place inside the photo.",
  product: "This product cannot be shown in a room.",
  busy: "Too many rooms are being furnished right now. Please try again in a few minutes.",
  gone: "This picture is no longer here. Please try again.",
  other: "The picture could not be made. Please try again.",
} as const;

export type Reason = keyof typeof MESSAGES;

/** A failure whose reason we know; `message` is for the log. */
export class Failure extends Error {
  constructor(
    readonly reason: Reason,
    message: string,
  ) {
    super(message);
  }
}

const FIELDS: Record<string, Reason> = {
  room_image: "photo",
  placement_coordinates: "place",
  product_image: "product",
  product_name: "product",
  product_height_cm: "product",
  product_width_cm: "product",
  placement_surface: "product",
};

const CODES: Record<string, Reason> = {
  IMAGE_FETCH_FAILED: "product", // the product's picture is the only one by URL
  MODEL_NOT_READY: "busy",
  TOO_MANY_REQUESTS: "busy",
};

/** What an error of the worker means to the customer. Of a failed job only its text may arrive: it names the field. */
export function reasonOf(error: unknown): Reason {
  if (error instanceof Failure) return error.reason;
  if (!(error instanceof RunPodError)) return "other";
  const field = Object.keys(FIELDS).find((name) => error.fields.includes(name) || error.message.includes(name));
  return FIELDS[field ?? ""] ?? CODES[error.code] ?? "other";
}
