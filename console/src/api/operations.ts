/** Operations: long actions with their steps. */
import { useQuery } from "@tanstack/react-query";
import { api, type Page, type Schemas, take } from "./client";
import { keys } from "./queries";

export type Operation = Schemas["Operation"];
type ListQuery = {
  kind?: Schemas["OperationKind"];
  status?: Schemas["OperationStatus"];
  subject_id?: string;
  limit?: number;
  cursor?: string;
};

export const operationList = (query: object): Promise<Page<Operation>> =>
  take(api.GET("/api/v1/operations", { params: { query: query as ListQuery } })) as Promise<Page<Operation>>;

export function useOperation(id: string) {
  return useQuery({
    queryKey: keys.one("operations", id),
    queryFn: () => take<Operation>(api.GET("/api/v1/operations/{id}", { params: { path: { id } } })),
  });
}

/** The newest operation of a session or node. */
export function useLatestOperation(subject_id: string, enabled = true) {
  return useQuery({
    queryKey: keys.list("operations", { subject_id, newest: true }),
    queryFn: async (): Promise<Operation | null> => (await operationList({ subject_id, limit: 1 })).items[0] ?? null,
    enabled,
  });
}

export const operationRetry = (id: string) =>
  take(api.POST("/api/v1/operations/{id}/retry", { params: { path: { id } } }));

/** Whether trying again makes sense: it failed, or waits for its next try. */
export const canRetry = (operation: Operation): boolean =>
  operation.status === "failed" || (operation.status === "pending" && operation.attempts > 0);
