/** Forms about users: a new one, who they are, a new password. The password is shown until it is taken along. */
import { Alert, Button, Content, FormGroup, Modal, ModalBody, ModalFooter, ModalHeader } from "@patternfly/react-core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { mayHandle, type Role, roles, type User, userCreate, userUpdate, useTenants } from "@/api/identity";
import { useCan, useProfile } from "@/api/profile";
import { CopyText } from "@/parts/CopyText";
import { ChoiceField, SideForm, TextField, useForm } from "@/parts/form";
import { useAction } from "@/parts/useAction";
import { madeUpPassword } from "./password";

/** Roles that the reader may give, with their names. */
export function useRoleOptions(): { value: Role; label: string }[] {
  const { t } = useTranslation("enums");
  const { user } = useProfile();
  return roles.filter((role) => mayHandle(user.role, role)).map((value) => ({ value, label: t(`role.${value}`) }));
}

interface CreateProps {
  /** Whose tenant; absent: the reader chooses or has but one. */
  tenant?: string;
  onClose: () => void;
}

export function UserCreateForm({ tenant, onClose }: CreateProps) {
  const { t } = useTranslation("identity");
  const can = useCan();
  const profile = useProfile();
  const tenants = useTenants();
  const options = useRoleOptions();
  const [made, setMade] = useState<{ username: string; password: string }>();
  const create = useAction(userCreate, { wanted: t("users.creating"), changes: ["users", "tenants"], inForm: true });
  const form = useForm(
    {
      username: "",
      full_name: "",
      email: "",
      role: "user" as Role,
      tenant_id: tenant ?? profile.tenant.id,
      password: madeUpPassword(),
    },
    async (values) => {
      await create.mutateAsync({
        username: values.username,
        password: values.password,
        role: values.role,
        tenant_id: values.tenant_id,
        full_name: values.full_name || null,
        email: values.email || null,
        quota_config: {},
      });
      setMade({ username: values.username, password: values.password });
    },
  );
  if (made) {
    return (
      <PasswordShown title={t("users.created_title", { name: made.username })} {...made} onClose={onClose} />
    );
  }
  return (
    <SideForm title={t("users.create_title")} form={form} action={t("users.create")} onClose={onClose}>
      <TextField form={form} name="username" label={t("users.username")} hint={t("users.username_hint")} required />
      <TextField form={form} name="full_name" label={t("users.full_name")} />
      <TextField form={form} name="email" label={t("users.email")} type="email" />
      <ChoiceField form={form} name="role" label={t("users.role")} hint={t("users.role_hint")} options={options} />
      {tenant === undefined && can("user.create", "any") && tenants.length > 1 && (
        <ChoiceField
          form={form}
          name="tenant_id"
          label={t("users.tenant")}
          options={tenants.map(({ id, name }) => ({ value: id, label: name }))}
        />
      )}
      <PasswordField
        label={t("users.password")}
        value={form.values.password}
        onAgain={() => form.set("password", madeUpPassword())}
      />
    </SideForm>
  );
}

function PasswordField({ label, value, onAgain }: { label: string; value: string; onAgain: () => void }) {
  const { t } = useTranslation("identity");
  return (
    <FormGroup label={label} fieldId="password">
      <CopyText id="password" label={label} value={value} />
      <Content component="small">{t("users.password_hint")}</Content>
      <Button variant="link" isInline onClick={onAgain}>
        {t("users.password_again")}
      </Button>
    </FormGroup>
  );
}

interface ShownProps {
  title: string;
  username: string;
  password: string;
  onClose: () => void;
}

function PasswordShown({ title, username, password, onClose }: ShownProps) {
  const { t } = useTranslation("identity");
  return (
    <Modal isOpen variant="small" onClose={onClose} aria-labelledby="password-title">
      <ModalHeader title={title} labelId="password-title" />
      <ModalBody>
        <Alert variant="info" isInline isPlain title={t("users.created_body")} />
        <div className="berth-gap-above">
          <Content component="p">{t("users.username")}</Content>
          <CopyText id="made-username" label={t("users.username")} value={username} />
        </div>
        <div className="berth-gap-above">
          <Content component="p">{t("users.password")}</Content>
          <CopyText id="made-password" label={t("users.password")} value={password} />
        </div>
      </ModalBody>
      <ModalFooter>
        <Button onClick={onClose}>{t("users.done")}</Button>
      </ModalFooter>
    </Modal>
  );
}

export function PasswordForm({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation("identity");
  const [done, setDone] = useState(false);
  const set = useAction((password: string) => userUpdate(user, { password }), {
    wanted: t("users.setting_password"),
    changes: ["users"],
    inForm: true,
  });
  const form = useForm({ password: madeUpPassword() }, async ({ password }) => {
    await set.mutateAsync(password);
    setDone(true);
  });
  const name = user.username;
  if (done) {
    return (
      <PasswordShown
        title={t("users.password_set_title", { name })}
        username={name}
        password={form.values.password}
        onClose={onClose}
      />
    );
  }
  return (
    <SideForm
      title={t("users.set_password_title", { name })}
      form={form}
      action={t("users.set_password_action")}
      onClose={onClose}
    >
      <Alert variant="warning" isInline isPlain title={t("users.set_password_body", { name })} />
      <PasswordField
        label={t("users.password")}
        value={form.values.password}
        onAgain={() => form.set("password", madeUpPassword())}
      />
    </SideForm>
  );
}

export function UserEditForm({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation("identity");
  const profile = useProfile();
  const options = useRoleOptions();
  const save = useAction((body: Parameters<typeof userUpdate>[1]) => userUpdate(user, body), {
    wanted: t("users.saving"),
    done: t("users.saved", { name: user.username }),
    changes: ["users", "profile"],
    inForm: true,
    after: onClose,
  });
  const initial = { full_name: user.full_name ?? "", email: user.email ?? "", role: user.role };
  const form = useForm(initial, (values) =>
    save.mutateAsync({
      ...(values.full_name === initial.full_name ? {} : { full_name: values.full_name }),
      ...(values.email === initial.email ? {} : { email: values.email }),
      ...(values.role === initial.role ? {} : { role: values.role }),
    }),
  );
  return (
    <SideForm title={t("users.edit_title", { name: user.username })} form={form} action={t("users.edit")} onClose={onClose}>
      <TextField form={form} name="full_name" label={t("users.full_name")} />
      <TextField form={form} name="email" label={t("users.email")} type="email" />
      {user.id !== profile.user.id && (
        <ChoiceField form={form} name="role" label={t("users.role")} hint={t("users.role_hint")} options={options} />
      )}
    </SideForm>
  );
}
