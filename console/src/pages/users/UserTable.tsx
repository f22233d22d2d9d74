/** The list of users: a page of its own, and a part of a tenant's. */
import { Button, Label } from "@patternfly/react-core";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { mayHandle, roles, type User, userList, userStatuses, userUpdate, useTenants } from "@/api/identity";
import { useCan, useProfile } from "@/api/profile";
import { type BulkAction, type Column, type Filter, ListPage } from "@/parts/ListPage";
import { Status, statusText } from "@/parts/Status";
import { Time } from "@/parts/Time";
import { urls } from "@/urls";
import { UserCreateForm } from "./UserForms";

interface Props {
  /** Only the users of this tenant, inside of its page. */
  tenant?: { id: string; name: string };
}

export function UserTable({ tenant }: Props) {
  const { t } = useTranslation(["identity", "enums"]);
  const can = useCan();
  const profile = useProfile();
  const tenants = useTenants();
  const [creating, setCreating] = useState(false);
  const tenantName = (id: string) =>
    tenants.find((candidate) => candidate.id === id)?.name ??
    (id === profile.tenant.id ? profile.tenant.name : t("unknown_tenant"));
  const showsTenant = tenant === undefined && tenants.length > 1;
  const create: ReactNode = can("user.create", "tenant") && (
    <Button onClick={() => setCreating(true)}>{t("users.create")}</Button>
  );
  const columns: Column<User>[] = [
    {
      key: "username",
      title: t("users.username"),
      render: (row) => (
        <>
          <Link to={urls.user(row.id)}>{row.username}</Link>{" "}
          {row.id === profile.user.id && <Label isCompact>{t("users.you")}</Label>}
        </>
      ),
      csv: (row) => row.username,
    },
    { key: "full_name", title: t("users.full_name"), render: (row) => row.full_name ?? "–", csv: (row) => row.full_name },
    { key: "email", title: t("users.email"), render: (row) => row.email ?? "–", csv: (row) => row.email },
    { key: "role", title: t("users.role"), render: (row) => t(`enums:role.${row.role}`), csv: (row) => row.role },
    {
      key: "status",
      title: t("users.status"),
      render: (row) => <Status kind="user_status" value={row.status} />,
      csv: (row) => row.status,
    },
    ...(showsTenant
      ? [
          {
            key: "tenant",
            title: t("users.tenant"),
            render: (row: User) => <Link to={urls.tenant(row.tenant_id)}>{tenantName(row.tenant_id)}</Link>,
            csv: (row: User) => tenantName(row.tenant_id),
          },
        ]
      : []),
    {
      key: "last_login",
      title: t("users.last_login"),
      render: (row) =>
        row.last_login_at ? <Time value={row.last_login_at} /> : <span className="berth-quiet">{t("users.never")}</span>,
      csv: (row) => row.last_login_at,
    },
  ];
  const filters: Filter[] = [
    { kind: "search", name: "search", label: t("users.search") },
    {
      kind: "choice",
      name: "role",
      label: t("users.role"),
      options: roles.map((value) => ({ value, label: t(`enums:role.${value}`) })),
    },
    {
      kind: "choice",
      name: "status",
      label: t("users.status"),
      options: userStatuses.map((value) => ({ value, label: statusText("user_status", value) })),
    },
    ...(showsTenant
      ? [
          {
            kind: "choice" as const,
            name: "tenant_id",
            label: t("users.tenant"),
            options: tenants.map(({ id, name }) => ({ value: id, label: name })),
          },
        ]
      : []),
  ];
  const bulk: BulkAction<User>[] = [
    {
      key: "deactivate",
      label: t("users.deactivate"),
      danger: true,
      fits: (row) => row.status !== "inactive" && row.id !== profile.user.id && mayHandle(profile.user.role, row.role),
      question: (rows) => ({
        title: t("users.deactivate_bulk_title", { count: rows.length }),
        body: t("users.deactivate_bulk_body", { names: rows.map((row) => row.username).join(", ") }),
      }),
      run: (row) => userUpdate(row, { status: "inactive" }),
    },
  ];
  return (
    <>
      <ListPage<User, { tenant_id?: string }>
        title={t("users.title")}
        description={t("users.description")}
        actions={create}
        embedded={tenant !== undefined}
        domain="users"
        query={tenant ? { tenant_id: tenant.id } : {}}
        load={userList}
        columns={columns}
        filters={filters}
        bulk={can("user.update", "tenant") ? bulk : []}
        rowId={(row) => row.id}
        rowName={(row) => row.username}
        empty={{ title: t("users.empty_title"), body: t("users.empty_body"), action: create }}
        csv={tenant ? `users-${tenant.name}` : "users"}
      >
        {tenant && create && <div className="berth-part-actions">{create}</div>}
      </ListPage>
      {creating && (
        <UserCreateForm {...(tenant ? { tenant: tenant.id } : {})} onClose={() => setCreating(false)} />
      )}
    </>
  );
}
