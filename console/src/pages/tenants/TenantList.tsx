import { Button } from "@patternfly/react-core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useNavigate } from "react-router";
import { type Tenant, tenantList } from "@/api/identity";
import { useCan } from "@/api/profile";
import { type Column, ListPage } from "@/parts/ListPage";
import { Status } from "@/parts/Status";
import { Time } from "@/parts/Time";
import { urls } from "@/urls";
import { TenantForm } from "./TenantForm";

export function Component() {
  const { t } = useTranslation("identity");
  const can = useCan();
  const navigate = useNavigate();
  const [creating, setCreating] = useState(false);
  const create = can("tenant.create", "any") && (
    <Button onClick={() => setCreating(true)}>{t("tenants.create")}</Button>
  );
  const columns: Column<Tenant>[] = [
    {
      key: "name",
      title: t("tenants.name"),
      width: "25%",
      render: (row) => <Link to={urls.tenant(row.id)}>{row.name}</Link>,
      csv: (row) => row.name,
    },
    {
      key: "status",
      title: t("tenants.status"),
      width: "15%",
      render: (row) => <Status kind="tenant_status" value={row.status} />,
      csv: (row) => row.status,
    },
    { key: "description", title: t("tenants.text"), render: (row) => row.description || "–", csv: (row) => row.description },
    {
      key: "created",
      title: t("tenants.created"),
      width: "15%",
      render: (row) => <Time value={row.created_at} />,
      csv: (row) => row.created_at,
    },
  ];
  return (
    <>
      <ListPage
        title={t("tenants.title")}
        description={t("tenants.description")}
        actions={create}
        domain="tenants"
        load={tenantList}
        columns={columns}
        filters={[{ kind: "search", name: "search", label: t("tenants.search") }]}
        rowId={(row) => row.id}
        rowName={(row) => row.name}
        empty={{ title: t("tenants.empty_title"), body: t("tenants.empty_body"), action: create }}
        csv="tenants"
      />
      {creating && (
        <TenantForm onClose={() => setCreating(false)} onMade={(tenant) => void navigate(urls.tenant(tenant.id))} />
      )}
    </>
  );
}
