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
  RequestedTokenType,
  type Session,
  shopifyApi,
} from "@shopify/shopify-api";
import { PrismaSessionStorage } from "@shopify/shopify-app-session-storage-prisma";
import type { PrismaClient } from "@prisma/client";
import type { Settings } from "./settings.js";

export type Shopify = ReturnType<typeof connect>;

export function connect(settings: Settings) {
  return shopifyApi({
    apiKey: settings.SHOPIFY_API_KEY,
    apiSecretKey: settings.SHOPIFY_API_SECRET,
    apiVersion: ApiVersion.October26,
    hostName: new URL(settings.APP_URL).host,
    isEmbeddedApp: true,
    logger: { level: LogSeverity.Warning },
  });
}

const TRIES = 5;
const MINUTE = 60_000;

/** Shopify's Admin API, for every shop that has the app installed. */
export class Admin {
  private readonly sessions: PrismaSessionStorage<PrismaClient>;

  constructor(
    private readonly shopify: Shopify,
    private readonly database: PrismaClient,
  ) {
    this.sessions = new PrismaSessionStorage(database);
  }

  /** Waits where Shopify throttles, and tries again where it stumbles. */
  async request<Data>(shop: string, query: string, variables: Record<string, unknown> = {}): Promise<Data> {
    for (let attempt = 1, isRefused = false; ; attempt++) {
      try {
        const client = new this.shopify.clients.Graphql({ session: await this.session(shop, isRefused) });
        return (await client.request<Data>(query, { variables })).data as Data;
      } catch (error) {
        const seconds = secondsToWait(error);
        if (seconds === undefined || attempt === TRIES) throw error;
        isRefused = isUnauthorized(error);
        await sleep(seconds * 1000);
      }
    }
  }

  /** The shops that have the app installed, as far as it has asked for their tokens. */
  async shops(): Promise<string[]> {
    const sessions = await this.database.session.findMany({ distinct: ["shop"], select: { shop: true } });
    return sessions.map(({ shop }) => shop);
  }

  /** Keeps a token of the shop whose merchant has the app open. This is how any shop installs the app. */
  async install(shop: string, sessionToken: string): Promise<void> {
    const known = await this.sessions.loadSession(this.shopify.session.getOfflineId(shop));
    if (known?.refreshToken && !known.isExpired(MINUTE)) return;
    const requestedTokenType = RequestedTokenType.OfflineAccessToken;
    const { session } = await this.shopify.auth.tokenExchange({ shop, sessionToken, requestedTokenType, expiring: true });
    await this.sessions.storeSession(session);
  }

  async uninstall(shop: string): Promise<void> {
    await this.database.session.deleteMany({ where: { shop } });
  }

  /** Returns the stored offline token while it is good; else a new one, in exchange for its refresh token, or, in shops
   * of the app's own organization, by the client credentials grant. */
  private async session(shop: string, isRefused: boolean): Promise<Session> {
    const known = await this.sessions.loadSession(this.shopify.session.getOfflineId(shop));
    if (known && !isRefused && !known.isExpired(MINUTE)) return known;
    const { session } = known?.refreshToken
      ? await this.shopify.auth.refreshToken({ shop, refreshToken: known.refreshToken })
      : await this.shopify.auth.clientCredentials({ shop });
    await this.sessions.storeSession(session);
    return session;
  }
}

/** Undefined where another try would end the same. The library's own retries take Retry-After for milliseconds. */
function secondsToWait(error: unknown): number | undefined {
  if (error instanceof HttpThrottlingError) return error.response.retryAfter ?? 1;
  if (error instanceof HttpInternalError || error instanceof HttpRequestError) return 1;
  if (error instanceof GraphqlQueryError && isThrottled(error)) return 1;
  return isUnauthorized(error) ? 1 : undefined;
}

function isThrottled(error: GraphqlQueryError): boolean {
  return JSON.stringify(error.body?.errors ?? "").includes('"THROTTLED"');
}

/** A token that Shopify no longer takes. */
function isUnauthorized(error: unknown): boolean {
  return error instanceof HttpResponseError && error.response.code === 401;
}
