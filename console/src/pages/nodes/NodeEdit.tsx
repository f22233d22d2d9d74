import { useTranslation } from "react-i18next";
import { ApiProblem } from "@/api/client";
import { type NodeDetail, type NodeResource, type NodeUpdate, nodeUpdate } from "@/api/nodes";
import { useResourcePools } from "@/api/sites";
import { ChoiceField, numberOf, SideForm, TextField, useForm } from "@/parts/form";
import { number } from "@/parts/format";
import { useAction } from "@/parts/useAction";
import { pairsText, parsePairs } from "./pairs";
import { toBase, toPeople } from "./units";

/** Fields of the form, by name: `cpu_reservation`, `cpu_overcommit` beside the plain ones. */
type Values = Record<string, string>;

const kinds = ["cpu", "memory", "storage", "gpu"] as const;

export function NodeEdit({ node, onClose }: { node: NodeDetail; onClose: () => void }) {
  const { t } = useTranslation(["fleet", "enums", "common"]);
  const pools = useResourcePools().data ?? [];
  const resources = kinds
    .map((kind) => node.resources.find((resource) => resource.resource_type === kind))
    .filter((resource): resource is NodeResource => resource !== undefined && resource.total_capacity > 0);
  const initial: Values = {
    name: node.name,
    resource_pool_id: node.resource_pool_id,
    priority: String(node.priority),
    labels: pairsText(node.labels),
    tags: pairsText(node.tags),
  };
  for (const resource of resources) {
    const kind = resource.resource_type;
    initial[`${kind}_reservation`] = String(toPeople(kind, resource.reservation_capacity));
    initial[`${kind}_overcommit`] = String(resource.constraints.overcommit_ratio);
  }
  const update = useAction((body: NodeUpdate) => nodeUpdate(node.id, node.generation, body), {
    wanted: t("edit.wanted"),
    done: t("edit.done", { name: node.name }),
    changes: ["nodes", "sites", "fleet"],
    inForm: true,
    after: onClose,
  });
  const pairs = (field: string, text: string): Record<string, string> => {
    const parsed = parsePairs(text);
    if (typeof parsed !== "number") return parsed;
    const message = t("edit.pair", { line: parsed });
    throw new ApiProblem(422, { title: message, fields: [{ field, message }] });
  };
  const form = useForm<Values>(initial, async (values) => {
    // Only what was changed: the rest may have been changed by somebody else, or may not be changed at all.
    const changed = (name: string) => values[name] !== initial[name];
    const text = (name: string) => values[name] ?? "";
    const body: NodeUpdate = {
      ...(changed("name") ? { name: text("name") } : {}),
      ...(changed("resource_pool_id") ? { resource_pool_id: text("resource_pool_id") } : {}),
      ...(changed("priority") ? { priority: numberOf(text("priority")) } : {}),
      ...(changed("labels") ? { labels: pairs("labels", text("labels")) } : {}),
      ...(changed("tags") ? { tags: pairs("tags", text("tags")) } : {}),
    };
    const sent = resources.filter(
      ({ resource_type: kind }) => changed(`${kind}_reservation`) || changed(`${kind}_overcommit`),
    );
    if (sent.length > 0) {
      body.resources = sent.map(({ resource_type: kind }) => ({
        resource_type: kind,
        reservation_capacity: changed(`${kind}_reservation`)
          ? toBase(kind, numberOf(text(`${kind}_reservation`)) ?? 0)
          : null,
        overcommit_ratio: changed(`${kind}_overcommit`) ? (numberOf(text(`${kind}_overcommit`)) ?? 1) : null,
      }));
    }
    try {
      await update.mutateAsync(body);
    } catch (error) {
      throw named(error, sent);
    }
  });
  return (
    <SideForm title={t("edit.title", { name: node.name })} form={form} action={t("common:action.save")} onClose={onClose}>
      <TextField form={form} name="name" label={t("edit.name")} required />
      <ChoiceField
        form={form}
        name="resource_pool_id"
        label={t("edit.pool")}
        hint={t("edit.pool_hint")}
        options={pools.map((pool) => ({ value: pool.id, label: pool.name }))}
        disabled={node.session_count > 0}
      />
      <TextField form={form} name="priority" type="number" step={1} label={t("edit.priority")} hint={t("edit.priority_hint")} />
      <TextField form={form} name="labels" lines={3} label={t("edit.labels")} hint={t("edit.labels_hint")} />
      <TextField form={form} name="tags" lines={3} label={t("edit.tags")} hint={t("edit.tags_hint")} />
      {resources.map(({ resource_type: kind, total_capacity }) => {
        const resource = t(`enums:resource_kind.${kind}`);
        const unit = t(`unit.${kind}`);
        const total = t("figure.amount", { amount: number(toPeople(kind, total_capacity)), unit });
        return [
          <TextField
            key={`${kind}_reservation`}
            form={form}
            name={`${kind}_reservation`}
            type="number"
            min={0}
            label={t("edit.reservation", { resource, unit })}
            hint={t("edit.reservation_hint", { total })}
          />,
          // A GPU is never sold twice.
          kind !== "gpu" && (
            <TextField
              key={`${kind}_overcommit`}
              form={form}
              name={`${kind}_overcommit`}
              type="number"
              min={1}
              max={16}
              label={t("edit.overcommit", { resource })}
              hint={t("edit.overcommit_hint")}
            />
          ),
        ];
      })}
    </SideForm>
  );
}

/** A refusal whose `resources[1].overcommit_ratio` names the field of the form. */
function named(error: unknown, sent: NodeResource[]): unknown {
  if (!(error instanceof ApiProblem)) return error;
  const fields = error.fields.map(({ field, message }) => {
    const found = /^resources(?:\[|\.)(\d+)\]?\.(reservation|overcommit)/.exec(field);
    const kind = found ? sent[Number(found[1])]?.resource_type : undefined;
    return { field: kind ? `${kind}_${found?.[2]}` : field, message };
  });
  return new ApiProblem(error.status, {
    detail: error.message,
    code: error.code as never,
    fields,
    ...(error.requestId ? { request_id: error.requestId } : {}),
  });
}
