/** Small things that several of the session pages show. */
import { useTranslation } from "react-i18next";
import type { FilterCount, Session } from "@/api/sessions";
import { number } from "@/parts/format";
import i18n from "@/text";

/** Why nodes fell out, one line each. */
export function FilterLines({ filters }: { filters: readonly FilterCount[] }) {
  const { t } = useTranslation("sessions");
  if (filters.length === 0) return null;
  return (
    <ul className="berth-filter-lines">
      {filters.map(({ filter, nodes }) => (
        <li key={filter}>
          {t("filters.line", {
            nodes: t("filters.row", { count: nodes }),
            why: t(`filter.${filter}` as "filter.cpu", { defaultValue: filter.replaceAll("_", " ") }),
          })}
        </li>
      ))}
    </ul>
  );
}

type Asked = Pick<Session, "cpu_request" | "memory_request_gb" | "gpu_request">;

/** "2 CPU, 4 GB, 1 GPU" */
export function resourcesText(asked: Asked): string {
  const t = i18n.getFixedT(null, "sessions");
  const text = t("resources.text", { cpu: number(asked.cpu_request), memory: number(asked.memory_request_gb) });
  return asked.gpu_request > 0 ? `${text}, ${t("resources.gpu", { gpu: number(asked.gpu_request) })}` : text;
}
