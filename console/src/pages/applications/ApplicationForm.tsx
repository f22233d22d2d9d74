import { useTranslation } from "react-i18next";
import { type Application, applicationCreate, applicationUpdate } from "@/api/applications";
import type { Schemas } from "@/api/client";
import { ChoiceField, numberOf, SideForm, TextField, useForm } from "@/parts/form";
import { useAction } from "@/parts/useAction";
import { type IconName, icons } from "./icon";

const types: readonly Schemas["SessionType"][] = ["interactive", "batch", "streaming", "ai_training", "rendering"];
const protocols: readonly Schemas["ApplicationProtocol"][] = ["http", "none"];
const policies: readonly Schemas["NetworkPolicyKind"][] = ["default", "isolated", "none"];

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

/** Adds an application, or changes what may be changed of one. */
export function ApplicationForm({ application, onClose }: { application?: Application; onClose: () => void }) {
  const { t } = useTranslation(["sessions", "enums", "common"]);
  const name = application?.title ?? "";
  const save = useAction((run: () => Promise<Application>) => run(), {
    wanted: application ? t("applications.wanted_update", { name }) : t("applications.wanted_create"),
    done: (saved) => t(application ? "applications.updated" : "applications.created", { name: saved.title }),
    changes: ["applications"],
    inForm: true,
    after: onClose,
  });
  const form = useForm(
    {
      name: application?.name ?? "",
      title: application?.title ?? "",
      description: application?.description ?? "",
      container_image: application?.container_image ?? "",
      command: "",
      session_type: "interactive",
      protocol: "http",
      port: "8080",
      icon: "cube",
      default_cpu: String(application?.default_cpu ?? 1),
      default_memory_gb: String(application?.default_memory_gb ?? 1),
      default_storage_gb: String(application?.default_storage_gb ?? 1),
      default_gpu: "0",
      default_max_runtime_minutes: String(application?.default_max_runtime_minutes ?? 480),
      default_network_policy: "default",
      shell: "",
    },
    (values) => {
      const number = (text: string, otherwise: number) => numberOf(text) ?? otherwise;
      const shared = {
        title: values.title,
        description: values.description,
        container_image: values.container_image,
        default_cpu: number(values.default_cpu, 1),
        default_memory_gb: number(values.default_memory_gb, 1),
        default_storage_gb: number(values.default_storage_gb, 1),
        default_max_runtime_minutes: number(values.default_max_runtime_minutes, 480),
      };
      if (application) return save.mutateAsync(() => applicationUpdate(application, shared));
      return save.mutateAsync(() =>
        applicationCreate({
          ...shared,
          name: values.name,
          description: values.description || null,
          command: lines(values.command),
          shell: lines(values.shell),
          session_type: values.session_type as Schemas["SessionType"],
          protocol: values.protocol as Schemas["ApplicationProtocol"],
          port: values.protocol === "none" ? null : numberOf(values.port),
          icon: values.icon,
          default_gpu: number(values.default_gpu, 0),
          default_network_policy: values.default_network_policy as Schemas["NetworkPolicyKind"],
        }),
      );
    },
  );
  const isNew = !application;
  return (
    <SideForm
      title={application ? t("applications.form.edit_title", { name }) : t("applications.form.add_title")}
      form={form}
      action={application ? t("common:action.save") : t("applications.add")}
      onClose={onClose}
    >
      {isNew && <TextField form={form} name="name" label={t("applications.form.name")} hint={t("applications.form.name_hint")} required />}
      <TextField form={form} name="title" label={t("applications.form.title")} required />
      <TextField form={form} name="description" label={t("applications.form.description")} lines={2} />
      <TextField form={form} name="container_image" label={t("applications.form.image")} required />
      {isNew && (
        <>
          <TextField form={form} name="command" label={t("applications.form.command")} hint={t("applications.form.command_hint")} lines={2} />
          <ChoiceField
            form={form}
            name="protocol"
            label={t("applications.form.protocol")}
            hint={t("applications.form.protocol_hint")}
            options={protocols.map((value) => ({ value, label: t(`enums:application_protocol.${value}`) }))}
          />
          {form.values.protocol !== "none" && (
            <TextField form={form} name="port" label={t("applications.form.port")} hint={t("applications.form.port_hint")} type="number" min={1} max={65535} step={1} required />
          )}
          <ChoiceField
            form={form}
            name="session_type"
            label={t("applications.form.type")}
            options={types.map((value) => ({ value, label: t(`enums:session_type.${value}`) }))}
          />
          <ChoiceField
            form={form}
            name="icon"
            label={t("applications.form.icon")}
            options={(Object.keys(icons) as IconName[]).map((value) => ({ value, label: t(`applications.icon.${value}`) }))}
          />
        </>
      )}
      <TextField form={form} name="default_cpu" label={t("applications.form.cpu")} type="number" min={0} required />
      <TextField form={form} name="default_memory_gb" label={t("applications.form.memory")} type="number" min={0} required />
      <TextField form={form} name="default_storage_gb" label={t("applications.form.storage")} type="number" min={0} required />
      {isNew && <TextField form={form} name="default_gpu" label={t("applications.form.gpu")} type="number" min={0} step={1} required />}
      <TextField form={form} name="default_max_runtime_minutes" label={t("applications.form.minutes")} type="number" min={1} step={1} required />
      {isNew && (
        <>
          <ChoiceField
            form={form}
            name="default_network_policy"
            label={t("applications.form.network")}
            options={policies.map((value) => ({ value, label: t(`enums:network_policy.${value}`) }))}
          />
          <TextField form={form} name="shell" label={t("applications.form.shell")} hint={t("applications.form.shell_hint")} lines={2} />
        </>
      )}
    </SideForm>
  );
}
