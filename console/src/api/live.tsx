/** What changes at the server, as it changes: one event stream per tab keeps every cached answer fresh. */
import type { QueryClient } from "@tanstack/react-query";
import { useQueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect, useState } from "react";
import { renewLogin } from "./client";
import { type Domain, keys, type ListData } from "./queries";

export type LiveState = "connecting" | "live" | "lost";

interface LiveEvent {
  type: "session" | "node" | "operation" | "event" | "lag";
  id?: string;
  status?: string;
}

const domains: Record<Exclude<LiveEvent["type"], "lag">, Domain> = {
  session: "sessions",
  node: "nodes",
  operation: "operations",
  event: "events",
};

/** Milliseconds over which events are gathered before anything is read again. */
const GATHER_MS = 500;
/** Milliseconds between two readings of what the server computes from sessions and nodes. */
const DERIVED_MS = 3_000;
const derived: readonly Domain[] = ["profile", "fleet", "sites", "usage"];
/** Lists longer than this are not read again as a whole: their rows are patched. Pages. */
const REFETCH_PAGES = 3;

/** Writes a new status into every list that shows the thing, before the server is asked. */
function patchLists(client: QueryClient, domain: Domain, id: string, status: string): void {
  client.setQueriesData<ListData<{ id: string; status?: string }>>({ queryKey: [domain, "list"] }, (data) => {
    if (!data?.pages?.some((page) => page.items.some((item) => item.id === id && item.status !== status))) return data;
    const pages = data.pages.map((page) => ({
      ...page,
      items: page.items.map((item) => (item.id === id ? { ...item, status } : item)),
    }));
    return { ...data, pages };
  });
}

class Gatherer {
  private readonly ids = new Map<Domain, Set<string>>();
  private timer: number | undefined;
  private derivedTimer: number | undefined;

  constructor(private readonly client: QueryClient) {}

  take(event: LiveEvent): void {
    if (event.type === "lag") {
      void this.client.invalidateQueries();
      return;
    }
    const domain = domains[event.type];
    if (!domain) return;
    if (event.id && event.status) patchLists(this.client, domain, event.id, event.status);
    const ids = this.ids.get(domain) ?? new Set();
    if (event.id) ids.add(event.id);
    this.ids.set(domain, ids);
    this.timer ??= window.setTimeout(() => this.flush(), GATHER_MS);
  }

  stop(): void {
    window.clearTimeout(this.timer);
    window.clearTimeout(this.derivedTimer);
  }

  private flush(): void {
    this.timer = undefined;
    for (const [domain, ids] of this.ids) {
      for (const id of ids) void this.client.invalidateQueries({ queryKey: keys.one(domain, id) });
      void this.client.invalidateQueries({
        queryKey: [domain, "list"],
        predicate: (query) => ((query.state.data as ListData<unknown> | undefined)?.pages?.length ?? 0) <= REFETCH_PAGES,
      });
    }
    if (this.ids.has("sessions") || this.ids.has("nodes")) {
      this.derivedTimer ??= window.setTimeout(() => {
        this.derivedTimer = undefined;
        for (const domain of derived) void this.client.invalidateQueries({ queryKey: keys.domain(domain) });
      }, DERIVED_MS);
    }
    this.ids.clear();
  }
}

const LiveContext = createContext<LiveState>("connecting");

/** Whether what is shown follows the server. */
export const useLive = (): LiveState => useContext(LiveContext);

export function LiveProvider({ children }: { children: React.ReactNode }) {
  const client = useQueryClient();
  const [state, setState] = useState<LiveState>("connecting");

  useEffect(() => {
    const gatherer = new Gatherer(client);
    let source: EventSource | undefined;
    let retry: number | undefined;
    let delay = 1_000;
    let wasLost = false;
    let ended = false;

    const connect = () => {
      source = new EventSource("/api/v1/events/stream");
      source.onopen = () => {
        delay = 1_000;
        setState("live");
        // Nobody told us what happened in between.
        if (wasLost) void client.invalidateQueries();
        wasLost = false;
      };
      source.onmessage = (message) => gatherer.take(JSON.parse(message.data as string) as LiveEvent);
      source.onerror = () => {
        source?.close();
        setState("lost");
        wasLost = true;
        retry = window.setTimeout(reconnect, delay);
        delay = Math.min(delay * 2, 15_000);
      };
    };
    const reconnect = async () => {
      // The stream ends with the access token; renewing may fail because the server is away: then it is tried later.
      try {
        await fetch("/api/v1/profile").then(async (answer) => answer.status !== 401 || (await renewLogin()));
      } catch {
        // Still away: the event source finds out again and plans the next attempt.
      }
      if (!ended) connect();
    };
    connect();
    return () => {
      ended = true;
      window.clearTimeout(retry);
      source?.close();
      gatherer.stop();
    };
  }, [client]);

  return <LiveContext value={state}>{children}</LiveContext>;
}
