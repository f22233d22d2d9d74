/** The whole installation at a glance. */
import { useQuery } from "@tanstack/react-query";
import { api, type Schemas, take } from "./client";
import { eventList, type SystemEvent } from "./events";
import { keys } from "./queries";

export type Fleet = Schemas["Fleet"];
export type FleetNode = Schemas["FleetNode"];
export type FleetShare = Schemas["FleetShare"];

/** Measurements come without a live event; allocations with one. */
const POLL_MS = 15_000;

export function useFleet() {
  return useQuery({
    queryKey: keys.list("fleet"),
    queryFn: () => take<Fleet>(api.GET("/api/v1/fleet")),
    refetchInterval: POLL_MS,
  });
}

/** Problems that nobody has resolved yet, newest first. */
export function useOpenWarnings(limit: number, enabled: boolean) {
  return useQuery({
    queryKey: keys.list("events", { open_warnings: limit }),
    // The filter means this severe and worse.
    queryFn: async (): Promise<SystemEvent[]> =>
      (await eventList({ severity: "warning", unresolved: true, limit })).items,
    enabled,
  });
}
