import { expect, test } from "vitest";
import { notShown, secondsLeft } from "./left";

const now = Date.parse("2026-11-21T12:00:00Z");

test("the time of a session runs from its start and ends at zero", () => {
  expect(secondsLeft({ status: "running", ends_at: "2026-11-21T12:01:30Z" }, now)).toBe(90);
  expect(secondsLeft({ status: "running", ends_at: "2026-11-21T11:00:00Z" }, now)).toBe(0);
  expect(secondsLeft({ status: "starting", ends_at: null }, now)).toBeUndefined();
  expect(secondsLeft({ status: "pending", ends_at: "2026-11-21T12:01:30Z" }, now)).toBeUndefined();
});

test("sessions that wait hold nothing", () => {
  expect(notShown(3, [{ status: "running" }, { status: "pending" }])).toBe(2);
  expect(notShown(1, [{ status: "paused" }])).toBe(0);
  expect(notShown(0, [{ status: "stopping" }])).toBe(0);
});
