/** One of the reader's sessions: what it is, how it is, and the ways in. */
import { Button, Card, CardBody, CardFooter, CardHeader, CardTitle, Content } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { useCan } from "@/api/profile";
import type { Session } from "@/api/sessions";
import { useOpenApplication } from "@/pages/sessions/useOpenApplication";
import { ButtonLink } from "@/parts/ButtonLink";
import { duration } from "@/parts/format";
import { SessionStatus } from "@/parts/Status";
import { Time, useNow } from "@/parts/Time";
import { urls } from "@/urls";
import { secondsLeft } from "./left";

export function SessionCard({ session }: { session: Session }) {
  const { t } = useTranslation("account");
  const can = useCan();
  const name = session.session_name;
  const runs = session.status === "running" && can("session.execute");
  return (
    <Card isCompact>
      <CardHeader actions={{ actions: <SessionStatus value={session.status} />, hasNoOffset: true }}>
        <CardTitle component="h3">
          <Link to={urls.session(session.id)}>{name}</Link>
        </CardTitle>
      </CardHeader>
      <CardBody className="berth-home-session">
        <span className="berth-quiet">
          {session.application}
          {session.scheduled_node && ` ${t("home.on_node", { node: session.scheduled_node })}`}
        </span>
        <State session={session} />
      </CardBody>
      <CardFooter>
        {runs && session.application_port && <OpenButton session={session} />}{" "}
        {runs && (
          <ButtonLink
            variant="secondary"
            size="sm"
            aria-label={t("home.terminal_session", { name })}
            to={urls.session(session.id, "terminal")}
          >
            {t("home.terminal")}
          </ButtonLink>
        )}{" "}
        <ButtonLink
          variant="link"
          size="sm"
          aria-label={t("home.details_session", { name })}
          to={urls.session(session.id)}
        >
          {t("home.details")}
        </ButtonLink>
      </CardFooter>
    </Card>
  );
}

/** Why it waits, what it is doing, or how long it goes on. */
function State({ session }: { session: Session }) {
  const { t } = useTranslation(["account", "enums"]);
  const now = useNow();
  const { waiting } = session;
  if (session.status === "pending") {
    return (
      <>
        {waiting && <span>{t("home.position", { position: waiting.position })}</span>}
        <Content component="small">
          {session.message ?? waiting?.explanation ?? (session.reason && t(`enums:session_reason.${session.reason}`))}
        </Content>
      </>
    );
  }
  if (session.status === "scheduled" || session.status === "starting") {
    return <span>{session.operation?.message ?? t("home.starting")}</span>;
  }
  const left = secondsLeft(session, now);
  return (
    <>
      {session.status === "paused" && <span>{t("home.paused")}</span>}
      {left === undefined ? (
        <Time value={session.start_time ?? session.created_at} />
      ) : (
        <span>{left > 0 ? t("home.left", { time: duration(left) }) : t("home.over")}</span>
      )}
    </>
  );
}

function OpenButton({ session }: { session: Session }) {
  const { t } = useTranslation("account");
  const open = useOpenApplication(session);
  return (
    <Button
      size="sm"
      aria-label={t("home.open_session", { name: session.session_name })}
      isLoading={open.isPending}
      isDisabled={open.isPending}
      onClick={() => open.mutate()}
    >
      {t("home.open")}
    </Button>
  );
}
