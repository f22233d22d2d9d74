/** What every list has: an address for its filters, export, bulk actions; and what every page has around it. */
import { readFileSync } from "node:fs";
import { type Api, expect, heading, row, test, until } from "./harness/test";

/** Sessions of one story, found by a word of their own. */
async function sessions(api: Api, word: string, count: number) {
  const made = [];
  for (let number = 1; number <= count; number += 1) made.push(await api.launch(`${word}-${number}`));
  for (const session of made) await api.reaches(session.id, "running");
  return made;
}

test("filters are part of the address and survive a reload, back and forward", async ({ open, fleet }) => {
  const uma = await fleet.as("uma");
  await sessions(uma, "alder", 2);
  const page = await open(fleet, "user", "/sessions");
  await page.getByRole("textbox", { name: "Search by name" }).fill("alder-1");
  await expect(page).toHaveURL(/search=alder-1/);
  await expect(row(page, "alder-1")).toBeVisible();
  await expect(row(page, "alder-2")).toHaveCount(0);
  await page.getByRole("combobox", { name: "State" }).selectOption("running");
  await expect(page).toHaveURL(/search=alder-1&status=running|status=running&search=alder-1/);
  await page.reload();
  await expect(page.getByRole("textbox", { name: "Search by name" })).toHaveValue("alder-1");
  await expect(page.getByRole("combobox", { name: "State" })).toHaveValue("running");
  await expect(row(page, "alder-1")).toBeVisible();
  await row(page, "alder-1").getByRole("link", { name: "alder-1" }).click();
  await expect(page).toHaveURL(/\/sessions\/[0-9a-f-]{36}/);
  await page.goBack();
  await expect(page).toHaveURL(/status=running/);
  await expect(row(page, "alder-1")).toBeVisible();
  await page.goForward();
  await expect(page).toHaveURL(/\/sessions\/[0-9a-f-]{36}/);
  await page.goBack();
  await page.getByRole("combobox", { name: "State" }).selectOption("failed");
  await expect(page.getByText("Nothing matches these filters")).toBeVisible();
  await page.getByRole("button", { name: "Clear filters" }).first().click();
  await expect(page).toHaveURL(/\/sessions$/);
  await expect(row(page, "alder-2")).toBeVisible();
});

test("an export holds every row that matches", async ({ open, fleet }) => {
  await sessions(await fleet.as("uma"), "birch", 3);
  const page = await open(fleet, "user", "/sessions?search=birch");
  await expect(row(page, "birch-3")).toBeVisible();
  await page.getByRole("button", { name: "More actions" }).last().click();
  const download = page.waitForEvent("download");
  await page.getByRole("menuitem", { name: "Export as CSV" }).click();
  const file = await download;
  expect(file.suggestedFilename()).toBe("sessions.csv");
  const text = readFileSync(await file.path(), "utf8");
  const [head, ...lines] = text.replace("\ufeff", "").trim().split("\r\n");
  expect(head).toMatch(/^Name,State,Application,/);
  expect(lines.map((line) => line.split(",")[0]).sort()).toEqual(["birch-1", "birch-2", "birch-3"]);
  for (const line of lines) expect(line).toMatch(/,running,.*terminal/i);
  await expect(page.getByText("3 rows exported")).toBeVisible();
});

test("several are stopped at once, after a question that names them", async ({ open, fleet }) => {
  const uma = await fleet.as("uma");
  const made = await sessions(uma, "cedar", 3);
  const page = await open(fleet, "user", "/sessions?search=cedar");
  await page.getByRole("checkbox", { name: "Select cedar-1" }).check();
  await page.getByRole("checkbox", { name: "Select cedar-2" }).check();
  await expect(page.getByText("2 selected")).toBeVisible();
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  const question = page.getByRole("dialog", { name: "Stop 2 sessions?" });
  await expect(question).toContainText("cedar-1");
  await expect(question).toContainText("cedar-2");
  await expect(question).not.toContainText("cedar-3");
  // The harmless answer is the one that Enter gives.
  await expect(question.getByRole("button", { name: "Cancel" })).toBeFocused();
  await question.getByRole("button", { name: "Stop", exact: true }).click();
  await expect(row(page, "cedar-1")).toContainText("Completed");
  await expect(row(page, "cedar-2")).toContainText("Completed");
  await expect(row(page, "cedar-3")).toContainText("Running");
  expect((await uma.session(made[2]!.id)).status).toBe("running");
});

