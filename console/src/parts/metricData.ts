/** Points of several series on one time axis, with gaps where nothing was measured. */
import uPlot from "uplot";

type Points = readonly { time: number; value: number }[];
export type Aligned = uPlot.AlignedData;

/** A pause longer than this many usual distances is a gap. */
const GAP_FACTOR = 5;
/** Shorter pauses than this are none, however dense the points. Milliseconds. */
const GAP_MS = 90_000;

/** Seconds and values; a null stands in the middle of each gap, so that no line crosses it. */
export function withGaps(points: Points): [number[], (number | null)[]] {
  const distances = points.slice(1).map((point, index) => point.time - (points[index]?.time ?? point.time));
  const usual = distances.toSorted((a, b) => a - b)[Math.floor(distances.length / 2)] ?? 0;
  const gap = Math.max(GAP_MS, usual * GAP_FACTOR);
  const times: number[] = [];
  const values: (number | null)[] = [];
  points.forEach((point, index) => {
    const before = points[index - 1];
    if (before && point.time - before.time > gap) {
      times.push((before.time + point.time) / 2000);
      values.push(null);
    }
    times.push(point.time / 1000);
    values.push(point.value);
  });
  return [times, values];
}

export function align(series: readonly Points[]): Aligned {
  const tables = series.map((points) => withGaps(points) as uPlot.AlignedData);
  return tables.length === 1 ? (tables[0] ?? [[]]) : uPlot.join(tables);
}
