/** The drawing of a `MetricChart`, on a canvas by uPlot. */
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { clockTime, dateTime, shortDate, timeZoneName } from "./format";
import { type MetricChartProps, type MetricUnit, unitText } from "./MetricChart";
import { type Aligned, align } from "./metricData";
import i18n from "@/text";

const HEIGHT_PX = 160;
const DAY_S = 86_400;

/** Tokens that are told apart in both themes; lines differ by their dashes as well. */
const colours = [
  "--pf-t--global--color--brand--default",
  "--pf-t--global--border--color--nonstatus--orange--default",
  "--pf-t--global--border--color--nonstatus--purple--default",
  "--pf-t--global--border--color--nonstatus--green--default",
  "--pf-t--global--border--color--nonstatus--red--default",
  "--pf-t--global--border--color--nonstatus--teal--default",
];
/** What a chart shows at least, in seconds. */
const LEAST_SECONDS = 300;
const dashes: number[][] = [[], [8, 4], [2, 3], [10, 3, 2, 3]];

function token(name: string, fallback: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim() || fallback;
}

/** Steps of an axis: powers of two for bytes, so that it reads "256 MiB". */
const binarySteps = Array.from({ length: 56 }, (_, index) => 2 ** index);

function scaleTop(unit: MetricUnit, max: number | undefined, greatest: number): number {
  const least = max ?? (unit === "percent" ? 100 : 0);
  return Math.max(least, greatest * 1.1) || 1;
}

function optionsOf(width: number, unit: MetricUnit, max: number | undefined, labels: readonly string[]): uPlot.Options {
  const text = token("--pf-t--global--text--color--subtle", "#6a6e73");
  const grid = { stroke: token("--pf-t--global--border--color--default", "#c7c7c7"), width: 1 };
  const font = `12px ${token("--pf-t--global--font--family--body", "sans-serif")}`;
  const binary = unit === "bytes" || unit === "bytes_per_second";
  const zone = timeZoneName();
  return {
    width,
    height: HEIGHT_PX,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    legend: { live: true },
    scales: {
      // A first figure or two would be stretched over the whole width.
      x: { range: (_, from, to) => (to - from < LEAST_SECONDS ? [to - LEAST_SECONDS, to] : [from, to]) },
      y: { range: (_, __, greatest) => [0, scaleTop(unit, max, greatest ?? 0)] },
    },
    axes: [
      {
        stroke: text,
        grid: { show: false },
        ticks: grid,
        font,
        size: 30,
        space: 64,
        values: (_, splits, __, ___, step) =>
          splits.map((seconds) => (step >= DAY_S ? shortDate(seconds * 1000) : clockTime(seconds * 1000))),
      },
      {
        stroke: text,
        grid,
        ticks: { show: false },
        font,
        size: binary ? 76 : 52,
        ...(binary ? { incrs: binarySteps } : {}),
        values: (_, splits) => splits.map((value) => unitText(unit, value)),
      },
    ],
    series: [
      { label: i18n.t("chart.time"), value: (_, seconds: number | null) => (seconds === null ? "" : dateTime(seconds * 1000)) },
      ...labels.map((label, index) => ({
        label,
        stroke: token(colours[index % colours.length] ?? "", "#0066cc"),
        dash: dashes[index % dashes.length] ?? [],
        width: 2,
        points: { show: false },
        value: (_: uPlot, value: number | null | undefined) => (value === null || value === undefined ? "" : unitText(unit, value)),
      })),
    ],
  };
}

export default function MetricPlot({ series, unit, max }: Omit<MetricChartProps, "title">) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const data = useRef<Aligned>([[]]);
  const labels = series.map((one) => one.label);
  const labelKey = labels.join("\n");

  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsOf(element.clientWidth, unit, max, labelKey.split("\n")), data.current, element);
    };
    draw();
    const observer = new ResizeObserver(() => {
      if (element.clientWidth > 0) plot.current?.setSize({ width: element.clientWidth, height: HEIGHT_PX });
    });
    observer.observe(element);
    window.addEventListener("berth-theme", draw);
    return () => {
      observer.disconnect();
      window.removeEventListener("berth-theme", draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [unit, max, labelKey]);

  useEffect(() => {
    data.current = align(series.map((one) => one.points));
    plot.current?.setData(data.current);
  }, [series]);

  return <div ref={place} className="berth-chart-plot" aria-hidden="true" />;
}
