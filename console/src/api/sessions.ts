/** Sessions: questions and actions. */
import { useQuery } from "@tanstack/react-query";
import { api, type Page, type Schemas, take } from "./client";
import { keys } from "./queries";

export type Session = Schemas["Session"];
type ListQuery = { status?: string; search?: string; limit?: number; cursor?: string; user_id?: string; node_id?: string };

export const sessionList = (query: ListQuery): Promise<Page<Session>> =>
  take(api.GET("/api/v1/sessions", { params: { query } })) as Promise<Page<Session>>;

export function useSession(id: string) {
  return useQuery({
    queryKey: keys.one("sessions", id),
    queryFn: () => take<Session>(api.GET("/api/v1/sessions/{id}", { params: { path: { id } } })),
  });
}

export const sessionStop = (id: string, grace_seconds?: number) =>
  take(api.POST("/api/v1/sessions/{id}/stop", { params: { path: { id } }, body: { grace_seconds: grace_seconds ?? null } }));

export const sessionPause = (id: string) => take(api.POST("/api/v1/sessions/{id}/pause", { params: { path: { id } } }));

export const sessionResume = (id: string) => take(api.POST("/api/v1/sessions/{id}/resume", { params: { path: { id } } }));

export const sessionExtend = (id: string, minutes: number) =>
  take(api.POST("/api/v1/sessions/{id}/extend", { params: { path: { id } }, body: { minutes } }));

/** Whether a session still holds, or may come to hold, something. */
export const isOpen = (session: Session): boolean => !["completed", "failed", "cancelled"].includes(session.status);
