/** What is mine, what runs, what waits and why, what is left. */
import { Alert, Card, CardBody, CardHeader, CardTitle, Content, Label, Title } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { useApplications } from "@/api/applications";
import { useCan, useProfile } from "@/api/profile";
import { keys } from "@/api/queries";
import { type Session, sessionList } from "@/api/sessions";
import "@/pages/applications/applications.css";
import { ApplicationIcon } from "@/pages/applications/icon";
import { ButtonLink } from "@/parts/ButtonLink";
import { Answer, Empty, PageBody, PageHead } from "@/parts/page";
import { QuotaBar } from "@/parts/QuotaBar";
import { urls } from "@/urls";
import { Attention } from "./Attention";
import "@/pages/users/identity.css";
import "./home.css";
import { notShown } from "./left";
import { SessionCard } from "./SessionCard";

/** States in which a session holds something, or will. */
const OPEN = "pending,scheduled,starting,running,paused,stopping";
/** Cards shown at most; the list has the others. */
const CARDS = 12;
/** Applications offered at once; their page has the others. */
const QUICK = 4;

export function Component() {
  const { t } = useTranslation(["account", "enums"]);
  const can = useCan();
  const { user, tenant } = useProfile();
  const mayLaunch = can("session.create");
  return (
    <>
      <PageHead
        title={t("home.hello", { name: user.full_name || user.username })}
        description={t("home.where", { role: t(`enums:role.${user.role}`), tenant: tenant.name })}
        actions={
          mayLaunch && (
            <ButtonLink to={urls.applications()}>{t("home.launch")}</ButtonLink>
          )
        }
      />
      <PageBody>
        <div className="berth-home">
          {can("server.read", "any") && can("system_event.read", "any") && <Attention />}
          <Sessions />
          {mayLaunch && <Quick />}
          <Quotas />
        </div>
      </PageBody>
    </>
  );
}

function Sessions() {
  const { t } = useTranslation("account");
  const can = useCan();
  const { user, quota } = useProfile();
  const sessions = useQuery({
    queryKey: keys.list("sessions", { mine: user.id }),
    queryFn: () => sessionList({ user_id: user.id, status: OPEN, limit: CARDS }),
  });
  const held = quota.user.find(({ resource }) => resource === "sessions")?.used ?? 0;
  return (
    <section aria-labelledby="home-sessions">
      <div className="berth-home-head">
        <Title headingLevel="h2" id="home-sessions">
          {t("home.sessions")}
        </Title>
        <Link to={urls.sessions()}>{t("home.all_sessions")}</Link>
      </div>
      <Answer query={sessions}>
        {({ items, next_cursor }) =>
          items.length === 0 ? (
            can("session.create") ? (
              <Nothing />
            ) : (
              <Empty
                title={t("home.none_title")}
                body={t("home.none_read_body")}
                action={
                  <ButtonLink variant="secondary" to={urls.sessions()}>
                    {t("home.all_sessions")}
                  </ButtonLink>
                }
              />
            )
          ) : (
            <>
              <div className="berth-home-cards">
                {items.map((session: Session) => (
                  <SessionCard key={session.id} session={session} />
                ))}
              </div>
              {next_cursor && notShown(held, items) > 0 && (
                <Alert
                  className="berth-gap-above"
                  variant="info"
                  isInline
                  isPlain
                  title={t("home.more", { count: notShown(held, items) })}
                />
              )}
            </>
          )
        }
      </Answer>
    </section>
  );
}

/** Nothing runs: a newcomer hears what this is for, others only what to do. */
function Nothing() {
  const { t } = useTranslation("account");
  const { user } = useProfile();
  const earlier = useQuery({
    queryKey: keys.list("sessions", { ever: user.id }),
    queryFn: async () => (await sessionList({ user_id: user.id, limit: 1 })).items.length > 0,
  });
  if (earlier.data === undefined && !earlier.error) return null;
  const isNew = earlier.data === false;
  return (
    <Empty
      title={isNew ? t("home.new_title") : t("home.none_title")}
      body={isNew ? t("home.new_body") : t("home.none_body")}
      action={
        <ButtonLink to={urls.applications()}>
          {isNew ? t("home.first") : t("home.launch")}
        </ButtonLink>
      }
    />
  );
}

function Quick() {
  const { t } = useTranslation("account");
  const applications = useApplications();
  const offered = applications.data?.filter(({ enabled }) => enabled).slice(0, QUICK);
  if (!offered?.length) return null;
  return (
    <section aria-labelledby="home-quick">
      <div className="berth-home-head">
        <Title headingLevel="h2" id="home-quick">
          {t("home.quick")}
        </Title>
        <Link to={urls.applications()}>{t("home.all_applications")}</Link>
      </div>
      <div className="berth-home-quick">
        {offered.map((application) => (
          <Card key={application.id} isCompact>
            <CardHeader>
              <CardTitle component="h3">
                <ApplicationIcon name={application.icon} /> <Link to={urls.launch(application.name)}>{application.title}</Link>{" "}
                {application.untested && <Label isCompact>{t("home.untested")}</Label>}
              </CardTitle>
            </CardHeader>
            {application.description && (
              <CardBody>
                <Content component="small">{application.description}</Content>
              </CardBody>
            )}
          </Card>
        ))}
      </div>
    </section>
  );
}

function Quotas() {
  const { t } = useTranslation("account");
  const { quota, tenant } = useProfile();
  const parts = [
    { of: "user", title: t("home.quota_mine"), usage: quota.user },
    { of: "tenant", title: t("home.quota_tenant", { tenant: tenant.name }), usage: quota.tenant },
  ];
  return (
    <section aria-labelledby="home-quota">
      <div className="berth-home-head">
        <Title headingLevel="h2" id="home-quota">
          {t("home.quota")}
        </Title>
        <Link to={urls.usage()}>{t("home.quota_more")}</Link>
      </div>
      <div className="berth-home-quotas">
        {parts.map(({ of, title, usage }) => (
          <Card key={of} isCompact>
            <CardTitle component="h3">{title}</CardTitle>
            <CardBody className="berth-quotas">
              {usage.map((row) => (
                <QuotaBar key={row.resource} of={`home-${of}`} resource={row.resource} used={row.used} limit={row.limit} />
              ))}
            </CardBody>
          </Card>
        ))}
      </div>
    </section>
  );
}
