/** Playwright's `test`, with servers to test on and a watch over every page: what a browser complains of fails the test. */
import { test as base, type BrowserContext, expect, type Locator, type Page } from "@playwright/test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { dockerSocket, PASSWORD, people, type Person, Server, type ServerOptions } from "./server";

export { expect, type Page } from "@playwright/test";
export { Api, PASSWORD, people, type Person, type Schemas, Server, until } from "./server";

/** What went wrong in any tab, and what a test says may go wrong. */
export class Watch {
  private readonly complaints: string[] = [];
  private readonly allowed: RegExp[] = [];
  private readonly origins = new Set<string>();

  /** The browser reports every refused request as an error: a test that provokes one says which. */
  allow(pattern: RegExp): void {
    this.allowed.push(pattern);
  }

  allowOrigin(url: string): void {
    this.origins.add(new URL(url).origin);
  }

  verify(): void {
    const left = this.complaints.filter((complaint) => !this.allowed.some((pattern) => pattern.test(complaint)));
    expect(left, "what the browser complained of").toEqual([]);
  }

  async follow(context: BrowserContext): Promise<void> {
    await context.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => {
        console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
      });
    });
    const isOurs = (url: string) => this.origins.has(new URL(url).origin);
    context.on("console", (message) => {
      const at = message.location().url || message.page()?.url() || "";
      if (message.type() === "error") this.complaints.push(`console: ${message.text()} (${at})`);
    });
    context.on("weberror", (error) => this.complaints.push(`page: ${error.error().stack ?? error.error().message}`));
    context.on("request", (request) => {
      const url = request.url();
      if (/^(data|blob|about|chrome-error):/.test(url) || isOurs(url)) return;
      this.complaints.push(`request to another origin: ${url}`);
    });
  }
}

const HTML = /^(?!\/(api|metrics|healthz|readyz|streams|assets)(\/|$))/;
const MEDIA: Record<string, string> = { js: "text/javascript", css: "text/css", svg: "image/svg+xml", woff2: "font/woff2", html: "text/html" };

/** While pages are being written: BERTH_CONSOLE_DIST stands in for the embedded console, without building the binary. */
async function standIn(context: BrowserContext): Promise<void> {
  const directory = process.env.BERTH_CONSOLE_DIST;
  if (!directory) return;
  let policy: Promise<Response> | undefined;
  await context.route(
    (url) => HTML.test(url.pathname) || url.pathname.startsWith("/assets/"),
    async (route) => {
      const { pathname } = new URL(route.request().url());
      const file = join(directory, pathname);
      policy ??= fetch(new URL("/", route.request().url()), { headers: { Accept: "text/html" } });
      const path = pathname !== "/" && existsSync(file) ? file : join(directory, "index.html");
      await route.fulfill({
        body: readFileSync(path),
        contentType: MEDIA[path.split(".").pop() ?? ""] ?? "application/octet-stream",
        headers: { "Content-Security-Policy": (await policy).headers.get("Content-Security-Policy") ?? "" },
      });
    },
  );
}

/** Logs a browser in without the form. */
export async function logIn(context: BrowserContext, server: Server, who: Person | (string & {})): Promise<void> {
  const username = who in people ? people[who as Person] : who;
  const answer = await context.request.post(`${server.url}/api/v1/auth/login`, {
    data: { username, password: PASSWORD, kind: "browser" },
  });
  expect(answer.ok(), await answer.text()).toBe(true);
}

export type Kind = "fleet" | "empty" | "docker";

interface WorkerFixtures {
  /** A server of a kind, started when it is first asked for and shared by the tests of a worker. */
  installation: (kind: Kind) => Promise<Server>;
  /** A fleet of simulated nodes. */
  fleet: Server;
  /** Nothing but its first admin and a person of each role: no node, no session. */
  empty: Server;
  /** Sessions on the real Docker Engine. */
  docker: Server;
}

interface Fixtures {
  watch: Watch;
  /** A tab of the console with somebody logged in. */
  open: (server: Server, who: Person | (string & {}), path?: string) => Promise<Page>;
}

function optionsOf(kind: Kind, worker: number): ServerOptions {
  if (kind === "fleet") return { sim: 12 };
  if (kind === "empty") return {};
  const docker = dockerSocket();
  if (!docker) throw new Error("no Docker Engine: the test should have been skipped");
  return { docker, networks: `10.${230 + worker}.0.0/16` };
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  installation: [
    async ({}, use, worker) => {
      const servers = new Map<Kind, Promise<Server>>();
      await use((kind) => {
        let server = servers.get(kind);
        if (!server) {
          server = Server.start(optionsOf(kind, worker.parallelIndex)).then(async (started) => {
            await started.welcome();
            return started;
          });
          servers.set(kind, server);
        }
        return server;
      });
      // What could not start has failed its test already; the run's end removes what is left of it.
      for (const server of await Promise.allSettled(servers.values())) {
        if (server.status === "fulfilled") await server.value.stop();
      }
    },
    { scope: "worker", timeout: 120_000 },
  ],
  fleet: [async ({ installation }, use) => use(await installation("fleet")), { scope: "worker", timeout: 120_000 }],
  empty: [async ({ installation }, use) => use(await installation("empty")), { scope: "worker", timeout: 120_000 }],
  docker: [async ({ installation }, use) => use(await installation("docker")), { scope: "worker", timeout: 120_000 }],
  watch: async ({}, use) => {
    const watch = new Watch();
    await use(watch);
    watch.verify();
  },
  context: async ({ context, watch }, use) => {
    await watch.follow(context);
    await standIn(context);
    await use(context);
  },
  open: async ({ context, watch }, use) => {
    await use(async (server, who, path = "/") => {
      watch.allowOrigin(server.url);
      await logIn(context, server, who);
      const page = await context.newPage();
      await page.goto(server.url + path);
      return page;
    });
  },
});

export const hasDocker = process.env.BERTH_SKIP_DOCKER !== "1";

/** The page's own heading. */
export const heading = (page: Page, name: string | RegExp) => page.getByRole("heading", { level: 1, name });

/** A form's field by its label, which carries a star where the field is required. */
export const field = (within: Page | Locator, label: string) =>
  within.getByLabel(new RegExp(`^${label.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}[\\s*]*$`));

/** A row of a list that holds this text. */
export const row = (page: Page, text: string | RegExp) => page.getByRole("row").filter({ hasText: text });
