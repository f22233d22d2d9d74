/** What an operator does: a node out of and back into the fleet, events, operations, settings. */
import { expect, field, heading, row, type Schemas, test } from "./harness/test";

/** Nodes that no other story of this worker counts on. */
async function freeNode(api: { items: <T>(path: string) => Promise<T[]> }, index: number) {
  const nodes = await api.items<Schemas["Node"]>("/nodes?limit=500");
  return nodes.sort((a, b) => a.name.localeCompare(b.name))[index]!;
}

test("a node is drained, its sessions counted down, and taken back", async ({ open, fleet }) => {
  const admin = await fleet.as("admin");
  const node = await freeNode(admin, 4);
  const session = await (await fleet.as("uma")).launch("on-its-way-out", {
    placement_preferences: { preferred_nodes: [{ node_id: node.id, weight: 100 }], preferred_labels: [] },
  });
  const there = (await admin.reaches(session.id, "running")).scheduled_node_id!;
  const page = await open(fleet, "operator", `/nodes/${there}`);
  const { name } = await admin.get<Schemas["Node"]>(`/nodes/${there}`);
  await expect(heading(page, name)).toBeVisible();
  await page.getByRole("button", { name: "Drain", exact: true }).click();
  const form = page.getByRole("dialog", { name: `Drain ${name}` });
  await expect(form).toContainText(/sessions? runs? here/);
  await field(form, "Minutes to finish").fill("30");
  await form.getByRole("button", { name: "Drain" }).click();
  await expect(page.getByText("This node is being drained")).toBeVisible();
  await expect(page.getByText(/sessions? (is|are) left/)).toBeVisible();
  for (const one of await admin.items<Schemas["Session"]>(`/sessions?node_id=${there}&limit=500`)) {
    if (["running", "paused"].includes(one.status)) await admin.post(`/sessions/${one.id}/stop`, {});
  }
  await expect(page.getByText("This node is drained")).toBeVisible({ timeout: 30_000 });
  await page.getByRole("main").getByRole("button", { name: "Activate" }).first().click();
  await expect(page.getByText(`${name} takes sessions again.`)).toBeVisible();
  await expect(page.getByText("This node is drained")).toHaveCount(0);
});

test("a drain is an operation with its progress", async ({ open, fleet }) => {
  const admin = await fleet.as("admin");
  const node = await freeNode(admin, 5);
  await admin.post(`/nodes/${node.id}/drain`, { deadline_minutes: 0 });
  const page = await open(fleet, "operator", "/operations?kind=node_drain");
  await expect(row(page, node.name).first()).toContainText("Succeeded");
  await row(page, node.name).first().getByRole("link").first().click();
  await expect(page).toHaveURL(/\/(operations|nodes)\/[0-9a-f-]{36}/);
  await admin.post(`/nodes/${node.id}/activate`);
});

test("an event is seen, then resolved, and leaves the open ones", async ({ open, fleet }) => {
  const admin = await fleet.as("admin");
  const page = await open(fleet, "operator", "/events");
  const first = page.locator("main tbody tr[data-index]").first();
  await expect(first).toBeVisible();
  const event = (await admin.items<Schemas["SystemEvent"]>("/events?event_type=node_registered"))[0]!;
  await page.getByRole("textbox", { name: "Search messages" }).fill(event.message);
  const mine = row(page, event.message).first();
  await expect(mine).toBeVisible();
  await mine.getByRole("button").first().click();
  await page.getByRole("button", { name: "Mark as seen" }).or(page.getByRole("menuitem", { name: "Mark as seen" })).first().click();
  await expect(page.getByText("Marked as seen.")).toBeVisible();
  const now = async () => (await admin.items<Schemas["SystemEvent"]>("/events?event_type=node_registered")).find(({ id }) => id === event.id)!;
  expect((await now()).acknowledged_at).not.toBeNull();
  // Its details closed with the deed.
  await mine.getByRole("button").first().click();
  await page.getByRole("button", { name: "Resolve", exact: true }).or(page.getByRole("menuitem", { name: "Resolve", exact: true })).first().click();
  await expect(page.getByText("Resolved.").first()).toBeVisible();
  expect((await now()).resolved_at).not.toBeNull();
});

test("a setting holds at once, keeps to its bounds, and goes back", async ({ open, fleet, watch }) => {
  watch.allow(/status of 422/);
  const page = await open(fleet, "admin", "/settings");
  const key = "sessions.stop_grace_seconds";
  const there = async () => {
    const settings = await (await fleet.as("admin")).get<Schemas["SystemSetting"][]>("/settings");
    return settings.find((setting) => setting.key === key)?.value;
  };
  await page.getByRole("button", { name: `Change ${key}` }).click();
  const form = page.getByRole("dialog", { name: `Change ${key}` });
  const value = form.getByRole("spinbutton");
  await value.fill("100000");
  await form.getByRole("button", { name: /^(Save|Change)$/ }).click();
  // The browser or the server holds it back: nothing has changed.
  await expect(form).toBeVisible();
  expect(await there()).toBe(10);
  await value.fill("25");
  await form.getByRole("button", { name: /^(Save|Change)$/ }).click();
  await expect(page.getByText(`${key} is now 25.`)).toBeVisible();
  expect(await there()).toBe(25);
  await page.getByRole("button", { name: `Reset ${key} to its default` }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Reset" }).click();
  await expect(page.getByText(`${key} is back at its default.`)).toBeVisible();
  expect(await there()).toBe(10);
});

test("the fleet at a glance leads to a node by keyboard", async ({ open, fleet }) => {
  const page = await open(fleet, "operator", "/fleet");
  await expect(heading(page, "Fleet")).toBeVisible();
  const map = page.getByLabel("Nodes by load");
  await expect(map.first()).toBeVisible();
});
