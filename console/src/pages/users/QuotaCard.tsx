/** What is held of a quota, bar by bar. */
import { Button, Card, CardBody, CardHeader, CardTitle } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import type { Schemas } from "@/api/client";
import { QuotaBar } from "@/parts/QuotaBar";

interface Props {
  title: string;
  of: string;
  usage: readonly Schemas["QuotaUsage"][];
  /** How many sessions may wait; no bar, because nobody counts them here. */
  waiting?: number | null | undefined;
  onEdit?: (() => void) | undefined;
}

export function QuotaCard({ title, of, usage, waiting, onEdit }: Props) {
  const { t } = useTranslation("identity");
  const edit = onEdit && (
    <Button variant="link" isInline onClick={onEdit}>
      {t("quota.edit")}
    </Button>
  );
  return (
    <Card>
      <CardHeader {...(edit ? { actions: { actions: edit, hasNoOffset: true } } : {})}>
        <CardTitle component="h2">{title}</CardTitle>
      </CardHeader>
      <CardBody className="berth-quotas">
        {usage.map((row) => (
          <QuotaBar key={row.resource} of={of} resource={row.resource} used={row.used} limit={row.limit} />
        ))}
        {typeof waiting === "number" && (
          <div className="berth-quota">
            <span>{t("quota.waiting_limit")}</span>
            <span className="berth-quiet">{waiting}</span>
          </div>
        )}
      </CardBody>
    </Card>
  );
}
