/**
 * Keys of cached answers: `[domain, "list", …]` for lists, `[domain, "one", id, …]` for one thing and its parts. Live
 * events find what to refresh by them.
 */
import { type InfiniteData, keepPreviousData, QueryClient, useInfiniteQuery, usePrefetchInfiniteQuery } from "@tanstack/react-query";
import { ApiProblem, type Page } from "./client";

export type Domain =
  | "sessions"
  | "nodes"
  | "operations"
  | "events"
  | "applications"
  | "tenants"
  | "users"
  | "roles"
  | "audit_logs"
  | "settings"
  | "secrets"
  | "logins"
  | "profile"
  | "fleet"
  | "sites"
  | "usage";

export const keys = {
  domain: (domain: Domain) => [domain] as const,
  list: (domain: Domain, query: object = {}) => [domain, "list", query] as const,
  one: (domain: Domain, id: string, part?: string, query?: object) =>
    part === undefined ? ([domain, "one", id] as const) : ([domain, "one", id, part, query ?? {}] as const),
};

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      retry: (count, error) => !(error instanceof ApiProblem && error.status >= 400 && error.status < 500) && count < 3,
    },
  },
});

/** Rows asked for at a time. */
export const PAGE_SIZE = 100;

export interface ListQuery {
  limit?: number;
  cursor?: string;
}

/**
 * A list that is read page by page as the reader scrolls. `load` gets the filters with `limit` and `cursor`.
 */
export function useList<T, Q extends object>(
  domain: Domain,
  query: Q,
  load: (query: Q & ListQuery) => Promise<Page<T>>,
) {
  const options = {
    queryKey: keys.list(domain, query),
    queryFn: ({ pageParam }: { pageParam: string }) =>
      load({ ...query, limit: PAGE_SIZE, ...(pageParam ? { cursor: pageParam } : {}) }),
    initialPageParam: "",
  };
  // Asked for while the page is drawn for the first time, not after.
  usePrefetchInfiniteQuery(options);
  return useInfiniteQuery({
    ...options,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    // Comparing thousands of rows with themselves at every further page would hold up scrolling.
    structuralSharing: false,
  });
}

/** Every row that matches, for an export; `onRows` hears how many were read so far. */
export async function loadAll<T, Q extends object>(
  query: Q,
  load: (query: Q & ListQuery) => Promise<Page<T>>,
  onRows: (count: number) => void,
): Promise<T[]> {
  const rows: T[] = [];
  let cursor: string | null | undefined = "";
  while (cursor !== undefined && cursor !== null) {
    const page: Page<T> = await load({ ...query, limit: 500, ...(cursor ? { cursor } : {}) });
    rows.push(...page.items);
    onRows(rows.length);
    cursor = page.next_cursor;
  }
  return rows;
}

export type ListData<T> = InfiniteData<Page<T>, string>;
