/** The story of a session on the real Docker Engine: by mouse, and by keyboard alone. */
import { expect, field, hasDocker, heading, type Page, PASSWORD, row, type Schemas, test } from "./harness/test";

test.skip(!hasDocker, "BERTH_SKIP_DOCKER=1");
test.setTimeout(150_000);

const terminal = (page: Page) => page.locator(".xterm-rows");
/** The sampler takes a figure every 15 s. */
const SAMPLED = { timeout: 45_000 };

test("from the first login to a completed session", async ({ context, page, docker, watch }) => {
  watch.allowOrigin(docker.url);
  const admin = await docker.as("admin");
  await admin.post("/users", { username: "newcomer", role: "user", password: "given by somebody else" });

  await test.step("a password of one's own", async () => {
    await page.goto(docker.url);
    await field(page, "User name").fill("newcomer");
    await field(page, "Password").fill("given by somebody else");
    watch.allow(/status of 403/);
    await page.getByRole("button", { name: "Log in" }).click();
    await field(page, "Present password").fill("given by somebody else");
    await field(page, "New password").fill(PASSWORD);
    await field(page, "New password again").fill(PASSWORD);
    await page.getByRole("button", { name: "Save and go on" }).click();
    await page.getByRole("button", { name: "Begin" }).click();
    await expect(page).toHaveURL(`${docker.url}/`);
  });

  await test.step("a terminal in three clicks", async () => {
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Applications" }).click();
    await page.getByRole("button", { name: "Launch Terminal" }).click();
    await page.getByRole("button", { name: "Launch", exact: true }).click();
    await expect(page).toHaveURL(/\/sessions\/[0-9a-f-]{36}/);
    // Nobody reloads.
    await expect(page.getByRole("main").getByText("Running", { exact: true }).first()).toBeVisible({ timeout: 30_000 });
  });

  const id = new URL(page.url()).pathname.split("/")[2]!;
  const name = (await page.getByRole("heading", { level: 1 }).textContent())!;
  await test.step("typing in it", async () => {
    await page.getByRole("main").getByRole("button", { name: "Terminal", exact: true }).click();
    await expect(page.getByText("Connected", { exact: true })).toBeVisible();
    await page.keyboard.type("echo answer-$((6*7))\n");
    await expect(terminal(page)).toContainText("answer-42");
    // A shortcut of the console is a letter here.
    await page.keyboard.type("echo g-s?n\n");
    await expect(terminal(page)).toContainText("g-s?n");
    await page.keyboard.type("i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; echo worked-hard\n");
    await expect(terminal(page)).toContainText(/worked-hard\s/, { timeout: 60_000 });
  });

  await test.step("its figures move", async () => {
    await page.getByRole("tab", { name: "Metrics" }).click();
    const charts = page.getByRole("figure").getByRole("img");
    await expect(charts.first()).toBeVisible(SAMPLED);
    const told = async () => charts.evaluateAll((all) => all.map((chart) => chart.getAttribute("aria-label")).join(" "));
    const points = async () => (await admin.get<unknown[]>(`/sessions/${id}/metrics`)).length;
    const [before, count] = [await told(), await points()];
    await expect.poll(points, SAMPLED).toBeGreaterThan(count);
    await expect.poll(told, SAMPLED).not.toBe(before);
  });

  await test.step("more time", async () => {
    const before = Date.parse((await admin.session(id)).ends_at!);
    await page.getByRole("main").getByRole("button", { name: "More actions" }).click();
    await page.getByRole("menuitem", { name: "Extend" }).click();
    await field(page, "Minutes to add").fill("90");
    await page.getByRole("dialog").getByRole("button", { name: "Extend" }).click();
    await expect(page.getByText(`${name} may run until`)).toBeVisible();
    expect(Date.parse((await admin.session(id)).ends_at!) - before).toBe(90 * 60_000);
  });

  await test.step("its end", async () => {
    await page.getByRole("main").getByRole("button", { name: "Stop", exact: true }).click();
    const question = page.getByRole("dialog", { name: `Stop ${name}?` });
    await expect(question).toContainText("lost");
    await question.getByRole("button", { name: "Cancel" }).click();
    expect((await admin.session(id)).status).toBe("running");
    await page.getByRole("main").getByRole("button", { name: "Stop", exact: true }).click();
    await question.getByRole("button", { name: "Stop", exact: true }).click();
    await expect(page.getByRole("main").getByText("Completed", { exact: true }).first()).toBeVisible({ timeout: 40_000 });
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Sessions" }).click();
    await expect(row(page, name)).toContainText("Completed");
  });

  await test.step("the quota is back", async () => {
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Home" }).click();
    await expect(heading(page, /./)).toBeVisible();
    const newcomer = await docker.as("newcomer");
    const { quota } = await newcomer.get<Schemas["Profile"]>("/profile");
    expect(quota.user.map(({ resource, used }) => [resource, used])).toEqual(quota.user.map(({ resource }) => [resource, 0]));
  });
  expect(context.pages()).toHaveLength(1);
});

