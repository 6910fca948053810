import type { Admin } from "./admin.js";
import { Failure, reasonOf } from "./failures.js";
import { deleteOld, publish } from "./files.js";
import { type Attempt, type Job, type Jobs, PATIENCE, type State } from "./jobs.js";
import type { Limits } from "./limits.js";
import { findProduct, type Product } from "./product.js";
import { isFinished, OutcomeUnknown, pictureOf, type RunPod, RunPodError } from "./runpod.js";
import { FILE_BYTES, type Settings } from "./settings.js";
import { hookSecret, jobToken, type Order, visitorKey } from "./tokens.js";

/** What nobody waits for any more is not painted. At the worker a little more than its own JOB_TIMEOUT_SECONDS. */
const POLICY = { ttl: PATIENCE, executionTimeout: 660_000 };

const DAY = 24 * 3_600_000;

/** The way of an order: the worker gets it, its answer becomes a file of the shop. */
export class Rooms {
  /** What this process is working on, with the job's token. */
  private readonly running = new Map<Promise<void>, string>();

  constructor(
    private readonly settings: Settings,
    private readonly admin: Admin,
    private readonly runpod: RunPod,
    private readonly jobs: Jobs,
    private readonly limits: Limits,
  ) {}

  /** Returns the job's token once RunPod has the job: the photo is kept nowhere else. The same order again is the
   * same job, unless that one failed or the product was corrected. */
  async ask(order: Order, visitors: string[]): Promise<string> {
    const product = await findProduct(this.admin, order.shop, order.variant, this.settings);
    const token = jobToken(this.settings.SHOPIFY_API_SECRET, order, product);
    await this.held(token, this.begin(token, order, product, visitors));
    return token;
  }

  async told(shop: string, token: string): Promise<State> {
    return (await this.jobs.find(token, shop)) ?? { state: "failed", reason: "gone" };
  }

  /** RunPod's webhook; of several about one attempt the first counts. Returns before the picture is published. */
  async answered(attempt: Attempt, body: unknown): Promise<void> {
    const shop = await this.jobs.claim(attempt);
    if (shop) void this.held(attempt.token, this.orFail(attempt, this.publish(shop, attempt, body)));
  }

  /** Goes on with jobs whose process died, and asks RunPod about those whose webhook has not come. */
  async resume(): Promise<void> {
    await this.jobs.hold([...this.running.values()]);
    for (const job of await this.jobs.takeDue()) {
      const attempt = { token: job.token, id: job.attempt };
      await this.lookAfter(attempt, job).catch((error) => log(job.shop, job.token, `not looked after: ${error}`));
    }
  }

  async forget(shop: string): Promise<void> {
    await this.jobs.forget(shop);
    await this.limits.forget(shop);
  }

  /** Deletes results of RESULT_DAYS and more, and their jobs. */
  async sweep(): Promise<void> {
    const before = new Date(Date.now() - this.settings.RESULT_DAYS * DAY);
    await this.jobs.forgetOld(before);
    await this.limits.forgetOld();
    for (const shop of await this.admin.shops()) {
      await deleteOld(this.admin, shop, before).catch((error) => console.error(`${shop} sweep: ${error}`));
    }
  }

  /** All work that goes on behind the answers is done. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.running.keys());
  }

  private async begin(token: string, order: Order, product: Product, visitors: string[]): Promise<void> {
    const attempt = await this.jobs.begin(token, order.shop, product.name);
    if (attempt) await this.orFail(attempt, this.submit(attempt, order, product, visitors));
  }

  private async submit(attempt: Attempt, order: Order, product: Product, visitors: string[]): Promise<void> {
    const { shop, photo, place } = order;
    await this.spend(shop, visitors);
    const input = {
      action: "edit" as const,
      product_image: product.imageUrl,
      room_image: Buffer.from(photo).toString("base64"),
      product_name: product.name,
      product_height_cm: product.heightCm,
      product_width_cm: product.widthCm,
      placement_surface: product.surface,
      placement_coordinates: place,
      output_format: "jpeg" as const,
      idempotency_key: attempt.token,
    };
    const webhook = `${this.settings.APP_URL}/hooks/runpod/${hookSecret(this.settings.SHOPIFY_API_SECRET, attempt)}`;
    const id = await this.runpod.submit({ input, webhook, policy: POLICY }).catch(unlessItMayRun);
    await this.jobs.submitted(attempt, id);
    log(shop, attempt.token, "submitted");
  }

  private async spend(shop: string, visitors: string[]): Promise<void> {
    const keys = visitors.map((visitor) => visitorKey(this.settings.SHOPIFY_API_SECRET, shop, visitor));
    if (!(await this.limits.spend(shop, keys))) throw new Failure("busy", "too many jobs within an hour");
  }

  private async publish(shop: string, attempt: Attempt, body: unknown): Promise<void> {
    const picture = pictureOf(body);
    if (picture.length > FILE_BYTES) throw new Error("the picture is larger than Shopify takes");
    const url = await publish(this.admin, shop, attempt.token, picture);
    await this.jobs.finish(attempt, { state: "ready", url });
    log(shop, attempt.token, "ready");
  }

  private async lookAfter(attempt: Attempt, { shop, since, runpodId }: Job): Promise<void> {
    if (since.getTime() < Date.now() - PATIENCE) return this.fail(shop, attempt, "it took too long");
    if (!runpodId) return this.fail(shop, attempt, "the app ended before RunPod had it");
    const status = await this.runpod.status(runpodId).catch(unlessForgotten);
    if (!status) return this.fail(shop, attempt, "RunPod no longer knows it");
    if (isFinished(status)) await this.answered(attempt, status);
  }

  /** While the work goes on, the job does not become due. */
  private held(token: string, work: Promise<void>): Promise<void> {
    const ended = work.finally(() => this.running.delete(ended));
    this.running.set(ended, token);
    return ended;
  }

  private orFail(attempt: Attempt, work: Promise<void>): Promise<void> {
    return work.catch((error: unknown) => this.fail("failed", attempt, error));
  }

  private async fail(shop: string, attempt: Attempt, error: unknown): Promise<void> {
    log(shop, attempt.token, String(error));
    await this.jobs.finish(attempt, { state: "failed", reason: reasonOf(error) });
  }
}

/** Its webhook may still come. */
function unlessItMayRun(error: unknown): undefined {
  if (!(error instanceof OutcomeUnknown)) throw error;
}

function unlessForgotten(error: unknown): undefined {
  if (!(error instanceof RunPodError && error.code === "NOT_FOUND")) throw error;
}

/** Never a photo, and of a token, which opens the result, only its beginning. */
function log(shop: string, token: string, what: string): void {
  console.info(`${shop} ${token.slice(0, 8)} ${what}`);
}
