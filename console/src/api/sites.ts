/** Edge data centers and their resource pools. */
import { useQuery } from "@tanstack/react-query";
import { api, ifMatch, type Schemas, take } from "./client";
import { keys } from "./queries";

export type EdgeDataCenter = Schemas["EdgeDataCenter"];
export type ResourcePool = Schemas["ResourcePool"];

/** All of them: there are few. */
export function useEdgeDataCenters(enabled = true) {
  return useQuery({
    queryKey: keys.one("sites", "all", "edge_data_centers"),
    queryFn: async (): Promise<EdgeDataCenter[]> =>
      (await take(api.GET("/api/v1/edge-data-centers", { params: { query: { limit: 500 } } })))?.items as EdgeDataCenter[],
    enabled,
  });
}

export function useResourcePools(enabled = true) {
  return useQuery({
    queryKey: keys.one("sites", "all", "resource_pools"),
    queryFn: async (): Promise<ResourcePool[]> =>
      (await take(api.GET("/api/v1/resource-pools", { params: { query: { limit: 500 } } })))?.items as ResourcePool[],
    enabled,
  });
}

export const edgeDataCenterCreate = (body: Schemas["EdgeDataCenterCreate"]) =>
  take(api.POST("/api/v1/edge-data-centers", { body }));

export const edgeDataCenterUpdate = (id: string, generation: number, body: Schemas["EdgeDataCenterUpdate"]) =>
  take(api.PATCH("/api/v1/edge-data-centers/{id}", { params: { path: { id }, header: ifMatch(generation) }, body }));

export const edgeDataCenterDelete = (id: string, generation: number) =>
  take(api.DELETE("/api/v1/edge-data-centers/{id}", { params: { path: { id }, header: ifMatch(generation) } }));

export const resourcePoolCreate = (body: Schemas["ResourcePoolCreate"]) =>
  take(api.POST("/api/v1/resource-pools", { body }));

export const resourcePoolUpdate = (id: string, generation: number, body: Schemas["ResourcePoolUpdate"]) =>
  take(api.PATCH("/api/v1/resource-pools/{id}", { params: { path: { id }, header: ifMatch(generation) }, body }));

export const resourcePoolDelete = (id: string, generation: number) =>
  take(api.DELETE("/api/v1/resource-pools/{id}", { params: { path: { id }, header: ifMatch(generation) } }));