test("an application opens in a tab of its own, on another origin", async ({ context, open, docker, watch }) => {
  const page = await open(docker, "user", "/applications");
  await page.getByRole("button", { name: "Launch Web page" }).click();
  await page.getByRole("button", { name: "Launch", exact: true }).click();
  const opener = page.getByRole("button", { name: "Open application" });
  await expect(opener).toBeVisible({ timeout: 30_000 });
  const id = new URL(page.url()).pathname.split("/")[2]!;
  watch.allowOrigin(`http://127.0.0.1:${docker.applicationsPort}`);
  // The page of the test's application has no icon.
  watch.allow(/404 \(Not Found\) \(http:\/\/[^)]*\/favicon\.ico/);
  const opening = context.waitForEvent("page");
  await opener.click();
  const tab = await opening;
  await tab.waitForURL((url) => url.protocol === "http:");
  await expect(tab.locator("body")).toContainText("Berth");
  expect(new URL(tab.url()).origin).not.toBe(docker.url);
  expect(await tab.evaluate(() => window.opener)).toBeNull();
  await tab.close();

  await test.step("its log can be searched", async () => {
    await page.getByRole("tab", { name: "Log" }).click();
    await expect(page.getByText("Following")).toBeVisible();
    await expect(terminal(page)).toContainText(/\S+/);
    const line = ((await terminal(page).textContent()) ?? "").trim().split(/\s+/)[0]!;
    const search = page.getByRole("textbox", { name: "Search the log" });
    await search.fill(line);
    await expect(page.getByText(/^1 of \d+/)).toBeVisible();
    await search.fill("this is nowhere in it");
    await expect(page.getByText("No match")).toBeVisible();
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download" }).click();
    expect((await download).suggestedFilename()).toMatch(/\.log$/);
  });
  await (await docker.as("uma")).post(`/sessions/${id}/stop`, {});
});

test("the same story by keyboard alone", async ({ page, docker, watch }) => {
  watch.allowOrigin(docker.url);
  const keys = page.keyboard;
  const focused = page.locator(":focus");
  /** Tabs on until the focus stands on what is meant. */
  const reach = async (name: string | RegExp, role: "button" | "link" | "menuitem" | "textbox" = "button", back = false) => {
    const wanted = page.getByRole(role, { name, exact: typeof name === "string" }).and(focused);
    for (let step = 0; step < 60; step += 1) {
      if ((await wanted.count()) > 0) return;
      await keys.press(back ? "Shift+Tab" : "Tab");
    }
    throw new Error(`${role} ${String(name)} is not reached by Tab`);
  };
  await page.goto(docker.url);
  await expect(page.getByRole("heading", { name: "Log in" })).toBeVisible();
  await reach(/^User name/, "textbox");
  await keys.type("uma");
  await keys.press("Tab");
  await keys.type(PASSWORD);
  await keys.press("Enter");
  await expect(page.getByTestId("live")).toHaveAttribute("data-state", "live");
  // n: applications; the search finds the card, Tab its button.
  await keys.press("n");
  await expect(heading(page, "Applications")).toBeVisible();
  await expect(page.getByRole("button", { name: "Launch Terminal" })).toBeVisible();
  await reach("Launch Terminal");
  await keys.press("Enter");
  await expect(page.getByRole("button", { name: "Launch", exact: true })).toBeVisible();
  await reach(/^Name/, "textbox");
  await keys.type("by-keyboard");
  await keys.press("Enter");
  await expect(heading(page, "by-keyboard")).toBeVisible();
  await expect(page.getByRole("main").getByText("Running", { exact: true }).first()).toBeVisible({ timeout: 30_000 });
  const id = new URL(page.url()).pathname.split("/")[2]!;
  await reach("Terminal");
  await keys.press("Enter");
  await expect(page.getByText("Connected", { exact: true })).toBeVisible();
  await keys.type("echo answer-$((6*7))");
  await keys.press("Enter");
  await expect(terminal(page)).toContainText("answer-42");
  // The palette leads out of any page but the terminal, which keeps its keys: Shift-Tab leaves it.
  await reach("Stop", "button", true);
  await keys.press("Enter");
  const question = page.getByRole("dialog", { name: "Stop by-keyboard?" });
  await expect(question.getByRole("button", { name: "Cancel" })).toBeFocused();
  await reach("Stop");
  await keys.press("Enter");
  await expect(page.getByRole("main").getByText("Completed", { exact: true }).first()).toBeVisible({ timeout: 40_000 });
  await keys.press("Control+k");
  await keys.type("sessions");
  await expect(page.getByRole("option").first()).toContainText("Sessions");
  await keys.press("Enter");
  await expect(heading(page, "Sessions")).toBeVisible();
  await expect(row(page, "by-keyboard")).toContainText("Completed");
  expect((await (await docker.as("uma")).session(id)).status).toBe("completed");
});
