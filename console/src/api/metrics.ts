/** Figures of sessions and nodes over time. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, type Schemas, take } from "./client";
import { keys } from "./queries";

export type MetricType = Schemas["MetricType"];
type MetricPoint = Schemas["MetricPoint"];

export interface MetricSeries {
  metric_type: MetricType;
  /** What tells series of one type apart, such as the GPU; empty when there is but one. */
  label: string;
  /** Time in milliseconds; value in the unit of the type, sizes in bytes. */
  points: { time: number; value: number }[];
}

/** Choices of how far to look back, in minutes. */
export const METRIC_RANGES = [15, 60, 360, 1440] as const;
export type MetricRange = (typeof METRIC_RANGES)[number];

const POLL_MS = 15_000;
const MIB = 1024 * 1024;

/** Points by type and labels, oldest first. */
export function groupPoints(points: readonly MetricPoint[]): MetricSeries[] {
  const groups = new Map<string, MetricSeries>();
  for (const point of points) {
    const label = Object.values(point.labels ?? {}).join(" ");
    const key = `${point.metric_type} ${label}`;
    const group = groups.get(key) ?? { metric_type: point.metric_type, label, points: [] };
    groups.set(key, group);
    const value = point.unit === "MiB" ? point.value * MIB : point.value;
    group.points.push({ time: Date.parse(point.time), value });
  }
  const series = [...groups.values()];
  for (const one of series) one.points.sort((a, b) => a.time - b.time);
  return series.sort((a, b) => a.label.localeCompare(b.label, undefined, { numeric: true }));
}

/** Figures of the last `minutes`, read again every 15 seconds. */
export function useMetrics(of: "sessions" | "nodes", id: string, minutes: number) {
  return useQuery({
    queryKey: keys.one(of, id, "metrics", { minutes }),
    queryFn: async (): Promise<MetricSeries[]> => {
      const since = new Date(Date.now() - minutes * 60_000).toISOString();
      const params = { path: { id }, query: { since } };
      const points = await (of === "sessions"
        ? take<MetricPoint[]>(api.GET("/api/v1/sessions/{id}/metrics", { params }))
        : take<MetricPoint[]>(api.GET("/api/v1/nodes/{id}/metrics", { params })));
      return groupPoints(points);
    },
    refetchInterval: POLL_MS,
    placeholderData: keepPreviousData,
  });
}

/** The series of one type for a chart; `label` names it, followed by what tells several apart. */
export function chartSeries(series: readonly MetricSeries[], type: MetricType, label: string) {
  return series
    .filter((one) => one.metric_type === type)
    .map((one) => ({ label: one.label ? `${label} ${one.label}` : label, points: one.points }));
}
