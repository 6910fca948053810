// Made of the schemas of the worker by `npm run types`.

export type Shape =
  | EditJob
  | GenerateJob
  | HealthJob
  | GenerationBody
  | PictureAnswer
  | HealthAnswer
  | ErrorAnswer
  | ErrorCode
  | Progress
  | ImagesAnswer;
export type ErrorCode =
  | "INVALID_ACTION"
  | "INVALID_INPUT"
  | "IMAGE_TOO_LARGE"
  | "IMAGE_FETCH_FAILED"
  | "RESPONSE_TOO_LARGE"
  | "MODEL_NOT_READY"
  | "OUT_OF_MEMORY"
  | "GENERATION_ERROR"
  | "UPLOAD_FAILED"
  | "NOT_SUPPORTED"
  | "CANCELLED"
  | "TIMEOUT"
  | "INTERNAL_ERROR"
  | "UNAUTHORIZED"
  | "TOO_MANY_REQUESTS";

export interface EditJob {
  /**
   * several products in one photo, instead of the fields of one
   */
  products?:
    | [Product]
    | [Product, Product]
    | [Product, Product, Product]
    | [Product, Product, Product, Product]
    | [Product, Product, Product, Product, Product]
    | [Product, Product, Product, Product, Product, Product]
    | null;
  /**
   * [x, y]: bottom center of what stands, center on a wall, near edge of a rug, top at a ceiling
   */
  placement_coordinates?: [number, number] | null;
  /**
   * [left, top, right, bottom] to fit into; overrides placement_coordinates
   */
  placement_box?: [number, number, number, number] | null;
  /**
   * product height as a share of the photo's height
   */
  product_scale?: number | null;
  /**
   * turns a rug counterclockwise from the room's main direction
   */
  rotation_degrees?: number | null;
  /**
   * the shop's title of the product: tells its kind, and is shown to the model
   */
  product_name?: string;
  /**
   * real height; of a rug its extent along the photo's vertical
   */
  product_height_cm?: number | null;
  /**
   * real width
   */
  product_width_cm?: number | null;
  /**
   * what the product stands on, lies on or hangs from; auto decides by words, then by shape
   */
  placement_surface?: "auto" | "floor" | "rug" | "wall" | "tabletop" | "ceiling";
  /**
   * height from which the photo was taken; default: estimated from the photo
   */
  camera_height_cm?: number | null;
  /**
   * 0 keeps the product's pixels in the room's light, 1 frees the model; default: the engine's own
   */
  harmonize?: number | null;
  /**
   * keeps the photo unchanged outside the product, its shadow and its light
   */
  preserve_background?: boolean;
  /**
   * what to avoid
   */
  negative_prompt?: string;
  /**
   * denoising steps; default: those of the quality
   */
  num_inference_steps?: number | null;
  /**
   * classifier-free guidance, 1 = off; default: that of the quality
   */
  true_cfg_scale?: number | null;
  /**
   * for guidance-distilled checkpoints only
   */
  guidance_scale?: number | null;
  /**
   * default and -1: random, and reported
   */
  seed?: number | null;
  /**
   * what the caller wants, in any language
   */
  instructions?: string;
  /**
   * few steps, more steps, or the full schedule with guidance
   */
  quality?: "fast" | "balanced" | "best";
  /**
   * number of variants, with the seeds seed, seed+1, ...
   */
  n?: number;
  /**
   * auto: PNG if it fits the limit, else the best lossy one
   */
  output_format?: "auto" | "png" | "jpeg" | "webp";
  /**
   * for jpeg and webp
   */
  output_quality?: number;
  /**
   * url uploads to the bucket
   */
  response_format?: "b64" | "data_url" | "url";
  /**
   * if the model fails, answer with the preview and say so
   */
  fallback?: boolean;
  /**
   * a repeat within `IDEMPOTENCY_SECONDS` gets the stored answer
   */
  idempotency_key?: string | null;
  /**
   * what to do
   */
  action?: "edit";
  /**
   * required without products: a cut-out with alpha, or a photo on a plain background
   */
  product_image?: string | null;
  /**
   * the room photo, on white where it is transparent; the answer has exactly its upright size
   */
  room_image: string;
  /**
   * where the photo may change: transparent, or white in an opaque picture
   */
  mask?: string | null;
  /**
   * what in the photo the product replaces, in words or as [left, top, right, bottom]
   */
  replace?: string | [number, number, number, number] | null;
}
/**
 * One of several products of an edit.
 */
