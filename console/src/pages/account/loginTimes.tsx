import type { TFunction } from "i18next";
import type { Login } from "@/api/identity";
import type { Column } from "@/parts/ListPage";
import { Time } from "@/parts/Time";

/** When a login or a token was last used, began and ends: columns of both lists. */
export const loginTimes = (t: TFunction<"account">): Column<Login>[] => [
  {
    key: "used",
    title: t("profile.login_used"),
    render: (row) => <Time value={row.last_used_at} />,
    csv: (row) => row.last_used_at,
  },
  {
    key: "began",
    title: t("profile.login_began"),
    render: (row) => <Time value={row.created_at} />,
    csv: (row) => row.created_at,
  },
  {
    key: "ends",
    title: t("profile.login_ends"),
    render: (row) => <Time value={row.expires_at} />,
    csv: (row) => row.expires_at,
  },
];
