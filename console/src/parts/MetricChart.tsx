/** A figure over time. The drawing itself is loaded when the first chart is shown. */
import { lazy, Suspense } from "react";
import { useTranslation } from "react-i18next";
import "./MetricChart.css";
import { bytes, number, percent } from "./format";

export type MetricUnit = "percent" | "bytes" | "bytes_per_second" | "count";

export interface ChartSeries {
  label: string;
  /** Oldest first; time in milliseconds. */
  points: readonly { time: number; value: number }[];
}

export interface MetricChartProps {
  title: string;
  series: readonly ChartSeries[];
  unit: MetricUnit;
  /** The top of the scale, where it is known: a limit, a total. */
  max?: number | undefined;
}

const MetricPlot = lazy(() => import("./MetricPlot"));

export function unitText(unit: MetricUnit, value: number): string {
  switch (unit) {
    case "percent":
      return percent(value);
    case "bytes":
      return bytes(value);
    case "bytes_per_second":
      return `${bytes(value)}/s`;
    case "count":
      return number(value);
  }
}

/** Latest, least and greatest value; undefined without any point. */
export function summary(points: ChartSeries["points"]): { latest: number; min: number; max: number } | undefined {
  const latest = points.at(-1);
  if (!latest) return undefined;
  let min = latest.value;
  let max = latest.value;
  for (const { value } of points) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { latest: latest.value, min, max };
}

export function MetricChart({ title, series, unit, max }: MetricChartProps) {
  const { t } = useTranslation();
  const shown = series.filter((one) => one.points.length > 0);
  const told = shown.map((one) => {
    const { latest, min, max: greatest } = summary(one.points) ?? { latest: 0, min: 0, max: 0 };
    const values = { latest: unitText(unit, latest), min: unitText(unit, min), max: unitText(unit, greatest) };
    return shown.length > 1 ? t("chart.series", { label: one.label, ...values }) : t("chart.values", values);
  });
  const latest = shown.map((one) => {
    const value = unitText(unit, one.points.at(-1)?.value ?? 0);
    return shown.length > 1 ? `${one.label} ${value}` : value;
  });
  return (
    <figure className="berth-chart">
      <figcaption className="berth-chart-head">
        <span className="berth-chart-title">{title}</span>
        {latest.length > 0 && <span className="berth-chart-latest">{latest.join(" · ")}</span>}
      </figcaption>
      {shown.length === 0 ? (
        <p className="berth-chart-empty berth-quiet">{t("chart.empty")}</p>
      ) : (
        <div role="img" aria-label={`${title}: ${told.join("; ")}`}>
          <Suspense fallback={<div className="berth-chart-plot" />}>
            <MetricPlot series={shown} unit={unit} max={max} />
          </Suspense>
        </div>
      )}
    </figure>
  );
}
