// Made of the schemas of the worker by `npm run types`.

export type Shape =
  | EditJob
  | GenerateJob
  | HealthJob
  | GenerationBody
  | PictureAnswer
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
   * the product's real height
   */
  product_height_cm?: number | null;
  /**
   * the height the photo was taken from
   */
  camera_height_cm?: number;
  /**
   * 0 keeps the product's pixels, 1 frees the model; the engine's own if absent
   */
  harmonize?: number | null;
  /**
   * [x, y] where the product's base stands
   */
  placement_coordinates?: [number, number] | null;
  /**
   * [left, top, right, bottom] to stand in; wins over coordinates
   */
  placement_box?: [number, number, number, number] | null;
  /**
   * what the product stands on or hangs at
   */
  placement_surface?: "auto" | "floor" | "wall" | "tabletop";
  /**
   * product height as a share of the photo's height
   */
  product_scale?: number | null;
  /**
   * outside the product and its light the photo stays as it is
   */
  preserve_background?: boolean;
  /**
   * the product: a cut-out with alpha, or a photo on a plain background
   */
  product_image: string;
  /**
   * what the caller wants, in any language
   */
  instructions?: string;
  /**
   * what to avoid
   */
  negative_prompt?: string;
  /**
   * denoising steps; the quality's own if absent
   */
  num_inference_steps?: number | null;
  /**
   * classifier-free guidance, 1 = off; the quality's own if absent
   */
  true_cfg_scale?: number | null;
  /**
   * few steps, more steps, or the full schedule with guidance
   */
  quality?: "fast" | "balanced" | "best";
  /**
   * random and reported if absent or -1
   */
  seed?: number | null;
  /**
   * variants, with the seeds seed, seed+1, ...
   */
  n?: number;
  /**
   * auto: PNG where it fits, else the best lossy one that does
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
   * answer with the preview when the model fails, and say so
   */
  fallback?: boolean;
  /**
   * a repeat within ten minutes gets the stored answer
   */
  idempotency_key?: string | null;
  action?: "edit";
  /**
   * the room photo; the answer has exactly its upright size
   */
  room_image: string;
  /**
   * where the photo may change: transparent, or white without alpha
   */
  mask?: string | null;
}
export interface GenerateJob {
  /**
   * the product's real height
   */
  product_height_cm?: number | null;
  /**
   * the height the photo was taken from
   */
  camera_height_cm?: number;
  /**
   * 0 keeps the product's pixels, 1 frees the model; the engine's own if absent
   */
  harmonize?: number | null;
  /**
   * the product: a cut-out with alpha, or a photo on a plain background
   */
  product_image: string;
  /**
   * what the caller wants, in any language
   */
  instructions?: string;
  /**
   * what to avoid
   */
  negative_prompt?: string;
  /**
   * denoising steps; the quality's own if absent
   */
  num_inference_steps?: number | null;
  /**
   * classifier-free guidance, 1 = off; the quality's own if absent
   */
  true_cfg_scale?: number | null;
  /**
   * few steps, more steps, or the full schedule with guidance
   */
  quality?: "fast" | "balanced" | "best";
  /**
   * random and reported if absent or -1
   */
  seed?: number | null;
  /**
   * variants, with the seeds seed, seed+1, ...
   */
  n?: number;
  /**
   * auto: PNG where it fits, else the best lossy one that does
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
   * answer with the preview when the model fails, and say so
   */
  fallback?: boolean;
  /**
   * a repeat within ten minutes gets the stored answer
   */
  idempotency_key?: string | null;
  action: "generate";
  /**
   * a known room type or any free text
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
  action: "health_check";
}
/**
 * POST /v1/images/generations.
 */
export interface GenerationBody {
  /**
   * what to paint, in any language
   */
  prompt: string;
  /**
   * what to avoid
   */
  negative_prompt?: string;
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
   * denoising steps; the quality's own if absent
   */
  num_inference_steps?: number | null;
  /**
   * classifier-free guidance, 1 = off; the quality's own if absent
   */
  true_cfg_scale?: number | null;
  /**
   * random and reported if absent or -1
   */
  seed?: number | null;
  /**
   * url uploads to the bucket
   */
  response_format?: "b64_json" | "url";
  /**
   * auto: PNG, through a queue the best that fits
   */
  output_format?: "auto" | "png" | "jpeg" | "webp";
  /**
   * quality of jpeg and webp
   */
  output_compression?: number;
  /**
   * transparent is refused
   */
  background?: "auto" | "opaque";
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
   * for guidance-distilled checkpoints only
   */
  guidance_scale?: number | null;
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
}
export interface PictureAnswer {
  success: true;
  action: "edit" | "generate";
  processed_image: string;
  mime_type: string;
  lossless: boolean;
  images?: Variant[];
  placement_info?: PlacementInfo;
  generation_info?: GenerationInfo;
  warnings?: string[];
  processing_time: number;
}
export interface Variant {
  image: string;
  mime_type: string;
  seed: number;
}
/**
 * `coordinates` and `box` say where the product stands in the answer, in pixels of the room photo.
 */
export interface PlacementInfo {
  instructions: string;
  engine: string;
  seed: number;
  steps: number;
  true_cfg_scale: number;
  cutout_confidence: number;
  fallback_used?: true;
  fallback_reason?: string;
  processing_time: number;
  /**
   * @minItems 2
   */
  coordinates: [number, number];
  /**
   * @minItems 4
   */
  box: [number, number, number, number];
  surface: string;
  /**
   * @minItems 2
   */
  original_size: [number, number];
  changed_fraction: number;
  checks: {
    [k: string]: unknown;
  };
}
export interface GenerationInfo {
  instructions: string;
  engine: string;
  seed: number;
  steps: number;
  true_cfg_scale: number;
  cutout_confidence: number;
  fallback_used?: true;
  fallback_reason?: string;
  processing_time: number;
  environment_type: string;
  /**
   * @minItems 2
   */
  output_size: [number, number];
}
export interface ErrorAnswer {
  error: string;
  error_code: string;
  success: false;
  fields?: string[];
  refresh_worker?: true;
}
/**
 * `percent` 0 to 100 of the whole job; `step` of `of` within the stage.
 */
export interface Progress {
  stage: string;
  step: number;
  of: number;
  percent: number;
  [k: string]: unknown;
}
/**
 * `model` is what painted. The keys from `background` on are OpenAI's, as the pictures are.
 */
export interface ImagesAnswer {
  created: number;
  data: PaintedImage[];
  usage: Usage;
  model: string;
  background: "opaque";
  output_format: string;
  quality: "low" | "medium" | "high";
  size: string;
  placement_info?: PlacementInfo;
  warnings?: string[];
}
/**
 * One of the two, as response_format asked.
 */
export interface PaintedImage {
  b64_json?: string;
  url?: string;
  seed: number;
}
/**
 * Nothing here is paid by the token: the keys are there for clients that read them.
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
