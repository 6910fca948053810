import "@shopify/shopify-api/adapters/web-api";
import { setTimeout as sleep } from "node:timers/promises";
import {
  ApiVersion,
  GraphqlQueryError,
  HttpInternalError,
  HttpRequestError,
  HttpResponseError,
  HttpThrottlingError,
  LogSeverity,
  type Session,
  shopifyApi,
} from "@shopify/shopify-api";
import type { Settings } from "./settings.js";

export type Shopify = ReturnType<typeof connect>;

export function connect(settings: Settings) {
  return shopifyApi({
    apiKey: settings.SHOPIFY_API_KEY,
    apiSecretKey: settings.SHOPIFY_API_SECRET,
    apiVersion: ApiVersion.July26,
    hostName: new URL(settings.APP_URL).host,
    isEmbeddedApp: false,
    logger: { level: LogSeverity.Warning },
  });
}

const TRIES = 5;
const MINUTE = 60_000;

/** Shopify's Admin API, for every shop that has the app installed. */
export class Admin {
  private readonly sessions = new Map<string, Session>();

  constructor(private readonly shopify: Shopify) {}

  /** Waits where Shopify throttles, and tries again where it stumbles. */
  async request<Data>(shop: string, query: string, variables: Record<string, unknown> = {}): Promise<Data> {
    for (let attempt = 1; ; attempt++) {
      try {
        const client = new this.shopify.clients.Graphql({ session: await this.session(shop) });
        return (await client.request<Data>(query, { variables })).data as Data;
      } catch (error) {
        const seconds = secondsToWait(error);
        if (seconds === undefined || attempt === TRIES) throw error;
        if (isRefused(error)) this.sessions.delete(shop);
        await sleep(seconds * 1000);
      }
    }
  }

  shops(): string[] {
    return [...this.sessions.keys()];
  }

  /** An offline token by the client credentials grant: for shops of the app's own organisation, good for a day. */
  private async session(shop: string): Promise<Session> {
    const known = this.sessions.get(shop);
    if (known && !known.isExpired(MINUTE)) return known;
    const { session } = await this.shopify.auth.clientCredentials({ shop });
    this.sessions.set(shop, session);
    return session;
  }
}

/** Undefined where another try would end the same. The library's own retries take Retry-After for milliseconds. */
function secondsToWait(error: unknown): number | undefined {
  if (error instanceof HttpThrottlingError) return error.response.retryAfter ?? 1;
  if (error instanceof HttpInternalError || error instanceof HttpRequestError) return 1;
  if (error instanceof GraphqlQueryError && isThrottled(error)) return 1;
  return isRefused(error) ? 1 : undefined;
}

function isThrottled(error: GraphqlQueryError): boolean {
  return JSON.stringify(error.body?.errors ?? "").includes('"THROTTLED"');
}

/** A token that Shopify no longer takes. */
function isRefused(error: unknown): boolean {
  return error instanceof HttpResponseError && error.response.code === 401;
}
