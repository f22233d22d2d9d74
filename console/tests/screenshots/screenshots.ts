/** `make screenshots`: every page, light and dark, wide and narrow, on a new installation and on a busy fleet. */
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { type Facts, fill } from "../harness/fill";
import { pathOf, routes, settled, tabsOf, visits } from "../harness/routes";
import { dockerSocket } from "../harness/server";
import { type Api, expect, logIn, type Page, type Schemas, Server, test } from "../harness/test";

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

/** A terminal in a real container where there is an engine, else in a simulated one. */
async function shell(api: Api): Promise<string> {
  const nodes = await (await busy.as("admin")).items<Schemas["Node"]>("/nodes");
  const preferred_nodes = nodes.filter(({ engine }) => engine === "docker").map(({ id }) => ({ node_id: id, weight: 100 }));
  const session = await api.launch("harbour-notes", {
    application: "terminal",
    placement_preferences: { preferred_nodes, preferred_labels: [] },
  });
  await api.reaches(session.id, "running");
  return session.id;
}

test("the pictures of the README", async ({ browser, watch }) => {
  mkdirSync(pictures, { recursive: true });
  watch.allowOrigin(busy.url);
  const show = async (
    who: string,
    name: string,
    colorScheme: "light" | "dark",
    path: string,
    prepare?: (page: Page) => Promise<void>,
    height = 800,
  ) => {
    const context = await browser.newContext({ viewport: { width: 1280, height }, reducedMotion: "reduce", colorScheme });
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
  await show("user", "home", "light", "/");
  await show("user", "launch", "light", "/applications", async (page) => {
    await page.getByRole("button", { name: "Launch Terminal" }).click();
    await expect(page.getByText("It starts at once")).toBeVisible();
  });
  await show("operator", "fleet", "dark", "/fleet", undefined, 1100);
  await show("user", "session", "dark", `/sessions/${await shell(uma)}/terminal`, async (page) => {
    await expect(page.locator(".xterm-rows")).toContainText("$");
    for (const line of ["busybox | head -3", "nproc", "echo $((6 * 7))"]) await page.keyboard.type(`${line}\n`);
    await expect(page.locator(".xterm-rows")).toContainText("42");
  });
});
