/** Logins of people and tokens of programs are one list at the server; here each kind has its own. */
import { useTranslation } from "react-i18next";
import type { Page } from "@/api/client";
import type { Login } from "@/api/identity";
import { clientOf } from "./userAgent";

interface Paged {
  limit?: number;
  cursor?: string;
}

/** A page of the logins that fit; it is empty only when there are no more. */
export async function loginsWhere(
  fits: (login: Login) => boolean,
  query: Paged,
  load: (query: Paged) => Promise<Page<Login>>,
): Promise<Page<Login>> {
  let page = await load(query);
  let items = page.items.filter(fits);
  while (items.length === 0 && page.next_cursor) {
    page = await load({ ...query, cursor: page.next_cursor });
    items = page.items.filter(fits);
  }
  return { ...page, items };
}

/** "Firefox on Linux", or the name of the program. */
export function useClientName(): (login: Login) => string {
  const { t } = useTranslation("account");
  return (login) => {
    const client = clientOf(login.user_agent);
    if (!client) return t("profile.unknown_client");
    return client.system ? t("profile.browser_on", { browser: client.browser, system: client.system }) : client.browser;
  };
}
