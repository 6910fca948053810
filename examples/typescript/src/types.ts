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
/**
 * A point in pixels of the upright photo: x less than its width, y less than its height
 *
 * @minItems 2
 */
export type Point = [X, Y];
export type X = number;
export type Y = number;
/**
 * A box in pixels of the upright photo: left < right, top < bottom, at least one pixel on each side, right and bottom no larger than the photo's width and height
 *
 * @minItems 4
 */
export type Box = [Left, Top, Right, Bottom];
export type Left = number;
export type Top = number;
export type Right = number;
export type Bottom = number;
/**
 * A point in pixels of the upright photo: x less than its width, y less than its height
 *
 * @minItems 2
 */
export type Point1 = [X1, Y1];
export type X1 = number;
export type Y1 = number;
/**
 * A box in pixels of the upright photo: left < right, top < bottom, at least one pixel on each side, right and bottom no larger than the photo's width and height
 *
 * @minItems 4
 */
export type Box1 = [Left1, Top1, Right1, Bottom1];
export type Left1 = number;
export type Top1 = number;
export type Right1 = number;
export type Bottom1 = number;
/**
 * A box in pixels of the upright photo: left < right, top < bottom, at least one pixel on each side, right and bottom no larger than the photo's width and height
 *
 * @minItems 4
 */
export type Box2 = [Left2, Top2, Right2, Bottom2];
export type Left2 = number;
export type Top2 = number;
export type Right2 = number;
export type Bottom2 = number;
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
   * one to six products in one photo, instead of the single product's fields
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
   * [x, y]: bottom center, middle of the near edge (rug), center (wall) or top center (ceiling)
   */
  placement_coordinates?: Point1 | null;
  /**
   * [left, top, right, bottom] to fit into; overrides placement_coordinates
   */
  placement_box?: Box1 | null;
  /**
   * product height as a share of the photo's height
   */
  product_scale?: number | null;
  /**
   * turns a rug counterclockwise, seen from above, from the room's main direction
   */
  rotation_degrees?: number | null;
  /**
   * the product's title in the shop; tells its kind and becomes part of the prompt
   */
  product_name?: string;
  /**
   * real height; for a rug, its extent along the product photo's vertical
   */
  product_height_cm?: number | null;
  /**
   * real width
   */
  product_width_cm?: number | null;
  /**
   * what the product stands on, lies on or hangs from; auto decides from the words, then the shape
   */
  placement_surface?: "auto" | "floor" | "rug" | "wall" | "tabletop" | "ceiling";
  /**
   * camera height above the floor; default: estimated from the photo
   */
  camera_height_cm?: number | null;
  /**
   * 0: keep the product's pixels and relight them; 1: let the model repaint; default: the engine's
   */
  harmonize?: number | null;
  /**
   * keep every pixel outside the product, its shadow and its light unchanged
   */
  preserve_background?: boolean;
  /**
   * what to avoid
   */
  negative_prompt?: string;
  /**
   * denoising steps; default: set by quality
   */
  num_inference_steps?: number | null;
  /**
   * classifier-free guidance, 1 = off; default: set by quality
   */
  true_cfg_scale?: number | null;
  /**
   * guidance for guidance-distilled checkpoints only
   */
  guidance_scale?: number | null;
  /**
   * omitted or -1: random; the answer reports it
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
   * auto: PNG if it fits the platform's limit, else the best lossy format that does
   */
  output_format?: "auto" | "png" | "jpeg" | "webp";
  /**
   * quality of jpeg and webp
   */
  output_quality?: number;
  /**
   * url: upload to the bucket
   */
  response_format?: "b64" | "data_url" | "url";
  /**
   * if the model fails, answer with the preview engine and say so
   */
  fallback?: boolean;
  /**
   * a repeat within `IDEMPOTENCY_SECONDS` gets the stored answer
   */
  idempotency_key?: string | null;
  /**
   * the action
   */
  action?: "edit";
  /**
   * a cut-out with alpha, or a photo on a plain background; required unless products is set
   */
  product_image?: string | null;
  /**
   * the room photo; transparent parts become white; the answer has exactly its upright size
   */
  room_image: string;
  /**
   * where the photo may change: transparent pixels or, in an opaque picture, white ones
   */
  mask?: string | null;
  /**
   * what in the photo the product replaces, in words or as [left, top, right, bottom]
   */
  replace?: string | Box2 | null;
}
/**
 * One of several products of an edit.
 */
