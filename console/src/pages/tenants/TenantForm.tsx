/** A new tenant, or what an existing one is called. */
import { useTranslation } from "react-i18next";
import { type Tenant, tenantCreate, tenantUpdate } from "@/api/identity";
import { SideForm, TextField, useForm } from "@/parts/form";
import { useAction } from "@/parts/useAction";

interface Props {
  tenant?: Tenant;
  onClose: () => void;
  onMade?: (tenant: Tenant) => void;
}

export function TenantForm({ tenant, onClose, onMade }: Props) {
  const { t } = useTranslation("identity");
  const save = useAction(
    (values: { name: string; description: string }) =>
      tenant ? tenantUpdate(tenant, values) : tenantCreate({ ...values, quota_config: {} }),
    {
      wanted: tenant ? t("tenants.saving") : t("tenants.creating"),
      done: (saved) => (tenant ? t("tenants.saved", saved) : t("tenants.created_toast", saved)),
      changes: ["tenants", "profile"],
      inForm: true,
      after: (saved) => {
        onClose();
        onMade?.(saved);
      },
    },
  );
  const form = useForm({ name: tenant?.name ?? "", description: tenant?.description ?? "" }, (values) =>
    save.mutateAsync(values),
  );
  return (
    <SideForm
      title={tenant ? t("tenants.edit_title", { name: tenant.name }) : t("tenants.create_title")}
      form={form}
      action={tenant ? t("tenants.edit") : t("tenants.create")}
      onClose={onClose}
    >
      <TextField form={form} name="name" label={t("tenants.name")} hint={t("tenants.name_hint")} required />
      <TextField form={form} name="description" label={t("tenants.text")} lines={4} />
    </SideForm>
  );
}
