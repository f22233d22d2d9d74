/** The catalogue: what can be launched, with one click. */
import { Button, Card, CardBody, CardFooter, CardTitle, Label, SearchInput, Tooltip } from "@patternfly/react-core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useNavigate } from "react-router";
import { type Application, applicationDelete, applicationUpdate, useApplications } from "@/api/applications";
import { useCan } from "@/api/profile";
import { ActionMenu } from "@/parts/ActionMenu";
import { Confirm } from "@/parts/Confirm";
import { duration, number } from "@/parts/format";
import { Answer, Empty, PageBody, PageHead } from "@/parts/page";
import { useAction } from "@/parts/useAction";
import { useFilters } from "@/parts/useFilters";
import { urls } from "@/urls";
import { ApplicationForm } from "./ApplicationForm";
import { ApplicationIcon } from "./icon";
import "./applications.css";

const FILTERS = ["search"];

export function Component() {
  const { t } = useTranslation(["sessions", "common"]);
  const can = useCan();
  const query = useApplications();
  const [{ search = "" }, change] = useFilters(FILTERS);
  const [adding, setAdding] = useState(false);
  const add = can("template.create", "tenant") && (
    <Button variant="secondary" onClick={() => setAdding(true)}>
      {t("applications.add")}
    </Button>
  );
  const clear = (
    <Button variant="link" onClick={() => change({ search: undefined })}>
      {t("common:action.clear_filters")}
    </Button>
  );
  return (
    <>
      <PageHead title={t("applications.title")} description={t("applications.description")} actions={add} />
      <PageBody>
        <Answer query={query}>
          {(applications) =>
            applications.length === 0 ? (
              <Empty
                title={t("applications.empty_title")}
                body={add ? t("applications.empty_body") : t("applications.empty_body_reader")}
                action={add}
              />
            ) : (
              <>
                <div className="berth-application-search">
                  <SearchInput
                    data-shortcut="search"
                    aria-label={t("applications.search")}
                    placeholder={t("applications.search")}
                    value={search}
                    onChange={(_, value) => change({ search: value })}
                    onClear={() => change({ search: undefined })}
                  />
                </div>
                <Gallery
                  applications={matching(applications, search)}
                  none={<Empty title={t("applications.no_match_title")} body={t("applications.no_match_body")} action={clear} />}
                />
              </>
            )
          }
        </Answer>
      </PageBody>
      {adding && <ApplicationForm onClose={() => setAdding(false)} />}
    </>
  );
}

/** Those that hold every word in their name, title or description; what cannot be launched comes last. */
export function matching(applications: readonly Application[], search: string): Application[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return applications
    .filter(({ name, title, description }) => {
      const text = `${name} ${title} ${description ?? ""}`.toLowerCase();
      return words.every((word) => text.includes(word));
    })
    .sort((a, b) => Number(b.enabled) - Number(a.enabled));
}

function Gallery({ applications, none }: { applications: readonly Application[]; none: React.ReactNode }) {
  if (applications.length === 0) return none;
  return (
    <ul className="berth-gallery berth-gap-above">
      {applications.map((application) => (
        <li key={application.id}>
          <ApplicationCard application={application} />
        </li>
      ))}
    </ul>
  );
}

function ApplicationCard({ application }: { application: Application }) {
  const { t } = useTranslation(["sessions", "common"]);
  const can = useCan();
  const navigate = useNavigate();
  const [asking, setAsking] = useState<"edit" | "delete">();
  const { title, enabled } = application;
  // What stands in everybody's catalogue is changed by those who administer all of it.
  const least = application.tenant_id ? "tenant" : "any";
  const turn = useAction(() => applicationUpdate(application, { enabled: !enabled }), {
    wanted: t("applications.wanted_update", { name: title }),
    done: t(enabled ? "applications.was_disabled" : "applications.enabled", { name: title }),
    changes: ["applications"],
  });
  const remove = useAction(() => applicationDelete(application), {
    wanted: t("applications.wanted_delete", { name: title }),
    done: t("applications.deleted", { name: title }),
    changes: ["applications"],
  });
  const facts: [string, string][] = [
    [t("applications.cpu"), number(application.default_cpu)],
    [t("applications.memory"), t("resources.memory", { value: number(application.default_memory_gb) })],
    ...(application.default_gpu > 0 ? [[t("applications.gpu"), number(application.default_gpu)] as [string, string]] : []),
    [
      t("applications.time"),
      application.default_max_runtime_minutes > 0
        ? duration(application.default_max_runtime_minutes * 60)
        : t("common:state.unlimited"),
    ],
  ];
  const labelled = application.builtin || application.untested || !enabled;
  return (
    <Card className="berth-application" isCompact>
      <CardTitle component="h2">
        <span className="berth-application-title">
          <ApplicationIcon name={application.icon} />
          {title}
        </span>
      </CardTitle>
      <CardBody>
        {application.description && <p>{application.description}</p>}
        <dl className="berth-application-facts">
          {facts.map(([name, value]) => (
            <div key={name}>
              <dt className="berth-quiet">{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
        {labelled && (
          <div className="berth-application-badges">
            {application.builtin && (
              <Label isCompact color="blue" variant="outline">
                {t("applications.builtin")}
              </Label>
            )}
            {application.untested && (
              <Tooltip content={t("applications.untested_hint")}>
                <Label isCompact status="warning" variant="outline" tabIndex={0}>
                  {t("applications.untested")}
                </Label>
              </Tooltip>
            )}
            {!enabled && (
              <Label isCompact color="grey" variant="outline">
                {t("applications.disabled")}
              </Label>
            )}
          </div>
        )}
      </CardBody>
      <CardFooter>
        <div className="berth-application-foot">
          {can("session.create") ? (
            <Button
              aria-label={t("applications.launch_named", { name: title })}
              isDisabled={!enabled}
              onClick={() => void navigate(urls.launch(application.name))}
            >
              {t("applications.launch")}
            </Button>
          ) : (
            <span />
          )}
          <ActionMenu
            label={t("applications.more", { name: title })}
            actions={[
              can("template.update", least) && { key: "edit", label: t("applications.edit"), run: () => setAsking("edit") },
              can("template.update", least) && {
                key: "enabled",
                label: enabled ? t("applications.disable") : t("applications.enable"),
                run: () => turn.mutate(),
              },
              can("template.delete", least) && {
                key: "delete",
                label: t("applications.delete"),
                danger: true,
                run: () => setAsking("delete"),
              },
            ]}
          />
        </div>
      </CardFooter>
      {asking === "edit" && <ApplicationForm application={application} onClose={() => setAsking(undefined)} />}
      {asking === "delete" && (
        <Confirm
          title={t("applications.delete_title", { name: title })}
          action={t("applications.delete")}
          onConfirm={() => remove.mutateAsync()}
          onClose={() => setAsking(undefined)}
        >
          {t("applications.delete_body", { name: title })}
        </Confirm>
      )}
    </Card>
  );
}
