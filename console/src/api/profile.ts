/** The reader: who, of which tenant, with which rights, and how they like things. */
import { useQuery } from "@tanstack/react-query";
import { api, ifMatch, login, type Schemas, take } from "./client";
import { keys, queryClient } from "./queries";

export type Profile = Schemas["Profile"];
export type Scope = Schemas["PermissionScope"];

export const profileKey = keys.list("profile");

export const profileQuery = {
  queryKey: profileKey,
  queryFn: () => take<Profile>(api.GET("/api/v1/profile")),
};

/** The profile of whoever is logged in; the frame renders pages only when it is there. */
export function useProfile(): Profile {
  const { data } = useQuery(profileQuery);
  if (!data) throw new Error("a page outside of the frame asked for the profile");
  return data;
}

/** The widest scope in which the reader holds a permission such as `session.read`; undefined: not at all. */
export function scopeOf(profile: Profile, permission: string): Scope | undefined {
  const order: Scope[] = ["any", "tenant", "own"];
  return order.find((scope) =>
    profile.grants.some((grant) => grant.permission_name === permission && grant.scope === scope),
  );
}

/** `const can = useCan(); can("session.create")`, or with the least scope that is needed: `can("user.read", "tenant")`. */
export function useCan(): (permission: string, least?: Scope) => boolean {
  const profile = useProfile();
  return (permission, least = "own") => {
    const scope = scopeOf(profile, permission);
    const rank: Record<Scope, number> = { own: 0, tenant: 1, any: 2 };
    return scope !== undefined && rank[scope] >= rank[least];
  };
}

export async function logIn(username: string, password: string): Promise<Schemas["LoginResponse"]> {
  const answer = await take<Schemas["LoginResponse"]>(
    api.POST("/api/v1/auth/login", { body: { username, password, kind: "browser" } }),
  );
  login.begun(answer);
  queryClient.clear();
  return answer;
}

export async function logOut(): Promise<void> {
  await api.POST("/api/v1/auth/logout", {});
  login.ended();
  queryClient.clear();
}

export const changePassword = (current_password: string, new_password: string) =>
  take(api.POST("/api/v1/profile/password", { body: { current_password, new_password } }));

/** Changes some preferences and keeps the others. */
export async function savePreferences(profile: Profile, changed: Record<string, string>): Promise<void> {
  const preferences = { ...profile.user.preferences, ...changed };
  const user = await take<Schemas["User"]>(
    api.PATCH("/api/v1/profile", { params: { header: ifMatch(profile.user.generation) }, body: { preferences } }),
  );
  queryClient.setQueryData<Profile>(profileKey, (data) => (data ? { ...data, user } : data));
}
