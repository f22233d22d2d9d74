/** API tokens: programs that work in the reader's name. */
import {
  Alert,
  Button,
  Checkbox,
  FormGroup,
  FormHelperText,
  HelperText,
  HelperTextItem,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  Radio,
  SearchInput,
} from "@patternfly/react-core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { apiTokenCreate, type Login, loginList, loginRevoke, usePermissions } from "@/api/identity";
import { useProfile } from "@/api/profile";
import { Confirm } from "@/parts/Confirm";
import { CopyText } from "@/parts/CopyText";
import { FieldMistake, fieldError } from "@/parts/error";
import { SideForm, TextField, useForm } from "@/parts/form";
import { type Column, ListPage } from "@/parts/ListPage";
import { useAction } from "@/parts/useAction";
import { loginsWhere } from "./logins";
import { loginTimes } from "./loginTimes";

const ofPrograms = (login: Login) => login.kind === "api_token";

export function TokenTable() {
  const { t } = useTranslation("account");
  const [creating, setCreating] = useState(false);
  const [token, setToken] = useState<string>();
  const [revoking, setRevoking] = useState<Login>();
  const nameOf = (row: Login) => row.name ?? t("profile.unknown_client");
  const revoke = useAction((row: Login) => loginRevoke(row.id), {
    wanted: t("profile.revoking"),
    done: (_, row) => t("profile.revoked", { name: nameOf(row) }),
    changes: ["logins"],
  });
  const create = <Button onClick={() => setCreating(true)}>{t("profile.token_create")}</Button>;
  const columns: Column<Login>[] = [
    { key: "name", title: t("profile.token_name"), width: "30%", render: nameOf, csv: nameOf },
    ...loginTimes(t),
  ];
  return (
    <>
      <ListPage<Login, { tokens: true }>
        embedded
        title={t("profile.tab.tokens")}
        domain="logins"
        // Tells the two lists of logins apart; the server does not hear of it.
        query={{ tokens: true }}
        load={({ limit, cursor }) =>
          loginsWhere(ofPrograms, { ...(limit ? { limit } : {}), ...(cursor ? { cursor } : {}) }, loginList)
        }
        columns={columns}
        rowId={(row) => row.id}
        rowName={nameOf}
        rowActions={(row) => (
          <Button
            variant="link"
            isDanger
            isInline
            aria-label={t("profile.revoke_token", { name: nameOf(row) })}
            onClick={() => setRevoking(row)}
          >
            {t("profile.revoke")}
          </Button>
        )}
        empty={{ title: t("profile.tokens_empty_title"), body: t("profile.tokens_empty_body") }}
        csv="api-tokens"
      >
        <div className="berth-part-head">
          <p>{t("profile.tokens_body")}</p>
          {create}
        </div>
      </ListPage>
      {creating && (
        <TokenForm
          onClose={() => setCreating(false)}
          onMade={(made) => {
            setCreating(false);
            setToken(made);
          }}
        />
      )}
      {token !== undefined && <TokenShown token={token} onClose={() => setToken(undefined)} />}
      {revoking && (
        <Confirm
          title={t("profile.revoke_title", { name: nameOf(revoking) })}
          action={t("profile.revoke")}
          onConfirm={() => revoke.mutateAsync(revoking)}
          onClose={() => setRevoking(undefined)}
        >
          {t("profile.revoke_body")}
        </Confirm>
      )}
    </>
  );
}

interface FormProps {
  onClose: () => void;
  onMade: (token: string) => void;
}

