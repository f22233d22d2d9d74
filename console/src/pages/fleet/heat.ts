/** How full a node is, in the ways that the map of the fleet can show. */
import type { FleetNode } from "@/api/fleet";

export const measures = ["cpu", "memory", "gpu", "cpu_load", "memory_load"] as const;
export type Measure = (typeof measures)[number];

const share = (used: number, total: number): number | undefined => (total > 0 ? (used / total) * 100 : undefined);

/** Percent; undefined where there is none of it, or where it was not measured. */
export function heatOf(node: FleetNode, measure: Measure): number | undefined {
  switch (measure) {
    case "cpu":
      return share(node.allocated_cpu_cores, node.total_cpu_cores);
    case "memory":
      return share(node.allocated_memory_gb, node.total_memory_gb);
    case "gpu":
      return share(node.allocated_gpu_count, node.total_gpu_count);
    case "cpu_load":
      return node.cpu_percent ?? undefined;
    case "memory_load":
      return node.memory_percent ?? undefined;
  }
}

/** Shades of the map; 0 is empty. */
export const SHADES = 6;

/** The shade of a share: empty is a shade of its own, so that a little use can be told from none. */
export function shadeOf(percent: number): number {
  if (percent <= 0) return 0;
  return Math.min(SHADES - 1, 1 + Math.floor((percent / 100) * (SHADES - 1)));
}

/** Where an arrow key leads in rows of `columns`; undefined: another key, or no such place. */
export function moved(index: number, key: string, columns: number, count: number): number | undefined {
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  if (!(key in steps)) return undefined;
  const next = index + steps[key as keyof typeof steps];
  return next >= 0 && next < count ? next : undefined;
}
