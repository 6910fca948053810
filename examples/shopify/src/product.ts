import type { Admin } from "./admin.js";
import { Failure } from "./failures.js";

export interface Product {
  imageUrl: string;
  heightCm?: number;
}

export interface Metafield {
  type: string;
  value: string;
}

interface Pictured {
  preview: { image: { url: string } | null } | null;
}

interface Found {
  productVariant: {
    media: { nodes: Pictured[] };
    product: { onlineStoreUrl: string | null; featuredMedia: Pictured | null; height: Metafield | null };
  } | null;
}

const PRODUCT = `#graphql
  query Product($variant: ID!, $namespace: String!, $key: String!) {
    productVariant(id: $variant) {
      media(first: 1) { nodes { ...Picture } }
      product {
        onlineStoreUrl
        featuredMedia { ...Picture }
        height: metafield(namespace: $namespace, key: $key) { type value }
      }
    }
  }
  fragment Picture on Media {
    preview { image { url(transform: { maxWidth: 2048, maxHeight: 2048 }) } }
  }`;

/** The variant's own picture, else the product's. Only of what the online store shows: others may be secret yet. */
export async function findProduct(admin: Admin, shop: string, variant: string, field: string): Promise<Product> {
  const dot = field.lastIndexOf(".");
  const { productVariant: found } = await admin.request<Found>(shop, PRODUCT, {
    variant: `gid://shopify/ProductVariant/${variant}`,
    namespace: field.slice(0, dot),
    key: field.slice(dot + 1),
  });
  if (!found?.product.onlineStoreUrl) throw new Failure("product", `variant ${variant} is not in the online store`);
  const pictures = [...found.media.nodes, found.product.featuredMedia];
  const imageUrl = pictures.map((picture) => picture?.preview?.image?.url).find(Boolean);
  if (!imageUrl) throw new Failure("product", `variant ${variant} has no picture`);
  return { imageUrl, heightCm: heightOf(found.product.height, variant) };
}

/** As metafields of type `dimension` name them, in both of Shopify's spellings. */
const CENTIMETERS: Record<string, number> = {
  mm: 0.1, millimeters: 0.1,
  cm: 1, centimeters: 1,
  m: 100, meters: 100,
  in: 2.54, inches: 2.54,
  ft: 30.48, feet: 30.48,
  yd: 91.44, yards: 91.44,
};

/** In cm; undefined without a height, and, with a line in the log, where it cannot be read. */
export function heightOf(field: Metafield | null, variant: string): number | undefined {
  if (!field) return undefined;
  const height = field.type === "dimension" ? inCentimeters(field.value) : undefined;
  if (height === undefined) console.warn(`variant ${variant}: its height is no dimension, the size is guessed`);
  return height;
}

function inCentimeters(json: string): number | undefined {
  const { value, unit } = JSON.parse(json) as { value: number | string; unit: string };
  const height = Number(value) * (CENTIMETERS[unit.toLowerCase()] ?? NaN);
  return height > 0 ? Math.round(height * 100) / 100 : undefined;
}