function TokenForm({ onClose, onMade }: FormProps) {
  const { t } = useTranslation("account");
  const create = useAction(apiTokenCreate, {
    wanted: t("profile.token_creating"),
    changes: ["logins"],
    inForm: true,
    after: ({ token }) => onMade(token),
  });
  const form = useForm({ name: "", days: "90", all: true, permissions: [] as string[] }, async (values) => {
    if (!values.all && values.permissions.length === 0) {
      throw new FieldMistake("permissions", t("profile.token_choose_one"));
    }
    await create.mutateAsync({
      name: values.name,
      expires_in_days: Number(values.days),
      permissions: values.all ? [] : values.permissions,
    });
  });
  const wrong = fieldError(form.error, "permissions");
  return (
    <SideForm title={t("profile.token_create_title")} form={form} action={t("profile.token_create")} onClose={onClose}>
      <TextField form={form} name="name" label={t("profile.token_name")} hint={t("profile.token_name_hint")} required />
      <TextField
        form={form}
        name="days"
        label={t("profile.token_days")}
        hint={t("profile.token_days_hint")}
        type="number"
        min={1}
        max={366}
        step={1}
        required
      />
      <FormGroup label={t("profile.token_rights")} role="radiogroup" fieldId="token-rights" isStack>
        <Radio
          id="token-rights-all"
          name="token-rights"
          label={t("profile.token_rights_all")}
          isChecked={form.values.all}
          onChange={() => form.set("all", true)}
        />
        <Radio
          id="token-rights-some"
          name="token-rights"
          label={t("profile.token_rights_some")}
          isChecked={!form.values.all}
          onChange={() => form.set("all", false)}
        />
        {!form.values.all && (
          <PermissionChoice chosen={form.values.permissions} onChange={(next) => form.set("permissions", next)} />
        )}
        {wrong && (
          <FormHelperText>
            <HelperText isLiveRegion>
              <HelperTextItem variant="error">{wrong}</HelperTextItem>
            </HelperText>
          </FormHelperText>
        )}
      </FormGroup>
    </SideForm>
  );
}

interface ChoiceProps {
  chosen: readonly string[];
  onChange: (chosen: string[]) => void;
}

/** Some of the reader's own permissions. */
function PermissionChoice({ chosen, onChange }: ChoiceProps) {
  const { t } = useTranslation("account");
  const { grants } = useProfile();
  const permissions = usePermissions();
  const [search, setSearch] = useState("");
  const described = new Map(permissions.data?.map((item) => [item.permission_name, item.description ?? ""]));
  const wanted = search.toLowerCase();
  const shown = grants
    .map(({ permission_name }) => ({ name: permission_name, description: described.get(permission_name) ?? "" }))
    .filter(({ name, description }) => name.includes(wanted) || description.toLowerCase().includes(wanted));
  return (
    <>
      <SearchInput
        aria-label={t("profile.token_search")}
        placeholder={t("profile.token_search")}
        value={search}
        onChange={(_, text) => setSearch(text)}
        onClear={() => setSearch("")}
      />
      <div className="berth-choices" role="group" aria-label={t("profile.token_rights")} tabIndex={0}>
        {shown.map(({ name, description }) => (
          <Checkbox
            key={name}
            id={`permission-${name}`}
            label={description || name}
            description={description ? name : undefined}
            isChecked={chosen.includes(name)}
            onChange={(_, on) => onChange(on ? [...chosen, name] : chosen.filter((other) => other !== name))}
          />
        ))}
      </div>
      <span className="berth-quiet">{t("profile.token_chosen", { count: chosen.length })}</span>
    </>
  );
}

function TokenShown({ token, onClose }: { token: string; onClose: () => void }) {
  const { t } = useTranslation("account");
  return (
    // Without a cross: leaving is to say that it was copied.
    <Modal isOpen variant="small" aria-labelledby="token-title">
      <ModalHeader title={t("profile.token_created_title")} labelId="token-title" />
      <ModalBody>
        <Alert variant="warning" isInline isPlain title={t("profile.token_created_body")} />
        <div className="berth-gap-above">
          <CopyText id="token" label={t("profile.token")} value={token} />
        </div>
        <p className="berth-gap-above berth-quiet">{t("profile.token_use")}</p>
      </ModalBody>
      <ModalFooter>
        <Button onClick={onClose}>{t("profile.token_done")}</Button>
      </ModalFooter>
    </Modal>
  );
}
