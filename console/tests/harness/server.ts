/** The real `berth` binary, with a data directory and ports of its own, and a small client of its API. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { components } from "../../src/api/schema";

export type Schemas = components["schemas"];

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
/** Names the directory of this run for its workers. */
const RUN = "BERTH_CONSOLE_TEST_RUN";

/** Every account of the tests has this one. */
export const PASSWORD = "a harbour with many berths";

/** Who uses the console in the tests, by role. */
export const people = {
  admin: "admin",
  tenant_admin: "tina",
  operator: "olaf",
  user: "uma",
  readonly: "rita",
} as const;
export type Person = keyof typeof people;

export function binary(): string {
  const path = resolve(root, process.env.BERTH_BIN ?? "target/debug/berth");
  if (!existsSync(path)) throw new Error(`${path} is missing: scripts/console.sh build && cargo build --bin berth, or set BERTH_BIN`);
  return path;
}

/** The Docker Engine to test on; undefined only when BERTH_SKIP_DOCKER says so. */
export function dockerSocket(): string | undefined {
  if (process.env.BERTH_SKIP_DOCKER === "1") return undefined;
  const socket = process.env.BERTH_TEST_DOCKER ?? process.env.DOCKER_HOST;
  if (!socket) throw new Error("BERTH_TEST_DOCKER names no Docker Engine: eval scripts/docker-engine.sh start, or set BERTH_SKIP_DOCKER=1");
  return socket;
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((done) => probe.listen(0, "127.0.0.1", done));
  const address = probe.address();
  await new Promise((done) => probe.close(done));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Waits for a condition by asking again and again. */
export async function until<T>(what: string, ask: () => Promise<T | undefined | false> | T | undefined | false, seconds = 30): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > deadline) throw new Error(`gave up after ${seconds} s waiting for ${what}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

/** The API for one person. */
export class Api {
  constructor(
    readonly url: string,
    readonly token: string,
  ) {}

  async call<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
    const answer = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text ? JSON.parse(text) : undefined) as T;
  }

  get = <T>(path: string): Promise<T> => this.call<T>("GET", path);
  post = <T>(path: string, body?: unknown): Promise<T> => this.call<T>("POST", path, body);

  async launch(name: string, wanted: Partial<Schemas["SessionLaunch"]> = {}): Promise<Schemas["Session"]> {
    return this.post("/sessions", { application: "terminal", session_name: name, ...wanted });
  }

  session = (id: string): Promise<Schemas["Session"]> => this.get(`/sessions/${id}`);

  async sessionNamed(name: string): Promise<Schemas["Session"] | undefined> {
    const page = await this.get<Schemas["Page_Session"]>(`/sessions?search=${encodeURIComponent(name)}`);
    return page.items.find((row) => row.session_name === name);
  }

  reaches(id: string, ...statuses: Schemas["SessionStatus"][]): Promise<Schemas["Session"]> {
    return until(`session ${id} to be ${statuses.join(" or ")}`, async () => {
      const session = await this.session(id);
      return statuses.includes(session.status) && session;
    });
  }

  async items<T>(path: string): Promise<T[]> {
    return (await this.get<{ items: T[] }>(path)).items;
  }
}

export interface ServerOptions {
  /** Simulated nodes. */
  sim?: number;
  /** The socket of an engine for real sessions. */
  docker?: string | undefined;
  /** What sessions on that engine get their networks from: two servers on one engine need two ranges. */
  networks?: string;
}

export class Server {
  private child: ChildProcess | undefined;
  private readonly tokens = new Map<string, Api>();

  private constructor(
    readonly directory: string,
    readonly port: number,
    readonly applicationsPort: number,
    private readonly options: ServerOptions,
  ) {}

  /** Starts a new installation: nobody has logged in to it yet. */
  static async start(options: ServerOptions = {}): Promise<Server> {
    const directory = mkdtempSync(join(process.env[RUN] ?? tmpdir(), "server-"));
    const server = new Server(directory, await freePort(), await freePort(), options);
    await server.launch();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  log(): string {
    const path = join(this.directory, "output.log");
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  /** Starts the process; after `kill` the same installation again. */
  async launch(): Promise<void> {
    const output = openSync(join(this.directory, "output.log"), "a");
    // What the person who runs the tests has set must not leak into the server.
    const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("BERTH_")));
    const child = spawn(
      binary(),
      [
        "up",
        `--data-dir=${join(this.directory, "data")}`,
        `--listen=127.0.0.1:${this.port}`,
        `--applications-listen=127.0.0.1:${this.applicationsPort}`,
        `--sim=${this.options.sim ?? 0}`,
      ],
      {
        stdio: ["ignore", output, output],
        env: {
          ...environment,
          BERTH_DOCKER: this.options.docker ?? "none",
          ...(this.options.networks ? { BERTH_SESSION_NETWORKS: this.options.networks } : {}),
        },
      },
    );
    this.child = child;
    writeFileSync(join(this.directory, "pid"), String(child.pid));
    await until(
      "berth to be ready",
      async () => {
        if (child.exitCode !== null) throw new Error(`berth ended with ${child.exitCode}:\n${this.log()}`);
        return fetch(`${this.url}/readyz`).then(
          (answer) => answer.ok,
          () => false,
        );
      },
      90,
    );
  }

  /** As a power cut would. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((done) => child.once("exit", done));
    child.kill(signal);
    await ended;
  }

  firstPassword(): Promise<string> {
    const path = join(this.directory, "data", "first-admin-password");
    return until("the first password", () => existsSync(path) && readFileSync(path, "utf8").trim());
  }

  private async token(username: string, password: string): Promise<string> {
    const answer = await fetch(`${this.url}/api/v1/auth/login`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ username, password, kind: "cli" }),
    });
    const body = (await answer.json()) as Schemas["LoginResponse"];
    if (!body.access_token) throw new Error(`${username} cannot log in: ${JSON.stringify(body)}`);
    return body.access_token;
  }

  private async choosePassword(username: string, initial: string): Promise<void> {
    const api = new Api(this.url, await this.token(username, initial));
    await api.post("/profile/password", { current_password: initial, new_password: PASSWORD });
  }

  /** The first login of the generated admin, and one person of each other role. */
  async welcome(): Promise<Api> {
    await this.choosePassword("admin", await this.firstPassword());
    const admin = await this.as("admin");
    for (const [role, username] of Object.entries(people)) {
      if (role !== "admin") await this.person(username, role as Schemas["Role"]);
    }
    return admin;
  }

  async person(username: string, role: Schemas["Role"]): Promise<Schemas["User"]> {
    const admin = await this.as("admin");
    const initial = "given by somebody else";
    const user = await admin.post<Schemas["User"]>("/users", { username, role, password: initial });
    await this.choosePassword(username, initial);
    return user;
  }

  /** The API as somebody who has chosen a password. */
  async as(username: string): Promise<Api> {
    let api = this.tokens.get(username);
    if (!api) {
      api = new Api(this.url, await this.token(username, PASSWORD));
      this.tokens.set(username, api);
    }
    return api;
  }

  async stop(): Promise<void> {
    await this.kill("SIGTERM");
    sweep(this.directory, this.options.docker);
  }
}

function remove(what: "container" | "network", label: string, socket: string): void {
  const docker = (...words: string[]) => execFileSync("docker", ["--host", socket, ...words], { encoding: "utf8" });
  const list = what === "container" ? ["ps", "--all"] : ["network", "ls"];
  const ids = docker(...list, "--quiet", "--filter", `label=${label}`).split(/\s+/).filter(Boolean);
  if (ids.length === 0) return;
  docker(...(what === "container" ? ["rm", "--force", "--volumes"] : ["network", "rm"]), ...ids);
}

/** Removes all that a stopped server has left: containers, networks, firewall rules, files. */
function sweep(directory: string, docker: string | undefined): void {
  const installation = join(directory, "data", "installation-id");
  if (docker && existsSync(installation)) {
    const id = readFileSync(installation, "utf8").trim();
    remove("container", `berth.installation=${id}`, docker);
    remove("network", `berth.installation=${id}`, docker);
    try {
      execFileSync("nft", ["delete", "table", "inet", `berth_${id}`], { stdio: "ignore" });
    } catch {
      // No rules were made, or somebody else must be root to remove them.
    }
  }
  rmSync(directory, { recursive: true, force: true });
}

/** A directory for all servers of one run, which outlives every worker. */
export function beginRun(): string {
  const run = mkdtempSync(join(tmpdir(), "berth-console-"));
  process.env[RUN] = run;
  return run;
}

/** Ends and removes what workers that died have left. */
export function endRun(run: string): void {
  for (const name of readdirSync(run)) {
    const directory = join(run, name);
    const file = join(directory, "pid");
    const pid = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
    if (pid > 0 && isOf(pid, directory)) process.kill(pid, "SIGKILL");
    sweep(directory, process.env.BERTH_SKIP_DOCKER === "1" ? undefined : dockerSocket());
  }
  rmSync(run, { recursive: true, force: true });
}

/** A pid file may name a number that somebody else has by now. */
function isOf(pid: number, directory: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(directory);
  } catch {
    return false;
  }
}
