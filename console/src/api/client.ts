/**
 * The API, typed from its OpenAPI document. Cookies carry the login; this module repeats the CSRF token, renews the
 * login before it ends, and turns every refusal into an `ApiProblem`.
 */
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

/** The answer of the API to a request that it refused, or a connection that did not come about (`code` "network"). */
export class ApiProblem extends Error {
  readonly code: string;
  readonly status: number;
  readonly fields: readonly { field: string; message: string }[];
  readonly requestId: string | undefined;
  /** Seconds after which trying again makes sense, where the server says so. */
  readonly retryAfter: number | undefined;

  constructor(status: number, problem: Partial<Schemas["Problem"]>, retryAfter?: number) {
    super(problem.detail ?? problem.title ?? `HTTP ${status}`);
    this.name = "ApiProblem";
    this.status = status;
    this.code = problem.code ?? (status === 0 ? "network" : "internal");
    this.fields = problem.fields ?? [];
    this.requestId = problem.request_id;
    this.retryAfter = retryAfter;
  }
}

async function problemOf(response: Response): Promise<ApiProblem> {
  const problem: Partial<Schemas["Problem"]> = await response.json().catch(() => ({}));
  const retryAfter = Number(response.headers.get("Retry-After") ?? Number.NaN);
  return new ApiProblem(response.status, problem, Number.isFinite(retryAfter) ? retryAfter : undefined);
}

function cookie(name: string): string | undefined {
  const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`));
  return found?.slice(name.length + 1);
}

/** A random key; `crypto.randomUUID` exists over HTTPS and on localhost only. */
export function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const EXPIRY = "berth.access_expires_at";

export const login = {
  /** Remembers when the access cookie ends, for every tab: the cookie itself cannot be read. */
  begun(answer: Schemas["LoginResponse"]): void {
    localStorage.setItem(EXPIRY, answer.access_expires_at);
  },
  ended(): void {
    localStorage.removeItem(EXPIRY);
  },
  /** Whether this browser has a login that can still be used or renewed. */
  present(): boolean {
    return cookie("berth_csrf") !== undefined;
  },
};

function runsOut(): boolean {
  const until = localStorage.getItem(EXPIRY);
  return until !== null && Date.parse(until) - Date.now() < 10_000;
}

async function renew(expiry: string | null): Promise<boolean> {
  // Another tab was quicker. A refresh token works once: using it again would end the login.
  if (localStorage.getItem(EXPIRY) !== expiry) return true;
  const response = await fetch("/api/v1/auth/refresh", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Berth-CSRF": cookie("berth_csrf") ?? "" },
    body: "{}",
  });
  if (response.ok) {
    login.begun((await response.json()) as Schemas["LoginResponse"]);
    return true;
  }
  // Only a refusal ends the login; a server that is away comes back.
  if (response.status === 401 || response.status === 403) return false;
  throw await problemOf(response);
}

let renewal: Promise<boolean> | undefined;

/** Renews the login, once for all tabs that notice at the same time. False: it has ended. */
export function renewLogin(): Promise<boolean> {
  if (!login.present()) return Promise.resolve(false);
  const expiry = localStorage.getItem(EXPIRY);
  if (!renewal) {
    // Locks exist in secure contexts only; elsewhere two tabs rarely meet in the same second.
    const alone = async (): Promise<boolean> =>
      "locks" in navigator ? await navigator.locks.request("berth.refresh", () => renew(expiry)) : await renew(expiry);
    renewal = alone().finally(() => {
      renewal = undefined;
    });
  }
  return renewal;
}

type Ended = () => void;
const endedListeners = new Set<Ended>();

/** Calls `listener` when the login has ended behind our back. */
export function onLoginEnded(listener: Ended): () => void {
  endedListeners.add(listener);
  return () => void endedListeners.delete(listener);
}

/** `fetch` with the CSRF token and a login that is renewed when it runs out. Answers whatever the server answers. */
export async function authFetch(request: Request): Promise<Response> {
  const isLogin = new URL(request.url).pathname.startsWith("/api/v1/auth/");
  if (!isLogin && runsOut()) await renewLogin();
  const send = (): Promise<Response> => {
    const attempt = new Request(request.clone());
    const csrf = cookie("berth_csrf");
    if (csrf && request.method !== "GET") attempt.headers.set("X-Berth-CSRF", csrf);
    return fetch(attempt);
  };
  let response = await send();
  if (response.status === 401 && !isLogin) {
    if (await renewLogin()) response = await send();
    if (response.status === 401) {
      login.ended();
      endedListeners.forEach((listener) => listener());
    }
  }
  return response;
}

const middleware: Middleware = {
  onRequest({ request }) {
    // A request that is repeated after a lost answer is done once.
    if (request.method === "POST" && !request.url.includes("/api/v1/auth/")) {
      request.headers.set("Idempotency-Key", randomKey());
    }
    return request;
  },
  async onResponse({ response }) {
    if (!response.ok) throw await problemOf(response);
    return response;
  },
  onError({ error }) {
    if (error instanceof ApiProblem) return error;
    if (error instanceof DOMException && error.name === "AbortError") return error;
    return new ApiProblem(0, { detail: error instanceof Error ? error.message : String(error) });
  },
};

export const api = createClient<paths>({ baseUrl: location.origin, fetch: authFetch });
api.use(middleware);

/** The body of an answer. Refusals were thrown as `ApiProblem` before. */
export async function take<T>(answer: Promise<{ data?: T }>): Promise<T> {
  return (await answer).data as T;
}

/** The `If-Match` of a thing that was read at `generation`. */
export function ifMatch(generation: number): { "If-Match": string } {
  return { "If-Match": `"${generation}"` };
}

/** One page of a list. */
export interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}
