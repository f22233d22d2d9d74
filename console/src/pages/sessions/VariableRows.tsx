/** The environment of a launch, a row per variable. */
import { Button, FormGroup, FormHelperText, FormSelect, FormSelectOption, HelperText, HelperTextItem, TextInput } from "@patternfly/react-core";
import { PlusCircleIcon } from "@patternfly/react-icons/dist/esm/icons/plus-circle-icon";
import { TimesIcon } from "@patternfly/react-icons/dist/esm/icons/times-icon";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { keys, loadAll } from "@/api/queries";
import { type Secret, secretList } from "@/api/secrets";
import { ApiProblem } from "@/api/client";
import type { FormState } from "@/parts/form";
import type { LaunchValues, Variable } from "./launchRequest";

export function VariableRows({ form }: { form: FormState<LaunchValues> }) {
  const { t } = useTranslation("sessions");
  const rows = form.values.environment_variables;
  const needsSecrets = rows.some((row) => row.kind === "secret");
  const secrets = useQuery({
    queryKey: keys.list("secrets", { choice: "all" }),
    queryFn: () => loadAll<Secret, object>({}, secretList, () => undefined),
    enabled: needsSecrets,
  });
  const names = [...new Set(secrets.data?.map(({ name }) => name) ?? [])];
  const set = (next: readonly Variable[]) => form.set("environment_variables", next);
  const change = (id: number, changed: Partial<Variable>) =>
    set(rows.map((row) => (row.id === id ? { ...row, ...changed } : row)));
  const problem =
    form.error instanceof ApiProblem
      ? form.error.fields.find(({ field }) => field.startsWith("environment_variables"))
      : undefined;
  return (
    <FormGroup role="group" label={t("launch.environment")} fieldId="environment_variables">
      {rows.map((row) => (
        <div key={row.id} className="berth-variable">
          <TextInput
            aria-label={t("launch.variable")}
            placeholder={t("launch.variable")}
            value={row.name}
            autoComplete="off"
            onChange={(_, name) => change(row.id, { name })}
          />
          <FormSelect
            aria-label={t("launch.kind")}
            value={row.kind}
            onChange={(_, kind) => change(row.id, { kind: kind === "secret" ? "secret" : "plain", value: "" })}
          >
            <FormSelectOption value="plain" label={t("launch.plain")} />
            <FormSelectOption value="secret" label={t("launch.secret")} />
          </FormSelect>
          {row.kind === "plain" ? (
            <TextInput
              aria-label={t("launch.value")}
              placeholder={t("launch.value")}
              value={row.value}
              autoComplete="off"
              onChange={(_, value) => change(row.id, { value })}
            />
          ) : (
            <FormSelect aria-label={t("launch.secret")} value={row.value} onChange={(_, value) => change(row.id, { value })}>
              <FormSelectOption
                value=""
                label={secrets.data && names.length === 0 ? t("launch.no_secrets") : t("launch.choose_secret")}
              />
              {names.map((name) => (
                <FormSelectOption key={name} value={name} label={name} />
              ))}
            </FormSelect>
          )}
          <Button
            variant="plain"
            icon={<TimesIcon />}
            aria-label={t("launch.remove_variable", { name: row.name })}
            onClick={() => set(rows.filter((other) => other.id !== row.id))}
          />
        </div>
      ))}
      <Button
        variant="link"
        isInline
        icon={<PlusCircleIcon />}
        onClick={() => set([...rows, { id: Math.max(0, ...rows.map((row) => row.id)) + 1, name: "", kind: "plain", value: "" }])}
      >
        {t("launch.add_variable")}
      </Button>
      <FormHelperText>
        <HelperText isLiveRegion={problem !== undefined}>
          <HelperTextItem variant={problem ? "error" : "default"}>{problem?.message ?? t("launch.environment_hint")}</HelperTextItem>
        </HelperText>
      </FormHelperText>
    </FormGroup>
  );
}
