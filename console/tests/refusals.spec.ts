/** What cannot be had is said where it was asked for, in words that help. */
import { expect, field, heading, type Schemas, test } from "./harness/test";

test("a session that is too large for every node waits, and says why", async ({ open, fleet }) => {
  const page = await open(fleet, "user", "/applications");
  await page.getByRole("button", { name: "Launch Batch job" }).click();
  await field(page, "Name").fill("larger-than-life");
  await page.getByRole("button", { name: "Advanced" }).or(page.getByRole("link", { name: "Advanced" })).first().click();
  await field(page, "Name").fill("larger-than-life");
  await field(page, "CPU (cores)").fill("4096");
  // Told before it is sent.
  await expect(page.getByText("It will wait for room")).toBeVisible();
  await expect(page.getByText(/not enough free CPU|more than one session may take/).first()).toBeVisible();
  await page.getByRole("button", { name: "Launch", exact: true }).click();
  await expect(heading(page, "larger-than-life")).toBeVisible();
  await expect(page.getByRole("main").getByText("Waiting", { exact: true }).first()).toBeVisible();
  await expect(page.getByText(/Waiting: number \d+ in the queue/)).toBeVisible();
  await expect(page.getByText(/\d+ nodes: not enough free CPU/)).toBeVisible();
});

test("a name that cannot be is marked at its field", async ({ open, fleet, watch }) => {
  watch.allow(/status of 422/);
  const page = await open(fleet, "user", "/applications");
  await page.getByRole("button", { name: "Launch Terminal" }).click();
  const name = field(page, "Name");
  await name.fill("x".repeat(300));
  await page.getByRole("button", { name: "Launch", exact: true }).click();
  await expect(name).toHaveAttribute("aria-invalid", "true");
  const hint = await name.getAttribute("aria-describedby");
  await expect(page.locator(`#${hint}`)).not.toBeEmpty();
  await expect(page).toHaveURL(/\/launch\/terminal/);
});

test("a launch beyond the quota is explained", async ({ open, fleet, watch }) => {
  watch.allow(/status of (409|422|403)/);
  const user = await fleet.person("paula", "user");
  const admin = await fleet.as("admin");
  // Choosing a password has changed the account since it was made.
  const { generation } = await admin.get<Schemas["User"]>(`/users/${user.id}`);
  await admin.call("PATCH", `/users/${user.id}`, { quota_config: { cpu: 1 } }, { "If-Match": `"${generation}"` });
  const page = await open(fleet, "paula", "/applications");
  await page.getByRole("button", { name: "Launch Terminal" }).click();
  await page.getByRole("button", { name: "Advanced" }).or(page.getByRole("link", { name: "Advanced" })).first().click();
  await field(page, "CPU (cores)").fill("2");
  await expect(page.getByText("Your quota, with this session")).toBeVisible();
  await page.getByRole("button", { name: "Launch", exact: true }).click();
  await expect(page.getByText(/quota/i).first()).toBeVisible();
});
