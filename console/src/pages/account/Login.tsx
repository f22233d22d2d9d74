/** The door. */
import { Brand, Button, Form, LoginPage } from "@patternfly/react-core";
import { useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useNavigate, useSearchParams } from "react-router";
import { logIn } from "@/api/profile";
import { Toasts } from "@/frame/Toasts";
import { FormError, TextField, useForm } from "@/parts/form";
import { urls } from "@/urls";

/** Only a path of our own: an address from a link must not lead away. */
export function safeNext(next: string | null): string {
  return next?.startsWith("/") && !next.startsWith("//") && !next.includes("\\") ? next : urls.home();
}

export function Component() {
  const { t } = useTranslation("account");
  const navigate = useNavigate();
  const client = useQueryClient();
  const [params] = useSearchParams();
  const form = useForm({ username: "", password: "" }, async ({ username, password }) => {
    const answer = await logIn(username, password);
    client.clear();
    await navigate(answer.user.must_change_password ? urls.setup() : safeNext(params.get("next")), { replace: true });
  });
  return (
    <LoginPage
      className="berth-login"
      loginTitle={t("login.heading")}
      loginSubtitle={t("login.subtitle")}
      headerUtilities={
        <span className="berth-logo">
          <Brand src="/assets/berth.svg" alt="" heights={{ default: "32px" }} />
          Berth
        </span>
      }
    >
      <title>{t("login.title")}</title>
      <Form onSubmit={form.submit}>
        <FormError error={form.error} />
        <TextField form={form} name="username" label={t("login.username")} autoComplete="username" required />
        <TextField form={form} name="password" label={t("login.password")} type="password" autoComplete="current-password" required />
        <Button type="submit" isBlock isLoading={form.busy} isDisabled={form.busy}>
          {t("login.submit")}
        </Button>
      </Form>
      <Toasts />
    </LoginPage>
  );
}
