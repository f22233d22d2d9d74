/** The test of every page of the route table, for two spec files that run side by side. */
import { readFileSync } from "node:fs";
import { expectAccessible } from "./accessibility";
import { type Facts, fill } from "./fill";
import { type Route, pathOf, routes, settled, tabsOf, visits } from "./routes";
import { expect, type Schemas, type Server, test } from "./test";

const nobody = "00000000-0000-7000-8000-000000000000";

/** On a new installation there are people and a tenant, and a page for what is not there. */
async function factsOfEmpty(server: Server): Promise<Facts> {
  const profile = await (await server.as("uma")).get<Schemas["Profile"]>("/profile");
  return { session: nobody, node: nobody, operation: nobody, tenant: profile.tenant.id, user: profile.user.id, application: "terminal" };
}

export function checkRoutes(kind: "fleet" | "empty"): void {
  test("the table knows every route", () => {
    const router = readFileSync(new URL("../../src/routes.tsx", import.meta.url), "utf8");
    const there = [...router.matchAll(/page\(patterns\.(\w+)/g)].map((match) => match[1]);
    expect(there.length).toBeGreaterThan(10);
    expect([...there].sort()).toEqual([...routes].sort());
  });

  for (const route of routes) {
    test(`${route} of a${kind === "fleet" ? " busy fleet" : " new installation"} is accessible`, async ({ context, open, installation, watch }) => {
      const server = await installation(kind);
      const facts = kind === "fleet" ? await fill(server) : await factsOfEmpty(server);
      if (kind === "empty") watch.allow(/status of 404/);
      const page = visits[route].door ? await door(route) : await open(server, "admin", pathOf(route, facts));
      await settled(page);
      if (!visits[route].tabs) {
        await expectAccessible(page, route);
        return;
      }
      const tabs = await tabsOf(page);
      if (kind === "fleet") expect(tabs.length, `${route} has tabs`).toBeGreaterThan(1);
      for (const tab of tabs.slice(1)) {
        await page.goto(server.url + tab);
        await settled(page);
        await expectAccessible(page, tab);
      }

      async function door(where: Route) {
        watch.allowOrigin(server.url);
        watch.allow(/status of (401|403)/);
        const fresh = await context.newPage();
        if (where === "setup") {
          // Somebody whose password is still another's.
          const username = `new-${kind}`;
          await (await server.as("admin")).post("/users", { username, role: "user", password: "given by somebody else" });
          const answer = await context.request.post(`${server.url}/api/v1/auth/login`, {
            data: { username, password: "given by somebody else", kind: "browser" },
          });
          expect(answer.ok()).toBe(true);
        }
        await fresh.goto(server.url + pathOf(where, facts));
        return fresh;
      }
    });
  }
}
