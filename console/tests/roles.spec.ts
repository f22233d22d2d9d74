/** Everybody finds what they may use, and a reason where they may not. */
import { expect, type Person, test } from "./harness/test";

const work = ["Home", "Applications", "Sessions", "Usage", "Secrets"];
const operate = ["Fleet", "Nodes", "Sites and pools", "Operations", "Events"];
const administer = ["Tenants", "Users", "Roles", "Audit log", "Settings"];

const sees: Record<Person, string[]> = {
  admin: [...work, ...operate, ...administer],
  operator: ["Home", "Applications", "Sessions", "Usage", ...operate, "Audit log", "Settings"],
  tenant_admin: [...work, "Events", "Tenants", "Users", "Roles", "Audit log"],
  user: work,
  readonly: ["Home", "Applications", "Sessions", "Usage", "Events", "Tenants", "Users", "Roles"],
};

/** Deep links that lead to what is not theirs. */
const forbidden: Record<Person, string[]> = {
  admin: [],
  operator: ["/users", "/tenants"],
  tenant_admin: ["/settings", "/nodes", "/fleet"],
  user: ["/settings", "/nodes", "/fleet", "/audit-logs"],
  readonly: ["/settings", "/audit-logs", "/nodes"],
};

for (const who of Object.keys(sees) as Person[]) {
  test(`${who} is led to what is theirs, and told why not to the rest`, async ({ open, fleet, watch }) => {
    const page = await open(fleet, who);
    const navigation = page.getByRole("navigation", { name: "Main" });
    await expect(navigation).toBeVisible();
    expect(await navigation.getByRole("link").allTextContents()).toEqual(sees[who]);
    // The server refuses, and the page repeats its reason.
    watch.allow(/status of 403/);
    for (const path of forbidden[who]) {
      await page.goto(fleet.url + path);
      await expect(page.getByText("You may not see this")).toBeVisible();
      await expect(navigation).toBeVisible();
    }
  });
}

test("who may only look is offered nothing to do", async ({ open, fleet }) => {
  await (await fleet.as("uma")).launch("only-to-be-seen");
  const page = await open(fleet, "readonly", "/sessions?search=only-to-be-seen");
  await expect(page.getByRole("link", { name: "only-to-be-seen" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Launch an application" })).toHaveCount(0);
  await expect(page.getByRole("checkbox")).toHaveCount(0);
  await page.getByRole("link", { name: "only-to-be-seen" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "only-to-be-seen" })).toBeVisible();
  await expect(page.getByRole("button", { name: /^(Stop|Pause|Extend)/ })).toHaveCount(0);
});

test("a user sees their own sessions only", async ({ open, fleet, watch }) => {
  watch.allow(/status of 404/);
  const session = await (await fleet.as("tina")).launch("tinas-own");
  const page = await open(fleet, "user", `/sessions/${session.id}`);
  await expect(page.getByText("This is not there any more")).toBeVisible();
  await page.goto(`${fleet.url}/sessions?search=tinas-own`);
  await expect(page.getByText("Nothing matches these filters")).toBeVisible();
});
