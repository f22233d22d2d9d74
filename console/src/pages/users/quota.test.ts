import { expect, test } from "vitest";
import { quotaOf, quotaValues } from "./quota";

test("an empty field is no limit and a zero is one", () => {
  expect(quotaOf({ ...quotaValues({}), cpu: "2.5", gpu: "0", sessions: " " })).toEqual({ cpu: 2.5, gpu: 0 });
});

test("a quota survives its form", () => {
  const quota = { sessions: 4, waiting_sessions: 0, cpu: 2.5, memory_gb: 8, gpu: 1, storage_gb: 100 };
  expect(quotaOf(quotaValues(quota))).toEqual(quota);
});
