import type { Admin } from "./admin.js";
import { Failure } from "./failures.js";

export interface Product {
  imageUrl: string;
  /** The title in the shop. */
  name: string;
  heightCm?: number;
  widthCm?: number;
  surface?: string;
}

/** The metafields, each as namespace.key. */
export interface Fields {
  HEIGHT_METAFIELD: string;
  WIDTH_METAFIELD: string;
  SURFACE_METAFIELD: string;
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
    product: {
      title: string;
      onlineStoreUrl: string | null;
      featuredMedia: Pictured | null;
      height: Metafield | null;
      width: Metafield | null;
      surface: Metafield | null;
    };
  } | null;
}

const PRODUCT = `#graphql
  query Product(
    $variant: ID!, $heightNamespace: String!, $heightKey: String!, $widthNamespace: String!, $widthKey: String!,
    $surfaceNamespace: String!, $surfaceKey: String!
  ) {
    productVariant(id: $variant) {
      media(first: 1) { nodes { ...Picture } }
      product {
        title
        onlineStoreUrl
        featuredMedia { ...Picture }
        height: metafield(namespace: $heightNamespace, key: $heightKey) { type value }
        width: metafield(namespace: $widthNamespace, key: $widthKey) { type value }
        surface: metafield(namespace: $surfaceNamespace, key: $surfaceKey) { type value }
      }
    }
  }
  fragment Picture on Media {
    preview { image { url(transform: { maxWidth: 2048, maxHeight: 2048 }) } }
  }`;

/** The worker's limit. */
const NAME_LENGTH = 300;

/** The values of the worker's `placement_surface`. */
const SURFACES = ["auto", "floor", "rug", "wall", "tabletop", "ceiling"];

/** The variant's own picture, else the product's. Only of what the online store shows: others may be secret yet. */
export async function findProduct(admin: Admin, shop: string, variant: string, fields: Fields): Promise<Product> {
  const { productVariant: found } = await admin.request<Found>(shop, PRODUCT, {
    variant: `gid://shopify/ProductVariant/${variant}`,
    ...named("height", fields.HEIGHT_METAFIELD),
    ...named("width", fields.WIDTH_METAFIELD),
    ...named("surface", fields.SURFACE_METAFIELD),
  });
  if (!found?.product.onlineStoreUrl) throw new Failure("product", `variant ${variant} is not in the online store`);
  const { title, featuredMedia, height, width, surface } = found.product;
  const pictures = [...found.media.nodes, featuredMedia];
  const imageUrl = pictures.map((picture) => picture?.preview?.image?.url).find(Boolean);
  if (!imageUrl) throw new Failure("product", `variant ${variant} has no picture`);
  return {
    imageUrl,
    name: title.slice(0, NAME_LENGTH),
    heightCm: centimetersOf(height, `variant ${variant}: its height`),
    widthCm: centimetersOf(width, `variant ${variant}: its width`),
    surface: surfaceOf(surface, variant),
  };
}

function named(what: string, field: string): Record<string, string> {
  const dot = field.lastIndexOf(".");
  return { [`${what}Namespace`]: field.slice(0, dot), [`${what}Key`]: field.slice(dot + 1) };
}

/** Undefined where none is given, and, with a line in the log, where the worker knows none of that name. */
export function surfaceOf(field: Metafield | null, variant: string): string | undefined {
  if (!field) return undefined;
  const surface = field.value.trim().toLowerCase();
  if (SURFACES.includes(surface)) return surface;
  console.warn(`variant ${variant}: its surface is none of ${SURFACES.join(", ")}; it is guessed`);
  return undefined;
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

/** In cm; undefined where nothing is given, and, with a line in the log, where it cannot be read. */
export function centimetersOf(field: Metafield | null, what: string): number | undefined {
  if (!field) return undefined;
  const length = field.type === "dimension" ? inCentimeters(field.value) : undefined;
  if (length === undefined) console.warn(`${what} is no dimension; the size is guessed`);
  return length;
}

function inCentimeters(json: string): number | undefined {
  const { value, unit } = JSON.parse(json) as { value: number | string; unit: string };
  const length = Number(value) * (CENTIMETERS[unit.toLowerCase()] ?? NaN);
  return length > 0 ? Math.round(length * 100) / 100 : undefined;
}
