import { useTranslation } from "react-i18next";
import { CapacityBar } from "@/parts/CapacityBar";
import { shareText } from "./units";

interface Props {
  kind: "cpu" | "memory" | "storage" | "gpu";
  used: number;
  total: number;
  label?: string;
  large?: boolean;
}

/** "3 of 64 cores" beneath a bar; in units of people. */
export function Figure({ kind, used, total, label, large = false }: Props) {
  const { t } = useTranslation("fleet");
  if (total <= 0 && used <= 0) return <span className="berth-quiet">{label ? `${label}: ` : ""}{t("figure.none")}</span>;
  const text = shareText(t, kind, used, total);
  return <CapacityBar used={used} total={total} text={text} label={label} large={large} />;
}
