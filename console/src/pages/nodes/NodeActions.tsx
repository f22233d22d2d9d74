/** What an operator does with a node, each asked for first. */
import { Button } from "@patternfly/react-core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useNavigate } from "react-router";
import {
  type NodeDetail,
  nodeActivate,
  nodeDecommission,
  nodeDelete,
  nodeDrain,
  nodeMaintenance,
} from "@/api/nodes";
import { useCan } from "@/api/profile";
import type { Domain } from "@/api/queries";
import { ActionMenu } from "@/parts/ActionMenu";
import { Confirm } from "@/parts/Confirm";
import { numberOf, SideForm, TextField, useForm } from "@/parts/form";
import { useAction } from "@/parts/useAction";
import { urls } from "@/urls";
import { NodeEdit } from "./NodeEdit";

const changes: Domain[] = ["nodes", "operations", "events", "sites", "fleet"];

type Asked = "drain" | "maintenance" | "decommission" | "delete" | "edit";

export function useActivate(node: { id: string; name: string }) {
  const { t } = useTranslation("fleet");
  return useAction(() => nodeActivate(node.id), {
    wanted: t("action.activate_wanted"),
    done: t("action.activated", { name: node.name }),
    changes,
  });
}

export function NodeActions({ node }: { node: NodeDetail }) {
  const { t } = useTranslation("fleet");
  const can = useCan();
  const navigate = useNavigate();
  const [asked, setAsked] = useState<Asked>();
  const close = () => setAsked(undefined);
  const { name } = node;
  const activate = useActivate(node);
  const maintenance = useAction(() => nodeMaintenance(node.id), {
    wanted: t("action.maintenance_wanted"),
    done: t("action.maintenance_done", { name }),
    changes,
  });
  const decommission = useAction(() => nodeDecommission(node.id), {
    wanted: t("action.decommission_wanted"),
    done: t("action.decommission_done", { name }),
    changes,
  });
  const remove = useAction(() => nodeDelete(node.id, node.generation), {
    wanted: t("action.delete_wanted"),
    done: t("action.delete_done", { name }),
    changes,
    after: () => void navigate(urls.nodes()),
  });
  const state = node.admin_state;
  const leaving = state === "decommissioning";
  const busy = node.session_count > 0;
  const manage = can("server.manage", "any");
  return (
    <>
      {manage && state !== "active" && (
        <Button isLoading={activate.isPending} isDisabled={activate.isPending} onClick={() => activate.mutate()}>
          {t("node.activate")}
        </Button>
      )}
      {manage && (state === "active" || state === "maintenance") && (
        <Button variant="secondary" onClick={() => setAsked("drain")}>
          {t("node.drain")}
        </Button>
      )}
      <ActionMenu
        actions={[
          can("server.update", "any") && { key: "edit", label: t("node.edit"), run: () => setAsked("edit") },
          manage &&
            state !== "maintenance" &&
            !leaving && { key: "maintenance", label: t("node.maintenance"), run: () => setAsked("maintenance") },
          manage &&
            !leaving && {
              key: "decommission",
              label: t("node.decommission"),
              danger: true,
              refused: busy ? t("action.decommission_first") : undefined,
              run: () => setAsked("decommission"),
            },
          can("server.delete", "any") && {
            key: "delete",
            label: t("node.delete"),
            danger: true,
            refused: leaving ? undefined : t("action.delete_first"),
            run: () => setAsked("delete"),
          },
        ]}
      />
      {asked === "drain" && <DrainForm node={node} onClose={close} />}
      {asked === "edit" && <NodeEdit node={node} onClose={close} />}
      {asked === "maintenance" && (
        <Confirm
          title={t("action.maintenance_title", { name })}
          action={t("node.maintenance")}
          danger={false}
          onConfirm={() => maintenance.mutateAsync()}
          onClose={close}
        >
          {t("action.maintenance_body", { count: node.session_count })}
        </Confirm>
      )}
      {asked === "decommission" && (
        <Confirm
          title={t("action.decommission_title", { name })}
          action={t("node.decommission")}
          onConfirm={() => decommission.mutateAsync()}
          onClose={close}
        >
          {t("action.decommission_body")}
        </Confirm>
      )}
      {asked === "delete" && (
        <Confirm
          title={t("action.delete_title", { name })}
          action={t("node.delete")}
          typeName={name}
          onConfirm={() => remove.mutateAsync()}
          onClose={close}
        >
          {t("action.delete_body")}
        </Confirm>
      )}
    </>
  );
}

/** Minutes that are proposed; the server's own default. */
const MINUTES = "60";
/** A week. */
const MOST_MINUTES = 10_080;

function DrainForm({ node, onClose }: { node: NodeDetail; onClose: () => void }) {
  const { t } = useTranslation("fleet");
  const drain = useAction((minutes: number | null) => nodeDrain(node.id, minutes), {
    wanted: t("drain.wanted"),
    done: t("drain.done", { name: node.name }),
    changes,
    inForm: true,
    after: onClose,
  });
  const form = useForm({ deadline_minutes: MINUTES }, (values) => drain.mutateAsync(numberOf(values.deadline_minutes)));
  const count = node.session_count;
  const atOnce = numberOf(form.values.deadline_minutes) === 0;
  return (
    <SideForm title={t("drain.title", { name: node.name })} form={form} action={t("node.drain")} danger={count > 0} onClose={onClose}>
      <p>{count === 0 ? t("drain.none") : atOnce ? t("drain.stops", { count }) : t("drain.waits", { count })}</p>
      <TextField
        form={form}
        name="deadline_minutes"
        type="number"
        label={t("drain.deadline")}
        hint={t("drain.deadline_hint")}
        min={0}
        max={MOST_MINUTES}
        step={1}
      />
    </SideForm>
  );
}
