/** Base units of the ledger in the units of people. */
import type { TFunction } from "i18next";
import type { Schemas } from "@/api/client";
import { number } from "@/parts/format";

type Kind = Schemas["ResourceKind"];

/** Base units in one unit of people: millicores, MiB and milli-GPUs. */
const per: Record<Kind, number> = { cpu: 1000, memory: 1024, storage: 1024, gpu: 1000, network: 1 };

export const toPeople = (kind: Kind, base: number): number => base / per[kind];
export const toBase = (kind: Kind, amount: number): number => Math.round(amount * per[kind]);

/** GB from which sizes are told in TB. */
const TB_FROM = 10_240;

/** "64 cores", "1.5 GB", "4,800 TB"; the amount in units of people. */
export function amountText(t: TFunction<"fleet">, kind: Kind, amount: number): string {
  if ((kind === "memory" || kind === "storage") && amount >= TB_FROM) {
    return t("figure.amount", { amount: number(amount / 1024), unit: t("unit.tb") });
  }
  return t("figure.amount", { amount: number(amount), unit: t(`unit.${kind}`) });
}

/** "3 of 64 cores", "0.5 GB of 300 TB". */
export function shareText(t: TFunction<"fleet">, kind: Kind, used: number, total: number): string {
  const sameUnit = amountText(t, kind, total) === t("figure.amount", { amount: number(total), unit: t(`unit.${kind}`) });
  return t("figure.of", {
    used: sameUnit ? number(used) : amountText(t, kind, used),
    total: amountText(t, kind, total),
  });
}
