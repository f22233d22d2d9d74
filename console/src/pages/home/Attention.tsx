/** For those who run the installation: what is not as it should be, a click away. */
import { Icon } from "@patternfly/react-core";
import { CheckCircleIcon } from "@patternfly/react-icons/dist/esm/icons/check-circle-icon";
import { ExclamationCircleIcon } from "@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon";
import { ExclamationTriangleIcon } from "@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { api, type Page, take } from "@/api/client";
import { useFleet } from "@/api/fleet";
import { keys } from "@/api/queries";
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
  const fleet = useFleet();
  const nodes =
    fleet.data &&
    Object.entries(fleet.data.nodes_by_status).reduce((sum, [status, count]) => (status === "active" ? sum : sum + count), 0);
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
  if (!operations.data || !events.data) return null;
  const well = nodes === 0 && operations.data.count === 0 && events.data.count === 0;
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
      {nodes !== undefined && nodes > 0 && (
        <span>
          <Icon status="warning" isInline>
            <ExclamationTriangleIcon />
          </Icon>{" "}
          <Link to={urls.nodes()}>{t("home.nodes", { count: nodes })}</Link>
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