export interface Product {
  /**
   * [x, y]: bottom center, middle of the near edge (rug), center (wall) or top center (ceiling)
   */
  placement_coordinates?: Point | null;
  /**
   * [left, top, right, bottom] to fit into; overrides placement_coordinates
   */
  placement_box?: Box | null;
  /**
   * product height as a share of the photo's height
   */
  product_scale?: number | null;
  /**
   * turns a rug counterclockwise, seen from above, from the room's main direction
   */
  rotation_degrees?: number | null;
  /**
   * the product's title in the shop; tells its kind and becomes part of the prompt
   */
  product_name?: string;
  /**
   * real height; for a rug, its extent along the product photo's vertical
   */
  product_height_cm?: number | null;
  /**
   * real width
   */
  product_width_cm?: number | null;
  /**
   * what the product stands on, lies on or hangs from; auto decides from the words, then the shape
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
   * the product's title in the shop; tells its kind and becomes part of the prompt
   */
  product_name?: string;
  /**
   * real height; for a rug, its extent along the product photo's vertical
   */
  product_height_cm?: number | null;
  /**
   * real width
   */
  product_width_cm?: number | null;
  /**
   * what the product stands on, lies on or hangs from; auto decides from the words, then the shape
   */
  placement_surface?: "auto" | "floor" | "rug" | "wall" | "tabletop" | "ceiling";
  /**
   * camera height above the floor; default: estimated from the photo
   */
  camera_height_cm?: number | null;
  /**
   * 0: keep the product's pixels and relight them; 1: let the model repaint; default: the engine's
   */
  harmonize?: number | null;
  /**
   * what to avoid
   */
  negative_prompt?: string;
  /**
   * denoising steps; default: set by quality
   */
  num_inference_steps?: number | null;
  /**
   * classifier-free guidance, 1 = off; default: set by quality
   */
  true_cfg_scale?: number | null;
  /**
   * guidance for guidance-distilled checkpoints only
   */
  guidance_scale?: number | null;
  /**
   * omitted or -1: random; the answer reports it
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
   * auto: PNG if it fits the platform's limit, else the best lossy format that does
   */
  output_format?: "auto" | "png" | "jpeg" | "webp";
  /**
   * quality of jpeg and webp
   */
  output_quality?: number;
  /**
   * url: upload to the bucket
   */
  response_format?: "b64" | "data_url" | "url";
  /**
   * if the model fails, answer with the preview engine and say so
   */
  fallback?: boolean;
  /**
   * a repeat within `IDEMPOTENCY_SECONDS` gets the stored answer
   */
  idempotency_key?: string | null;
  /**
   * the action
   */
  action: "generate";
  /**
   * a cut-out with alpha, or a photo on a plain background
   */
  product_image: string;
  /**
   * living_room, bedroom, kitchen, dining_room, bathroom, office, outdoor, studio, or any text
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
   * the action
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
   * denoising steps; default: set by quality
   */
  num_inference_steps?: number | null;
  /**
   * classifier-free guidance, 1 = off; default: set by quality
   */
  true_cfg_scale?: number | null;
  /**
   * guidance for guidance-distilled checkpoints only
   */
  guidance_scale?: number | null;
  /**
   * omitted or -1: random; the answer reports it
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
   * url: in the bucket, or on this server for a while; default b64_json, url for dall-e-2 and -3
   */
  response_format?: ("b64_json" | "url") | null;
  /**
   * auto: PNG; through the queue, the best format that fits
   */
  output_format?: "auto" | "png" | "jpeg" | "webp";
  /**
   * quality of jpeg and webp
   */
  output_compression?: number;
  /**
   * transparent is painted opaque, with a warning
   */
  background?: "auto" | "opaque" | "transparent";
  /**
   * answer with server-sent events
   */
  stream?: boolean;
  /**
   * number of unfinished pictures in a stream
   */
  partial_images?: number;
  /**
   * any name; the answer names the model that painted
   */
  model?: string | null;
  /**
   * accepted but has no effect
   */
  user?: string | null;
  /**
   * accepted but has no effect
   */
  safety_identifier?: string | null;
  /**
   * accepted but has no effect
   */
  moderation?: ("low" | "auto") | null;
  /**
   * accepted but has no effect
   */
  max_sequence_length?: number | null;
  /**
   * overrides size; 1664 if neither is given
   */
  width?: number | null;
  /**
   * overrides size; 928 if neither is given
   */
  height?: number | null;
  /**
   * accepted but has no effect
   */
  style?: ("vivid" | "natural") | null;
  [k: string]: unknown;
}
export interface PictureAnswer {
  /**
   * false in error answers
   */
  success: true;
  /**
   * the job's action
   */
  action: "edit" | "generate";
  /**
   * the first picture: base64, a data URL or a URL, depending on `response_format`
   */
  processed_image: string;
  /**
   * `image/png`, `image/jpeg` or `image/webp`
   */
  mime_type: string;
  /**
   * true if the file holds the exact pixels
   */
  lossless: boolean;
  /**
   * all pictures, if `n` is more than 1
   */
  images?: Variant[];
  placement_info?: PlacementInfo;
  /**
   * position of each of `products`, in request order
   */
  placements?: PlacedAnswer[];
  generation_info?: GenerationInfo;
  /**
   * what could not be done as requested, and what was done instead
   */
  warnings?: string[];
  /**
   * seconds from receiving the job to the answer
   */
  processing_time: number;
}
export interface Variant {
  /**
   * encoded like `processed_image`
   */
  image: string;
  /**
   * `image/png`, `image/jpeg` or `image/webp`
   */
  mime_type: string;
  /**
   * seed of this picture
   */
  seed: number;
}
/**
 * Facts about the whole picture and, with a single product, its position in pixels of the room photo.
 */
