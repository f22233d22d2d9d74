import { expect, field, heading, PASSWORD, Server, test } from "./harness/test";

test.describe("the first login", () => {
  let server: Server;
  test.beforeAll(async () => {
    server = await Server.start();
  });
  test.afterAll(async () => {
    await server.stop();
  });

  test("asks for a password of one's own before anything else", async ({ page, watch }) => {
    watch.allowOrigin(server.url);
    watch.allow(/status of (401|403|422)/);
    await page.goto(server.url);
    await expect(page).toHaveURL(/\/login$/);
    await field(page, "User name").fill("admin");
    await field(page, "Password").fill("certainly wrong");
    await page.getByRole("button", { name: "Log in" }).click();
    await expect(page.getByRole("alert")).toContainText(/password/i);
    const initial = await server.firstPassword();
    await field(page, "Password").fill(initial);
    await page.getByRole("button", { name: "Log in" }).click();
    await expect(page.getByRole("heading", { name: "Welcome to Berth" })).toBeVisible();
    // No way around.
    await page.goto(`${server.url}/sessions`);
    await expect(page).toHaveURL(/\/setup$/);
    await field(page, "Present password").fill(initial);
    await field(page, "New password").fill(PASSWORD);
    await field(page, "New password again").fill("something else");
    await page.getByRole("button", { name: "Save and go on" }).click();
    await expect(page.locator("#repeat-hint")).toContainText("differ");
    await field(page, "New password again").fill(PASSWORD);
    await page.getByRole("button", { name: "Save and go on" }).click();
    await expect(heading(page, "How you like it")).toBeVisible();
    await page.getByRole("button", { name: "Dark" }).click();
    await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
    await page.getByRole("button", { name: "Begin" }).click();
    await expect(page).toHaveURL(`${server.url}/`);
    await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
    await expect(page.getByRole("navigation", { name: "Main" })).toBeVisible();
  });
});

test("leads back to where one was, with its filters", async ({ page, fleet, watch }) => {
  watch.allowOrigin(fleet.url);
  await page.goto(`${fleet.url}/sessions?status=completed&search=nobody`);
  await expect(page).toHaveURL(/\/login\?next=/);
  await field(page, "User name").fill("uma");
  await field(page, "Password").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(`${fleet.url}/sessions?status=completed&search=nobody`);
  await expect(heading(page, "Sessions")).toBeVisible();
});

test("never leads away from the console", async ({ page, fleet, watch }) => {
  watch.allowOrigin(fleet.url);
  await page.goto(`${fleet.url}/login?next=//example.org/`);
  await field(page, "User name").fill("uma");
  await field(page, "Password").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(`${fleet.url}/`);
});

test("a login that has ended asks again and leads back", async ({ open, fleet, watch }) => {
  watch.allow(/status of 401/);
  const page = await open(fleet, "user", "/sessions?status=running");
  await expect(heading(page, "Sessions")).toBeVisible();
  // As if its time were over, on the server and in the browser's eyes.
  const uma = await fleet.as("uma");
  for (const login of await uma.items<{ id: string; kind: string }>("/logins")) {
    if (login.kind === "browser") await uma.call("DELETE", `/logins/${login.id}`);
  }
  await page.getByRole("combobox", { name: "State" }).selectOption("completed");
  await expect(page).toHaveURL(/\/login\?next=/);
  await expect(page.getByText("Your login has ended")).toBeVisible();
  await field(page, "User name").fill("uma");
  await field(page, "Password").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(`${fleet.url}/sessions?status=completed`);
});

test("logging out ends the login on the server too", async ({ context, open, fleet, watch }) => {
  const page = await open(fleet, "user");
  const cookies = await context.cookies();
  await page.getByRole("button", { name: "Account of uma" }).click();
  await page.getByRole("menuitem", { name: "Log out" }).click();
  await expect(page).toHaveURL(`${fleet.url}/login`);
  await context.clearCookies();
  await context.addCookies(cookies);
  watch.allow(/status of 401/);
  expect((await context.request.get(`${fleet.url}/api/v1/profile`)).status()).toBe(401);
});

test("two tabs renew one login without losing it", async ({ context, open, fleet, watch }) => {
  watch.allow(/status of 401/);
  const first = await open(fleet, "user", "/sessions");
  const second = await context.newPage();
  await second.goto(`${fleet.url}/sessions`);
  await expect(heading(second, "Sessions")).toBeVisible();
  for (let round = 0; round < 3; round += 1) {
    // The access token is over, for both tabs in the same moment.
    const renewed = context.waitForEvent("response", (answer) => answer.url().endsWith("/auth/refresh"));
    await context.clearCookies({ name: "berth_access" });
    await Promise.all([first.reload(), second.reload()]);
    expect((await renewed).status()).toBe(200);
    await expect(heading(first, "Sessions")).toBeVisible();
    await expect(heading(second, "Sessions")).toBeVisible();
    await expect(first.getByTestId("live")).toHaveAttribute("data-state", "live");
    await expect(second.getByTestId("live")).toHaveAttribute("data-state", "live");
  }
});
