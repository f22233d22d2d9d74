/** For those who run the installation: what is not as it should be, a click away. */
import { Icon } from "@patternfly/react-core";
import { CheckCircleIcon } from "@patternfly/react-icons/dist/esm/icons/check-circle-icon";
import { ExclamationCircleIcon } from "@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon";
import { ExclamationTriangleIcon } from "@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { api, type Page, type Schemas, take } from "@/api/client";
import { keys, loadAll } from "@/api/queries";
import { urls } from "@/urls";

/** As many as are counted one by one. */
const COUNTED = 100;

interface Count {
  count: number;
  more: boolean;
}

const counted = (page: Page<unknown>): Count => ({ count: page.items.length, more: Boolean(page.next_cursor) });

export function Attention() {
  const { t } = useTranslation("account");
  const nodes = useQuery({
    queryKey: keys.list("nodes", { attention: true }),
    queryFn: () =>
      loadAll(
        {},
        (query) => take(api.GET("/api/v1/nodes", { params: { query } })) as Promise<Page<Schemas["Node"]>>,
        () => undefined,
      ),
    select: (all) => all.filter(({ status }) => status !== "active").length,
  });
  const operations = useQuery({
    queryKey: keys.list("operations", { attention: true }),
    queryFn: async () =>
      counted(await take(api.GET("/api/v1/operations", { params: { query: { status: "failed", limit: COUNTED } } }))),
  });
  const events = useQuery({
    queryKey: keys.list("events", { attention: true }),
    queryFn: async () =>
      counted(
        await take(
          api.GET("/api/v1/events", { params: { query: { unresolved: true, severity: "warning", limit: COUNTED } } }),
        ),
      ),
  });
  if (nodes.data === undefined || !operations.data || !events.data) return null;
  const well = nodes.data === 0 && operations.data.count === 0 && events.data.count === 0;
  return (
    <section aria-label={t("home.state")} className="berth-home-state">
      {well && (
        <span>
          <Icon status="success" isInline>
            <CheckCircleIcon />
          </Icon>{" "}
          {t("home.all_well")}
        </span>
      )}
      {nodes.data > 0 && (
        <span>
          <Icon status="warning" isInline>
            <ExclamationTriangleIcon />
          </Icon>{" "}
          <Link to={urls.nodes()}>{t("home.nodes", { count: nodes.data })}</Link>
        </span>
      )}
      {operations.data.count > 0 && (
        <span>
          <Icon status="danger" isInline>
            <ExclamationCircleIcon />
          </Icon>{" "}
          <Link to={urls.operations({ status: "failed" })}>
            {operations.data.more
              ? t("home.operations_more", { count: operations.data.count })
              : t("home.operations", { count: operations.data.count })}
          </Link>
        </span>
      )}
      {events.data.count > 0 && (
        <span>
          <Icon status="warning" isInline>
            <ExclamationTriangleIcon />
          </Icon>{" "}
          <Link to={urls.events({ unresolved: true, severity: "warning" })}>
            {events.data.more
              ? t("home.events_more", { count: events.data.count })
              : t("home.events", { count: events.data.count })}
          </Link>
        </span>
      )}
    </section>
  );
}
