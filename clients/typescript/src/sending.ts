/** Sends requests, and sends them again where that is safe; the rules are those of the Python client. */

export interface Detail {
  where: string;
  message: string;
}

/** The service refused a request; `code` is for programs, `requestId` is in the service's log. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    message: string,
    readonly details: Detail[] = [],
    readonly requestId = "",
  ) {
    super(message);
    this.name = "ApiError";
  }
}

/** No answer came; whether the service did the work is not known. */
export class LostAnswerError extends Error {
  constructor(cause: unknown) {
    super(`expected an answer, found none: ${String(cause)}; is the service there?`, { cause });
    this.name = "LostAnswerError";
  }
}

/** How often a request is sent again; waits double from `firstSeconds` to `maxSeconds` and are drawn by chance. */
export interface Retries {
  times: number;
  firstSeconds: number;
  maxSeconds: number;
  maxWaitAsked: number;
}

export interface Options {
  url?: string;
  key?: string;
  /** Seconds that an attempt may take; erasures, exports and swaps of the run may take 15 minutes. */
  timeout?: number;
  retries?: Partial<Retries>;
  fetch?: typeof fetch;
}

export type Value = string | number | boolean | null | undefined;

/** A request before it is sent. */
export interface Call {
  method: string;
  path: string;
  query?: Record<string, Value>;
  body?: unknown;
  lines?: readonly object[];
  /** Whether it may be sent again although it may have been done. */
  repeat: boolean;
  /** By which it is known if it comes again; `keyed` without it: one is made, once for all attempts. */
  keyed?: boolean;
  key?: string | undefined;
  /** Statuses beside 2xx that are answers. */
  answers?: readonly number[];
  slow?: boolean;
}

const USUAL: Retries = { times: 4, firstSeconds: 0.1, maxSeconds: 5, maxWaitAsked: 60 };
const PASSING = [429, 502, 503, 504];
const REFUSED_UNSEEN = ["too_many_requests", "overloaded"];
const SLOW_SECONDS = 900;

/** An id as one segment of a path; of dots alone none is made: `fetch` takes them for a way, however written. */
export function segment(id: string): string {
  if (id === "") throw new TypeError("expected an id, found an empty text; name what is meant");
  if (id === "." || id === "..") throw new TypeError(`expected an id that a path can hold, found ${id}; use Python`);
  return encodeURIComponent(id);
}

export class Sender {
  readonly url: string;
  readonly #key: string | undefined;
  readonly #timeout: number;
  readonly #retries: Retries;
  readonly #fetch: typeof fetch;

  constructor(options: Options = {}) {
    this.url = (options.url ?? "http://127.0.0.1:8000").replace(/\/+$/, "");
    this.#key = options.key;
    this.#timeout = options.timeout ?? 10;
    this.#retries = { ...USUAL, ...options.retries };
    this.#fetch = options.fetch ?? ((...args) => fetch(...args));
  }

  protected async json<T>(call: Call): Promise<T> {
    return (await this.#read(await this.#answer(call), "json")) as T;
  }

  protected async text(call: Call): Promise<string> {
    return (await this.#read(await this.#answer(call), "text")) as string;
  }

  protected async *stream(call: Call): AsyncGenerator<Record<string, unknown>> {
    const text = (await this.#read(await this.#answer(call), "text")) as string;
    for (const line of text.split("\n")) if (line !== "") yield JSON.parse(line) as Record<string, unknown>;
  }

  async #read(answer: Response, kind: "json" | "text"): Promise<unknown> {
    try {
      return await answer[kind]();
    } catch (error) {
      throw new LostAnswerError(error);
    }
  }

  async #answer(call: Call): Promise<Response> {
    const request = this.#request(call);
    for (let sent = 0; ; sent++) {
      const outcome = await this.#sent(call, request);
      if (outcome instanceof Response && (outcome.ok || call.answers?.includes(outcome.status))) return outcome;
      const error = outcome instanceof Response ? await refusal(outcome) : new LostAnswerError(outcome);
      const asked = outcome instanceof Response ? askedWait(outcome) : 0;
      const last = sent >= this.#retries.times || asked > this.#retries.maxWaitAsked;
      if (last || !mayRepeat(call, error)) throw error;
      const { firstSeconds, maxSeconds } = this.#retries;
      const wait = Math.max(asked, Math.random() * Math.min(firstSeconds * 2 ** sent, maxSeconds));
      await new Promise((resolve) => setTimeout(resolve, wait * 1000));
    }
  }

  async #sent(call: Call, request: [string, RequestInit]): Promise<unknown> {
    const seconds = call.slow ? Math.max(this.#timeout, SLOW_SECONDS) : this.#timeout;
    const signal = AbortSignal.timeout(seconds * 1000);
    try {
      return await this.#fetch(request[0], { ...request[1], signal });
    } catch (error) {
      return error;
    }
  }

  #request(call: Call): [string, RequestInit] {
    const headers: Record<string, string> = {};
    if (this.#key !== undefined) headers["Authorization"] = `Bearer ${this.#key}`;
    if (call.keyed) headers["Idempotency-Key"] = call.key ?? crypto.randomUUID();
    const init: RequestInit = { method: call.method, headers, redirect: "error" };
    if (call.lines !== undefined) {
      headers["Content-Type"] = "application/x-ndjson";
      init.body = call.lines.map((row) => JSON.stringify(row) + "\n").join("");
    } else if (call.body !== undefined) {
      headers["Content-Type"] = "application/json";
      init.body = JSON.stringify(call.body);
    }
    const query = Object.entries(call.query ?? {}).filter(([, value]) => value !== undefined && value !== null);
    const text = new URLSearchParams(query.map(([name, value]) => [name, String(value)])).toString();
    return [this.url + call.path + (text === "" ? "" : `?${text}`), init];
  }
}

async function refusal(answer: Response): Promise<ApiError> {
  const name = answer.headers.get("X-Request-Id") ?? "";
  try {
    const { error } = (await answer.json()) as { error: { code: string; message: string; details: Detail[] } };
    return new ApiError(error.code, answer.status, error.message, error.details, name);
  } catch {
    // something between here and the service answered
    const message = `expected an answer of the service, found status ${answer.status} of something else`;
    return new ApiError("unreadable", answer.status, message, [], name);
  }
}

function mayRepeat(call: Call, error: ApiError | LostAnswerError): boolean {
  if (error instanceof LostAnswerError) return call.repeat; // fetch does not say whether it was sent
  return PASSING.includes(error.status) && (call.repeat || REFUSED_UNSEEN.includes(error.code));
}

function askedWait(answer: Response): number {
  const text = answer.headers.get("Retry-After") ?? "";
  return /^\d+$/.test(text) ? Number(text) : 0;
}
