import { Button, Card, CardBody, CardTitle, Content, Form, FormGroup } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import { useCan } from "@/api/profile";
import type { Session } from "@/api/sessions";
import { CopyText } from "@/parts/CopyText";
import { TextField, useForm } from "@/parts/form";
import { useOpenApplication } from "./useOpenApplication";

export function PortsTab({ session }: { session: Session }) {
  const { t } = useTranslation("sessions");
  const can = useCan();
  const open = useOpenApplication(session);
  const port = session.application_port;
  const form = useForm({ remote: String(port ?? 8080), local: "8080" }, async () => undefined);
  const command = `berth session port-forward ${session.session_name} ${form.values.local || "0"}:${form.values.remote}`;
  return (
    <div className="berth-card-grid">
      <Card isCompact>
        <CardTitle component="h2">{t("ports.application_title")}</CardTitle>
        <CardBody>
          <Content component="p">{port ? t("ports.application_body", { port }) : t("ports.none")}</Content>
          {port && session.status === "running" && can("session.execute") && (
            <Button variant="secondary" onClick={() => open.mutate()} isLoading={open.isPending} isDisabled={open.isPending}>
              {t("detail.open")}
            </Button>
          )}
        </CardBody>
      </Card>
      <Card isCompact>
        <CardTitle component="h2">{t("ports.forward_title")}</CardTitle>
        <CardBody>
          <Form onSubmit={(event) => event.preventDefault()}>
            <Content component="p">{t("ports.forward_body")}</Content>
            <div className="berth-field-grid">
              <TextField form={form} name="remote" label={t("ports.remote")} type="number" min={1} max={65535} step={1} />
              <TextField form={form} name="local" label={t("ports.local")} type="number" min={0} max={65535} step={1} />
            </div>
            <FormGroup label={t("ports.command")} fieldId="forward-command">
              <CopyText id="forward-command" label={t("ports.command")} value={command} />
            </FormGroup>
            <Content component="p">{t("ports.after", { port: form.values.local })}</Content>
            <Content component="p" className="berth-quiet">
              {t("ports.listen")}
            </Content>
          </Form>
        </CardBody>
      </Card>
    </div>
  );
}
