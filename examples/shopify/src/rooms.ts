import { readWebhook, type Worker, WorkerError } from "qwen-worker";
import type { Admin } from "./admin.js";
import { Failure, reasonOf } from "./failures.js";
import { deleteOld, publish } from "./files.js";
import { type Attempt, type Jobs, PATIENCE, type State } from "./jobs.js";
import { findProduct, type Product } from "./product.js";
import { FILE_BYTES, type Settings } from "./settings.js";
import { hookSecret, jobToken, type Order, visitorKey } from "./tokens.js";

/** What nobody waits for any more is not painted. At the worker a little more than its own JOB_TIMEOUT_SECONDS. */
const POLICY = { ttl: PATIENCE, executionTimeout: 660_000 };

const DAY = 24 * 3_600_000;

/** The way of an order: the worker gets it, its answer becomes a file of the shop. */
export class Rooms {
  private readonly running = new Set<Promise<void>>();

  constructor(
    private readonly settings: Settings,
    private readonly admin: Admin,
    private readonly worker: Worker,
    private readonly jobs: Jobs,
  ) {}

  /** The job's token; its work goes on. The same order again is the same job, unless that one failed or the product
   * was corrected. */
  async ask(order: Order, visitors: string[]): Promise<string> {
    const product = await findProduct(this.admin, order.shop, order.variant, this.settings.HEIGHT_METAFIELD);
    const token = jobToken(this.settings.SHOPIFY_API_SECRET, order, product);
    const attempt = await this.jobs.begin(token, order.shop);
    if (attempt) this.goOn(attempt, this.submit(attempt, order, product, visitors));
    return token;
  }

  async told(shop: string, token: string): Promise<State> {
    return (await this.jobs.find(token, shop)) ?? { state: "failed", reason: "gone" };
  }

  /** RunPod's webhook; of several about one attempt the first counts. Returns before the picture is published. */
  async answered(attempt: Attempt, body: unknown): Promise<void> {
    const shop = await this.jobs.claim(attempt);
    if (shop) this.goOn(attempt, this.publish(shop, attempt, body));
  }

  async forget(shop: string): Promise<void> {
    await this.jobs.forget(shop);
  }

  /** Deletes results of RESULT_DAYS and more, in the shops that were asked for since the start. */
  async sweep(): Promise<void> {
    const before = new Date(Date.now() - this.settings.RESULT_DAYS * DAY);
    for (const shop of this.admin.shops()) {
      await deleteOld(this.admin, shop, before).catch((error) => console.error(`${shop} sweep: ${error}`));
    }
  }

  /** All work that goes on behind the answers is done. */
  async settled(): Promise<void> {
    await Promise.all(this.running);
  }

  private async submit(attempt: Attempt, order: Order, product: Product, visitors: string[]): Promise<void> {
    const { shop, photo, place } = order;
    await this.spend(shop, visitors);
    const job = {
      action: "edit" as const,
      product_image: product.imageUrl,
      room_image: Buffer.from(photo).toString("base64"),
      product_height_cm: product.heightCm,
      placement_coordinates: place,
      output_format: "jpeg" as const,
    };
    const webhook = `${this.settings.APP_URL}/hooks/runpod/${hookSecret(this.settings.SHOPIFY_API_SECRET, attempt)}`;
    const options = { webhook, idempotencyKey: attempt.token, policy: POLICY };
    await this.worker.submit(job, options).catch(unlessItMayRun);
    log(shop, attempt.token, "submitted");
  }

  private async spend(shop: string, visitors: string[]): Promise<void> {
    const { SHOPIFY_API_SECRET: key, JOBS_PER_HOUR, VISITOR_JOBS_PER_HOUR } = this.settings;
    const limits = { shop: JOBS_PER_HOUR, visitor: VISITOR_JOBS_PER_HOUR };
    const keys = visitors.map((visitor) => visitorKey(key, shop, visitor));
    if (!(await this.jobs.spend(shop, keys, limits))) throw new Failure("busy", "too many jobs within an hour");
  }

  private async publish(shop: string, attempt: Attempt, body: unknown): Promise<void> {
    const { answer } = readWebhook(body);
    const picture = Buffer.from(answer.processed_image, "base64");
    if (picture.length > FILE_BYTES) throw new Error("the picture is larger than Shopify takes");
    const url = await publish(this.admin, shop, attempt.token, picture);
    await this.jobs.finish(attempt, { state: "ready", url });
    log(shop, attempt.token, "ready");
  }

  private goOn(attempt: Attempt, work: Promise<void>): void {
    const done = work.catch((error) => this.fail(attempt, error)).finally(() => this.running.delete(done));
    this.running.add(done);
  }

  private async fail(attempt: Attempt, error: unknown): Promise<void> {
    log("failed", attempt.token, String(error));
    await this.jobs.finish(attempt, { state: "failed", reason: reasonOf(error) });
  }
}

/** Its webhook may still come. */
function unlessItMayRun(error: unknown): void {
  if (!(error instanceof WorkerError && error.code === "OUTCOME_UNKNOWN")) throw error;
}

/** Never a photo, and of a token, which opens the result, only its beginning. */
function log(shop: string, token: string, what: string): void {
  console.info(`${shop} ${token.slice(0, 8)} ${what}`);
}