export interface Product {
  /**
   * [x, y]: bottom center of what stands, center on a wall, near edge of a rug, top at a ceiling
   */
  placement_coordinates?: [number, number] | null;
  /**
   * [left, top, right, bottom] to fit into; overrides placement_coordinates
   */
  placement_box?: [number, number, number, number] | null;
  /**
   * product height as a share of the photo's height
   */
  product_scale?: number | null;
  /**
   * turns a rug counterclockwise from the room's main direction
   */
  rotation_degrees?: number | null;
  /**
   * the shop's title of the product: tells its kind, and is shown to the model
   */
  product_name?: string;
  /**
   * real height; of a rug its extent along the photo's vertical
   */
  product_height_cm?: number | null;
  /**
   * real width
   */
  product_width_cm?: number | null;
  /**
   * what the product stands on, lies on or hangs from; auto decides by words, then by shape
   */
  placement_surface?: "auto" | "floor" | "rug" | "wall" | "tabletop" | "ceiling";
  /**
   * a cut-out with alpha, or a photo on a plain background
   */
  product_image: string;
  /**
   * where this product goes, in any language
   */
  instructions?: string;
}
export interface GenerateJob {
  /**
   * the shop's title of the product: tells its kind, and is shown to the model
   */
  product_name?: string;
  /**
   * real height; of a rug its extent along the photo's vertical
   */
  product_height_cm?: number | null;
  /**
   * real width
   */
  product_width_cm?: number | null;
  /**
   * what the product stands on, lies on or hangs from; auto decides by words, then by shape
   */
  placement_surface?: "auto" | "floor" | "rug" | "wall" | "tabletop" | "ceiling";
  /**
   * height from which the photo was taken; default: estimated from the photo
   */
  camera_height_cm?: number | null;
  /**
   * 0 keeps the product's pixels in the room's light, 1 frees the model; default: the engine's own
   */
  harmonize?: number | null;
  /**
   * what to avoid
   */
  negative_prompt?: string;
  /**
   * denoising steps; default: those of the quality
   */
  num_inference_steps?: number | null;
  /**
   * classifier-free guidance, 1 = off; default: that of the quality
   */
  true_cfg_scale?: number | null;
  /**
   * for guidance-distilled checkpoints only
   */
  guidance_scale?: number | null;
  /**
   * default and -1: random, and reported
   */
  seed?: number | null;
  /**
   * what the caller wants, in any language
   */
  instructions?: string;
  /**
   * few steps, more steps, or the full schedule with guidance
   */
  quality?: "fast" | "balanced" | "best";
  /**
   * number of variants, with the seeds seed, seed+1, ...
   */
  n?: number;
  /**
   * auto: PNG if it fits the limit, else the best lossy one
   */
  output_format?: "auto" | "png" | "jpeg" | "webp";
  /**
   * for jpeg and webp
   */
  output_quality?: number;
  /**
   * url uploads to the bucket
   */
  response_format?: "b64" | "data_url" | "url";
  /**
   * if the model fails, answer with the preview and say so
   */
  fallback?: boolean;
  /**
   * a repeat within `IDEMPOTENCY_SECONDS` gets the stored answer
   */
  idempotency_key?: string | null;
  /**
   * what to do
   */
  action: "generate";
  /**
   * a cut-out with alpha, or a photo on a plain background
   */
  product_image: string;
  /**
   * a known room type, or any free text
   */
  environment_type?: string;
  /**
   * [width, height], each 256 to 4096
   *
   * @minItems 2
   */
  output_size?: [number, number];
}
export interface HealthJob {
  /**
   * what to do
   */
  action: "health_check";
}
/**
 * POST /v1/images/generations.
 */
