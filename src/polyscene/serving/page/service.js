// Requests to this service: the key, the one shape of errors, and connections that are lost and come back.

const PATIENCE_MS = 15_000;
const LONGEST_PAUSE_S = 10;
const KEY = "polyscene key";

let tellConnection = () => {};
let wake = () => {};

export class ServiceError extends Error {
  constructor(status, error, request) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.details = error.details;
    this.request = request;
  }
}

// The key lives in this tab alone: not in the address, not in what other tabs or later visits can read.
export const key = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

// The listener hears null when the service answers again, else in how many seconds it is asked once more.
export function onConnection(listener) {
  tellConnection = listener;
}

export function tryNow() {
  wake();
}

// Ask, and ask again while nobody answers. An event carries an id, so that it is kept once all the same.
export async function ask(path, body) {
  for (let attempt = 0; ; attempt += 1) {
    const answer = await answered(path, body);
    if (answer) {
      if (attempt) tellConnection(null);
      return valueOf(answer);
    }
    await pause(Math.min(2 ** attempt, LONGEST_PAUSE_S));
  }
}

// null: no connection, or no answer in time.
async function answered(path, body) {
  const headers = {};
  if (key.get()) headers.Authorization = `Bearer ${key.get()}`;
  if (body) headers["Content-Type"] = "application/json";
  const method = body ? "POST" : "GET";
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal });
    return { status: answer.status, ok: answer.ok, request: answer.headers.get("X-Request-Id"), text: await answer.text() };
  } catch (error) {
    if (error instanceof TypeError || error.name === "TimeoutError") return null;
    throw error;
  }
}

function valueOf({ status, ok, request, text }) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    // What is not JSON did not come from the service, but from something before it.
    throw new ServiceError(status, { code: "no answer of the service", message: `expected JSON, found status ${status} with other text; is there a proxy in between?`, details: [] }, request);
  }
  if (ok) return value;
  throw new ServiceError(status, value.error, request);
}

function pause(seconds) {
  tellConnection(seconds);
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

export function newId(prefix) {
  const words = crypto.getRandomValues(new Uint32Array(4));
  return prefix + "-" + Array.from(words, (word) => word.toString(16).padStart(8, "0")).join("");
}
