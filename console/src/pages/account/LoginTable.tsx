/** Where the reader is logged in. */
import { Button, Label } from "@patternfly/react-core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type Login, loginList, loginRevoke } from "@/api/identity";
import { Confirm } from "@/parts/Confirm";
import { type BulkAction, type Column, ListPage } from "@/parts/ListPage";
import { useAction } from "@/parts/useAction";
import { loginsWhere, useClientName } from "./logins";
import { loginTimes } from "./loginTimes";

const ofPeople = (login: Login) => login.kind !== "api_token";

export function LoginTable() {
  const { t } = useTranslation(["account", "enums"]);
  const nameOf = useClientName();
  const [ending, setEnding] = useState<Login>();
  const end = useAction(loginRevoke, {
    wanted: t("profile.ending"),
    done: t("profile.ended"),
    changes: ["logins"],
  });
  const columns: Column<Login>[] = [
    {
      key: "what",
      title: t("profile.login_what"),
      width: "32%",
      render: (row) => (
        <>
          {nameOf(row)} <Label isCompact variant="outline">{t(`enums:login_kind.${row.kind}`)}</Label>{" "}
          {row.current && (
            <Label isCompact status="success">
              {t("profile.this_one")}
            </Label>
          )}
        </>
      ),
      csv: nameOf,
    },
    { key: "from", title: t("profile.login_from"), render: (row) => row.client_ip ?? "–", csv: (row) => row.client_ip },
    ...loginTimes(t),
  ];
  const bulk: BulkAction<Login>[] = [
    {
      key: "end",
      label: t("profile.end"),
      danger: true,
      fits: (row) => !row.current,
      question: (rows) => ({
        title: t("profile.end_title_bulk", { count: rows.length }),
        body: t("profile.end_body_bulk"),
      }),
      run: (row) => loginRevoke(row.id),
    },
  ];
  return (
    <>
      <ListPage<Login>
        embedded
        title={t("profile.tab.logins")}
        domain="logins"
        load={(query) => loginsWhere(ofPeople, query, loginList)}
        columns={columns}
        bulk={bulk}
        rowId={(row) => row.id}
        rowName={nameOf}
        rowActions={(row) =>
          !row.current && (
            <Button
              variant="link"
              isInline
              aria-label={t("profile.end_login", { name: nameOf(row) })}
              onClick={() => setEnding(row)}
            >
              {t("profile.end")}
            </Button>
          )
        }
        empty={{ title: t("profile.logins_empty_title"), body: t("profile.logins_empty_body") }}
        csv="logins"
      >
        <div className="berth-part-head">
          <p>{t("profile.logins_body")}</p>
        </div>
      </ListPage>
      {ending && (
        <Confirm
          title={t("profile.end_title")}
          action={t("profile.end")}
          onConfirm={() => end.mutateAsync(ending.id)}
          onClose={() => setEnding(undefined)}
        >
          {t("profile.end_body", { name: nameOf(ending), from: ending.client_ip ?? "–" })}
        </Confirm>
      )}
    </>
  );
}