export interface GenerationBody {
  /**
   * what to avoid
   */
  negative_prompt?: string;
  /**
   * denoising steps; default: those of the quality
   */
  num_inference_steps?: number | null;
  /**
   * classifier-free guidance, 1 = off; default: that of the quality
   */
  true_cfg_scale?: number | null;
  /**
   * for guidance-distilled checkpoints only
   */
  guidance_scale?: number | null;
  /**
   * default and -1: random, and reported
   */
  seed?: number | null;
  /**
   * what to paint, in any language
   */
  prompt: string;
  /**
   * variants of each picture, with the seeds seed, seed+1, ...
   */
  n?: number;
  /**
   * WIDTHxHEIGHT, each 256 to 4096, or auto
   */
  size?: string;
  /**
   * low, medium, high; auto is low
   */
  quality?: "auto" | "low" | "medium" | "high" | "xhigh" | "max" | "standard" | "hd" | "fast" | "balanced" | "best";
  /**
   * url: in the bucket, or for a while on this server; b64_json unless the model is dall-e-2 or -3
   */
  response_format?: ("b64_json" | "url") | null;
  /**
   * auto: PNG, through a queue the best that fits
   */
  output_format?: "auto" | "png" | "jpeg" | "webp";
  /**
   * quality of jpeg and webp
   */
  output_compression?: number;
  /**
   * transparent paints opaque, with a warning
   */
  background?: "auto" | "opaque" | "transparent";
  /**
   * answer with server-sent events
   */
  stream?: boolean;
  /**
   * how many unfinished pictures a stream shows
   */
  partial_images?: number;
  /**
   * any name; the answer says what painted
   */
  model?: string | null;
  /**
   * accepted, without effect
   */
  user?: string | null;
  /**
   * accepted, without effect
   */
  safety_identifier?: string | null;
  /**
   * accepted, without effect
   */
  moderation?: ("low" | "auto") | null;
  /**
   * accepted, without effect
   */
  max_sequence_length?: number | null;
  /**
   * wins over size; 1664 if neither is given
   */
  width?: number | null;
  /**
   * wins over size; 928 if neither is given
   */
  height?: number | null;
  /**
   * accepted, without effect
   */
  style?: ("vivid" | "natural") | null;
  [k: string]: unknown;
}
export interface PictureAnswer {
  /**
   * false in failures
   */
  success: true;
  /**
   * the job's
   */
  action: "edit" | "generate";
  /**
   * the first picture: base64, data URL or URL, as `response_format` asked
   */
  processed_image: string;
  /**
   * `image/png`, `image/jpeg` or `image/webp`
   */
  mime_type: string;
  /**
   * whether the file has the picture's very pixels
   */
  lossless: boolean;
  /**
   * all pictures, where `n` is more than 1
   */
  images?: Variant[];
  placement_info?: PlacementInfo;
  /**
   * where each of `products` is, in their order
   */
  placements?: PlacedAnswer[];
  generation_info?: GenerationInfo;
  /**
   * what could not be obeyed, and what was done in its place
   */
  warnings?: string[];
  /**
   * seconds from the job to its answer
   */
  processing_time: number;
}
export interface Variant {
  /**
   * as `processed_image`
   */
  image: string;
  /**
   * `image/png`, `image/jpeg` or `image/webp`
   */
  mime_type: string;
  /**
   * of this picture
   */
  seed: number;
}
/**
 * The whole picture; with one product also where it is, in pixels of the room photo.
 */
export interface PlacementInfo {
  /**
   * as they were sent
   */
  instructions: string;
  /**
   * what painted: a checkpoint's name, or `preview`
   */
  engine: string;
  /**
   * of the first picture; sent again, it gives the same pixels on the same machine
   */
  seed: number;
  /**
   * denoising steps; 0 where nothing was denoised
   */
  steps: number;
  /**
   * classifier-free guidance; 1 is none
   */
  true_cfg_scale: number;
  /**
   * how far to trust the outline of the cut-out, 0 to 1; below 0.5 comes with a warning
   */
  cutout_confidence: number;
  /**
   * the model failed and the preview stepped in
   */
  fallback_used?: true;
  /**
   * why it failed
   */
  fallback_reason?: string;
  /**
   * seconds without waiting for the model, reading and writing
   */
  processing_time: number;
  /**
   * bottom center; of a rug the middle of its near edge, on a wall the center, at a ceiling the top center
   *
   * @minItems 2
   */
  coordinates?: [number, number];
  /**
   * left, top, right, bottom of the product
   *
   * @minItems 4
   */
  box?: [number, number, number, number];
  /**
   * `floor`, `rug`, `wall`, `tabletop` or `ceiling`
   */
  surface?: string;
  scale?: Scale;
  /**
   * width and height of the upright photo, and of the answer
   *
   * @minItems 2
   */
  original_size: [number, number];
  /**
   * share of the photo's pixels that differ, 0 to 1
   */
  changed_fraction: number;
  /**
   * what was measured of the picture, and in `failed` what it fails
   */
  checks: {
    [k: string]: unknown;
  };
}
/**
 * how the size was found: `source` and `error_percent`
 */
