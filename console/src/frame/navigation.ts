/** What stands in the navigation, and for whom. A new page is a line here, in `urls.ts` and in `routes.tsx`. */
import type { Scope } from "@/api/profile";
import { urls } from "@/urls";

export type NavKey =
  | "home"
  | "applications"
  | "sessions"
  | "usage"
  | "secrets"
  | "fleet"
  | "nodes"
  | "sites"
  | "operations"
  | "events"
  | "tenants"
  | "users"
  | "roles"
  | "audit_logs"
  | "settings";

export interface NavEntry {
  key: NavKey;
  to: string;
  /** The permission without which the page is of no use, with the least scope. */
  needs?: { permission: string; least: Scope };
  /** Typed after `g`. */
  shortcut?: string;
}

export interface NavGroup {
  key: "work" | "operate" | "administer";
  entries: readonly NavEntry[];
}

const own = (permission: string) => ({ permission, least: "own" as const });
const tenant = (permission: string) => ({ permission, least: "tenant" as const });
const any = (permission: string) => ({ permission, least: "any" as const });

export const navigation: readonly NavGroup[] = [
  {
    key: "work",
    entries: [
      { key: "home", to: urls.home(), shortcut: "h" },
      { key: "applications", to: urls.applications(), needs: tenant("template.read"), shortcut: "a" },
      { key: "sessions", to: urls.sessions(), needs: own("session.read"), shortcut: "s" },
      { key: "usage", to: urls.usage(), needs: own("session.read"), shortcut: "u" },
      { key: "secrets", to: urls.secrets(), needs: own("session.create"), shortcut: "k" },
    ],
  },
  {
    key: "operate",
    entries: [
      { key: "fleet", to: urls.fleet(), needs: any("server.read"), shortcut: "f" },
      { key: "nodes", to: urls.nodes(), needs: any("server.read"), shortcut: "n" },
      { key: "sites", to: urls.sites(), needs: any("server.read"), shortcut: "d" },
      { key: "operations", to: urls.operations(), needs: any("server.read"), shortcut: "o" },
      { key: "events", to: urls.events(), needs: tenant("system_event.read"), shortcut: "e" },
    ],
  },
  {
    key: "administer",
    entries: [
      { key: "tenants", to: urls.tenants(), needs: tenant("tenant.read"), shortcut: "t" },
      { key: "users", to: urls.users(), needs: tenant("user.read"), shortcut: "p" },
      { key: "roles", to: urls.roles(), needs: tenant("user.read"), shortcut: "r" },
      { key: "audit_logs", to: urls.auditLogs(), needs: tenant("audit_log.read"), shortcut: "l" },
      { key: "settings", to: urls.settings(), needs: any("settings.read"), shortcut: "c" },
    ],
  },
];
