/** Launching an application: one button with sensible defaults, everything else beneath it, and what will happen. */
import { Alert, Button, Card, CardBody, CardTitle, Checkbox, ExpandableSection, Form, Spinner, Title } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useNavigate, useParams } from "react-router";
import { type Application, useApplications } from "@/api/applications";
import { ApiProblem, api, type Schemas, take } from "@/api/client";
import { useCan, useProfile } from "@/api/profile";
import { keys, loadAll } from "@/api/queries";
import { type SessionCheck, type SessionLaunch, sessionLaunch, useSessionCheck } from "@/api/sessions";
import { errorText } from "@/parts/error";
import { ChoiceField, FormError, type FormState, TextField, useForm } from "@/parts/form";
import { number } from "@/parts/format";
import { Answer, Empty, PageBody, PageHead } from "@/parts/page";
import { QuotaBar } from "@/parts/QuotaBar";
import { useAction } from "@/parts/useAction";
import { urls } from "@/urls";
import { defaultsOf, type LaunchValues, labelsOf, requestOf } from "./launchRequest";
import { FilterLines } from "./parts";
import { VariableRows } from "./VariableRows";
import "./sessions.css";

export function Component() {
  const { t } = useTranslation("sessions");
  const { name = "" } = useParams();
  const navigate = useNavigate();
  const query = useApplications();
  return (
    <Answer query={query} head={<PageHead title={name} />}>
      {(applications) => {
        const application = applications.find((candidate) => candidate.name === name);
        if (application) return <Launch key={application.id} application={application} />;
        return (
          <>
            <PageHead title={name} trail={[{ to: urls.applications(), label: t("applications.title") }]} />
            <PageBody>
              <Empty
                title={t("launch.not_found_title")}
                body={t("launch.not_found_body")}
                action={<Button onClick={() => void navigate(urls.applications())}>{t("launch.to_applications")}</Button>}
              />
            </PageBody>
          </>
        );
      }}
    </Answer>
  );
}

/** Milliseconds without typing after which the server is asked. */
const PAUSE_MS = 400;

/** A value that follows another one when that has come to rest. */
function useSettled<T>(value: T): T {
  const [settled, setSettled] = useState(value);
  const text = JSON.stringify(value);
  useEffect(() => {
    const timer = window.setTimeout(() => setSettled(JSON.parse(text) as T), PAUSE_MS);
    return () => window.clearTimeout(timer);
  }, [text]);
  return settled;
}

function Launch({ application }: { application: Application }) {
  const { t } = useTranslation(["sessions", "common"]);
  const navigate = useNavigate();
  const [advanced, setAdvanced] = useState(false);
  const launch = useAction(sessionLaunch, {
    wanted: t("launch.wanted", { name: application.title }),
    done: (session) => t("launch.launched", { name: session.session_name }),
    changes: ["sessions", "profile", "operations"],
    inForm: true,
    after: (session) => void navigate(urls.session(session.id)),
  });
  const form = useForm<LaunchValues>(defaultsOf(application), (values) => {
    if (labelsOf(values.labels) === undefined) throw labelsWrong();
    return launch.mutateAsync(requestOf(application.name, values));
  });
  const labelsWrong = () =>
    new ApiProblem(422, { code: "invalid_value", detail: "", fields: [{ field: "labels", message: t("launch.labels_wrong") }] });
  const request = useSettled(requestOf(application.name, form.values));
  const check = useSessionCheck(request, application.enabled);
  const localError = labelsOf(form.values.labels) === undefined ? labelsWrong() : undefined;
  // What the check finds wrong is told at the field at once, not only after the attempt.
  const shown: FormState<LaunchValues> = { ...form, error: form.error ?? localError ?? check.error ?? undefined };
  return (
    <>
      <PageHead
        title={t("launch.title", { name: application.title })}
        description={application.description}
        trail={[{ to: urls.applications(), label: t("applications.title") }]}
      />
      <PageBody>
        <div className="berth-stack">
          {!application.enabled && <Alert component="h2" isInline variant="warning" title={t("launch.disabled")} />}
          {application.untested && <Alert component="h2" isInline variant="warning" title={t("launch.untested")} />}
          <div className="berth-launch">
            <Form onSubmit={form.submit} aria-label={t("launch.title", { name: application.title })}>
              <FormError error={form.error} />
              <TextField form={shown} name="session_name" label={t("launch.name")} hint={t("launch.name_hint")} />
              <div className="berth-screen-bar">
                <Button type="submit" size="lg" isLoading={form.busy} isDisabled={form.busy || !application.enabled}>
                  {t("launch.go")}
                </Button>
                <Button variant="link" onClick={() => void navigate(urls.applications())}>
                  {t("launch.cancel")}
                </Button>
              </div>
              <ExpandableSection
                toggleText={t("launch.advanced")}
                isExpanded={advanced || fieldBeneath(form.error)}
                onToggle={(_, open) => setAdvanced(open)}
              >
                <Advanced application={application} form={shown} />
              </ExpandableSection>
            </Form>
            <div className="berth-launch-check">
              <Check check={check.data} error={check.error} busy={check.isFetching} request={request} />
            </div>
          </div>
        </div>
      </PageBody>
    </>
  );
}