export interface PlacementInfo {
  /**
   * the request's instructions
   */
  instructions: string;
  /**
   * name of the checkpoint that painted, or `preview`
   */
  engine: string;
  /**
   * seed of the first picture; the same seed gives the same pixels on the same machine
   */
  seed: number;
  /**
   * denoising steps; 0 if nothing was denoised
   */
  steps: number;
  /**
   * classifier-free guidance scale; 1 means none
   */
  true_cfg_scale: number;
  /**
   * confidence in the cut-out's outline, 0 to 1; below 0.5 there is a warning
   */
  cutout_confidence: number;
  /**
   * true if the model failed and the preview engine answered
   */
  fallback_used?: true;
  /**
   * why the model failed
   */
  fallback_reason?: string;
  /**
   * seconds of work, without waiting for the model and without decoding and encoding
   */
  processing_time: number;
  /**
   * bottom center; middle of the near edge (rug), center (wall) or top center (ceiling)
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
   * width and height of the upright photo and of the answer
   *
   * @minItems 2
   */
  original_size: [number, number];
  /**
   * share of the photo's pixels that changed, 0 to 1
   */
  changed_fraction: number;
  /**
   * measurements of the picture; `failed` lists the checks that failed
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
   * the photo's perspective, an object of known size in it, the usual height of such products, or a box, mask or scale from the request
   */
  source: "camera" | "object" | "usual_height" | "asked";
  /**
   * one standard deviation of the size in percent; 0 for `asked`
   */
  error_percent: number;
}
/**
 * The position of one of several products, in pixels of the room photo.
 */
export interface PlacedAnswer {
  /**
   * bottom center; middle of the near edge (rug), center (wall) or top center (ceiling)
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
   * confidence in the cut-out's outline, 0 to 1; below 0.5 there is a warning
   */
  cutout_confidence: number;
  /**
   * measurements of this product; `failed` lists the checks that failed
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
   * the photo's perspective, an object of known size in it, the usual height of such products, or a box, mask or scale from the request
   */
  source: "camera" | "object" | "usual_height" | "asked";
  /**
   * one standard deviation of the size in percent; 0 for `asked`
   */
  error_percent: number;
}
/**
 * details of a `generate`
 */
