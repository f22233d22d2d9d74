import { useSyncExternalStore } from "react";
import { exactTime, relativeTime } from "./format";

/** One clock for all times on the page; it ticks only while some are shown. Milliseconds. */
const TICK_MS = 5_000;
let now = Date.now();
const listeners = new Set<() => void>();
let timer: number | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= window.setInterval(() => {
    now = Date.now();
    listeners.forEach((tell) => tell());
  }, TICK_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      window.clearInterval(timer);
      timer = undefined;
    }
  };
}

export const useNow = (): number => useSyncExternalStore(subscribe, () => now);

/** A moment, told relative to now, with the exact time on hover. */
export function Time({ value }: { value: string | null | undefined }) {
  const current = useNow();
  if (!value) return <span aria-hidden="true">–</span>;
  return (
    <time dateTime={value} title={exactTime(value)}>
      {relativeTime(value, Math.max(current, now))}
    </time>
  );
}
