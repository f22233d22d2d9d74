/** Sessions: questions and actions. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, type Page, type Schemas, take } from "./client";
import { keys } from "./queries";

export type Session = Schemas["Session"];
export type SessionLaunch = Schemas["SessionLaunch"];
export type SessionCheck = Schemas["SessionCheck"];
export type Allocation = Schemas["Allocation"];
export type SystemEvent = Schemas["SystemEvent"];
export type FilterCount = Schemas["FilterCount"];

type ListQuery = {
  status?: string;
  search?: string;
  application?: string;
  limit?: number;
  cursor?: string;
  user_id?: string;
  tenant_id?: string;
  node_id?: string;
};

export const sessionStatuses: readonly Session["status"][] = [
  "pending",
  "scheduled",
  "starting",
  "running",
  "paused",
  "stopping",
  "completed",
  "failed",
  "cancelled",
];

export const sessionList = (query: ListQuery): Promise<Page<Session>> =>
  take(api.GET("/api/v1/sessions", { params: { query } })) as Promise<Page<Session>>;

const at = (id: string) => ({ params: { path: { id } } });

export function useSession(id: string) {
  return useQuery({
    queryKey: keys.one("sessions", id),
    queryFn: () => take<Session>(api.GET("/api/v1/sessions/{id}", at(id))),
  });
}

export const sessionLaunch = (body: SessionLaunch) => take<Session>(api.POST("/api/v1/sessions", { body }));

/** What a launch would meet now; asked again whenever the request or the fleet changes. */
export function useSessionCheck(body: SessionLaunch, enabled: boolean) {
  return useQuery({
    queryKey: keys.list("fleet", { check: body }),
    queryFn: () => take<SessionCheck>(api.POST("/api/v1/sessions/check", { body })),
    enabled,
    placeholderData: keepPreviousData,
    retry: false,
    staleTime: 5_000,
  });
}

export const sessionStop = (id: string, grace_seconds?: number) =>
  take(api.POST("/api/v1/sessions/{id}/stop", { ...at(id), body: { grace_seconds: grace_seconds ?? null } }));

export const sessionPause = (id: string) => take(api.POST("/api/v1/sessions/{id}/pause", at(id)));

export const sessionResume = (id: string) => take(api.POST("/api/v1/sessions/{id}/resume", at(id)));

export const sessionExtend = (id: string, minutes: number) =>
  take<Session>(api.POST("/api/v1/sessions/{id}/extend", { ...at(id), body: { minutes } }));

export function useSessionAllocations(id: string) {
  return useQuery({
    queryKey: keys.one("sessions", id, "allocations"),
    queryFn: () => take<Allocation[]>(api.GET("/api/v1/sessions/{id}/allocations", at(id))),
  });
}

export const sessionEvents =
  (id: string) =>
  (query: { limit?: number; cursor?: string }): Promise<Page<SystemEvent>> =>
    take(api.GET("/api/v1/sessions/{id}/events", { params: { path: { id }, query } })) as Promise<Page<SystemEvent>>;

/** Whether a session still holds, or may come to hold, something. */
export const isOpen = (session: Pick<Session, "status">): boolean =>
  !["completed", "failed", "cancelled"].includes(session.status);
