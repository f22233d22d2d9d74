import { expect, test } from "vitest";
import { pairsText, parsePairs } from "./pairs";

test("pairs survive being edited", () => {
  const pairs = { disk: "ssd", "berth.io/note": "a=b", empty: "" };
  expect(parsePairs(pairsText(pairs))).toEqual(pairs);
});

test("blank lines and spaces around do not count", () => {
  expect(parsePairs("\n  rack = 12 \n\n")).toEqual({ rack: "12" });
});

test("a line that is no pair is named by its number", () => {
  expect(parsePairs("a=1\nb")).toBe(2);
  expect(parsePairs("=1")).toBe(1);
});
