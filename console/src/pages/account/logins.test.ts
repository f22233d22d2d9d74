import { expect, test } from "vitest";
import type { Login } from "@/api/identity";
import { loginsWhere } from "./logins";

const login = (id: string, kind: Login["kind"]): Login => ({
  id,
  kind,
  current: false,
  expires_at: "2026-12-01T00:00:00Z",
  last_used_at: "2026-11-01T00:00:00Z",
  created_at: "2026-11-01T00:00:00Z",
});

test("pages without a fitting row are read over", async () => {
  const pages: Record<string, { items: Login[]; next_cursor?: string }> = {
    "": { items: [login("a", "browser")], next_cursor: "two" },
    two: { items: [login("b", "cli")], next_cursor: "three" },
    three: { items: [login("c", "api_token"), login("d", "browser")], next_cursor: "four" },
  };
  const page = await loginsWhere(
    ({ kind }) => kind === "api_token",
    { limit: 100 },
    async ({ cursor }) => pages[cursor ?? ""] ?? { items: [] },
  );
  expect(page.items.map(({ id }) => id)).toEqual(["c"]);
  expect(page.next_cursor).toBe("four");
});
