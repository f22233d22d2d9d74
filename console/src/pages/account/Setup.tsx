/** The first login: a password of one's own, before anything else. */
import { Brand, Button, Form, LoginPage } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import { Navigate, useNavigate } from "react-router";
import { ApiProblem, login } from "@/api/client";
import { changePassword } from "@/api/profile";
import { queryClient } from "@/api/queries";
import { Toasts, toast } from "@/frame/Toasts";
import { FormError, TextField, useForm } from "@/parts/form";
import { urls } from "@/urls";

export function Component() {
  const { t } = useTranslation("account");
  const navigate = useNavigate();
  const form = useForm({ current_password: "", new_password: "", repeat: "" }, async (values) => {
    if (values.new_password !== values.repeat) {
      throw new ApiProblem(422, { detail: t("setup.differ"), fields: [{ field: "repeat", message: t("setup.differ") }] });
    }
    await changePassword(values.current_password, values.new_password);
    queryClient.clear();
    toast("success", t("setup.done"));
    await navigate(urls.home(), { replace: true });
  });
  if (!login.present()) return <Navigate to={urls.login()} replace />;
  return (
    <LoginPage
      className="berth-login"
      loginTitle={t("setup.heading")}
      loginSubtitle={t("setup.body")}
      headerUtilities={
        <span className="berth-logo">
          <Brand src="/assets/berth.svg" alt="" heights={{ default: "32px" }} />
          Berth
        </span>
      }
    >
      <title>{t("setup.title")}</title>
      <Form onSubmit={form.submit}>
        <FormError error={form.error} />
        <TextField form={form} name="current_password" label={t("setup.current")} type="password" autoComplete="current-password" required />
        <TextField form={form} name="new_password" label={t("setup.new")} hint={t("setup.rule")} type="password" autoComplete="new-password" required />
        <TextField form={form} name="repeat" label={t("setup.repeat")} type="password" autoComplete="new-password" required />
        <Button type="submit" isBlock isLoading={form.busy} isDisabled={form.busy}>
          {t("setup.submit")}
        </Button>
      </Form>
      <Toasts />
    </LoginPage>
  );
}