export interface Scale {
  /**
   * from the photo's perspective, an object of usual size in it, the usual height of such products, or a box, a mask or a scale that was asked for
   */
  source: "camera" | "object" | "usual_height" | "asked";
  /**
   * one standard deviation of the size; 0 where it was asked for
   */
  error_percent: number;
}
/**
 * Where one of several products is in the answer, in pixels of the room photo.
 */
export interface PlacedAnswer {
  /**
   * bottom center; of a rug the middle of its near edge, on a wall the center, at a ceiling the top center
   *
   * @minItems 2
   */
  coordinates: [number, number];
  /**
   * left, top, right, bottom of the product
   *
   * @minItems 4
   */
  box: [number, number, number, number];
  /**
   * `floor`, `rug`, `wall`, `tabletop` or `ceiling`
   */
  surface: string;
  scale: Scale1;
  /**
   * how far to trust the outline of the cut-out, 0 to 1; below 0.5 comes with a warning
   */
  cutout_confidence: number;
  /**
   * measurements of this product, and in `failed` the checks it fails
   */
  checks: {
    [k: string]: unknown;
  };
}
/**
 * how the size was found: `source` and `error_percent`
 */
export interface Scale1 {
  /**
   * from the photo's perspective, an object of usual size in it, the usual height of such products, or a box, a mask or a scale that was asked for
   */
  source: "camera" | "object" | "usual_height" | "asked";
  /**
   * one standard deviation of the size; 0 where it was asked for
   */
  error_percent: number;
}
/**
 * of `generate`
 */
export interface GenerationInfo {
  /**
   * as they were sent
   */
  instructions: string;
  /**
   * what painted: a checkpoint's name, or `preview`
   */
  engine: string;
  /**
   * of the first picture; sent again, it gives the same pixels on the same machine
   */
  seed: number;
  /**
   * denoising steps; 0 where nothing was denoised
   */
  steps: number;
  /**
   * classifier-free guidance; 1 is none
   */
  true_cfg_scale: number;
  /**
   * how far to trust the outline of the cut-out, 0 to 1; below 0.5 comes with a warning
   */
  cutout_confidence: number;
  /**
   * the model failed and the preview stepped in
   */
  fallback_used?: true;
  /**
   * why it failed
   */
  fallback_reason?: string;
  /**
   * seconds without waiting for the model, reading and writing
   */
  processing_time: number;
  /**
   * as it was sent
   */
  environment_type: string;
  /**
   * width and height of the answer
   *
   * @minItems 2
   */
  output_size: [number, number];
}
export interface HealthAnswer {
  /**
   * unhealthy: the model could not be loaded, or failed several times in a row
   */
  status: "healthy" | "loading" | "unhealthy";
  /**
   * this worker's name
   */
  service: string;
  /**
   * this worker's version
   */
  version: string;
  /**
   * what a job may ask for
   */
  actions: string[];
  /**
   * whether the driver sees a card
   */
  gpu_available: boolean;
  /**
   * how many cards it sees
   */
  gpu_count: number;
  /**
   * whether a job would be painted now
   */
  ready: boolean;
  /**
   * what paints
   */
  engine: string;
  /**
   * `cuda` or `cpu`
   */
  device: string;
  gpu: Graphics;
  /**
   * since this worker started
   */
  uptime_seconds: number;
  jobs: Jobs;
  /**
   * what `quality` may be here; empty while the model loads
   */
  qualities: string[];
  /**
   * precision and memory that the model was loaded with
   */
  plan: {
    [k: string]: unknown;
  };
}
/**
 * `name`, `memory_total` and `memory_free` in bytes; empty without a card
 */
