import { expect, test } from "vitest";
import type { RoleGrant } from "@/api/identity";
import { changesOf, gains, grantsWith, type Reach, reachOf } from "./changes";

const grants: RoleGrant[] = [
  { permission_name: "session.read", scope: "tenant" },
  { permission_name: "session.create", scope: "own" },
  { permission_name: "user.read", scope: "any" },
];
const edits = new Map<string, Reach>([
  ["session.read", "any"],
  ["session.create", "own"],
  ["user.read", "not"],
  ["image.read", "tenant"],
]);

test("an edit back to what was there is no change", () => {
  expect(changesOf(reachOf(grants), edits)).toEqual([
    { permission: "image.read", before: "not", after: "tenant" },
    { permission: "session.read", before: "tenant", after: "any" },
    { permission: "user.read", before: "any", after: "not" },
  ]);
  expect(changesOf(reachOf(grants), edits).map(gains)).toEqual([true, true, false]);
});

test("the new grants keep what was not edited and drop what was taken away", () => {
  expect(grantsWith(grants, edits)).toEqual([
    { permission_name: "session.read", scope: "any" },
    { permission_name: "session.create", scope: "own" },
    { permission_name: "image.read", scope: "tenant" },
  ]);
});
