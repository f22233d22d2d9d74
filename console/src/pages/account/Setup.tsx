/** The first login: a password of one's own, before anything else; then how one likes it. */
import { Button, Form } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Navigate, useNavigate } from "react-router";
import { ApiProblem, login } from "@/api/client";
import { changePassword, type Profile, profileQuery, savePreferences } from "@/api/profile";
import { setTheme, type Theme, theme } from "@/frame/theme";
import { toast } from "@/frame/Toasts";
import { FieldMistake } from "@/parts/error";
import { FormError, TextField, useForm } from "@/parts/form";
import { setTimeZone } from "@/parts/format";
import { Answer } from "@/parts/page";
import { urls } from "@/urls";
import { Door } from "./Door";
import { PreferenceFields } from "./PreferenceFields";
import { browserZone } from "./preferences";

export function Component() {
  const profile = useQuery({ ...profileQuery, enabled: login.present() });
  const refused = profile.error instanceof ApiProblem ? profile.error : undefined;
  if (!login.present() || refused?.status === 401) return <Navigate to={urls.login()} replace />;
  if (refused?.code === "password_change_required") return <PasswordStep onDone={() => profile.refetch()} />;
  return (
    <Answer query={profile}>
      {(data) =>
        data.user.must_change_password ? (
          <PasswordStep onDone={() => profile.refetch()} />
        ) : (
          <PreferenceStep profile={data} />
        )
      }
    </Answer>
  );
}

function PasswordStep({ onDone }: { onDone: () => Promise<unknown> }) {
  const { t } = useTranslation("account");
  const form = useForm({ current_password: "", new_password: "", repeat: "" }, async (values) => {
    if (values.new_password !== values.repeat) {
      throw new FieldMistake("repeat", t("setup.differ"));
    }
    await changePassword(values.current_password, values.new_password);
    toast("success", t("setup.done"));
    await onDone();
  });
  return (
    <Door page={t("setup.title")} title={t("setup.heading")} text={t("setup.body")}>
      <Form onSubmit={form.submit}>
        <Step step={1} />
        <FormError error={form.error} />
        <TextField form={form} name="current_password" label={t("setup.current")} type="password" autoComplete="current-password" required />
        <TextField form={form} name="new_password" label={t("setup.new")} hint={t("setup.rule")} type="password" autoComplete="new-password" required />
        <TextField form={form} name="repeat" label={t("setup.repeat")} type="password" autoComplete="new-password" required />
        <Button type="submit" isBlock isLoading={form.busy} isDisabled={form.busy}>
          {t("setup.submit")}
        </Button>
      </Form>
    </Door>
  );
}

function Step({ step }: { step: number }) {
  const { t } = useTranslation("account");
  return <span className="berth-quiet">{t("setup.step", { step })}</span>;
}

function PreferenceStep({ profile }: { profile: Profile }) {
  const { t } = useTranslation("account");
  const navigate = useNavigate();
  const before = theme();
  const home = () => navigate(urls.home(), { replace: true });
  const form = useForm(
    {
      time_zone: profile.user.preferences.time_zone ?? browserZone(),
      theme: (profile.user.preferences.theme as Theme | undefined) ?? before,
    },
    async (values) => {
      await savePreferences(profile, { ...values });
      setTimeZone(values.time_zone);
      await home();
    },
  );
  return (
    <Door page={t("setup.preferences_title")} title={t("setup.preferences_heading")} text={t("setup.preferences_body")}>
      <Form onSubmit={form.submit}>
        <Step step={2} />
        <FormError error={form.error} />
        <PreferenceFields form={form} />
        <Button type="submit" isBlock isLoading={form.busy} isDisabled={form.busy}>
          {t("setup.begin")}
        </Button>
        <Button
          variant="link"
          isBlock
          onClick={() => {
            setTheme(profile.user.preferences.theme ?? "system");
            void home();
          }}
        >
          {t("setup.skip")}
        </Button>
      </Form>
    </Door>
  );
}
