import { Button, Card, CardBody, CardTitle, Content } from "@patternfly/react-core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useNavigate, useParams } from "react-router";
import { type Tenant, tenantDelete, tenantUpdate, useTenant, useTenantQuota, useUser } from "@/api/identity";
import { useCan, useProfile } from "@/api/profile";
import { keys, queryClient } from "@/api/queries";
import { QuotaCard } from "@/pages/users/QuotaCard";
import { QuotaForm } from "@/pages/users/QuotaForm";
import { UserTable } from "@/pages/users/UserTable";
import "@/pages/users/identity.css";
import { ActionMenu } from "@/parts/ActionMenu";
import { Confirm } from "@/parts/Confirm";
import { Facts } from "@/parts/Facts";
import { Answer, PageBody, PageHead, PageTabs } from "@/parts/page";
import { SessionsOf } from "@/parts/SessionsOf";
import { Status, statusText } from "@/parts/Status";
import { Time } from "@/parts/Time";
import { useAction } from "@/parts/useAction";
import { urls } from "@/urls";
import { TenantForm } from "./TenantForm";

export function Component() {
  const { id = "", tab = "overview" } = useParams();
  const { t } = useTranslation("identity");
  const tenant = useTenant(id);
  return (
    <Answer query={tenant} head={<PageHead title={t("tenants.title")} />}>
      {(data) => <Detail tenant={data} tab={tab} />}
    </Answer>
  );
}

type Asking = "edit" | "quota" | "deactivate" | "suspend" | "delete";

function Detail({ tenant, tab }: { tenant: Tenant; tab: string }) {
  const { t } = useTranslation("identity");
  const can = useCan();
  const navigate = useNavigate();
  const profile = useProfile();
  const [asking, setAsking] = useState<Asking>();
  const close = () => setAsking(undefined);
  const { name } = tenant;
  // Status and quota come from above; nobody locks out themselves.
  const mayDecide = can("tenant.update", "any");
  const isMine = tenant.id === profile.tenant.id;

  const setStatus = useAction((status: Tenant["status"]) => tenantUpdate(tenant, { status }), {
    wanted: t("tenants.status_changing"),
    done: (_, status) => t("tenants.status_changed", { name, status: statusText("tenant_status", status).toLowerCase() }),
    changes: ["tenants", "sessions"],
  });
  const remove = useAction(() => tenantDelete(tenant), {
    wanted: t("tenants.deleting"),
    done: t("tenants.deleted", { name }),
    after: async () => {
      // Lists only: what is gone must not be asked for again.
      await navigate(urls.tenants(), { replace: true });
      await queryClient.invalidateQueries({ queryKey: keys.list("tenants") });
    },
  });
  const users = can("user.read", "tenant");
  const sessions = can("session.read", "tenant");

  return (
    <>
      <PageHead
        title={name}
        beside={<Status kind="tenant_status" value={tenant.status} />}
        description={tenant.description}
        trail={[{ to: urls.tenants(), label: t("tenants.title") }]}
        actions={
          can("tenant.update", "tenant") && (
            <>
              <Button variant="secondary" onClick={() => setAsking("edit")}>
                {t("tenants.edit")}
              </Button>
              <ActionMenu
                actions={[
                  mayDecide && { key: "quota", label: t("quota.edit"), run: () => setAsking("quota") },
                  mayDecide &&
                    tenant.status !== "active" && {
                      key: "activate",
                      label: t("tenants.activate"),
                      run: () => setStatus.mutate("active"),
                    },
                  mayDecide &&
                    !isMine &&
                    tenant.status !== "inactive" && {
                      key: "deactivate",
                      label: t("tenants.deactivate"),
                      run: () => setAsking("deactivate"),
                    },
                  mayDecide &&
                    !isMine &&
                    tenant.status !== "suspended" && {
                      key: "suspend",
                      label: t("tenants.suspend"),
                      danger: true,
                      run: () => setAsking("suspend"),
                    },
                  can("tenant.delete", "any") &&
                    !isMine && {
                      key: "delete",
                      label: t("tenants.delete"),
                      danger: true,
                      run: () => setAsking("delete"),
                    },
                ]}
              />
            </>
          )
        }
      />
      <PageTabs
        label={t("tenants.tabs")}
        active={tab}
        tabs={[
          { key: "overview", title: t("tenants.tab.overview"), to: urls.tenant(tenant.id) },
          ...(users ? [{ key: "users", title: t("tenants.tab.users"), to: urls.tenant(tenant.id, "users") }] : []),
          ...(sessions ? [{ key: "sessions", title: t("tenants.tab.sessions"), to: urls.tenant(tenant.id, "sessions") }] : []),
        ]}
      />
      <PageBody>
        {tab === "users" && users ? (
          <UserTable tenant={tenant} />
        ) : tab === "sessions" && sessions ? (
          <SessionsOf query={{ tenant_id: tenant.id }} name={name} empty={t("sessions.empty_tenant", { name })} />
        ) : (
          <Overview tenant={tenant} onQuota={mayDecide ? () => setAsking("quota") : undefined} />
        )}
      </PageBody>
      {asking === "edit" && <TenantForm tenant={tenant} onClose={close} />}
      {asking === "quota" && <QuotaForm name={name} subject={{ tenant }} onClose={close} />}
      {asking === "deactivate" && (
        <Confirm
          title={t("tenants.deactivate_title", { name })}
          action={t("tenants.deactivate")}
          onConfirm={() => setStatus.mutateAsync("inactive")}
          onClose={close}
        >
          {t("tenants.deactivate_body", { name })}
        </Confirm>
      )}
      {asking === "suspend" && (
        <Confirm
          title={t("tenants.suspend_title", { name })}
          action={t("tenants.suspend")}
          typeName={name}
          onConfirm={() => setStatus.mutateAsync("suspended")}
          onClose={close}
        >
          {t("tenants.suspend_body")}
        </Confirm>
      )}
      {asking === "delete" && (
        <Confirm
          title={t("tenants.delete_title", { name })}
          action={t("tenants.delete")}
          typeName={name}
          onConfirm={() => remove.mutateAsync()}
          onClose={close}
        >
          {t("tenants.delete_body")}
        </Confirm>
      )}
    </>
  );
}

