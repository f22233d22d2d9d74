import { defineConfig, devices } from "@playwright/test";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";

/** The system's browser: Playwright would download one of its own. */
function chromium(): string {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const directories = ["/usr/bin", ...(process.env.PATH ?? "").split(delimiter)];
  const found = directories
    .flatMap((directory) => ["chromium", "chromium-browser", "google-chrome"].map((name) => join(directory, name)))
    .find((path) => existsSync(path));
  if (!found) throw new Error("no chromium on this machine: scripts/install-deps.sh test, or set CHROMIUM to its path");
  return found;
}

/**
 * Where this user may make network namespaces, the browser gets one of its own (harness/browser.sh says why). Elsewhere it
 * may drop what it loads while Docker makes networks.
 */
const isolated = spawnSync("unshare", ["--net", "--", "ip", "link", "set", "lo", "up"]).status === 0;
// Handed on to the workers, who load this file too.
if (isolated) process.env.BERTH_TUNNEL ??= join(tmpdir(), `berth-browser-${process.pid}.sock`);

export default defineConfig({
  testDir: "tests",
  outputDir: "../target/console-tests",
  globalSetup: "./tests/harness/run.ts",
  forbidOnly: true,
  retries: 0,
  workers: 2,
  // A worker keeps its servers, so the stories of a file share them.
  fullyParallel: false,
  timeout: 90_000,
  expect: { timeout: 15_000 },
  reporter: [["list"]],
  use: {
    ...devices["Desktop Chrome"],
    viewport: { width: 1280, height: 800 },
    actionTimeout: 15_000,
    navigationTimeout: 20_000,
    screenshot: "only-on-failure",
    trace: "off",
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    launchOptions: {
      executablePath: isolated ? resolve("tests/harness/browser.sh") : chromium(),
      env: { ...(process.env as Record<string, string>), BERTH_BROWSER: chromium() },
      args: [
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        // Chromium takes a page for a stranger to this machine when it came by a proxy or from no network at all.
        "--disable-features=LocalNetworkAccessChecks",
        ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      ],
    },
  },
  projects: [
    { name: "stories", testMatch: "*.spec.ts" },
    { name: "scale", testMatch: "scale/*.ts" },
    { name: "screenshots", testMatch: "screenshots/*.ts" },
  ],
});
