import { Button, EmptyState, EmptyStateActions, EmptyStateBody, EmptyStateFooter } from "@patternfly/react-core";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { isRouteErrorResponse, Link, useRouteError } from "react-router";
import { urls } from "@/urls";

export function NotFound() {
  const { t } = useTranslation(["common", "frame"]);
  return (
    <EmptyState titleText={t("error.not_found_title")} headingLevel="h1">
      <title>{`${t("error.not_found_title")} · Berth`}</title>
      <EmptyStateBody>{t("error.not_found_body")}</EmptyStateBody>
      <EmptyStateFooter>
        <EmptyStateActions>
          <Link to={urls.home()}>{t("frame:nav.home")}</Link>
        </EmptyStateActions>
      </EmptyStateFooter>
    </EmptyState>
  );
}

/** A page's own code did not arrive: the network changed meanwhile, or the server has a newer console. */
const isNotLoaded = (error: unknown): boolean =>
  error instanceof Error && /dynamically imported module|preload CSS|module script/i.test(error.message);

const RELOADED = "berth.reloaded_at";
/** Milliseconds within which a second failure is shown instead of reloading for ever. */
const ONCE_MS = 30_000;

/** A page that broke; the frame around it stays. */
export function ErrorPage() {
  const { t } = useTranslation();
  const error = useRouteError();
  const reloads = isNotLoaded(error) && Date.now() - Number(sessionStorage.getItem(RELOADED)) > ONCE_MS;
  useEffect(() => {
    if (!reloads) return;
    sessionStorage.setItem(RELOADED, String(Date.now()));
    window.location.reload();
  }, [reloads]);
  if (isRouteErrorResponse(error) && error.status === 404) return <NotFound />;
  return (
    <EmptyState status="danger" titleText={t("error.crash_title")} headingLevel="h1">
      <EmptyStateBody>
        <p>{t("error.crash_body")}</p>
        <p className="berth-quiet">{error instanceof Error ? error.message : String(error)}</p>
      </EmptyStateBody>
      <EmptyStateFooter>
        <EmptyStateActions>
          <Button onClick={() => window.location.reload()}>{t("error.reload")}</Button>
        </EmptyStateActions>
      </EmptyStateFooter>
    </EmptyState>
  );
}