/** Whether a refusal is about a field that the closed section would hide. */
const fieldBeneath = (error: unknown): boolean =>
  error instanceof ApiProblem && error.fields.some(({ field }) => field !== "session_name");

const nodeTypes: readonly Schemas["NodeType"][] = ["control", "compute", "storage", "gpu", "hybrid"];
const policies: readonly Schemas["NetworkPolicyKind"][] = ["default", "isolated", "none"];

const all = <T,>(load: (query: { limit?: number; cursor?: string }) => Promise<unknown>) =>
  loadAll<T, object>({}, load as (query: object) => Promise<{ items: T[] }>, () => undefined);

function Advanced({ application, form }: { application: Application; form: FormState<LaunchValues> }) {
  const { t } = useTranslation(["sessions", "enums"]);
  const can = useCan();
  const pools = useQuery({
    queryKey: keys.list("sites", { pools: "all" }),
    queryFn: () => all<Schemas["ResourcePool"]>((query) => take(api.GET("/api/v1/resource-pools", { params: { query } }))),
    retry: false,
  });
  const nodes = useQuery({
    queryKey: keys.list("nodes", { choice: "all" }),
    queryFn: () => all<Schemas["Node"]>((query) => take(api.GET("/api/v1/nodes", { params: { query } }))),
    enabled: can("server.read", "any"),
    retry: false,
  });
  const policy = form.values.network_policy as Schemas["NetworkPolicyKind"];
  const command = application.command.length > 0 ? application.command.join(" ") : t("launch.command_image");
  const numeric = { type: "number" as const, min: 0 };
  return (
    <div className="berth-stack">
      <Title headingLevel="h2" size="md">
        {t("launch.resources")}
      </Title>
      <div className="berth-field-grid">
        <TextField form={form} name="cpu_request" label={t("launch.cpu")} {...numeric} />
        <TextField form={form} name="cpu_limit" label={t("launch.cpu_limit")} hint={t("launch.limit_hint")} {...numeric} />
        <TextField form={form} name="memory_request_gb" label={t("launch.memory")} {...numeric} />
        <TextField form={form} name="memory_limit_gb" label={t("launch.memory_limit")} hint={t("launch.limit_hint")} {...numeric} />
        <TextField form={form} name="storage_request_gb" label={t("launch.storage")} {...numeric} />
        <TextField
          form={form}
          name="gpu_request"
          label={t("launch.gpu")}
          {...numeric}
          step={1}
          disabled={form.values.gpu_share !== ""}
        />
        <TextField form={form} name="gpu_share" label={t("launch.gpu_share")} hint={t("launch.gpu_share_hint")} {...numeric} max={999} step={1} />
        <TextField form={form} name="gpu_type" label={t("launch.gpu_type")} hint={t("launch.gpu_type_hint")} />
        <TextField form={form} name="gpu_memory_gb" label={t("launch.gpu_memory")} {...numeric} />
      </div>
      <Title headingLevel="h2" size="md">
        {t("launch.runtime")}
      </Title>
      <div className="berth-field-grid">
        <TextField form={form} name="max_runtime_minutes" label={t("launch.minutes")} {...numeric} step={1} />
        <TextField form={form} name="priority" label={t("launch.priority")} hint={t("launch.priority_hint")} type="number" min={1} max={10} step={1} />
      </div>
      <Checkbox
        id="preemptible"
        label={t("launch.preemptible_label")}
        description={t("launch.preemptible")}
        isChecked={form.values.preemptible}
        onChange={(_, on) => form.set("preemptible", on)}
      />
      <Title headingLevel="h2" size="md">
        {t("launch.program")}
      </Title>
      <TextField form={form} name="command" label={t("launch.command")} hint={t("launch.command_hint", { command })} lines={2} />
      <VariableRows form={form} />
      <ChoiceField
        form={form}
        name="network_policy"
        label={t("launch.network_policy")}
        hint={t(`launch.policy_hint.${policy}`)}
        options={policies.map((value) => ({ value, label: t(`enums:network_policy.${value}`) }))}
      />
      <Title headingLevel="h2" size="md">
        {t("launch.placement")}
      </Title>
      <div className="berth-field-grid">
        {pools.data && pools.data.length > 0 && (
          <ChoiceField
            form={form}
            name="resource_pool_id"
            label={t("launch.pool")}
            options={[
              { value: "", label: t("launch.any_pool") },
              ...pools.data.map(({ id, name }) => ({ value: id, label: name })),
            ]}
          />
        )}
        {nodes.data && nodes.data.length > 0 && (
          <ChoiceField
            form={form}
            name="preferred_node"
            label={t("launch.node")}
            options={[
              { value: "", label: t("launch.any_node") },
              ...nodes.data.map(({ id, name }) => ({ value: id, label: name })),
            ]}
          />
        )}
        <ChoiceField
          form={form}
          name="node_type"
          label={t("launch.node_type")}
          options={[
            { value: "", label: t("launch.any") },
            ...nodeTypes.map((value) => ({ value, label: t(`enums:node_type.${value}`) })),
          ]}
        />
        <TextField form={form} name="architecture" label={t("launch.architecture")} placeholder="x86_64" />
        <TextField form={form} name="min_bandwidth_mbps" label={t("launch.bandwidth")} {...numeric} step={1} />
      </div>
      <TextField form={form} name="labels" label={t("launch.labels")} hint={t("launch.labels_hint")} lines={2} />
    </div>
  );
}

