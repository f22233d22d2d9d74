/** Secrets: names only; a value goes in and never comes back. */
import { api, type Page, type Schemas, take } from "./client";

export type Secret = Schemas["Secret"];

export const secretList = (query: { limit?: number; cursor?: string }): Promise<Page<Secret>> =>
  take(api.GET("/api/v1/secrets", { params: { query } })) as Promise<Page<Secret>>;

export const secretCreate = (body: Schemas["SecretCreate"]) => take<Secret>(api.POST("/api/v1/secrets", { body }));

export const secretDelete = (id: string) => take(api.DELETE("/api/v1/secrets/{id}", { params: { path: { id } } }));
