import { Alert, AlertActionLink, Button, Card, CardBody, CardTitle } from "@patternfly/react-core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useNavigate, useParams } from "react-router";
import { mayHandle, type User, useTenant, useUser, useUserQuota, userDelete, userUnlock, userUpdate } from "@/api/identity";
import { useCan, useProfile } from "@/api/profile";
import { keys, queryClient } from "@/api/queries";
import { ActionMenu } from "@/parts/ActionMenu";
import { Confirm } from "@/parts/Confirm";
import { Facts } from "@/parts/Facts";
import { exactTime } from "@/parts/format";
import { Answer, PageBody, PageHead, PageTabs } from "@/parts/page";
import { SessionsOf } from "@/parts/SessionsOf";
import { Status, statusText } from "@/parts/Status";
import { Time } from "@/parts/Time";
import { useAction } from "@/parts/useAction";
import { urls } from "@/urls";
import "./identity.css";
import { QuotaCard } from "./QuotaCard";
import { QuotaForm } from "./QuotaForm";
import { PasswordForm, UserEditForm } from "./UserForms";

export function Component() {
  const { id = "", tab = "overview" } = useParams();
  const { t } = useTranslation("identity");
  const user = useUser(id);
  return (
    <Answer query={user} head={<PageHead title={t("users.title")} />}>
      {(data) => <Detail user={data} tab={tab} />}
    </Answer>
  );
}

type Asking = "edit" | "quota" | "password" | "deactivate" | "delete";

