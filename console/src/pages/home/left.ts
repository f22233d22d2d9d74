/** What a session's card says about its time. */
import type { Session } from "@/api/sessions";

/** Seconds until the session ends by itself: positive, 0 when it is over, undefined when its time does not run yet. */
export function secondsLeft(session: Pick<Session, "ends_at" | "status">, now: number): number | undefined {
  if (!session.ends_at || session.status === "pending") return undefined;
  return Math.max(0, Math.round((Date.parse(session.ends_at) - now) / 1000));
}

/** How many sessions of the reader's hold something beyond those that are shown. */
export function notShown(held: number, shown: readonly Pick<Session, "status">[]): number {
  const holding = shown.filter(({ status }) => status !== "pending").length;
  return Math.max(0, held - holding);
}
