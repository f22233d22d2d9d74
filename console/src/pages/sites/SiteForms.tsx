/** Adding and changing edge data centers and resource pools. */
import { useTranslation } from "react-i18next";
import type { Schemas } from "@/api/client";
import {
  type EdgeDataCenter,
  edgeDataCenterCreate,
  edgeDataCenterUpdate,
  type ResourcePool,
  resourcePoolCreate,
  resourcePoolUpdate,
} from "@/api/sites";
import { ChoiceField, SideForm, TextField, useForm } from "@/parts/form";
import { statusText } from "@/parts/Status";
import { useAction } from "@/parts/useAction";

const siteStatuses = ["active", "maintenance", "offline"];
const poolStatuses = ["active", "maintenance", "disabled"];
/** The policies that the scheduler carries out. */
const policies = ["load_balance", "bin_pack", "priority"] as const;

export function SiteForm({ site, onClose }: { site?: EdgeDataCenter; onClose: () => void }) {
  const { t } = useTranslation(["fleet", "common"]);
  const initial = { name: site?.name ?? "", location: site?.location ?? "", status: site?.status ?? "active" } as Record<
    "name" | "location" | "status",
    string
  >;
  const save = useAction(
    (values: typeof initial) =>
      site
        ? edgeDataCenterUpdate(site.id, site.generation, {
            name: values.name,
            location: values.location,
            status: values.status as Schemas["EdgeDataCenterStatus"],
          })
        : edgeDataCenterCreate({ name: values.name, location: values.location || null }),
    {
      wanted: t("site.wanted"),
      done: (_, values) => t(site ? "site.changed" : "site.added", { name: values.name }),
      changes: ["sites", "nodes"],
      inForm: true,
      after: onClose,
    },
  );
  const form = useForm(initial, (values) => save.mutateAsync(values));
  return (
    <SideForm
      title={site ? t("site.form_edit", { name: site.name }) : t("site.form_add")}
      form={form}
      action={site ? t("common:action.save") : t("common:action.create")}
      onClose={onClose}
    >
      <TextField form={form} name="name" label={t("site.name")} required />
      <TextField form={form} name="location" label={t("site.location")} />
      {site && (
        <ChoiceField
          form={form}
          name="status"
          label={t("site.status")}
          hint={t("site.status_hint")}
          options={siteStatuses.map((value) => ({ value, label: statusText("edge_data_center_status", value) }))}
        />
      )}
    </SideForm>
  );
}

interface PoolFormProps {
  site: EdgeDataCenter;
  pool?: ResourcePool;
  onClose: () => void;
}

export function PoolForm({ site, pool, onClose }: PoolFormProps) {
  const { t } = useTranslation(["fleet", "common"]);
  const initial = {
    name: pool?.name ?? "",
    description: pool?.description ?? "",
    scheduling_policy: pool?.scheduling_policy ?? "load_balance",
    status: pool?.status ?? "active",
  } as Record<"name" | "description" | "scheduling_policy" | "status", string>;
  const save = useAction(
    (values: typeof initial) => {
      const scheduling_policy = values.scheduling_policy as Schemas["SchedulingPolicy"];
      const { name } = values;
      return pool
        ? resourcePoolUpdate(pool.id, pool.generation, {
            name,
            description: values.description,
            scheduling_policy,
            status: values.status as Schemas["ResourcePoolStatus"],
          })
        : resourcePoolCreate({
            name,
            description: values.description || null,
            scheduling_policy,
            edge_data_center_id: site.id,
          });
    },
    {
      wanted: t("pool.wanted"),
      done: (_, values) => t(pool ? "site.changed" : "site.added", { name: values.name }),
      changes: ["sites", "nodes"],
      inForm: true,
      after: onClose,
    },
  );
  const form = useForm(initial, (values) => save.mutateAsync(values));
  return (
    <SideForm
      title={pool ? t("pool.form_edit", { name: pool.name }) : t("pool.form_add", { name: site.name })}
      form={form}
      action={pool ? t("common:action.save") : t("common:action.create")}
      onClose={onClose}
    >
      <TextField form={form} name="name" label={t("pool.field_name")} required />
      <TextField form={form} name="description" label={t("pool.field_description")} lines={2} />
      <ChoiceField
        form={form}
        name="scheduling_policy"
        label={t("pool.field_policy")}
        options={policies.map((value) => ({ value, label: t(`pool.policy_text.${value}`) }))}
      />
      {pool && (
        <ChoiceField
          form={form}
          name="status"
          label={t("pool.field_status")}
          hint={t("pool.status_hint")}
          options={poolStatuses.map((value) => ({ value, label: statusText("resource_pool_status", value) }))}
        />
      )}
    </SideForm>
  );
}
