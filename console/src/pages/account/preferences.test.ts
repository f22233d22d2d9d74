import { expect, test } from "vitest";
import { matching } from "@/parts/matching";
import { offsetOf } from "./preferences";

test("the offset of a zone follows its summer time", () => {
  expect(offsetOf("Europe/Berlin", new Date("2026-01-15T12:00:00Z"))).toBe("UTC+01:00");
  expect(offsetOf("Europe/Berlin", new Date("2026-07-15T12:00:00Z"))).toBe("UTC+02:00");
  expect(offsetOf("UTC", new Date("2026-07-15T12:00:00Z"))).toBe("UTC+00:00");
});

test("a zone is found by any of its words", () => {
  const options = ["America/New York (UTC-05:00)", "America/Los Angeles (UTC-08:00)", "Europe/Berlin (UTC+01:00)"].map(
    (label) => ({ value: label, label }),
  );
  const found = (text: string) => matching(options, text).map(({ label }) => label.split(" (")[0]);
  expect(found("new york")).toEqual(["America/New York"]);
  expect(found("america los_")).toEqual(["America/Los Angeles"]);
  expect(found("+01")).toEqual(["Europe/Berlin"]);
  expect(found("")).toHaveLength(3);
  expect(found("atlantis")).toEqual([]);
});
