/** A page's filters live in its address: shared by link, kept by back and forward. */
import { useCallback, useMemo } from "react";
import { useSearchParams } from "react-router";

export type Filters = Record<string, string>;

export function useFilters(names: readonly string[]): [Filters, (changed: Record<string, string | undefined>) => void] {
  const [params, setParams] = useSearchParams();
  const text = params.toString();
  const joined = names.join(",");
  const filters = useMemo(() => {
    const found: Filters = {};
    const current = new URLSearchParams(text);
    for (const name of joined.split(",")) {
      const value = current.get(name);
      if (value) found[name] = value;
    }
    return found;
  }, [text, joined]);
  const change = useCallback(
    (changed: Record<string, string | undefined>) => {
      setParams(
        (before) => {
          const after = new URLSearchParams(before);
          for (const [name, value] of Object.entries(changed)) {
            if (value) after.set(name, value);
            else after.delete(name);
          }
          return after;
        },
        { replace: true },
      );
    },
    [setParams],
  );
  return [filters, change];
}
