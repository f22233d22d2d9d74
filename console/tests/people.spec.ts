/** What a tenant admin does: people and what they may use; and what one does for oneself. */
import { expect, field, heading, row, type Schemas, test, until } from "./harness/test";

test("a new user logs in with the password that is shown once", async ({ open, fleet }) => {
  const page = await open(fleet, "tenant_admin", "/users");
  await page.getByRole("button", { name: "Create user" }).first().click();
  const form = page.getByRole("dialog", { name: "New user" });
  await field(form, "User name").fill("milena");
  await field(form, "Full name").fill("Milena Example");
  await form.getByRole("button", { name: "Create user" }).click();
  const shown = page.getByRole("dialog", { name: "milena can log in now" });
  await expect(shown).toBeVisible();
  const password = await shown.locator("#made-password, #password").or(shown.getByLabel("First password")).first().inputValue();
  await shown.getByRole("button", { name: "Done" }).click();
  await expect(row(page, "milena")).toContainText("User");
  const answer = await fetch(`${fleet.url}/api/v1/auth/login`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username: "milena", password, kind: "cli" }),
  });
  expect(answer.status).toBe(200);
});

test("a user name that is taken or wrong is marked at its field", async ({ open, fleet, watch }) => {
  watch.allow(/status of (409|422)/);
  const page = await open(fleet, "tenant_admin", "/users");
  await page.getByRole("button", { name: "Create user" }).first().click();
  const form = page.getByRole("dialog", { name: "New user" });
  await field(form, "User name").fill("Not A Name");
  await form.getByRole("button", { name: "Create user" }).click();
  await expect(form.locator("#username")).toHaveAttribute("aria-invalid", "true");
  await expect(form.locator("#username-hint")).toContainText(/letter/i);
  await field(form, "User name").fill("uma");
  await form.getByRole("button", { name: "Create user" }).click();
  await expect(form.getByRole("alert")).toContainText(/uma|taken|exists|already/i);
});

test("a quota is set and its bars follow what is used", async ({ open, fleet }) => {
  const user = await fleet.person("quentin", "user");
  const page = await open(fleet, "tenant_admin", `/users/${user.id}`);
  await page.getByRole("button", { name: "Change quota" }).click();
  const form = page.getByRole("dialog", { name: "Quota of quentin" });
  await field(form, "CPU cores").fill("4");
  await field(form, "Running sessions").fill("3");
  await form.getByRole("button", { name: "Change quota" }).click();
  await expect(page.getByText("The quota of quentin is changed.")).toBeVisible();
  const quentin = await fleet.as("quentin");
  const session = await quentin.launch("within-the-quota", { cpu_request: 2 });
  await quentin.reaches(session.id, "running");
  await page.reload();
  await expect(heading(page, /quentin/i)).toBeVisible();
  await expect(page.getByText("2 of 4 cores")).toBeVisible();
  await expect(page.getByText("1 of 3 sessions")).toBeVisible();
  const bar = page.getByRole("progressbar", { name: /CPU/ }).first();
  await expect(bar).toHaveAttribute("aria-valuenow", "50");
});

test("a time zone changes every clock", async ({ open, fleet }) => {
  const page = await open(fleet, "readonly", "/profile");
  await page.locator("#time_zone").or(page.getByRole("combobox")).first().fill("Auckland");
  await page.getByRole("option", { name: /Auckland/ }).first().click();
  await page.getByRole("main").getByRole("button", { name: "Save" }).last().click();
  const rita = await fleet.as("rita");
  await until("the preference to be saved", async () => {
    const { user } = await rita.get<Schemas["Profile"]>("/profile");
    return user.preferences.time_zone === "Pacific/Auckland";
  });
  const session = await (await fleet.as("uma")).launch("seen-from-far-away");
  await page.goto(`${fleet.url}/sessions?search=seen-from-far-away`);
  const created = row(page, "seen-from-far-away").locator("time").first();
  const expected = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "long", timeZone: "Pacific/Auckland" });
  const title = (await created.getAttribute("title"))!;
  expect(title.replace(/\s/g, " ")).toContain(expected.format(new Date(session.created_at)).replace(/\s/g, " ").slice(0, 14));
  expect(title).toMatch(/GMT\+1[23]|NZ[DS]T/);
});
