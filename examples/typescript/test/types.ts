// `npm run check`: what the compiler lets through, and what it refuses.
import { readWebhook, Server, Worker, type Code } from "qwen-worker";
import type { EditJob, Progress } from "qwen-worker/browser";

const worker = new Worker({ endpoint: "https://api.runpod.ai/v2/abc", apiKey: "key" });
const server = new Server({ url: "http://localhost:8000" });
const pictures = { product_image: "base64", room_image: "base64" };

const right: EditJob = { ...pictures, placement_coordinates: [247, 656], seed: null, product_height_cm: 90 };
export const rug: EditJob = { ...pictures, placement_surface: "rug", product_width_cm: 200, rotation_degrees: -15 };
export const instead: EditJob = { ...pictures, product_name: "Sofa Oslo", replace: "the old sofa" };
export const several: EditJob = { room_image: "base64", products: [{ product_image: "base64", product_scale: 0.4 }] };
// @ts-expect-error no such surface
export const surface: EditJob = { ...pictures, placement_surface: "roof" };
// @ts-expect-error a box has four numbers
export const box: EditJob = { ...pictures, replace: [1, 2, 3] };
// @ts-expect-error a typo
export const typo: EditJob = { ...pictures, placement_coordinate: [1, 2] };
// @ts-expect-error three numbers
export const point: EditJob = { ...pictures, placement_coordinates: [1, 2, 3] };
// @ts-expect-error no such quality
export const quality: EditJob = { ...pictures, quality: "good" };
// @ts-expect-error a number in a string
export const seed: EditJob = { ...pictures, seed: "7" };
// @ts-expect-error no room
export const roomless: EditJob = { product_image: "base64" };
// @ts-expect-error no such code
export const code: Code = "INVALID";

export async function answers(): Promise<void> {
  const edited = await worker.editProduct(right, { onProgress: ({ percent }: Progress) => percent.toFixed() });
  const left: number | undefined = edited.placement_info.box?.[0];
  const surfaces = edited.placements?.map(({ surface }) => surface);
  // @ts-expect-error there is a box of four
  edited.placement_info.box?.[4];
  const made = await server.generateEnvironment({ product_image: "base64", output_size: [640, 480] });
  const [width]: [number, number] = made.generation_info.output_size;
  // @ts-expect-error only where n > 1
  made.images.length;
  const health = await worker.runSync({ action: "health_check" });
  const done: number = health.jobs.done;
  const id: string = await worker.submit(right, { webhook: "https://shop.example/hook" });
  await worker.submit(right, { policy: { ttl: 60_000, executionTimeout: 30_000 } });
  // @ts-expect-error no such policy
  await worker.submit(right, { policy: { timeout: 1 } });
  // @ts-expect-error a queue has no streams
  await worker.generateImage({ prompt: "a room", stream: true });
  const told: string = readWebhook({}).answer.processed_image;
  console.log(left, surfaces, width, done, id, told);
}
