/** Keys that work everywhere but in fields. Pages add theirs with `useShortcut`; `?` lists them all. */
import { useEffect, useRef } from "react";

export interface Shortcut {
  /** One key (`?`, `/`), two after another (`g s`), or with Ctrl or Command (`mod+k`). */
  keys: string;
  label: string;
}

interface Entry extends Shortcut {
  run: () => void;
}

const entries = new Map<string, Entry>();
let pending: string | undefined;
let timer: number | undefined;
/** Milliseconds for the second key. */
const SECOND_KEY_MS = 1_200;

export const shortcuts = (): Shortcut[] => [...entries.values()].map(({ keys, label }) => ({ keys, label }));

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.closest(".xterm") !== null)
  );
}

function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.altKey) return;
  if (event.ctrlKey || event.metaKey) {
    const entry = entries.get(`mod+${event.key.toLowerCase()}`);
    // The terminal keeps its own Ctrl-K.
    if (entry && !(event.target instanceof HTMLElement && event.target.closest(".xterm"))) {
      event.preventDefault();
      entry.run();
    }
    return;
  }
  if (isTyping(event.target) || document.querySelector('[role="dialog"]')) return;
  const keys = pending ? `${pending} ${event.key}` : event.key;
  pending = undefined;
  window.clearTimeout(timer);
  const entry = entries.get(keys);
  if (entry) {
    event.preventDefault();
    entry.run();
  } else if ([...entries.keys()].some((candidate) => candidate.startsWith(`${event.key} `))) {
    pending = event.key;
    timer = window.setTimeout(() => {
      pending = undefined;
    }, SECOND_KEY_MS);
  }
}

window.addEventListener("keydown", onKey);

/** While the component is shown, `keys` does `run`. */
export function useShortcut(keys: string, label: string, run: () => void): void {
  const latest = useRef(run);
  useEffect(() => {
    latest.current = run;
  });
  useEffect(() => {
    entries.set(keys, { keys, label, run: () => latest.current() });
    return () => void entries.delete(keys);
  }, [keys, label]);
}
