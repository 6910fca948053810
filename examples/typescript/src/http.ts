import { failure, Thrown, WorkerError, type Code } from "./errors.js";

/** Before a request that never arrived, or was turned away, is sent again. */
const PAUSES_MS = [500, 1000, 2000, 4000, 8000] as const;
const LONGEST_PAUSE_MS = 8000;
const LONGEST_RETRY_AFTER_MS = 60_000;

const CODES: Partial<Record<number, Code>> = {
  401: "UNAUTHORIZED",
  403: "UNAUTHORIZED",
  404: "NOT_FOUND",
  413: "REQUEST_TOO_LARGE",
  429: "TOO_MANY_REQUESTS",
  501: "REFUSED", // the one from 500 on that says that nothing has begun or ever will
  503: "UNREACHABLE",
};

export interface Asked {
  method?: "GET" | "POST";
  /** JSON. */
  body?: string;
  accept?: string;
  /** How long one request may take; without, as long as the signal lets it. */
  ms?: number;
  signal?: AbortSignal | undefined;
  /** Once it is under way, the signal does not break it off. */
  whole?: boolean;
  /** Does nothing more when it is sent twice, so that a lost answer is asked for again. */
  repeatable?: boolean;
  /** One more than the pauses unless given. */
  tries?: number | undefined;
  jobId?: string;
}

/** To be asked again, after a pause of so long where the answer says how long. */
class Again {
  constructor(
    readonly problem: WorkerError,
    readonly pauseMs?: number,
  ) {}
}

export class Http {
  readonly #base: string;
  readonly #headers: Record<string, string>;
  readonly #fetch: typeof fetch;

  constructor(base: string, apiKey?: string, ownFetch: typeof fetch = (...asked) => fetch(...asked)) {
    this.#base = base.replace(/\/+$/, "");
    this.#headers = apiKey ? { Authorization: header(`Bearer ${apiKey}`) } : {};
    this.#fetch = ownFetch;
  }

  /** Throws a WorkerError, or what the signal was aborted with. */
  json(path: string, asked: Asked): Promise<unknown> {
    return this.read(path, asked, (response) => response.json());
  }

  async read<T>(path: string, asked: Asked, read: (response: Response) => Promise<T>): Promise<T> {
    const { signal, tries = PAUSES_MS.length + 1 } = asked;
    for (let tried = 0; ; tried++) {
      signal?.throwIfAborted();
      const came = await this.#once(path, asked, read);
      if (!(came instanceof Again)) return came;
      if (tried + 1 >= tries) throw came.problem;
      await pause(came.pauseMs ?? PAUSES_MS[tried] ?? LONGEST_PAUSE_MS, signal);
    }
  }

  async #once<T>(path: string, asked: Asked, read: (response: Response) => Promise<T>): Promise<T | Again> {
    const { ms, signal, whole, jobId } = asked;
    const late = () => new DOMException(`No answer within ${ms} ms`, "TimeoutError");
    try {
      return await within({ ms, signal: whole ? undefined : signal, late }, async (ends) => {
        const response = await this.#sent(path, asked, ends);
        return response.ok ? await read(response) : await refused(response, asked);
      });
    } catch (problem) {
      if (problem instanceof WorkerError || problem instanceof Thrown) throw problem;
      if (!whole) signal?.throwIfAborted();
      if (problem instanceof SyntaxError)
        throw new WorkerError("MALFORMED", `The reply is no JSON: ${problem.message}`, { jobId, cause: problem });
      const reason = reasonOf(problem);
      if (asked.repeatable || neverArrived(problem))
        return new Again(new WorkerError("UNREACHABLE", `No connection: ${reason}`, { jobId, cause: problem }));
      const text = `The job was sent and no answer came (${reason}): it may be running. It was not sent again`;
      throw new WorkerError("OUTCOME_UNKNOWN", text, { cause: problem });
    }
  }

  #sent(path: string, { method = "POST", body, accept = "application/json" }: Asked, signal: AbortSignal) {
    const headers = { ...this.#headers, Accept: accept, ...(body && { "Content-Type": "application/json" }) };
    const send = this.#fetch; // a browser's own wants no `this`
    return send(this.#base + path, { method, headers, signal, ...(body && { body }) });
  }
}

/** fetch takes a character for each byte. The key is in no message. */
function header(text: string): string {
  if (/\s$|^Bearer \s|[\x00-\x1f\x7f\ud800-\udfff]/u.test(text))
    throw new WorkerError("UNAUTHORIZED", "The API key has a line break or another character that no header holds");
  return String.fromCharCode(...new TextEncoder().encode(text));
}

async function refused(response: Response, { repeatable, jobId }: Asked): Promise<Again> {
  const { status, statusText, headers } = response;
  const told: unknown = await response.json().catch(() => undefined);
  const isOpen = status >= 500 && CODES[status] === undefined && !repeatable;
  const problem = failure(
    told,
    CODES[status] ?? (isOpen ? "OUTCOME_UNKNOWN" : status >= 500 ? "UNREACHABLE" : "REFUSED"),
    `HTTP ${status} ${statusText}${isOpen ? ": the job may be running" : ""}`,
    jobId,
  );
  if (status !== 429 && status !== 503 && !(repeatable && status >= 500 && status !== 501)) throw problem;
  const seconds = Number(headers.get("Retry-After") ?? NaN);
  return new Again(problem, Number.isNaN(seconds) ? undefined : Math.min(seconds * 1000, LONGEST_RETRY_AFTER_MS));
}

/** fetch hides the reason in its cause; a name with several addresses has several. Browsers tell nothing. */
function neverArrived(problem: unknown): boolean {
  const { syscall, code, errors } = (problem as { cause?: Reason }).cause ?? {};
  if (errors) return errors.every((each) => each.syscall === "connect");
  return syscall === "connect" || syscall === "getaddrinfo" || code === "UND_ERR_CONNECT_TIMEOUT";
}

interface Reason {
  syscall?: string;
  code?: string;
  message?: string;
  errors?: Reason[];
}

function reasonOf(problem: unknown): string {
  const { message, cause } = problem as { message?: string; cause?: Reason };
  return cause?.code ?? cause?.message ?? message ?? "no reason given";
}

export interface Limits {
  ms?: number | undefined;
  signal?: AbortSignal | undefined;
  late: () => Error;
}

/** Work that `ends` with the signal, or `late` after so many milliseconds. What it left unread is hung up on. */
export async function within<T>({ ms, signal, late }: Limits, work: (ends: AbortSignal) => Promise<T>): Promise<T> {
  const ends = new AbortController();
  const stop = () => ends.abort(signal?.reason);
  if (signal?.aborted) stop();
  signal?.addEventListener("abort", stop);
  const timer = ms === undefined ? undefined : setTimeout(() => ends.abort(late()), ms);
  try {
    return await work(ends.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
    ends.abort();
  }
}

/** Rejects with the signal's reason. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
