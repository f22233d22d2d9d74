/** Base units of the ledger in the units of people. */
import type { Schemas } from "@/api/client";

type Kind = Schemas["ResourceKind"];

/** Base units in one unit of people: millicores, MiB and milli-GPUs. */
const per: Record<Kind, number> = { cpu: 1000, memory: 1024, storage: 1024, gpu: 1000, network: 1 };

export const toPeople = (kind: Kind, base: number): number => base / per[kind];
export const toBase = (kind: Kind, amount: number): number => Math.round(amount * per[kind]);
