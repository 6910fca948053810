import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { Attempt } from "./jobs.js";
import type { Product } from "./product.js";

export interface Order {
  shop: string;
  variant: string;
  photo: Uint8Array;
  /** In pixels of the photo. */
  place?: [number, number];
}

/** The same order of the same product has the same token, and nobody without the key can guess it. */
export function jobToken(key: string, { shop, variant, photo, place }: Order, product: Product): string {
  const digest = createHash("sha256").update(photo).digest("hex");
  const { imageUrl, name, heightCm, widthCm, surface } = product;
  const facts = [imageUrl, name, heightCm ?? null, widthCm ?? null, surface ?? null];
  return sign(key, "job", JSON.stringify([shop, variant, digest, place ?? null, ...facts]));
}

/** Nobody's address or number can be read from it. */
export function visitorKey(key: string, shop: string, visitor: string): string {
  return sign(key, "visitor", JSON.stringify([shop, visitor]));
}

/** What RunPod is told instead of a signature; a customer who knows the token cannot make it. */
export function hookSecret(key: string, { token, id }: Attempt): string {
  return `${token}.${id}.${sign(key, "hook", `${token}.${id}`)}`;
}

/** The attempt of a hook's secret, if it is one. */
export function attemptOf(key: string, secret: string): Attempt | undefined {
  const [token = "", id = ""] = secret.split(".");
  const attempt = { token, id };
  const [given, expected] = [Buffer.from(secret), Buffer.from(hookSecret(key, attempt))];
  return given.length === expected.length && timingSafeEqual(given, expected) ? attempt : undefined;
}

function sign(key: string, purpose: string, text: string): string {
  return createHmac("sha256", key).update(`${purpose}\n${text}`).digest("base64url");
}
