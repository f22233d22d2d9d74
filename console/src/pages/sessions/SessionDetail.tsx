/** One session: what it is, what happens to it, and everything that can be done with it. */
import { Button, Spinner } from "@patternfly/react-core";
import { lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { useNavigate, useParams } from "react-router";
import { useCan } from "@/api/profile";
import { isOpen, type Session, sessionExtend, sessionPause, sessionResume, sessionStop, useSession } from "@/api/sessions";
import { ActionMenu } from "@/parts/ActionMenu";
import { Confirm } from "@/parts/Confirm";
import { SideForm, TextField, useForm } from "@/parts/form";
import { dateTime } from "@/parts/format";
import { Answer, Loading, PageBody, PageHead, PageTabs } from "@/parts/page";
import { SessionStatus } from "@/parts/Status";
import { useAction } from "@/parts/useAction";
import { urls } from "@/urls";
import { EventsTab } from "./EventsTab";
import { FilesTab } from "./FilesTab";
import { MetricsTab } from "./MetricsTab";
import { OverviewTab } from "./OverviewTab";
import { PortsTab } from "./PortsTab";
import { SessionProgress } from "./SessionProgress";
import { useOpenApplication } from "./useOpenApplication";
import "./sessions.css";

const LogTab = lazy(() => import("./LogTab"));
const TerminalTab = lazy(() => import("./TerminalTab"));

const tabs = ["overview", "log", "terminal", "metrics", "events", "files", "ports"] as const;
type TabKey = (typeof tabs)[number];

export function Component() {
  const { id = "", tab } = useParams();
  const { t } = useTranslation("sessions");
  const query = useSession(id);
  return (
    <>
      {!query.data && <PageHead title={t("detail.one")} trail={[{ to: urls.sessions(), label: t("detail.trail") }]} />}
      <Answer query={query}>{(session) => <Detail session={session} tab={tabs.find((key) => key === tab) ?? "overview"} />}</Answer>
    </>
  );
}

function Detail({ session, tab }: { session: Session; tab: TabKey }) {
  const { t } = useTranslation("sessions");
  return (
    <>
      <PageHead
        title={session.session_name}
        beside={<SessionStatus value={session.status} />}
        trail={[{ to: urls.sessions(), label: t("detail.trail") }]}
        actions={<Actions session={session} />}
      />
      <PageTabs
        label={t("detail.tabs")}
        active={tab}
        tabs={tabs.map((key) => ({
          key,
          title: t(`detail.tab.${key}`),
          to: key === "overview" ? urls.session(session.id) : urls.session(session.id, key),
        }))}
      />
      <PageBody>
        <div className="berth-stack">
          <SessionProgress session={session} />
          <Suspense fallback={<Loading />}>
            <TabContent session={session} tab={tab} />
          </Suspense>
        </div>
      </PageBody>
    </>
  );
}

function TabContent({ session, tab }: { session: Session; tab: TabKey }) {
  switch (tab) {
    case "overview":
      return <OverviewTab session={session} />;
    case "log":
      return <LogTab session={session} />;
    case "terminal":
      return <TerminalTab session={session} />;
    case "metrics":
      return <MetricsTab session={session} />;
    case "events":
      return <EventsTab session={session} />;
    case "files":
      return <FilesTab session={session} />;
    case "ports":
      return <PortsTab session={session} />;
  }
}

function Actions({ session }: { session: Session }) {
  const { t } = useTranslation("sessions");
  const can = useCan();
  const navigate = useNavigate();
  const [asking, setAsking] = useState<"stop" | "extend">();
  const name = session.session_name;
  const changes = ["sessions", "operations", "profile"] as const;
  const openApplication = useOpenApplication(session);
  const stop = useAction(() => sessionStop(session.id), {
    wanted: t("detail.wanted_stop", { name }),
    done: t("detail.stopping", { name }),
    changes: [...changes],
  });
  const pause = useAction(() => sessionPause(session.id), {
    wanted: t("detail.wanted_pause", { name }),
    done: t("detail.pausing", { name }),
    changes: [...changes],
  });
  const resume = useAction(() => sessionResume(session.id), {
    wanted: t("detail.wanted_resume", { name }),
    done: t("detail.resuming", { name }),
    changes: [...changes],
  });
  const open = isOpen(session);
  const running = session.status === "running";
  const mayChange = can("session.update");
  const mayExecute = can("session.execute");
  return (
    <>
      {running && mayExecute && session.application_port && (
        <Button onClick={() => openApplication.mutate()} isLoading={openApplication.isPending} isDisabled={openApplication.isPending}>
          {t("detail.open")}
        </Button>
      )}
      {running && mayExecute && (
        <Button
          variant={session.application_port ? "secondary" : "primary"}
          onClick={() => void navigate(urls.session(session.id, "terminal"))}
        >
          {t("detail.terminal")}
        </Button>
      )}
      {session.status === "paused" && mayChange && (
        <Button onClick={() => resume.mutate()} isLoading={resume.isPending} isDisabled={resume.isPending}>
          {t("detail.resume")}
        </Button>
      )}
      {open && mayChange && session.desired_state !== "stopped" && (
        <Button variant="secondary" isDanger onClick={() => setAsking("stop")}>
          {t("detail.stop")}
        </Button>
      )}
      {!open && can("session.create") && (
        <Button onClick={() => void navigate(urls.launch(session.application))}>{t("detail.again")}</Button>
      )}
      <ActionMenu
        actions={[
          running && mayChange && { key: "pause", label: t("detail.pause"), run: () => pause.mutate() },
          open && mayChange && { key: "extend", label: t("detail.extend"), run: () => setAsking("extend") },
        ]}
      />
      {asking === "stop" && (
        <Confirm
          title={t("detail.stop_title", { name })}
          action={t("detail.stop")}
          onConfirm={() => stop.mutateAsync()}
          onClose={() => setAsking(undefined)}
        >
          {session.scheduled_node_id ? t("detail.stop_body") : t("detail.stop_waiting")}
        </Confirm>
      )}
      {asking === "extend" && <Extend session={session} onClose={() => setAsking(undefined)} />}
      {(pause.isPending || resume.isPending) && <Spinner size="md" aria-label={t("detail.tabs")} />}
    </>
  );
}

function Extend({ session, onClose }: { session: Session; onClose: () => void }) {
  const { t } = useTranslation("sessions");
  const name = session.session_name;
  const extend = useAction((minutes: number) => sessionExtend(session.id, minutes), {
    wanted: t("detail.extend_title", { name }),
    done: (after) => t("detail.extended", { name, time: after.ends_at ? dateTime(after.ends_at) : "" }),
    changes: ["sessions"],
    after: onClose,
    inForm: true,
  });
  const form = useForm({ minutes: "60" }, (values) => extend.mutateAsync(Number(values.minutes)));
  const minutes = Number(form.values.minutes);
  const end = session.ends_at && minutes > 0 ? dateTime(Date.parse(session.ends_at) + minutes * 60_000) : undefined;
  return (
    <SideForm title={t("detail.extend_title", { name })} form={form} action={t("detail.extend")} onClose={onClose}>
      <TextField
        form={form}
        name="minutes"
        label={t("detail.extend_minutes")}
        type="number"
        min={1}
        step={1}
        required
        hint={end ? t("detail.extend_hint", { time: end }) : t("detail.extend_no_end")}
      />
    </SideForm>
  );
}
