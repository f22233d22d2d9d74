/** Who did what, when and from where. */
import { api, type Page, type Schemas, take } from "./client";
import { sinceTime } from "./events";

export type AuditLog = Schemas["AuditLog"];
type ListQuery = {
  user_id?: string;
  action?: string;
  resource_type?: string;
  resource_id?: string;
  status?: Schemas["AuditStatus"];
  search?: string;
  since?: string;
  limit?: number;
  cursor?: string;
};

export function auditLogList({ since, ...query }: Record<string, unknown>): Promise<Page<AuditLog>> {
  const full = { ...query, ...(since ? { since: sinceTime(String(since)) } : {}) };
  return take(api.GET("/api/v1/audit-logs", { params: { query: full as ListQuery } })) as Promise<Page<AuditLog>>;
}
