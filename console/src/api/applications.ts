/** The catalogue of applications. */
import { queryOptions, useQuery } from "@tanstack/react-query";
import { api, ifMatch, type Page, type Schemas, take } from "./client";
import { keys, loadAll } from "./queries";

export type Application = Schemas["Application"];

const applicationPage = (query: { limit?: number; cursor?: string }): Promise<Page<Application>> =>
  take(api.GET("/api/v1/applications", { params: { query } })) as Promise<Page<Application>>;

/** All of them: a catalogue is short enough to be searched in the browser. */
export const applicationsQuery = queryOptions({
  queryKey: keys.list("applications"),
  queryFn: () => loadAll<Application, object>({}, applicationPage, () => undefined),
});

export const useApplications = () => useQuery(applicationsQuery);

export const applicationCreate = (body: Schemas["ApplicationCreate"]) =>
  take<Application>(api.POST("/api/v1/applications", { body }));

export const applicationUpdate = (application: Application, body: Schemas["ApplicationUpdate"]) =>
  take<Application>(
    api.PATCH("/api/v1/applications/{id}", {
      params: { path: { id: application.id }, header: ifMatch(application.generation) },
      body,
    }),
  );

export const applicationDelete = (application: Application) =>
  take(
    api.DELETE("/api/v1/applications/{id}", {
      params: { path: { id: application.id }, header: ifMatch(application.generation) },
    }),
  );
