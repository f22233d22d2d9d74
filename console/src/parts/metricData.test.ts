import { expect, test, vi } from "vitest";

// uPlot asks for the window's media when it is loaded; only its joining of tables is needed here.
vi.hoisted(() => {
  Object.assign(globalThis, {
    window: globalThis,
    devicePixelRatio: 1,
    matchMedia: () => ({ addEventListener: () => undefined, removeEventListener: () => undefined }),
    addEventListener: () => undefined,
    dispatchEvent: () => true,
    document: {},
    navigator: globalThis.navigator ?? {},
    CustomEvent: globalThis.CustomEvent ?? class {},
  });
});
const { align, withGaps } = await import("./metricData");

const MINUTE = 60_000;

test("a long pause becomes a gap, a usual distance does not", () => {
  const points = [0, 1, 2, 30, 31].map((minute) => ({ time: minute * MINUTE, value: minute }));
  const [times, values] = withGaps(points);
  expect(values).toEqual([0, 1, 2, null, 30, 31]);
  expect(times[3]).toBe(16 * 60);
});

test("points that lie close are never torn apart", () => {
  const points = [0, 1, 2, 60].map((second) => ({ time: second * 1000, value: second }));
  expect(withGaps(points)[1]).toEqual([0, 1, 2, 60]);
});

test("series measured at different times share one axis", () => {
  const data = align([
    [{ time: 1000, value: 1 }, { time: 3000, value: 3 }],
    [{ time: 2000, value: 2 }],
  ]);
  expect(Array.from(data[0])).toEqual([1, 2, 3]);
  expect(Array.from(data[1] ?? [])).toEqual([1, undefined, 3]);
});
