/** Which page stands at which address. Each page is a file of its own that is loaded when it is first opened. */
import { createBrowserRouter, type RouteObject } from "react-router";
import { ErrorPage, NotFound } from "./frame/ErrorPage";
import { Frame } from "./frame/Frame";
import { Loading } from "./parts/page";
import { patterns } from "./urls";

type PageModule = () => Promise<{ Component: React.ComponentType }>;

/** Milliseconds until a page's file is asked for again: a network that changes breaks off what is under way. */
const AGAIN_MS = 500;

/** Loads a page's file, twice if need be; what fails then is shown, with a button that reloads. */
const patient = (load: PageModule): PageModule => async () => {
  try {
    return await load();
  } catch {
    await new Promise((resolve) => window.setTimeout(resolve, AGAIN_MS));
    return load();
  }
};

const page = (path: string, load: PageModule): RouteObject => ({
  path,
  lazy: patient(load),
  errorElement: <ErrorPage />,
  hydrateFallbackElement: <Loading />,
});

export const routes: RouteObject[] = [
  page(patterns.login, () => import("./pages/account/Login")),
  page(patterns.setup, () => import("./pages/account/Setup")),
  {
    element: <Frame />,
    errorElement: <ErrorPage />,
    hydrateFallbackElement: <Loading />,
    children: [
      page(patterns.home, () => import("./pages/home/Home")),
      page(patterns.profile, () => import("./pages/account/Profile")),
      page(patterns.profileTab, () => import("./pages/account/Profile")),
      page(patterns.applications, () => import("./pages/applications/ApplicationList")),
      page(patterns.launch, () => import("./pages/sessions/SessionLaunch")),
      page(patterns.sessions, () => import("./pages/sessions/SessionList")),
      page(patterns.session, () => import("./pages/sessions/SessionDetail")),
      page(patterns.sessionTab, () => import("./pages/sessions/SessionDetail")),
      page(patterns.usage, () => import("./pages/usage/UsageList")),
      page(patterns.usageTab, () => import("./pages/usage/UsageList")),
      page(patterns.secrets, () => import("./pages/secrets/SecretList")),
      page(patterns.fleet, () => import("./pages/fleet/Fleet")),
      page(patterns.nodes, () => import("./pages/nodes/NodeList")),
      page(patterns.node, () => import("./pages/nodes/NodeDetail")),
      page(patterns.nodeTab, () => import("./pages/nodes/NodeDetail")),
      page(patterns.sites, () => import("./pages/sites/SiteList")),
      page(patterns.operations, () => import("./pages/operations/OperationList")),
      page(patterns.operation, () => import("./pages/operations/OperationDetail")),
      page(patterns.events, () => import("./pages/events/EventList")),
      page(patterns.tenants, () => import("./pages/tenants/TenantList")),
      page(patterns.tenant, () => import("./pages/tenants/TenantDetail")),
      page(patterns.tenantTab, () => import("./pages/tenants/TenantDetail")),
      page(patterns.users, () => import("./pages/users/UserList")),
      page(patterns.user, () => import("./pages/users/UserDetail")),
      page(patterns.userTab, () => import("./pages/users/UserDetail")),
      page(patterns.roles, () => import("./pages/roles/RoleMatrix")),
      page(patterns.auditLogs, () => import("./pages/audit_logs/AuditLogList")),
      page(patterns.settings, () => import("./pages/settings/SettingList")),
      { path: "*", element: <NotFound /> },
    ],
  },
];

export const createRouter = () => createBrowserRouter(routes);
