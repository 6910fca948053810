import { createHash, createHmac, timingSafeEqual } from "node:crypto";

export interface Order {
  shop: string;
  variant: string;
  photo: Uint8Array;
  /** In pixels of the photo. */
  place?: [number, number];
}

/** The same order has the same token, and nobody without the key can guess it. */
export function jobToken(key: string, order: Order): string {
  const photo = createHash("sha256").update(order.photo).digest("hex");
  return sign(key, "job", JSON.stringify([order.shop, order.variant, photo, order.place ?? null]));
}

/** Nobody's address or number can be read from it. */
export function visitorKey(key: string, shop: string, visitor: string): string {
  return sign(key, "visitor", JSON.stringify([shop, visitor]));
}

/** What RunPod is told instead of a signature; a customer who knows the token cannot make it. */
export function hookSecret(key: string, token: string): string {
  return `${token}.${sign(key, "hook", token)}`;
}

/** The job of a hook's secret, if it is one. */
export function tokenOf(key: string, secret: string): string | undefined {
  const token = secret.split(".")[0] ?? "";
  const [given, expected] = [Buffer.from(secret), Buffer.from(hookSecret(key, token))];
  return given.length === expected.length && timingSafeEqual(given, expected) ? token : undefined;
}

function sign(key: string, purpose: string, text: string): string {
  return createHmac("sha256", key).update(`${purpose}\n${text}`).digest("base64url");
}