test("the palette finds pages, sessions, nodes and people by a few letters", async ({ open, fleet }) => {
  const [session] = await sessions(await fleet.as("uma"), "drift", 1);
  const page = await open(fleet, "admin");
  await expect(page.getByTestId("live")).toHaveAttribute("data-state", "live");
  const palette = page.getByRole("combobox", { name: "Type a page, a session, a node, a person" });
  const first = page.getByRole("option").first();
  const go = async (text: string, kind: string, label: string | RegExp) => {
    await page.keyboard.press("Control+k");
    await expect(palette).toBeFocused();
    await page.keyboard.type(text);
    await expect(first).toContainText(label);
    await expect(first).toContainText(kind);
    await page.keyboard.press("Enter");
    await expect(palette).toHaveCount(0);
  };
  await go("audit", "Page", "Audit log");
  await expect(page).toHaveURL(/\/audit-logs$/);
  await go("drift", "Session", "drift-1");
  await expect(page).toHaveURL(`${fleet.url}/sessions/${session!.id}`);
  await go("olaf", "User", "olaf");
  await expect(page).toHaveURL(/\/users\/[0-9a-f-]{36}/);
  const node = (await (await fleet.as("admin")).items<{ name: string; id: string }>("/nodes"))[0]!;
  await go(node.name, "Node", node.name);
  await expect(page).toHaveURL(`${fleet.url}/nodes/${node.id}`);
  await page.keyboard.press("Control+k");
  await page.keyboard.type("nothing is called so");
  await expect(page.getByText(/Nothing found/)).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(palette).toHaveCount(0);
});

test("? lists the shortcuts, and they work", async ({ open, fleet }) => {
  const page = await open(fleet, "admin");
  await expect(page.getByTestId("live")).toHaveAttribute("data-state", "live");
  await page.keyboard.press("?");
  const help = page.getByRole("dialog", { name: "Keyboard shortcuts" });
  await expect(help).toContainText("Go to Sessions");
  await expect(help).toContainText("Search and commands");
  await page.keyboard.press("Escape");
  await expect(help).toHaveCount(0);
  await page.keyboard.press("g");
  await page.keyboard.press("s");
  await expect(heading(page, "Sessions")).toBeVisible();
  await page.keyboard.press("/");
  await expect(page.getByRole("textbox", { name: "Search by name" })).toBeFocused();
  // In a field they are letters.
  await page.keyboard.type("gn?");
  await expect(page.getByRole("textbox", { name: "Search by name" })).toHaveValue("gn?");
  await expect(page).toHaveURL(/\/sessions/);
});

test("the theme is kept with the account", async ({ open, fleet, browser, watch }) => {
  const page = await open(fleet, "readonly");
  const root = page.locator("html");
  await expect(root).toHaveAttribute("data-theme", "light");
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await expect(page.getByTestId("live")).toHaveAttribute("data-state", "live");
  const light = await background();
  await page.getByRole("button", { name: "Account of rita" }).click();
  await page.getByRole("menuitem", { name: "Dark" }).click();
  await expect(root).toHaveAttribute("data-theme", "dark");
  await expect.poll(background).not.toBe(light);
  const rita = await fleet.as("rita");
  await until("the preference to be saved", async () => {
    const profile = await rita.get<{ user: { preferences: Record<string, string> } }>("/profile");
    return profile.user.preferences.theme === "dark";
  });
  // Another browser that knows nothing yet.
  const other = await browser.newContext();
  await watch.follow(other);
  await other.addCookies(await page.context().cookies());
  const there = await other.newPage();
  await there.goto(fleet.url);
  await expect(there.locator("html")).toHaveAttribute("data-theme", "dark");
  await other.close();
});

test("an address that leads nowhere says so and keeps the frame", async ({ open, fleet, watch }) => {
  watch.allow(/status of 404/);
  const page = await open(fleet, "user", "/no/such/page");
  await expect(heading(page, "There is no such page")).toBeVisible();
  await expect(page.getByRole("navigation", { name: "Main" })).toBeVisible();
});
