import { urls } from "@/urls";

/** Only a path of our own: an address from a link must not lead away. */
export function safeNext(next: string | null): string {
  return next?.startsWith("/") && !next.startsWith("//") && !next.includes("\\") ? next : urls.home();
}
