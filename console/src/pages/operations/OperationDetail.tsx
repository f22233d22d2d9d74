import {
  Alert,
  Button,
  Card,
  CardBody,
  CardTitle,
  Grid,
  GridItem,
  Progress,
  ProgressStep,
  ProgressStepper,
  type ProgressStepProps,
} from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import { useParams } from "react-router";
import { canRetry, type Operation, useOperation } from "@/api/operations";
import { useCan } from "@/api/profile";
import { Facts } from "@/parts/Facts";
import { UserName } from "@/parts/names";
import { Answer, PageBody, PageHead } from "@/parts/page";
import { Status } from "@/parts/Status";
import { Time } from "@/parts/Time";
import { urls } from "@/urls";
import { Subject, useRetry } from "./OperationTable";

export function Component() {
  const { id = "" } = useParams();
  const { t } = useTranslation("observe");
  const operation = useOperation(id);
  return (
    <>
      {!operation.data && (
        <PageHead title={t("operation.one")} trail={[{ to: urls.operations(), label: t("operation.title") }]} />
      )}
      <Answer query={operation}>{(data) => <Detail operation={data} />}</Answer>
    </>
  );
}

function Detail({ operation }: { operation: Operation }) {
  const { t } = useTranslation(["observe", "enums"]);
  const can = useCan();
  const retry = useRetry(operation);
  return (
    <>
      <PageHead
        title={t(`enums:operation_kind.${operation.kind}`)}
        trail={[{ to: urls.operations(), label: t("operation.title") }]}
        beside={<Status kind="operation_status" value={operation.status} />}
        actions={
          can("session.update") &&
          canRetry(operation) && (
            <Button isLoading={retry.isPending} isDisabled={retry.isPending} onClick={() => retry.mutate()}>
              {t("operation.retry")}
            </Button>
          )
        }
      />
      <PageBody>
        <Grid hasGutter>
          {operation.error && (
            <GridItem>
              <Alert
                isInline
                component="h2"
                variant={operation.status === "failed" ? "danger" : "warning"}
                title={t("operation.error")}
              >
                {operation.error}
              </Alert>
            </GridItem>
          )}
          {operation.status === "superseded" && (
            <GridItem>
              <Alert isInline variant="info" component="h2" title={t("operation.superseded")} />
            </GridItem>
          )}
          <GridItem lg={6}>
            <Card isFullHeight>
              <CardTitle component="h2">{t("operation.steps")}</CardTitle>
              <CardBody>
                <Progress
                  id="operation-progress"
                  value={operation.progress}
                  aria-label={t("operation.progress_of", { name: t(`enums:operation_kind.${operation.kind}`) })}
                  {...(operation.status === "failed" ? { variant: "danger" as const } : {})}
                />
                <Steps operation={operation} />
              </CardBody>
            </Card>
          </GridItem>
          <GridItem lg={6}>
            <Card isFullHeight>
              <CardTitle component="h2">{t("operation.facts")}</CardTitle>
              <CardBody>
                <Facts
                  facts={[
                    { name: t(`enums:subject_type.${operation.subject_type}`), value: <Subject operation={operation} /> },
                    {
                      name: t("operation.by"),
                      value: operation.requested_by ? <UserName id={operation.requested_by} /> : t("operation.berth"),
                    },
                    { name: t("operation.attempts"), value: operation.attempts },
                    { name: t("operation.created"), value: <Time value={operation.created_at} /> },
                    operation.finished_at
                      ? { name: t("operation.finished"), value: <Time value={operation.finished_at} /> }
                      : { name: t("operation.deadline"), value: <Time value={operation.deadline_at} /> },
                    operation.attempts > 0 &&
                      Boolean(operation.next_attempt_at) && {
                      name: t("operation.next_attempt"),
                      value: <Time value={operation.next_attempt_at} />,
                    },
                  ]}
                />
              </CardBody>
            </Card>
          </GridItem>
        </Grid>
      </PageBody>
    </>
  );
}

function Steps({ operation }: { operation: Operation }) {
  const { t } = useTranslation("observe");
  const { status, step_index: at } = operation;
  const look = (index: number): ProgressStepProps["variant"] => {
    if (index < at || status === "succeeded") return "success";
    if (index > at) return "pending";
    return status === "failed" ? "danger" : status === "superseded" ? "pending" : "info";
  };
  const open = status === "pending" || status === "running";
  return (
    <ProgressStepper isVertical aria-label={t("operation.steps")} className="berth-gap-above">
      {operation.steps.map((step, index) => {
        const text = t(`operation.step.${step}` as "operation.step.start", { defaultValue: step });
        const current = index === at && open;
        const waits = status === "pending" && operation.attempts > 0 ? t("operation.waiting") : undefined;
        return (
          <ProgressStep
            key={step}
            id={`step-${step}`}
            titleId={`step-title-${step}`}
            variant={look(index)}
            isCurrent={current}
            description={current ? (operation.message ?? waits) : undefined}
            aria-label={text}
          >
            {text}
          </ProgressStep>
        );
      })}
    </ProgressStepper>
  );
}
