/** What changes at the server shows by itself, and a server that is away is no secret. */
import { expect, row, Server, test } from "./harness/test";

test("a session that somebody launches appears in an open list and gets to running", async ({ open, fleet }) => {
  const page = await open(fleet, "user", "/sessions?search=ebb");
  await expect(page.getByTestId("live")).toHaveAttribute("data-state", "live");
  await expect(page.getByText("Nothing matches these filters")).toBeVisible();
  await page.evaluate(() => {
    document.body.dataset.same = "yes";
  });
  const uma = await fleet.as("uma");
  const session = await uma.launch("ebb");
  await expect(row(page, "ebb")).toContainText("Running");
  await uma.post(`/sessions/${session.id}/stop`, {});
  await expect(row(page, "ebb")).toContainText("Completed");
  // The same document all the while.
  await expect(page.locator("body")).toHaveAttribute("data-same", "yes");
});

test.describe("a server that goes away", () => {
  let server: Server;
  test.beforeAll(async () => {
    server = await Server.start({ sim: 2 });
    await server.welcome();
  });
  test.afterAll(async () => {
    await server.stop();
  });

  test("is said, and caught up with when it is back", async ({ open, watch }) => {
    watch.allow(/ERR_(SOCKS_)?CONNECTION_(REFUSED|FAILED)|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|status of 502/);
    const uma = await server.as("uma");
    const session = await uma.launch("flood");
    await uma.reaches(session.id, "running");
    const page = await open(server, "user", "/sessions");
    const live = page.getByTestId("live");
    await expect(row(page, "flood")).toContainText("Running");
    await expect(live).toHaveAttribute("data-state", "live");
    await server.kill();
    await expect(live).toHaveAttribute("data-state", "lost");
    await expect(page.getByText("What is shown may be old")).toBeVisible();
    // What was known stays in sight.
    await expect(row(page, "flood")).toContainText("Running");
    await server.launch();
    // Nobody in this tab hears of it: it has to ask.
    await uma.post(`/sessions/${session.id}/stop`, {});
    await uma.reaches(session.id, "completed");
    await expect(live).toHaveAttribute("data-state", "live", { timeout: 30_000 });
    await expect(row(page, "flood")).toContainText("Completed");
    await expect(page.getByText("What is shown may be old")).toHaveCount(0);
  });
});
