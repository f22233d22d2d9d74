/** The door. */
import { Alert, Button, Form } from "@patternfly/react-core";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useNavigate, useSearchParams } from "react-router";
import { ApiProblem } from "@/api/client";
import { logIn } from "@/api/profile";
import { errorText } from "@/parts/error";
import { TextField, useForm } from "@/parts/form";
import { clockTime, duration } from "@/parts/format";
import { urls } from "@/urls";
import { Door } from "./Door";
import { safeNext } from "./next";

export function Component() {
  const { t } = useTranslation("account");
  const navigate = useNavigate();
  const client = useQueryClient();
  const [params] = useSearchParams();
  const [opensAt, setOpensAt] = useState<number>();
  const form = useForm({ username: "", password: "" }, async ({ username, password }) => {
    setOpensAt(undefined);
    try {
      const answer = await logIn(username, password);
      client.clear();
      await navigate(answer.user.must_change_password ? urls.setup() : safeNext(params.get("next")), { replace: true });
    } catch (error) {
      if (error instanceof ApiProblem && error.retryAfter !== undefined) setOpensAt(Date.now() + error.retryAfter * 1000);
      throw error;
    }
  });
  return (
    <Door page={t("login.title")} title={t("login.heading")} text={t("login.subtitle")}>
      <Form onSubmit={form.submit}>
        <Refusal error={form.error} opensAt={opensAt} />
        <TextField form={form} name="username" label={t("login.username")} autoComplete="username" required />
        <TextField form={form} name="password" label={t("login.password")} type="password" autoComplete="current-password" required />
        <Button type="submit" isBlock isLoading={form.busy} isDisabled={form.busy}>
          {t("login.submit")}
        </Button>
      </Form>
    </Door>
  );
}

function Refusal({ error, opensAt }: { error: unknown; opensAt: number | undefined }) {
  const { t } = useTranslation("account");
  if (!error) return null;
  const code = error instanceof ApiProblem ? error.code : "";
  if (code === "rate_limited" && opensAt !== undefined) return <Wait opensAt={opensAt} />;
  const [title, body] =
    code === "invalid_credentials"
      ? [t("login.wrong_title"), t("login.wrong_body")]
      : code === "network"
        ? [t("login.unreachable_title"), errorText(error)]
        : [t("login.refused_title"), errorText(error)];
  return (
    <Alert variant="danger" isInline title={title} role="alert">
      {body}
    </Alert>
  );
}

/** Counts down; it goes when the door is open again. */
function Wait({ opensAt }: { opensAt: number }) {
  const { t } = useTranslation("account");
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), 1_000);
    return () => window.clearInterval(timer);
  }, []);
  if (now >= opensAt) return null;
  return (
    <Alert variant="warning" isInline title={t("login.wait_title")} role="alert">
      {t("login.wait_body", { time: clockTime(opensAt), wait: duration((opensAt - now) / 1000) })}
    </Alert>
  );
}
