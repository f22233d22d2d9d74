import { ToggleGroup, ToggleGroupItem } from "@patternfly/react-core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { chartSeries, METRIC_RANGES, type MetricType, useMetrics } from "@/api/metrics";
import type { NodeDetail } from "@/api/nodes";
import { MetricChart, type MetricUnit } from "@/parts/MetricChart";
import { Answer } from "@/parts/page";

const names = { 15: "quarter", 60: "hour", 360: "six_hours", 1440: "day" } as const;
const MIB = 1_048_576;

export function NodeMetrics({ node }: { node: NodeDetail }) {
  const { t } = useTranslation(["fleet", "enums"]);
  const [minutes, setMinutes] = useState<(typeof METRIC_RANGES)[number]>(15);
  const metrics = useMetrics("nodes", node.id, minutes);
  const total = (kind: "memory" | "storage") => {
    const resource = node.resources.find(({ resource_type }) => resource_type === kind);
    return resource && resource.total_capacity > 0 ? resource.total_capacity * MIB : undefined;
  };
  const charts: { types: MetricType[]; unit: MetricUnit; max?: number | undefined; onlyWithData?: boolean }[] = [
    { types: ["cpu_percent"], unit: "percent", max: 100 },
    { types: ["memory_used"], unit: "bytes", max: total("memory") },
    { types: ["load"], unit: "count" },
    { types: ["network_receive", "network_transmit"], unit: "bytes_per_second" },
    { types: ["disk_read", "disk_write"], unit: "bytes_per_second" },
    { types: ["storage_used"], unit: "bytes" },
    { types: ["processes"], unit: "count", onlyWithData: true },
    { types: ["gpu_percent"], unit: "percent", max: 100, onlyWithData: true },
    { types: ["gpu_memory_used"], unit: "bytes", onlyWithData: true },
  ];
  return (
    <div className="berth-node-stack">
      <ToggleGroup aria-label={t("metrics.range")}>
        {METRIC_RANGES.map((range) => (
          <ToggleGroupItem
            key={range}
            text={t(`metrics.${names[range]}`)}
            isSelected={minutes === range}
            onChange={() => setMinutes(range)}
          />
        ))}
      </ToggleGroup>
      <Answer query={metrics}>
        {(data) => (
          <div className="berth-node-grid">
            {charts.map(({ types, unit, max, onlyWithData }) => {
              const series = types.flatMap((type) => chartSeries(data, type, t(`enums:metric_type.${type}`)));
              if (onlyWithData && series.length === 0) return null;
              return (
                <MetricChart
                  key={types[0]}
                  title={types.map((type) => t(`enums:metric_type.${type}`)).join(" · ")}
                  series={series}
                  unit={unit}
                  max={max}
                />
              );
            })}
          </div>
        )}
      </Answer>
    </div>
  );
}