function Detail({ user, tab }: { user: User; tab: string }) {
  const { t } = useTranslation(["identity", "enums"]);
  const can = useCan();
  const navigate = useNavigate();
  const me = useProfile().user;
  const [asking, setAsking] = useState<Asking>();
  const close = () => setAsking(undefined);
  const name = user.username;
  const isMe = user.id === me.id;
  const mayUpdate = can("user.update", "tenant") && (isMe || mayHandle(me.role, user.role));
  const mayDecide = mayUpdate && !isMe;

  const setStatus = useAction((status: "active" | "inactive") => userUpdate(user, { status }), {
    wanted: t("users.status_changing"),
    done: (_, status) => t("users.status_changed", { name, status: statusText("user_status", status).toLowerCase() }),
    changes: ["users"],
  });
  const unlock = useAction(() => userUnlock(user.id), {
    wanted: t("users.unlocking"),
    done: t("users.unlocked", { name }),
    changes: ["users"],
  });
  const remove = useAction(() => userDelete(user), {
    wanted: t("users.deleting"),
    done: t("users.deleted", { name }),
    after: async () => {
      // Lists only: what is gone must not be asked for again.
      await navigate(urls.users(), { replace: true });
      await queryClient.invalidateQueries({ queryKey: keys.list("users") });
    },
  });

  return (
    <>
      <PageHead
        title={name}
        beside={<Status kind="user_status" value={user.status} />}
        description={user.full_name}
        {...(can("user.read", "tenant") ? { trail: [{ to: urls.users(), label: t("users.title") }] } : {})}
        actions={
          mayUpdate && (
            <>
              <Button variant="secondary" onClick={() => setAsking("edit")}>
                {t("users.edit")}
              </Button>
              <ActionMenu
                actions={[
                  { key: "quota", label: t("quota.edit"), run: () => setAsking("quota") },
                  mayDecide && { key: "password", label: t("users.set_password"), run: () => setAsking("password") },
                  mayDecide &&
                    (user.status === "inactive"
                      ? { key: "activate", label: t("users.activate"), run: () => setStatus.mutate("active") }
                      : { key: "deactivate", label: t("users.deactivate"), danger: true, run: () => setAsking("deactivate") }),
                  mayDecide &&
                    can("user.delete", "tenant") && {
                      key: "delete",
                      label: t("users.delete"),
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
        label={t("users.tabs")}
        active={tab}
        tabs={[
          { key: "overview", title: t("users.tab.overview"), to: urls.user(user.id) },
          { key: "sessions", title: t("users.tab.sessions"), to: urls.user(user.id, "sessions") },
        ]}
      />
      <PageBody>
        {user.status === "locked" && (
          <Alert
            variant="warning"
            isInline
            className="berth-alert-above"
            title={
              user.account_locked_until
                ? t("users.locked_until", { time: exactTime(user.account_locked_until) })
                : statusText("user_status", "locked")
            }
            {...(mayDecide
              ? { actionLinks: <AlertActionLink onClick={() => unlock.mutate()}>{t("users.unlock")}</AlertActionLink> }
              : {})}
          >
            {t("users.locked_body")}
          </Alert>
        )}
        {tab === "sessions" ? (
          <SessionsOf query={{ user_id: user.id }} name={name} empty={t("sessions.empty_user", { name })} />
        ) : (
          <Overview user={user} onQuota={mayUpdate ? () => setAsking("quota") : undefined} />
        )}
      </PageBody>
      {asking === "edit" && <UserEditForm user={user} onClose={close} />}
      {asking === "quota" && <QuotaForm name={name} subject={{ user }} onClose={close} />}
      {asking === "password" && <PasswordForm user={user} onClose={close} />}
      {asking === "deactivate" && (
        <Confirm
          title={t("users.deactivate_title", { name })}
          action={t("users.deactivate")}
          onConfirm={() => setStatus.mutateAsync("inactive")}
          onClose={close}
        >
          {t("users.deactivate_body", { name })}
        </Confirm>
      )}
      {asking === "delete" && (
        <Confirm
          title={t("users.delete_title", { name })}
          action={t("users.delete")}
          typeName={name}
          onConfirm={() => remove.mutateAsync()}
          onClose={close}
        >
          {t("users.delete_body")}
        </Confirm>
      )}
    </>
  );
}

function Overview({ user, onQuota }: { user: User; onQuota: (() => void) | undefined }) {
  const { t } = useTranslation(["identity", "enums"]);
  const can = useCan();
  const quota = useUserQuota(user.id);
  return (
    <div className="berth-cards">
      <Card>
        <CardTitle component="h2">{t("users.facts")}</CardTitle>
        <CardBody>
          <Facts
            facts={[
              { name: t("users.full_name"), value: user.full_name ?? "–" },
              { name: t("users.email"), value: user.email ? <a href={`mailto:${user.email}`}>{user.email}</a> : "–" },
              { name: t("users.role"), value: t(`enums:role.${user.role}`) },
              { name: t("users.tenant"), value: <TenantName id={user.tenant_id} link={can("tenant.read", "tenant")} /> },
              {
                name: t("users.last_login"),
                value: user.last_login_at ? <Time value={user.last_login_at} /> : t("users.never"),
              },
              { name: t("users.created"), value: <Time value={user.created_at} /> },
              {
                name: t("users.must_change"),
                value: user.must_change_password ? t("users.must_change_yes") : t("users.must_change_no"),
              },
              user.failed_login_attempts > 0 && {
                name: t("users.failed_logins"),
                value: user.failed_login_attempts,
              },
            ]}
          />
        </CardBody>
      </Card>
      <Answer query={quota}>
        {(report) => (
          <>
            <QuotaCard
              title={t("quota.of_user")}
              of="user"
              usage={report.user}
              waiting={user.quota_config.waiting_sessions}
              onEdit={onQuota}
            />
            <QuotaCard title={t("quota.of_tenant")} of="tenant" usage={report.tenant} />
          </>
        )}
      </Answer>
    </div>
  );
}

function TenantName({ id, link }: { id: string; link: boolean }) {
  const { t } = useTranslation("identity");
  const profile = useProfile();
  const isMine = id === profile.tenant.id;
  if (isMine) return link ? <Link to={urls.tenant(id)}>{profile.tenant.name}</Link> : profile.tenant.name;
  return link ? <OtherTenant id={id} /> : t("unknown_tenant");
}

function OtherTenant({ id }: { id: string }) {
  const { t } = useTranslation("identity");
  const tenant = useTenant(id);
  return <Link to={urls.tenant(id)}>{tenant.data?.name ?? t("unknown_tenant")}</Link>;
}
