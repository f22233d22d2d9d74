/** The ledger and what was used of it. */
import { api, type Page, type Schemas, take } from "./client";

export type UsageRecord = Schemas["UsageRecord"];
export type Allocation = Schemas["Allocation"];
export type ResourceKind = Schemas["ResourceKind"];

interface Paged {
  limit?: number;
  cursor?: string;
}

export const usageRecordList = (query: Paged & { session_id?: string; user_id?: string }): Promise<Page<UsageRecord>> =>
  take(api.GET("/api/v1/usage-records", { params: { query } })) as Promise<Page<UsageRecord>>;

export const allocationList = (
  query: Paged & { session_id?: string; node_id?: string; status?: Schemas["AllocationStatus"] },
): Promise<Page<Allocation>> =>
  take(api.GET("/api/v1/allocations", { params: { query } })) as Promise<Page<Allocation>>;

/** Base units in one of people's: millicores in a core, MiB in a GB, thousandths in a GPU. */
const scale: Record<ResourceKind, number> = { cpu: 1000, memory: 1024, storage: 1024, gpu: 1000, network: 1 };

/** An amount of the ledger in cores, GB, GPUs or Mbit/s. */
export const amountOf = (kind: ResourceKind, base: number): number => base / scale[kind];

/** What was used, in core-hours, GB-hours, GPU-hours. */
export const hoursOf = (kind: ResourceKind, baseSeconds: number): number => amountOf(kind, baseSeconds) / 3600;
