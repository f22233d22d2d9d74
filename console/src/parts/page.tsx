/** What every page is made of: a head, and one of content, emptiness, loading or an error. */
import {
  Breadcrumb,
  BreadcrumbItem,
  Bullseye,
  Button,
  Content,
  EmptyState,
  EmptyStateActions,
  EmptyStateBody,
  EmptyStateFooter,
  Flex,
  FlexItem,
  PageSection,
  Spinner,
  Tab,
  Tabs,
  TabTitleText,
  Title,
} from "@patternfly/react-core";
import { ExclamationCircleIcon } from "@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon";
import type { ComponentType, ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Link, useNavigate } from "react-router";
import { ApiProblem } from "@/api/client";
import { errorText } from "./error";

interface HeadProps {
  title: string;
  /** Beside the title: a state, a kind. */
  beside?: ReactNode;
  description?: ReactNode;
  actions?: ReactNode;
  /** The way back up. */
  trail?: readonly { to: string; label: string }[];
}

export function PageHead({ title, beside, description, actions, trail }: HeadProps) {
  return (
    <PageSection hasBodyWrapper={false} className="berth-page-head">
      <title>{`${title} · Berth`}</title>
      {trail && (
        <Breadcrumb className="berth-trail">
          {trail.map(({ to, label }) => (
            <BreadcrumbItem key={to} render={({ className }) => <Link className={className} to={to}>{label}</Link>} />
          ))}
          <BreadcrumbItem isActive>{title}</BreadcrumbItem>
        </Breadcrumb>
      )}
      <Flex justifyContent={{ default: "justifyContentSpaceBetween" }} alignItems={{ default: "alignItemsFlexStart" }}>
        <FlexItem className="berth-head-text">
          <Flex spaceItems={{ default: "spaceItemsSm" }} alignItems={{ default: "alignItemsCenter" }}>
            <Title headingLevel="h1" tabIndex={-1} id="page-title">
              {title}
            </Title>
            {beside}
          </Flex>
          {description && <Content component="p">{description}</Content>}
        </FlexItem>
        {actions && (
          <FlexItem>
            <Flex spaceItems={{ default: "spaceItemsSm" }}>{actions}</Flex>
          </FlexItem>
        )}
      </Flex>
    </PageSection>
  );
}

export function PageBody({ children, fill = false }: { children: ReactNode; fill?: boolean }) {
  return (
    <PageSection hasBodyWrapper={false} isFilled={fill} className={fill ? "berth-fill" : undefined}>
      {children}
    </PageSection>
  );
}

export function Loading() {
  const { t } = useTranslation();
  return (
    <Bullseye className="berth-loading">
      <Spinner aria-label={t("state.loading")} />
    </Bullseye>
  );
}

interface EmptyProps {
  title: string;
  /** What to do next. */
  body: ReactNode;
  icon?: ComponentType;
  action?: ReactNode;
}

/** Nothing there: says what to do next. */
export function Empty({ title, body, icon, action }: EmptyProps) {
  return (
    <EmptyState titleText={title} headingLevel="h2" {...(icon ? { icon } : {})}>
      <EmptyStateBody>{body}</EmptyStateBody>
      {action && (
        <EmptyStateFooter>
          <EmptyStateActions>{action}</EmptyStateActions>
        </EmptyStateFooter>
      )}
    </EmptyState>
  );
}

/** Something could not be read: why, and a way to try again. */
export function Failed({ error, retry }: { error: unknown; retry?: () => void }) {
  const { t } = useTranslation();
  const problem = error instanceof ApiProblem ? error : undefined;
  const title =
    problem?.status === 404 ? t("error.gone_title") : problem?.status === 403 ? t("error.forbidden_title") : t("error.title");
  return (
    <EmptyState status="danger" icon={ExclamationCircleIcon} titleText={title} headingLevel="h2">
      <EmptyStateBody>
        <p>{problem?.status === 404 ? t("error.gone_body") : errorText(error)}</p>
        {problem?.requestId && <p className="berth-quiet">{t("error.request_id", { id: problem.requestId })}</p>}
      </EmptyStateBody>
      {retry && problem?.status !== 404 && (
        <EmptyStateFooter>
          <EmptyStateActions>
            <Button variant="primary" onClick={retry}>
              {t("action.retry")}
            </Button>
          </EmptyStateActions>
        </EmptyStateFooter>
      )}
    </EmptyState>
  );
}

interface QueryLike<T> {
  data: T | undefined;
  error: unknown;
  refetch: () => unknown;
}

interface AnswerProps<T> {
  query: QueryLike<T>;
  /** The head of a page whose own head needs the answer too. */
  head?: ReactNode;
  children: (data: T) => ReactNode;
}

/** Content that needs an answer: the answer, else why it is not there yet. Old content stays when a refresh fails. */
export function Answer<T>({ query, head, children }: AnswerProps<T>) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  return (
    <>
      {head}
      {query.error ? <Failed error={query.error} retry={() => void query.refetch()} /> : <Loading />}
    </>
  );
}

interface PageTabsProps {
  label: string;
  active: string;
  tabs: readonly { key: string; title: string; to: string }[];
}

/** Tabs with an address each. */
export function PageTabs({ label, active, tabs }: PageTabsProps) {
  const navigate = useNavigate();
  return (
    <PageSection hasBodyWrapper={false} type="tabs" className="berth-page-tabs">
      <Tabs
        component="nav"
        aria-label={label}
        activeKey={active}
        onSelect={(event, key) => {
          event.preventDefault();
          const tab = tabs.find((candidate) => candidate.key === key);
          if (tab) void navigate(tab.to);
        }}
      >
        {tabs.map((tab) => (
          // What changes with the tab is the page itself.
          <Tab key={tab.key} eventKey={tab.key} href={tab.to} tabContentId="main" title={<TabTitleText>{tab.title}</TabTitleText>} />
        ))}
      </Tabs>
    </PageSection>
  );
}
