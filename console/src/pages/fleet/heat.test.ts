import { expect, test } from "vitest";
import type { FleetNode } from "@/api/fleet";
import { heatOf, moved, SHADES, shadeOf } from "./heat";

const node: FleetNode = {
  id: "1",
  name: "n",
  status: "active",
  engine: "sim",
  resource_pool_id: "2",
  session_count: 1,
  total_cpu_cores: 8,
  allocated_cpu_cores: 2,
  total_memory_gb: 16,
  allocated_memory_gb: 16,
  total_gpu_count: 0,
  allocated_gpu_count: 0,
  memory_percent: 12,
};

test("what a node has none of, or what was not measured, has no share", () => {
  expect(heatOf(node, "cpu")).toBe(25);
  expect(heatOf(node, "memory")).toBe(100);
  expect(heatOf(node, "gpu")).toBeUndefined();
  expect(heatOf(node, "cpu_load")).toBeUndefined();
  expect(heatOf(node, "memory_load")).toBe(12);
});

test("shades run from empty to full, overcommit included", () => {
  expect(shadeOf(0)).toBe(0);
  expect(shadeOf(0.1)).toBe(1);
  expect(shadeOf(50)).toBe(3);
  expect(shadeOf(100)).toBe(SHADES - 1);
  expect(shadeOf(250)).toBe(SHADES - 1);
});

test("arrow keys stay on the map", () => {
  expect(moved(0, "ArrowRight", 10, 25)).toBe(1);
  expect(moved(0, "ArrowLeft", 10, 25)).toBeUndefined();
  expect(moved(12, "ArrowUp", 10, 25)).toBe(2);
  expect(moved(20, "ArrowDown", 10, 25)).toBeUndefined();
  expect(moved(3, "End", 10, 25)).toBe(24);
  expect(moved(3, "x", 10, 25)).toBeUndefined();
});
