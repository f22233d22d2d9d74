/** Quotas between their form, where everything is text, and the API. */
import type { QuotaConfig } from "@/api/identity";

export const quotaFields = ["sessions", "waiting_sessions", "cpu", "memory_gb", "gpu", "storage_gb"] as const;

export type QuotaValues = Record<(typeof quotaFields)[number], string>;

export function quotaValues(quota: QuotaConfig): QuotaValues {
  const text = (name: (typeof quotaFields)[number]) => String(quota[name] ?? "");
  return {
    sessions: text("sessions"),
    waiting_sessions: text("waiting_sessions"),
    cpu: text("cpu"),
    memory_gb: text("memory_gb"),
    gpu: text("gpu"),
    storage_gb: text("storage_gb"),
  };
}

/** What is empty is no limit: it is left out. */
export function quotaOf(values: QuotaValues): QuotaConfig {
  const quota: QuotaConfig = {};
  for (const name of quotaFields) {
    if (values[name].trim() !== "") quota[name] = Number(values[name]);
  }
  return quota;
}
