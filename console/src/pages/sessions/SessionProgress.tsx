/** What happens to a session just now, and why it waits. */
import { Alert, Card, CardBody, CardTitle, Progress, ProgressStep, ProgressStepper } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import type { Schemas } from "@/api/client";
import type { Session } from "@/api/sessions";
import { Time } from "@/parts/Time";
import { FilterLines } from "./parts";

export function SessionProgress({ session }: { session: Session }) {
  const { t } = useTranslation("sessions");
  const { operation, waiting } = session;
  return (
    <>
      {waiting && session.status === "pending" && (
        <Alert component="h2" isInline variant="info" title={t("detail.waiting_title", { position: waiting.position })}>
          <p>{waiting.explanation}</p>
          <FilterLines filters={waiting.filters} />
        </Alert>
      )}
      {operation && ["pending", "running", "failed"].includes(operation.status) && <Running operation={operation} />}
    </>
  );
}

function Running({ operation }: { operation: Schemas["Operation"] }) {
  const { t } = useTranslation(["sessions", "enums"]);
  const what = t(`enums:operation_kind.${operation.kind}`);
  if (operation.status === "failed") {
    return (
      <Alert component="h2" isInline variant="danger" title={t("detail.operation_failed", { what })}>
        {operation.error ?? operation.message}
      </Alert>
    );
  }
  return (
    <Card isCompact>
      <CardTitle component="h2">{what}</CardTitle>
      <CardBody>
        <div className="berth-stack">
          <div role="status">
            <Progress
              id={`operation-${operation.id}`}
              value={operation.progress}
              title={operation.message ?? what}
              aria-label={what}
              size="sm"
            />
            {operation.error && <p className="berth-quiet">{operation.error}</p>}
            {operation.next_attempt_at && operation.attempts > 1 && (
              <p className="berth-quiet">
                {t("detail.attempt", { count: operation.attempts })} · {t("detail.next_attempt")} <Time value={operation.next_attempt_at} />
              </p>
            )}
          </div>
          <ProgressStepper isCompact aria-label={what}>
            {operation.steps.map((step, index) => (
              <ProgressStep
                key={step}
                id={`step-${index}`}
                titleId={`step-title-${index}`}
                aria-label={t(`detail.step.${step}` as "detail.step.network", { defaultValue: step })}
                variant={index < operation.step_index ? "success" : index === operation.step_index ? "info" : "pending"}
                isCurrent={index === operation.step_index}
              >
                {t(`detail.step.${step}` as "detail.step.network", { defaultValue: step })}
              </ProgressStep>
            ))}
          </ProgressStepper>
        </div>
      </CardBody>
    </Card>
  );
}
