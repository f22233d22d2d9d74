/** Tenants, users, roles, and what people do to their own account: questions and actions. */
import { useQuery } from "@tanstack/react-query";
import { api, ifMatch, type Page, type Schemas, take } from "./client";
import { type Profile, profileKey, useCan } from "./profile";
import { keys, loadAll, queryClient } from "./queries";

export type User = Schemas["User"];
export type Tenant = Schemas["Tenant"];
export type Role = Schemas["Role"];
export type Permission = Schemas["Permission"];
export type RoleGrant = Schemas["RoleGrant"];
export type RolePermissions = Schemas["RolePermissions"];
export type Login = Schemas["UserSession"];
export type QuotaConfig = Schemas["QuotaConfig"];

interface Paged {
  limit?: number;
  cursor?: string;
}

// Lowest first: who stands higher may handle those below.
export const roles: readonly Role[] = ["readonly", "user", "teacher", "tenant_admin", "operator", "admin"];
export const userStatuses: readonly User["status"][] = ["active", "inactive", "locked"];
export const tenantStatuses: readonly Tenant["status"][] = ["active", "inactive", "suspended"];

/** Whether `actor` may make or change users of the role `subject`; the server decides the same way. */
export function mayHandle(actor: Role, subject: Role): boolean {
  if (actor === "admin") return true;
  if (subject === "admin" || subject === "operator") return false;
  return roles.indexOf(subject) <= roles.indexOf(actor);
}

// Tenants

export const tenantList = (query: Paged & { search?: string }): Promise<Page<Tenant>> =>
  take(api.GET("/api/v1/tenants", { params: { query } })) as Promise<Page<Tenant>>;

export function useTenant(id: string) {
  return useQuery({
    queryKey: keys.one("tenants", id),
    queryFn: () => take<Tenant>(api.GET("/api/v1/tenants/{id}", { params: { path: { id } } })),
  });
}

export function useTenantQuota(id: string) {
  return useQuery({
    queryKey: keys.one("tenants", id, "quota"),
    queryFn: () => take<Schemas["QuotaUsage"][]>(api.GET("/api/v1/tenants/{id}/quota", { params: { path: { id } } })),
    // Follows sessions, of which no event names the tenant.
    refetchInterval: 15_000,
  });
}

/** All tenants within reach, for choices and names; nothing for readers who reach their own only. */
export function useTenants(): Tenant[] {
  const can = useCan();
  const { data } = useQuery({
    queryKey: keys.list("tenants", { all: true }),
    queryFn: () => loadAll({}, tenantList, () => undefined),
    enabled: can("tenant.read", "any"),
  });
  return data ?? [];
}

export const tenantCreate = (body: Schemas["TenantCreate"]) => take<Tenant>(api.POST("/api/v1/tenants", { body }));

export const tenantUpdate = (tenant: Tenant, body: Schemas["TenantUpdate"]) =>
  take<Tenant>(
    api.PATCH("/api/v1/tenants/{id}", { params: { path: { id: tenant.id }, header: ifMatch(tenant.generation) }, body }),
  );

export const tenantDelete = (tenant: Tenant) =>
  take(api.DELETE("/api/v1/tenants/{id}", { params: { path: { id: tenant.id }, header: ifMatch(tenant.generation) } }));

// Users

export const userList = (
  query: Paged & { search?: string; role?: string; status?: string; tenant_id?: string },
): Promise<Page<User>> => take(api.GET("/api/v1/users", { params: { query: query as Paged } })) as Promise<Page<User>>;

export function useUser(id: string) {
  return useQuery({
    queryKey: keys.one("users", id),
    queryFn: () => take<User>(api.GET("/api/v1/users/{id}", { params: { path: { id } } })),
  });
}

export function useUserQuota(id: string) {
  return useQuery({
    queryKey: keys.one("users", id, "quota"),
    queryFn: () => take<Schemas["QuotaReport"]>(api.GET("/api/v1/users/{id}/quota", { params: { path: { id } } })),
    refetchInterval: 15_000,
  });
}

export const userCreate = (body: Schemas["UserCreate"]) => take<User>(api.POST("/api/v1/users", { body }));

export const userUpdate = (user: User, body: Schemas["UserUpdate"]) =>
  take<User>(
    api.PATCH("/api/v1/users/{id}", { params: { path: { id: user.id }, header: ifMatch(user.generation) }, body }),
  );

export const userUnlock = (id: string) =>
  take<User>(api.POST("/api/v1/users/{id}/unlock", { params: { path: { id } } }));

export const userDelete = (user: User) =>
  take(api.DELETE("/api/v1/users/{id}", { params: { path: { id: user.id }, header: ifMatch(user.generation) } }));

// Roles

export function usePermissions() {
  return useQuery({
    queryKey: keys.list("roles", { permissions: true }),
    queryFn: () => take<Permission[]>(api.GET("/api/v1/permissions")),
  });
}

export function useRolePermissions() {
  return useQuery({
    queryKey: keys.list("roles"),
    queryFn: () => take<RolePermissions[]>(api.GET("/api/v1/role-permissions")),
  });
}

export const rolePermissionReplace = (role: Role, grants: RoleGrant[]) =>
  take<RolePermissions>(
    api.PUT("/api/v1/role-permissions/{role}", { params: { path: { role } }, body: { grants } }),
  );

// The reader's own account

export async function profileUpdate(profile: Profile, body: Schemas["ProfileUpdate"]): Promise<void> {
  const user = await take<User>(
    api.PATCH("/api/v1/profile", { params: { header: ifMatch(profile.user.generation) }, body }),
  );
  queryClient.setQueryData<Profile>(profileKey, (data) => (data ? { ...data, user } : data));
}

export const loginList = (query: Paged): Promise<Page<Login>> =>
  take(api.GET("/api/v1/logins", { params: { query } })) as Promise<Page<Login>>;

export const loginRevoke = (id: string) => take(api.DELETE("/api/v1/logins/{id}", { params: { path: { id } } }));

export const apiTokenCreate = (body: Schemas["ApiTokenCreate"]) =>
  take<Schemas["ApiTokenCreated"]>(api.POST("/api/v1/api-tokens", { body }));
