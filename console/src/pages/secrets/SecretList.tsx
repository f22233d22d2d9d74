import { Button } from "@patternfly/react-core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useCan, useProfile } from "@/api/profile";
import { type Secret, secretCreate, secretDelete, secretList } from "@/api/secrets";
import { Confirm } from "@/parts/Confirm";
import { ChoiceField, SideForm, TextField, useForm } from "@/parts/form";
import { type Column, ListPage } from "@/parts/ListPage";
import { Time } from "@/parts/Time";
import { useAction } from "@/parts/useAction";

export function Component() {
  const { t } = useTranslation("account");
  const can = useCan();
  const me = useProfile().user;
  const [creating, setCreating] = useState(false);
  const [deleting, setDeleting] = useState<Secret>();
  const remove = useAction((secret: Secret) => secretDelete(secret.id), {
    wanted: t("secrets.deleting"),
    done: (_, { name }) => t("secrets.deleted", { name }),
    changes: ["secrets"],
  });
  const whose = (secret: Secret) =>
    !secret.user_id ? t("secrets.tenant") : secret.user_id === me.id ? t("secrets.mine") : t("secrets.other");
  const mayDelete = (secret: Secret) => secret.user_id === me.id || can("user.manage", "tenant");
  const create = <Button onClick={() => setCreating(true)}>{t("secrets.create")}</Button>;
  const columns: Column<Secret>[] = [
    { key: "name", title: t("secrets.name"), width: "45%", render: (row) => row.name, csv: (row) => row.name },
    { key: "whose", title: t("secrets.whose"), render: whose, csv: whose },
    {
      key: "created",
      title: t("secrets.created"),
      render: (row) => <Time value={row.created_at} />,
      csv: (row) => row.created_at,
    },
  ];
  return (
    <>
      <ListPage
        title={t("secrets.title")}
        description={t("secrets.description")}
        actions={create}
        domain="secrets"
        load={secretList}
        columns={columns}
        rowId={(row) => row.id}
        rowName={(row) => row.name}
        rowActions={(row) =>
          mayDelete(row) && (
            <Button
              variant="link"
              isDanger
              isInline
              aria-label={t("secrets.delete_secret", { name: row.name })}
              onClick={() => setDeleting(row)}
            >
              {t("secrets.delete")}
            </Button>
          )
        }
        empty={{ title: t("secrets.empty_title"), body: t("secrets.empty_body"), action: create }}
        csv="secrets"
      />
      {creating && <SecretForm onClose={() => setCreating(false)} />}
      {deleting && (
        <Confirm
          title={t("secrets.delete_title", { name: deleting.name })}
          action={t("secrets.delete")}
          onConfirm={() => remove.mutateAsync(deleting)}
          onClose={() => setDeleting(undefined)}
        >
          {t("secrets.delete_body")}
        </Confirm>
      )}
    </>
  );
}

function SecretForm({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation("account");
  const can = useCan();
  const create = useAction(secretCreate, {
    wanted: t("secrets.creating"),
    done: ({ name }) => t("secrets.created_toast", { name }),
    changes: ["secrets"],
    inForm: true,
    after: onClose,
  });
  const form = useForm({ name: "", value: "", whose: "mine" }, ({ name, value, whose }) =>
    create.mutateAsync({ name, value, tenant_wide: whose === "tenant" }),
  );
  return (
    <SideForm title={t("secrets.create_title")} form={form} action={t("secrets.create")} onClose={onClose}>
      <TextField form={form} name="name" label={t("secrets.name")} hint={t("secrets.name_hint")} required />
      <TextField form={form} name="value" label={t("secrets.value")} hint={t("secrets.value_hint")} lines={4} required />
      {can("user.manage", "tenant") && (
        <ChoiceField
          form={form}
          name="whose"
          label={t("secrets.whose")}
          hint={t("secrets.whose_hint")}
          options={[
            { value: "mine", label: t("secrets.mine") },
            { value: "tenant", label: t("secrets.tenant") },
          ]}
        />
      )}
    </SideForm>
  );
}
