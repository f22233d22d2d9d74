/** What happened in the fleet. */
import { api, type Page, type Schemas, take } from "./client";

export type SystemEvent = Schemas["SystemEvent"];
type ListQuery = {
  severity?: Schemas["EventSeverity"];
  node_id?: string;
  session_id?: string;
  unresolved?: boolean;
  search?: string;
  since?: string;
  limit?: number;
  cursor?: string;
};

/** Filters of the page stand in its address as text; `since` as a name such as `hour`. */
export function eventList({ unresolved, since, ...query }: Record<string, unknown>): Promise<Page<SystemEvent>> {
  const full = {
    ...query,
    ...(unresolved ? { unresolved: true } : {}),
    ...(since ? { since: sinceTime(String(since)) } : {}),
  };
  return take(api.GET("/api/v1/events", { params: { query: full as ListQuery } })) as Promise<Page<SystemEvent>>;
}

/** Hours of the spans that lists offer. */
export const spans = { hour: 1, day: 24, week: 168, month: 720 } as const;

/** The moment at which a span that ends now began. */
export function sinceTime(span: string): string | undefined {
  const hours = spans[span as keyof typeof spans];
  return hours === undefined ? undefined : new Date(Date.now() - hours * 3_600_000).toISOString();
}

export const eventAcknowledge = (id: string) =>
  take(api.POST("/api/v1/events/{id}/acknowledge", { params: { path: { id } } }));

export const eventResolve = (id: string) => take(api.POST("/api/v1/events/{id}/resolve", { params: { path: { id } } }));