function Overview({ tenant, onQuota }: { tenant: Tenant; onQuota: (() => void) | undefined }) {
  const { t } = useTranslation("identity");
  const quota = useTenantQuota(tenant.id);
  return (
    <div className="berth-cards">
      <Card>
        <CardTitle component="h2">{t("tenants.facts")}</CardTitle>
        <CardBody>
          <Facts
            facts={[
              { name: t("tenants.text"), value: tenant.description || t("tenants.no_description") },
              { name: t("tenants.created"), value: <Time value={tenant.created_at} /> },
              Boolean(tenant.vlan_id) && { name: t("tenants.vlan"), value: tenant.vlan_id },
              Boolean(tenant.admin_user_id) && {
                name: t("tenants.administrator"),
                value: <Contact id={tenant.admin_user_id ?? ""} />,
              },
              {
                name: t("tenants.status"),
                value: (
                  <>
                    <Status kind="tenant_status" value={tenant.status} />
                    <Content component="small">{t(`tenants.status_${tenant.status}`)}</Content>
                  </>
                ),
              },
            ]}
          />
        </CardBody>
      </Card>
      <Answer query={quota}>
        {(usage) => (
          <QuotaCard
            title={t("quota.title")}
            of="tenant"
            usage={usage}
            waiting={tenant.quota_config.waiting_sessions}
            onEdit={onQuota}
          />
        )}
      </Answer>
    </div>
  );
}

function Contact({ id }: { id: string }) {
  const user = useUser(id);
  return <Link to={urls.user(id)}>{user.data?.full_name || user.data?.username || id}</Link>;
}
