import { Progress } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import type { Operation } from "@/api/operations";

/** How far an operation is, and what it is doing. */
export function OperationProgress({ operation, stepOnly = false }: { operation: Operation; stepOnly?: boolean }) {
  const { t } = useTranslation(["observe", "enums"]);
  const step = operation.steps[operation.step_index];
  const stepText = step ? t(`operation.step.${step}` as "operation.step.start", { defaultValue: step }) : undefined;
  return (
    <Progress
      id={`operation-${operation.id}`}
      size="sm"
      value={operation.progress}
      title={(stepOnly ? undefined : operation.message) ?? stepText ?? ""}
      aria-label={t("operation.progress_of", { name: t(`enums:operation_kind.${operation.kind}`) })}
    />
  );
}