interface CheckProps {
  check: SessionCheck | undefined;
  error: unknown;
  busy: boolean;
  request: SessionLaunch;
}

/** What a launch would meet now. */
function Check({ check, error, busy, request }: CheckProps) {
  const { t } = useTranslation("sessions");
  const verdict = check && (check.exceeds_quota ? "never" : check.fits_now ? "fits" : "waits");
  const tones = { fits: "success", waits: "warning", never: "danger" } as const;
  return (
    <Card isCompact>
      <CardTitle component="h2">
        {t("launch.check.title")} {busy && <Spinner size="md" aria-label={t("launch.check.checking")} />}
      </CardTitle>
      <CardBody>
        <div className="berth-stack">
          <div role="status">
            {error ? (
              <Alert
                component="h3"
                isInline
                variant="warning"
                title={error instanceof ApiProblem && error.fields.length > 0 ? t("launch.check.wrong") : t("launch.check.failed")}
              >
                {errorText(error)}
              </Alert>
            ) : (
              verdict && (
                <Alert component="h3" isInline variant={tones[verdict]} title={t(`launch.check.${verdict}`)}>
                  <p>{check.explanation}</p>
                  {!check.fits_now && check.filters.length > 0 && (
                    <>
                      <p>{t("launch.check.why")}</p>
                      <FilterLines filters={check.filters} />
                    </>
                  )}
                </Alert>
              )
            )}
          </div>
          {!error && check && <Consumption check={check} />}
          {!error && check && <Quota check={check} request={request} />}
          <p className="berth-quiet">{t("launch.check.live")}</p>
        </div>
      </CardBody>
    </Card>
  );
}

function Consumption({ check }: { check: SessionCheck }) {
  const { t } = useTranslation("sessions");
  if (!check.hours?.length) return null;
  return (
    <div>
      <Title headingLevel="h3" size="md">
        {t("launch.check.uses")}
      </Title>
      <ul className="berth-filter-lines">
        {check.hours.map(({ resource_type, amount }) => (
          <li key={resource_type}>
            {t("launch.check.hours", { amount: number(amount), unit: t(`launch.check.hours_unit.${resource_type}`) })}
          </li>
        ))}
      </ul>
    </div>
  );
}

function Quota({ check, request }: { check: SessionCheck; request: SessionLaunch }) {
  const { t } = useTranslation("sessions");
  const profile = useProfile();
  // A server that does not tell what the launch adds still tells what is used.
  const added: Record<string, number | null | undefined> = {
    sessions: 1,
    cpu: request.cpu_request,
    memory_gb: request.memory_request_gb,
    gpu: request.gpu_request,
    storage_gb: request.storage_request_gb,
  };
  const limits: { scope: "user" | "tenant"; resource: string; used: number; requested: number; limit?: number | null }[] =
    check.quota ??
    (["user", "tenant"] as const).flatMap((scope) =>
      profile.quota[scope].map((quota) => ({ ...quota, scope, requested: added[quota.resource] ?? 0 })),
    );
  return (["user", "tenant"] as const).map((scope) => {
    const rows = limits.filter((one) => one.scope === scope && one.limit !== null && one.limit !== undefined && one.requested > 0);
    if (rows.length === 0) return null;
    return (
      <div key={scope}>
        <Title headingLevel="h3" size="md">
          {t(scope === "user" ? "launch.check.quota" : "launch.check.quota_tenant")}
        </Title>
        {rows.map(({ resource, used, requested, limit }) => (
          <QuotaBar key={resource} of={scope} resource={resource} used={used + requested} limit={limit} />
        ))}
      </div>
    );
  });
}
