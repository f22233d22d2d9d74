/** The limits of a user or a tenant, as a form from the side. */
import { Content } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import { type QuotaConfig, type Tenant, tenantUpdate, type User, userUpdate } from "@/api/identity";
import { FieldMistake } from "@/parts/error";
import { numberOf, SideForm, TextField, useForm } from "@/parts/form";
import { useAction } from "@/parts/useAction";
import { quotaFields, quotaOf, quotaValues } from "./quota";

type FieldOfUser = "quota_cpu_hours" | "quota_memory_gb_hours" | "quota_storage_gb";

interface Props {
  name: string;
  subject: { user: User } | { tenant: Tenant };
  onClose: () => void;
}

export function QuotaForm({ name, subject, onClose }: Props) {
  const { t } = useTranslation("identity");
  const user = "user" in subject ? subject.user : undefined;
  const before: QuotaConfig = "user" in subject ? subject.user.quota_config : subject.tenant.quota_config;
  const save = useAction(
    (body: { quota_config: QuotaConfig } & Partial<Record<FieldOfUser, number>>): Promise<unknown> =>
      "user" in subject ? userUpdate(subject.user, body) : tenantUpdate(subject.tenant, { quota_config: body.quota_config }),
    {
      wanted: t("quota.saving"),
      done: t("quota.saved", { name }),
      changes: ["users", "tenants", "profile"],
      inForm: true,
      after: onClose,
    },
  );
  const initial = {
    ...quotaValues(before),
    // The older field of users; the lower of the two is what holds.
    storage_gb: String(lower(before.storage_gb, user?.quota_storage_gb) ?? ""),
    quota_cpu_hours: String(user?.quota_cpu_hours ?? ""),
    quota_memory_gb_hours: String(user?.quota_memory_gb_hours ?? ""),
  };
  const form = useForm(initial, async (values) => {
    const own: Partial<Record<FieldOfUser, number>> = {};
    const set = (name: FieldOfUser, field: keyof typeof values) => {
      const value = numberOf(values[field]);
      // An absent field means "as it is" to the server: it cannot be emptied.
      if (value === null && typeof user?.[name] === "number") {
        throw new FieldMistake(field, t("quota.keeps"));
      }
      if (value !== null) own[name] = value;
    };
    set("quota_cpu_hours", "quota_cpu_hours");
    set("quota_memory_gb_hours", "quota_memory_gb_hours");
    if (typeof user?.quota_storage_gb === "number") set("quota_storage_gb", "storage_gb");
    await save.mutateAsync({ quota_config: quotaOf(values), ...own });
  });
  return (
    <SideForm title={t("quota.edit_title", { name })} form={form} action={t("quota.edit")} onClose={onClose}>
      <Content component="p">{user ? t("quota.explain_user") : t("quota.explain")}</Content>
      {quotaFields.map((field) => (
        <TextField
          key={field}
          form={form}
          name={field}
          label={t(`quota.${field}`)}
          type="number"
          min={0}
          {...(field === "sessions" || field === "waiting_sessions" ? { step: 1 } : {})}
          {...(field === "waiting_sessions" && user ? { hint: t("quota.waiting_hint") } : {})}
        />
      ))}
      {user && (
        <>
          <TextField form={form} name="quota_cpu_hours" label={t("quota.cpu_hours")} type="number" min={0} />
          <TextField form={form} name="quota_memory_gb_hours" label={t("quota.memory_gb_hours")} type="number" min={0} />
        </>
      )}
      <Content component="small">{t("quota.lower")}</Content>
    </SideForm>
  );
}

function lower(a: number | null | undefined, b: number | null | undefined): number | null | undefined {
  return typeof a === "number" && typeof b === "number" ? Math.min(a, b) : (a ?? b);
}
