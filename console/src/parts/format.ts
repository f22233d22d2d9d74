/** Numbers and times as the reader writes them. */
import i18n from "@/text";

let timeZone: string | undefined;

/** The reader's time zone (IANA name); empty: that of the browser. */
export function setTimeZone(zone: string | undefined): void {
  timeZone = zone || undefined;
}

/** The time zone in which times are told. */
export const timeZoneName = (): string => timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;

const language = () => i18n.language;

export function exactTime(time: string | number | Date): string {
  return new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "long", timeZone }).format(new Date(time));
}

export function clockTime(time: string | number | Date): string {
  return new Intl.DateTimeFormat(language(), { hour: "2-digit", minute: "2-digit", timeZone }).format(new Date(time));
}

/** Day and month. */
export function shortDate(time: string | number | Date): string {
  return new Intl.DateTimeFormat(language(), { day: "numeric", month: "short", timeZone }).format(new Date(time));
}

export function dateTime(time: string | number | Date): string {
  return new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "short", timeZone }).format(new Date(time));
}

const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** "3 minutes ago", "in 2 hours"; the date beyond a week. */
export function relativeTime(time: string | number | Date, now: number): string {
  const seconds = Math.round((new Date(time).getTime() - now) / 1000);
  if (Math.abs(seconds) > 7 * 86_400) return dateTime(time);
  const format = new Intl.RelativeTimeFormat(language(), { numeric: "auto" });
  if (Math.abs(seconds) < 10) return format.format(0, "second");
  const [unit, size] = steps.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  return format.format(Math.trunc(seconds / size), unit);
}

/** At most two digits after the point. */
export function number(value: number): string {
  return new Intl.NumberFormat(language(), { maximumFractionDigits: 2 }).format(value);
}

export function percent(value: number): string {
  return new Intl.NumberFormat(language(), { maximumFractionDigits: 0, style: "percent" }).format(value / 100);
}

/** Bytes with a binary unit. */
export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let index = 0;
  let size = value;
  while (Math.abs(size) >= 1024 && index < units.length - 1) {
    size /= 1024;
    index += 1;
  }
  return `${new Intl.NumberFormat(language(), { maximumFractionDigits: 1 }).format(size)} ${units[index]}`;
}

/** A length of time: "2 h 5 min". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor((whole % 86_400) / 3_600), "h"],
    [Math.floor((whole % 3_600) / 60), "min"],
  ];
  const shown = parts.filter(([count]) => count > 0).slice(0, 2);
  return shown.length ? shown.map(([count, unit]) => `${count} ${unit}`).join(" ") : `${whole} s`;
}
