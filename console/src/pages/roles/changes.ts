/** What an edited role gains and loses. */
import type { RoleGrant } from "@/api/identity";

type Scope = RoleGrant["scope"];
export type Reach = Scope | "not";

export const reaches: readonly Reach[] = ["not", "own", "tenant", "any"];

export interface Change {
  permission: string;
  before: Reach;
  after: Reach;
}

/** How far each permission of a role reaches; those it has not are missing. */
export function reachOf(grants: readonly RoleGrant[]): Map<string, Scope> {
  return new Map(grants.map(({ permission_name, scope }) => [permission_name, scope]));
}

/** The edits that change anything, in the order of their names. */
export function changesOf(before: ReadonlyMap<string, Scope>, edits: ReadonlyMap<string, Reach>): Change[] {
  return [...edits]
    .map(([permission, after]) => ({ permission, before: before.get(permission) ?? ("not" as const), after }))
    .filter((change) => change.before !== change.after)
    .sort((a, b) => a.permission.localeCompare(b.permission));
}

export const gains = (change: Change): boolean => reaches.indexOf(change.after) > reaches.indexOf(change.before);

/** The grants of the role with the edits in them. */
export function grantsWith(grants: readonly RoleGrant[], edits: ReadonlyMap<string, Reach>): RoleGrant[] {
  const after = new Map<string, Reach>(reachOf(grants));
  for (const [permission, reach] of edits) after.set(permission, reach);
  return [...after].flatMap(([permission_name, scope]) => (scope === "not" ? [] : [{ permission_name, scope }]));
}
