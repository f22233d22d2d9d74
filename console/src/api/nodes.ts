/** Nodes: questions and actions. */
import { useQuery } from "@tanstack/react-query";
import { api, ifMatch, type Page, type Schemas, take } from "./client";
import { keys } from "./queries";

export type Node = Schemas["Node"];
export type NodeDetail = Schemas["NodeDetail"];
export type NodeResource = Schemas["NodeResource"];
export type NodeUpdate = Schemas["NodeUpdate"];
type ListQuery = {
  search?: string;
  status?: Schemas["NodeStatus"];
  engine?: Schemas["EngineKind"];
  resource_pool_id?: string;
  limit?: number;
  cursor?: string;
};

export const nodeList = (query: object): Promise<Page<Node>> =>
  take(api.GET("/api/v1/nodes", { params: { query: query as ListQuery } })) as Promise<Page<Node>>;

export function useNode(id: string) {
  return useQuery({
    queryKey: keys.one("nodes", id),
    queryFn: () => take<NodeDetail>(api.GET("/api/v1/nodes/{id}", { params: { path: { id } } })),
  });
}

const path = (id: string) => ({ params: { path: { id } } });

export const nodeUpdate = (id: string, generation: number, body: NodeUpdate) =>
  take<NodeDetail>(api.PATCH("/api/v1/nodes/{id}", { params: { path: { id }, header: ifMatch(generation) }, body }));

export const nodeDrain = (id: string, deadline_minutes: number | null) =>
  take<Schemas["Operation"]>(api.POST("/api/v1/nodes/{id}/drain", { ...path(id), body: { deadline_minutes } }));

export const nodeActivate = (id: string) => take(api.POST("/api/v1/nodes/{id}/activate", path(id)));

export const nodeMaintenance = (id: string) => take(api.POST("/api/v1/nodes/{id}/maintenance", path(id)));

export const nodeDecommission = (id: string) => take(api.POST("/api/v1/nodes/{id}/decommission", path(id)));

export const nodeDelete = (id: string, generation: number) =>
  take(api.DELETE("/api/v1/nodes/{id}", { params: { path: { id }, header: ifMatch(generation) } }));
