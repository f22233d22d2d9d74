import { expect, test } from "vitest";
import { safeNext } from "./next";

test("a link leads to pages of the console only", () => {
  expect(safeNext("/sessions?status=running")).toBe("/sessions?status=running");
  for (const away of [null, "", "https://example.org", "//example.org", "/\\example.org", "sessions"]) {
    expect(safeNext(away)).toBe("/");
  }
});
