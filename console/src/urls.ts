/** Every address of the console, in one place: patterns for the router and functions for links. */

export const patterns = {
  home: "/",
  login: "/login",
  setup: "/setup",
  profile: "/profile",
  profileTab: "/profile/:tab",
  applications: "/applications",
  launch: "/launch/:name",
  sessions: "/sessions",
  session: "/sessions/:id",
  sessionTab: "/sessions/:id/:tab",
  usage: "/usage",
  usageTab: "/usage/:tab",
  secrets: "/secrets",
  fleet: "/fleet",
  nodes: "/nodes",
  node: "/nodes/:id",
  nodeTab: "/nodes/:id/:tab",
  sites: "/sites",
  operations: "/operations",
  operation: "/operations/:id",
  events: "/events",
  tenants: "/tenants",
  tenant: "/tenants/:id",
  tenantTab: "/tenants/:id/:tab",
  users: "/users",
  user: "/users/:id",
  userTab: "/users/:id/:tab",
  roles: "/roles",
  auditLogs: "/audit-logs",
  settings: "/settings",
} as const;

type Query = Record<string, string | number | boolean | null | undefined>;

function build(pattern: string, params: Record<string, string> = {}, query: Query = {}): string {
  const path = pattern.replace(/:(\w+)/g, (_, key: string) => encodeURIComponent(params[key] ?? ""));
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") search.set(key, String(value));
  }
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}

export const urls = {
  home: () => patterns.home,
  login: (next?: string) => build(patterns.login, {}, { next }),
  setup: () => patterns.setup,
  profile: (tab?: string) => (tab ? build(patterns.profileTab, { tab }) : patterns.profile),
  applications: () => patterns.applications,
  launch: (name: string) => build(patterns.launch, { name }),
  sessions: (query: Query = {}) => build(patterns.sessions, {}, query),
  session: (id: string, tab?: string) =>
    tab ? build(patterns.sessionTab, { id, tab }) : build(patterns.session, { id }),
  usage: (query: Query = {}) => build(patterns.usage, {}, query),
  usageTab: (tab: string, query: Query = {}) => build(patterns.usageTab, { tab }, query),
  secrets: () => patterns.secrets,
  fleet: () => patterns.fleet,
  nodes: (query: Query = {}) => build(patterns.nodes, {}, query),
  node: (id: string, tab?: string) => (tab ? build(patterns.nodeTab, { id, tab }) : build(patterns.node, { id })),
  sites: () => patterns.sites,
  operations: (query: Query = {}) => build(patterns.operations, {}, query),
  operation: (id: string) => build(patterns.operation, { id }),
  events: (query: Query = {}) => build(patterns.events, {}, query),
  tenants: (query: Query = {}) => build(patterns.tenants, {}, query),
  tenant: (id: string, tab?: string) => (tab ? build(patterns.tenantTab, { id, tab }) : build(patterns.tenant, { id })),
  users: (query: Query = {}) => build(patterns.users, {}, query),
  user: (id: string, tab?: string) => (tab ? build(patterns.userTab, { id, tab }) : build(patterns.user, { id })),
  roles: () => patterns.roles,
  auditLogs: (query: Query = {}) => build(patterns.auditLogs, {}, query),
  settings: () => patterns.settings,
};
