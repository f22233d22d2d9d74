/** Every page of the console and where it can be seen. A page without a line here does not pass the type check. */
import type { Page } from "@playwright/test";
import { patterns } from "../../src/urls";
import type { Facts } from "./fill";

export type Route = keyof typeof patterns;

interface Visit {
  /** Whose id stands in the address. */
  of?: keyof Facts;
  /** Seen by nobody who is logged in. */
  door?: boolean;
  /** One page for each of its tabs, which the page itself lists. */
  tabs?: Route;
}

export const visits: Record<Route, Visit> = {
  home: {},
  login: { door: true },
  setup: { door: true },
  profile: {},
  profileTab: { tabs: "profile" },
  applications: {},
  launch: { of: "application" },
  sessions: {},
  session: { of: "session" },
  sessionTab: { of: "session", tabs: "session" },
  usage: {},
  usageTab: { tabs: "usage" },
  secrets: {},
  fleet: {},
  nodes: {},
  node: { of: "node" },
  nodeTab: { of: "node", tabs: "node" },
  sites: {},
  operations: {},
  operation: { of: "operation" },
  events: {},
  tenants: {},
  tenant: { of: "tenant" },
  tenantTab: { of: "tenant", tabs: "tenant" },
  users: {},
  user: { of: "user" },
  userTab: { of: "user", tabs: "user" },
  roles: {},
  auditLogs: {},
  settings: {},
};

export const routes = Object.keys(visits) as Route[];

export function pathOf(route: Route, facts: Facts): string {
  const { of, tabs } = visits[route];
  const pattern: string = patterns[tabs ?? route];
  return of ? pattern.replace(/:\w+/, facts[of]) : pattern;
}

/** The page is drawn, and nothing of it is still on its way. */
export async function settled(page: Page): Promise<void> {
  await page.locator("h1").first().waitFor();
  await page.waitForFunction(() => document.querySelector(".pf-v6-c-spinner, .pf-v6-c-skeleton") === null);
}

/** Addresses of the tabs that the page shows. */
export async function tabsOf(page: Page): Promise<string[]> {
  const links = page.locator(".berth-page-tabs a[href]");
  return links.evaluateAll((found) => found.map((link) => link.getAttribute("href") ?? ""));
}
