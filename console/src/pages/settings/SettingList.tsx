import { Button, Flex } from "@patternfly/react-core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useCan } from "@/api/profile";
import { type Setting, settingList, settingReset, settingUpdate } from "@/api/settings";
import { Confirm } from "@/parts/Confirm";
import { SideForm, TextField, useForm } from "@/parts/form";
import { number } from "@/parts/format";
import { type Column, ListPage } from "@/parts/ListPage";
import { Time } from "@/parts/Time";
import { useAction } from "@/parts/useAction";

export function Component() {
  const { t } = useTranslation("observe");
  const can = useCan();
  const [editing, setEditing] = useState<Setting>();
  const [resetting, setResetting] = useState<Setting>();
  const actions = (row: Setting) => (
    <Flex spaceItems={{ default: "spaceItemsSm" }} flexWrap={{ default: "nowrap" }}>
      <Button
        variant="secondary"
        size="sm"
        aria-label={t("setting.edit_label", { name: row.key })}
        onClick={() => setEditing(row)}
      >
        {t("setting.edit")}
      </Button>
      {row.updated_at && (
        <Button
          variant="link"
          size="sm"
          aria-label={t("setting.reset_label", { name: row.key })}
          onClick={() => setResetting(row)}
        >
          {t("setting.reset")}
        </Button>
      )}
    </Flex>
  );
  const columns: Column<Setting>[] = [
    {
      key: "name",
      title: t("setting.name"),
      width: "40%",
      render: (row) => (
        <>
          <code>{row.key}</code>
          <div className="berth-quiet">{row.description}</div>
        </>
      ),
      csv: (row) => row.key,
    },
    {
      key: "value",
      title: t("setting.value"),
      render: (row) => (row.value === row.default ? number(row.value) : <strong>{number(row.value)}</strong>),
      csv: (row) => row.value,
    },
    { key: "default", title: t("setting.default"), render: (row) => number(row.default), csv: (row) => row.default },
    {
      key: "bounds",
      title: t("setting.bounds"),
      render: (row) => t("setting.from_to", { min: number(row.min), max: number(row.max) }),
      csv: (row) => `${row.min}-${row.max}`,
    },
    {
      key: "changed",
      title: t("setting.changed"),
      render: (row) =>
        row.updated_at ? <Time value={row.updated_at} /> : <span className="berth-quiet">{t("setting.never")}</span>,
      csv: (row) => row.updated_at,
    },
    ...(can("settings.update", "any") ? [{ key: "actions", title: t("setting.actions"), render: actions }] : []),
  ];
  const reset = useAction((row: Setting) => settingReset(row.key), {
    wanted: t("setting.reset_wanted"),
    done: (_, row) => t("setting.reset_done", { name: row.key }),
    changes: ["settings"],
  });
  return (
    <>
      <ListPage
        title={t("setting.title")}
        description={t("setting.description")}
        domain="settings"
        load={settingList}
        columns={columns}
        filters={[{ kind: "search", name: "search", label: t("setting.search") }]}
        rowId={(row) => row.key}
        rowName={(row) => row.key}
        empty={{ title: t("setting.empty_title"), body: t("setting.empty_body") }}
        csv="settings"
      />
      {editing && <SettingForm setting={editing} onClose={() => setEditing(undefined)} />}
      {resetting && (
        <Confirm
          title={t("setting.reset_title", { name: resetting.key })}
          action={t("setting.reset")}
          danger={false}
          onConfirm={() => reset.mutateAsync(resetting)}
          onClose={() => setResetting(undefined)}
        >
          {t("setting.reset_body", { value: number(resetting.value), default: number(resetting.default) })}
        </Confirm>
      )}
    </>
  );
}

function SettingForm({ setting, onClose }: { setting: Setting; onClose: () => void }) {
  const { t } = useTranslation(["observe", "common"]);
  const update = useAction((value: number) => settingUpdate(setting.key, value), {
    wanted: t("setting.edit_wanted"),
    done: (_, value) => t("setting.edit_done", { name: setting.key, value: number(value) }),
    changes: ["settings"],
    inForm: true,
    after: onClose,
  });
  const form = useForm({ value: String(setting.value) }, (values) => update.mutateAsync(Number(values.value)));
  const bounds = { min: number(setting.min), max: number(setting.max), default: number(setting.default) };
  return (
    <SideForm title={t("setting.edit_title", { name: setting.key })} form={form} action={t("common:action.save")} onClose={onClose}>
      <p>{setting.description}</p>
      <TextField
        form={form}
        name="value"
        type="number"
        step={1}
        min={setting.min}
        max={setting.max}
        label={t("setting.value")}
        hint={t("setting.bounds_hint", bounds)}
        required
      />
    </SideForm>
  );
}
