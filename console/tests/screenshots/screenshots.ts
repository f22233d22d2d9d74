/** `make screenshots`: every page, light and dark, wide and narrow, on a new installation and on a busy fleet. */
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { type Facts, fill } from "../harness/fill";
import { pathOf, routes, settled, tabsOf, visits } from "../harness/routes";
import { dockerSocket } from "../harness/server";
import { expect, heading, logIn, type Page, type Schemas, Server, test, until } from "../harness/test";

const target = resolve(import.meta.dirname, "../../../target/screenshots");
const pictures = resolve(import.meta.dirname, "../../../docs/images");
const sizes = [
  { width: 1280, height: 800 },
  { width: 390, height: 844 },
];
const schemes = ["light", "dark"] as const;

test.describe.configure({ mode: "serial" });
test.setTimeout(600_000);

let busy: Server;
let fresh: Server;
let facts: Facts;
let nothing: Facts;

test.beforeAll(async ({}, info) => {
  info.setTimeout(300_000);
  busy = await Server.start({ sim: 24, docker: dockerSocket(), networks: "10.229.0.0/16" });
  await busy.welcome();
  facts = await fill(busy);
  fresh = await Server.start();
  await fresh.welcome();
  const { user, tenant } = await (await fresh.as("uma")).get<Schemas["Profile"]>("/profile");
  nothing = { ...facts, user: user.id, tenant: tenant.id };
});
test.afterAll(async () => {
  await busy?.stop();
  await fresh?.stop();
});

const fileName = (path: string) => path.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "one").replace(/\W+/g, "-").replace(/^-|-$/g, "") || "home";

for (const kind of ["full", "empty"] as const) {
  for (const viewport of sizes) {
    test(`${kind}, ${viewport.width} wide`, async ({ browser, watch }) => {
      const server = kind === "full" ? busy : fresh;
      const here = kind === "full" ? facts : nothing;
      watch.allowOrigin(server.url);
      watch.allow(/status of (401|404)/);
      const context = await browser.newContext({ viewport, reducedMotion: "reduce" });
      await watch.follow(context);
      const page = await context.newPage();
      const take = async (path: string) => {
        await page.goto(server.url + path);
        await settled(page);
        for (const colorScheme of schemes) {
          await page.emulateMedia({ colorScheme });
          await expect(page.locator("html")).toHaveAttribute("data-theme", colorScheme);
          await page.screenshot({ path: `${target}/${fileName(path)}-${kind}-${viewport.width}-${colorScheme}.png`, animations: "disabled" });
        }
      };
      await take("/login");
      await logIn(context, server, "admin");
      for (const route of routes) {
        if (visits[route].door) continue;
        // There is no session, node or operation to show.
        if (kind === "empty" && ["session", "node", "operation"].includes(visits[route].of ?? "")) continue;
        const path = pathOf(route, here);
        if (!visits[route].tabs) {
          await take(path);
          continue;
        }
        await page.goto(server.url + path);
        await settled(page);
        for (const tab of (await tabsOf(page)).slice(1)) await take(tab);
      }
      await context.close();
    });
  }
}

/** The figures of a session come every 15 s; a chart of four points is a line. */
async function measured(server: Server, id: string): Promise<void> {
  const admin = await server.as("admin");
  await until("figures", async () => {
    const points = await admin.get<Schemas["MetricPoint"][]>(`/sessions/${id}/metrics`);
    return points.filter(({ metric_type }) => metric_type === "cpu_percent").length >= 4;
  }, 120);
}

test("the pictures of the README", async ({ browser, watch }) => {
  mkdirSync(pictures, { recursive: true });
  watch.allowOrigin(busy.url);
  const show = async (who: string, name: string, colorScheme: "light" | "dark", path: string, prepare?: (page: Page) => Promise<void>) => {
    const context = await browser.newContext({ viewport: sizes[0]!, reducedMotion: "reduce", colorScheme });
    await watch.follow(context);
    await logIn(context, busy, who);
    const page = await context.newPage();
    await page.goto(busy.url + path);
    await settled(page);
    await prepare?.(page);
    await page.screenshot({ path: `${pictures}/${name}.png`, animations: "disabled" });
    await context.close();
  };
  const uma = await busy.as("uma");
  const running = (await uma.items<Schemas["Session"]>("/sessions?status=running"))[0]!;
  await measured(busy, running.id);
  await show("user", "home", "light", "/");
  await show("user", "launch", "light", "/applications", async (page) => {
    await page.getByRole("button", { name: "Launch Terminal" }).click();
    await expect(page.getByText("It starts at once")).toBeVisible();
  });
  await show("operator", "fleet", "dark", "/fleet");
  await show("user", "session", "dark", `/sessions/${running.id}/metrics`, async (page) => {
    await expect(heading(page, running.session_name)).toBeVisible();
    await expect(page.locator("canvas").first()).toBeVisible();
  });
});