export interface GenerationInfo {
  /**
   * the request's instructions
   */
  instructions: string;
  /**
   * name of the checkpoint that painted, or `preview`
   */
  engine: string;
  /**
   * seed of the first picture; the same seed gives the same pixels on the same machine
   */
  seed: number;
  /**
   * denoising steps; 0 if nothing was denoised
   */
  steps: number;
  /**
   * classifier-free guidance scale; 1 means none
   */
  true_cfg_scale: number;
  /**
   * confidence in the cut-out's outline, 0 to 1; below 0.5 there is a warning
   */
  cutout_confidence: number;
  /**
   * true if the model failed and the preview engine answered
   */
  fallback_used?: true;
  /**
   * why the model failed
   */
  fallback_reason?: string;
  /**
   * seconds of work, without waiting for the model and without decoding and encoding
   */
  processing_time: number;
  /**
   * the request's environment_type
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
   * supported actions
   */
  actions: string[];
  /**
   * true if the driver sees a GPU
   */
  gpu_available: boolean;
  /**
   * number of GPUs
   */
  gpu_count: number;
  /**
   * true if the model is loaded and takes jobs
   */
  ready: boolean;
  /**
   * the engine that paints
   */
  engine: string;
  /**
   * `cuda` or `cpu`
   */
  device: string;
  gpu: Graphics;
  /**
   * seconds since this worker started
   */
  uptime_seconds: number;
  jobs: Jobs;
  /**
   * values of `quality` this worker can serve; empty while the model loads
   */
  qualities: string[];
  /**
   * precision and memory plan of the loaded model
   */
  plan: {
    [k: string]: unknown;
  };
}
/**
 * `name`, `memory_total` and `memory_free` in bytes; empty without a GPU
 */
export interface Graphics {
  /**
   * name of the first GPU
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
   * jobs answered with pictures
   */
  done: number;
  /**
   * jobs that started and ended in an error
   */
  failed: number;
  /**
   * jobs answered by the preview engine because the model failed
   */
  fallbacks: number;
  /**
   * jobs in progress
   */
  running: number;
}
export interface ErrorAnswer {
  /**
   * one sentence, ending with the code in brackets
   */
  error: string;
  /**
   * the error code
   */
  error_code: string;
  /**
   * the same sentence, for clients that keep only a failed job's output
   */
  message: string;
  /**
   * true in successful answers
   */
  success: false;
  /**
   * names of the invalid fields
   */
  fields?: string[];
  /**
   * asks the platform to replace this worker
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
  placements?: PlacedAnswer[];
  warnings?: string[];
  created: number;
  data: PaintedImage[];
}
/**
 * Token usage. Nothing is billed by the token; clients require the keys.
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
 * Facts about the whole picture and, with a single product, its position in pixels of the room photo.
 */
export interface PlacementInfo1 {
  /**
   * the request's instructions
   */
  instructions: string;
  /**
   * name of the checkpoint that painted, or `preview`
   */
  engine: string;
  /**
   * seed of the first picture; the same seed gives the same pixels on the same machine
   */
  seed: number;
  /**
   * denoising steps; 0 if nothing was denoised
   */
  steps: number;
  /**
   * classifier-free guidance scale; 1 means none
   */
  true_cfg_scale: number;
  /**
   * confidence in the cut-out's outline, 0 to 1; below 0.5 there is a warning
   */
  cutout_confidence: number;
  /**
   * true if the model failed and the preview engine answered
   */
  fallback_used?: true;
  /**
   * why the model failed
   */
  fallback_reason?: string;
  /**
   * seconds of work, without waiting for the model and without decoding and encoding
   */
  processing_time: number;
  /**
   * bottom center; middle of the near edge (rug), center (wall) or top center (ceiling)
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
   * width and height of the upright photo and of the answer
   *
   * @minItems 2
   */
  original_size: [number, number];
  /**
   * share of the photo's pixels that changed, 0 to 1
   */
  changed_fraction: number;
  /**
   * measurements of the picture; `failed` lists the checks that failed
   */
  checks: {
    [k: string]: unknown;
  };
}
/**
 * One picture, as `b64_json` or `url`. Sizes and formats may differ within a batch.
 */
export interface PaintedImage {
  b64_json?: string;
  url?: string;
  seed: number;
  size: string;
  output_format: string;
}
