import { ActionGroup, Button, Card, CardBody, CardTitle, Content, Form } from "@patternfly/react-core";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { Link, useParams } from "react-router";
import { profileUpdate } from "@/api/identity";
import { changePassword, savePreferences, useCan, useProfile } from "@/api/profile";
import { setTheme, type Theme, theme } from "@/frame/theme";
import { FieldMistake } from "@/parts/error";
import { Facts } from "@/parts/Facts";
import { FormError, TextField, useForm } from "@/parts/form";
import { PageBody, PageHead, PageTabs } from "@/parts/page";
import { useAction } from "@/parts/useAction";
import { urls } from "@/urls";
import "./account.css";
import { LoginTable } from "./LoginTable";
import { PreferenceFields, type PreferenceValues } from "./PreferenceFields";
import { TokenTable } from "./TokenTable";

export function Component() {
  const { t } = useTranslation("account");
  const { tab = "account" } = useParams();
  return (
    <>
      <PageHead title={t("profile.title")} />
      <PageTabs
        label={t("profile.tabs")}
        active={tab}
        tabs={[
          { key: "account", title: t("profile.tab.account"), to: urls.profile() },
          { key: "logins", title: t("profile.tab.logins"), to: urls.profile("logins") },
          { key: "tokens", title: t("profile.tab.tokens"), to: urls.profile("tokens") },
        ]}
      />
      <PageBody>
        {tab === "logins" ? (
          <LoginTable />
        ) : tab === "tokens" ? (
          <TokenTable />
        ) : (
          <div className="berth-account">
            <About />
            <Preferences />
            <Password />
          </div>
        )}
      </PageBody>
    </>
  );
}

function About() {
  const { t } = useTranslation(["account", "enums"]);
  const profile = useProfile();
  const can = useCan();
  const { user, tenant } = profile;
  const save = useAction((body: { full_name?: string; email?: string }) => profileUpdate(profile, body), {
    wanted: t("profile.saving"),
    done: t("profile.saved"),
    changes: ["profile", "users"],
    inForm: true,
  });
  const form = useForm({ full_name: user.full_name ?? "", email: user.email ?? "" }, (values) =>
    save.mutateAsync({
      ...(values.full_name === (user.full_name ?? "") ? {} : { full_name: values.full_name }),
      ...(values.email === (user.email ?? "") ? {} : { email: values.email }),
    }),
  );
  return (
    <Card>
      <CardTitle component="h2">{t("profile.about")}</CardTitle>
      <CardBody>
        <Facts
          facts={[
            { name: t("profile.username"), value: user.username },
            { name: t("profile.role"), value: t(`enums:role.${user.role}`) },
            {
              name: t("profile.tenant"),
              value: can("tenant.read", "tenant") ? <Link to={urls.tenant(tenant.id)}>{tenant.name}</Link> : tenant.name,
            },
          ]}
        />
        <Form onSubmit={form.submit} className="berth-gap-above">
          <FormError error={form.error} />
          <TextField form={form} name="full_name" label={t("profile.full_name")} autoComplete="name" />
          <TextField form={form} name="email" label={t("profile.email")} type="email" autoComplete="email" />
          <ActionGroup>
            <Button type="submit" variant="secondary" isLoading={form.busy} isDisabled={form.busy}>
              {t("profile.save")}
            </Button>
          </ActionGroup>
        </Form>
      </CardBody>
    </Card>
  );
}

function Preferences() {
  const { t } = useTranslation("account");
  const profile = useProfile();
  const { preferences } = profile.user;
  const saved = useRef<Theme>((preferences.theme as Theme | undefined) ?? theme());
  const save = useAction((values: PreferenceValues) => savePreferences(profile, { ...values }), {
    wanted: t("preference.saving"),
    done: t("preference.saved"),
    inForm: true,
    after: (_, values) => {
      saved.current = values.theme;
    },
  });
  const form = useForm<PreferenceValues>(
    { time_zone: preferences.time_zone ?? "", theme: saved.current },
    save.mutateAsync,
  );
  // A theme that was only tried goes when the page is left.
  useEffect(() => () => setTheme(saved.current), []);
  return (
    <Card>
      <CardTitle component="h2">{t("profile.preferences")}</CardTitle>
      <CardBody>
        <Form onSubmit={form.submit}>
          <FormError error={form.error} />
          <PreferenceFields form={form} />
          <ActionGroup>
            <Button type="submit" variant="secondary" isLoading={form.busy} isDisabled={form.busy}>
              {t("profile.save")}
            </Button>
          </ActionGroup>
        </Form>
      </CardBody>
    </Card>
  );
}

const nothing = { current_password: "", new_password: "", repeat: "" };

function Password() {
  const { t } = useTranslation("account");
  const { user } = useProfile();
  const save = useAction(
    (values: typeof nothing) => changePassword(values.current_password, values.new_password),
    { wanted: t("profile.password_submit"), done: t("profile.password_done"), changes: ["logins"], inForm: true },
  );
  const form = useForm(nothing, async (values) => {
    if (values.new_password !== values.repeat) {
      throw new FieldMistake("repeat", t("setup.differ"));
    }
    await save.mutateAsync(values);
    for (const name of ["current_password", "new_password", "repeat"] as const) form.set(name, "");
  });
  return (
    <Card>
      <CardTitle component="h2">{t("profile.password")}</CardTitle>
      <CardBody>
        <Content component="p">{t("profile.password_body")}</Content>
        <Form onSubmit={form.submit}>
          <FormError error={form.error} />
          {/* For password managers: whose password this is. */}
          <input type="text" name="username" value={user.username} autoComplete="username" readOnly hidden />
          <TextField form={form} name="current_password" label={t("setup.current")} type="password" autoComplete="current-password" required />
          <TextField form={form} name="new_password" label={t("setup.new")} hint={t("setup.rule")} type="password" autoComplete="new-password" required />
          <TextField form={form} name="repeat" label={t("setup.repeat")} type="password" autoComplete="new-password" required />
          <ActionGroup>
            <Button type="submit" variant="secondary" isLoading={form.busy} isDisabled={form.busy}>
              {t("profile.password_submit")}
            </Button>
          </ActionGroup>
        </Form>
      </CardBody>
    </Card>
  );
}
