import { Button } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { canRetry, type Operation, operationList, operationRetry } from "@/api/operations";
import { useCan } from "@/api/profile";
import { dateTime } from "@/parts/format";
import { type BulkAction, type Column, ListPage } from "@/parts/ListPage";
import { NodeName, SessionName, UserName } from "@/parts/names";
import { Status, statusText } from "@/parts/Status";
import { Time } from "@/parts/Time";
import { useAction } from "@/parts/useAction";
import { urls } from "@/urls";
import { OperationProgress } from "./OperationProgress";

const kinds = ["session_start", "session_stop", "session_pause", "session_resume", "node_drain"] as const;
const statuses = ["pending", "running", "succeeded", "failed", "superseded"];

interface Props {
  embedded?: boolean;
  query?: { subject_id: string };
  /** Of whom, for the exported file. */
  name?: string;
}

export function useRetry(operation: Operation) {
  const { t } = useTranslation("observe");
  return useAction(() => operationRetry(operation.id), {
    wanted: t("operation.retry_wanted"),
    done: t("operation.retry_done"),
    changes: ["operations", "sessions", "nodes"],
  });
}

export function Subject({ operation }: { operation: Operation }) {
  return operation.subject_type === "node" ? (
    <NodeName id={operation.subject_id} />
  ) : (
    <SessionName id={operation.subject_id} />
  );
}

export function OperationTable({ embedded = false, query, name }: Props) {
  const { t } = useTranslation(["observe", "enums"]);
  const can = useCan();
  const kindText = (row: Operation) => t(`enums:operation_kind.${row.kind}`);
  const columns: Column<Operation>[] = [
    {
      key: "kind",
      title: t("operation.kind"),
      width: "14%",
      render: (row) => <Link to={urls.operation(row.id)}>{kindText(row)}</Link>,
      csv: (row) => row.kind,
    },
    ...(query
      ? []
      : [
          {
            key: "subject",
            title: t("operation.subject"),
            width: "16%",
            render: (row: Operation) => <Subject operation={row} />,
            csv: (row: Operation) => row.subject_id,
          },
        ]),
    {
      key: "status",
      title: t("operation.status"),
      width: "28%",
      render: (row) => (
        <>
          <Status kind="operation_status" value={row.status} />
          {row.status === "running" || row.status === "pending" ? (
            <OperationProgress operation={row} />
          ) : (
            row.error && <span className="berth-quiet"> {row.error}</span>
          )}
        </>
      ),
      csv: (row) => row.status,
    },
    { key: "attempts", title: t("operation.attempts"), render: (row) => row.attempts, csv: (row) => row.attempts },
    {
      key: "by",
      title: t("operation.by"),
      render: (row) => (row.requested_by ? <UserName id={row.requested_by} /> : t("operation.berth")),
      csv: (row) => row.requested_by,
    },
    {
      key: "created",
      title: t("operation.created"),
      render: (row) => <Time value={row.created_at} />,
      csv: (row) => row.created_at,
    },
    {
      key: "finished",
      title: t("operation.finished"),
      render: (row) => <Time value={row.finished_at} />,
      csv: (row) => row.finished_at,
    },
  ];
  const bulk: BulkAction<Operation>[] = [
    { key: "retry", label: t("operation.retry"), fits: canRetry, run: (row) => operationRetry(row.id) },
  ];
  const allowed = can("session.update");
  return (
    <ListPage
      embedded={embedded}
      title={t("operation.title")}
      description={t("operation.description")}
      domain="operations"
      query={query ?? {}}
      load={operationList}
      columns={columns}
      bulk={allowed ? bulk : []}
      {...(allowed ? { rowActions: (row: Operation) => canRetry(row) && <Retry operation={row} /> } : {})}
      filters={[
        {
          kind: "choice",
          name: "status",
          label: t("operation.status"),
          options: statuses.map((value) => ({ value, label: statusText("operation_status", value) })),
        },
        {
          kind: "choice",
          name: "kind",
          label: t("operation.kind"),
          options: kinds.map((value) => ({ value, label: t(`enums:operation_kind.${value}`) })),
        },
      ]}
      rowId={(row) => row.id}
      rowName={(row) => t("operation.row_name", { kind: kindText(row), time: dateTime(row.created_at) })}
      empty={{ title: t("operation.empty_title"), body: t("operation.empty_body") }}
      csv={name ? `operations-${name}` : "operations"}
    />
  );
}

function Retry({ operation }: { operation: Operation }) {
  const { t } = useTranslation("observe");
  const retry = useRetry(operation);
  return (
    <Button variant="secondary" size="sm" isLoading={retry.isPending} isDisabled={retry.isPending} onClick={() => retry.mutate()}>
      {t("operation.retry")}
    </Button>
  );
}
