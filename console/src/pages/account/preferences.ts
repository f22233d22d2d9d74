/** What people may choose for themselves, for the profile and the first login. */
import { useTranslation } from "react-i18next";
import type { SearchOption } from "@/parts/matching";

/** The zone that this browser is set to. */
export const browserZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** How far a zone is ahead of universal time at `at`, as `UTC+02:00`. */
export function offsetOf(zone: string, at: Date): string {
  const parts = new Intl.DateTimeFormat("en", { timeZone: zone, timeZoneName: "longOffset" }).formatToParts(at);
  const name = parts.find((part) => part.type === "timeZoneName")?.value ?? "GMT";
  return name === "GMT" ? "UTC+00:00" : name.replace("GMT", "UTC");
}

/** Every zone, with the browser's own first: an empty value follows the browser, wherever it travels. */
export function useTimeZones(): SearchOption[] {
  const { t } = useTranslation("account");
  const now = new Date();
  const zones = Intl.supportedValuesOf("timeZone");
  const named = (zones.includes("UTC") ? zones : ["UTC", ...zones]).map((zone) => ({
    value: zone,
    label: `${zone.replaceAll("_", " ")} (${offsetOf(zone, now)})`,
  }));
  return [{ value: "", label: t("preference.time_zone_auto", { zone: browserZone().replaceAll("_", " ") }) }, ...named];
}
