import { Progress } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import { number } from "./format";

export type QuotaResource = "sessions" | "waiting_sessions" | "cpu" | "memory_gb" | "gpu" | "storage_gb";

interface Props {
  resource: string;
  used: number;
  limit: number | null | undefined;
  /** Of whom: part of the element's id, unique on the page. */
  of: string;
}

/** How much of a quota is used: yellow from 80 %, red when it is reached. */
export function QuotaBar({ resource, used, limit, of }: Props) {
  const { t } = useTranslation();
  const key = resource as QuotaResource;
  const label = t(`quota.label.${key}`, { defaultValue: resource });
  const unit = t(`quota.unit.${key}`, { defaultValue: "" });
  const limited = limit !== null && limit !== undefined;
  const text = limited
    ? t("quota.of", { used: number(used), limit: number(limit), unit })
    : t("quota.no_limit", { used: number(used), unit });
  if (!limited) {
    return (
      <div className="berth-quota">
        <span>{label}</span>
        <span className="berth-quiet">{text}</span>
      </div>
    );
  }
  const share = limit > 0 ? Math.min(100, (used / limit) * 100) : 100;
  return (
    <Progress
      id={`quota-${of}-${resource}`}
      title={label}
      value={share}
      label={text}
      valueText={text}
      size="sm"
      {...(share >= 100 ? { variant: "danger" as const } : share >= 80 ? { variant: "warning" as const } : {})}
    />
  );
}