export interface Graphics {
  /**
   * of the first card
   */
  name?: string;
  /**
   * bytes
   */
  memory_total?: number;
  /**
   * bytes
   */
  memory_free?: number;
}
/**
 * `done`, `failed`, `fallbacks` and `running`, since this worker started
 */
export interface Jobs {
  /**
   * answered with pictures
   */
  done: number;
  /**
   * begun and answered with an error
   */
  failed: number;
  /**
   * answered by the preview because the model failed
   */
  fallbacks: number;
  /**
   * not answered yet
   */
  running: number;
}
export interface ErrorAnswer {
  /**
   * one sentence that ends with the code in brackets
   */
  error: string;
  /**
   * the code alone
   */
  error_code: string;
  /**
   * the same sentence, for clients that keep only a failed job's output
   */
  message: string;
  /**
   * true in answers
   */
  success: false;
  /**
   * the inputs at fault
   */
  fields?: string[];
  /**
   * asks the platform for a fresh worker
   */
  refresh_worker?: true;
}
/**
 * Progress of a job: `percent` (0 to 100) of the whole job, `step` of `of` steps within the stage.
 */
export interface Progress {
  stage: string;
  step: number;
  of: number;
  percent: number;
  [k: string]: unknown;
}
export interface ImagesAnswer {
  background: "opaque";
  output_format: string;
  quality: "low" | "medium" | "high";
  size: string;
  model: string;
  steps: number;
  true_cfg_scale: number;
  usage: Usage;
  placement_info?: PlacementInfo1;
  warnings?: string[];
  created: number;
  data: PaintedImage[];
}
/**
 * What an answer cost. Nothing is paid by the token: those keys are for clients that require them.
 */
export interface Usage {
  processing_time_seconds: number;
  input_images: number;
  generated_images: number;
  input_tokens: number;
  output_tokens: number;
  total_tokens: number;
  input_tokens_details: InputTokens;
}
export interface InputTokens {
  text_tokens: number;
  image_tokens: number;
}
/**
 * The whole picture; with one product also where it is, in pixels of the room photo.
 */
export interface PlacementInfo1 {
  /**
   * as they were sent
   */
  instructions: string;
  /**
   * what painted: a checkpoint's name, or `preview`
   */
  engine: string;
  /**
   * of the first picture; sent again, it gives the same pixels on the same machine
   */
  seed: number;
  /**
   * denoising steps; 0 where nothing was denoised
   */
  steps: number;
  /**
   * classifier-free guidance; 1 is none
   */
  true_cfg_scale: number;
  /**
   * how far to trust the outline of the cut-out, 0 to 1; below 0.5 comes with a warning
   */
  cutout_confidence: number;
  /**
   * the model failed and the preview stepped in
   */
  fallback_used?: true;
  /**
   * why it failed
   */
  fallback_reason?: string;
  /**
   * seconds without waiting for the model, reading and writing
   */
  processing_time: number;
  /**
   * bottom center; of a rug the middle of its near edge, on a wall the center, at a ceiling the top center
   *
   * @minItems 2
   */
  coordinates?: [number, number];
  /**
   * left, top, right, bottom of the product
   *
   * @minItems 4
   */
  box?: [number, number, number, number];
  /**
   * `floor`, `rug`, `wall`, `tabletop` or `ceiling`
   */
  surface?: string;
  scale?: Scale;
  /**
   * width and height of the upright photo, and of the answer
   *
   * @minItems 2
   */
  original_size: [number, number];
  /**
   * share of the photo's pixels that differ, 0 to 1
   */
  changed_fraction: number;
  /**
   * what was measured of the picture, and in `failed` what it fails
   */
  checks: {
    [k: string]: unknown;
  };
}
/**
 * One picture, as `b64_json` or `url`. In a batch sizes and formats may differ.
 */
export interface PaintedImage {
  b64_json?: string;
  url?: string;
  seed: number;
  size: string;
  output_format: string;
}
