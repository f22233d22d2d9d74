/** What surrounds every page: masthead, navigation by role, live state, palette, shortcuts. */
import {
  Alert,
  Brand,
  Button,
  Divider,
  Dropdown,
  DropdownGroup,
  DropdownItem,
  DropdownList,
  Label,
  Masthead,
  MastheadBrand,
  MastheadContent,
  MastheadLogo,
  MastheadMain,
  MastheadToggle,
  MenuToggle,
  Nav,
  NavGroup,
  NavItem,
  Page,
  PageSidebar,
  PageSidebarBody,
  PageToggleButton,
  SkipToContent,
  Toolbar,
  ToolbarContent,
  ToolbarGroup,
  ToolbarItem,
} from "@patternfly/react-core";
import { BarsIcon } from "@patternfly/react-icons/dist/esm/icons/bars-icon";
import { SearchIcon } from "@patternfly/react-icons/dist/esm/icons/search-icon";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, Navigate, Outlet, useLocation, useNavigate } from "react-router";
import { ApiProblem, login, onLoginEnded } from "@/api/client";
import { LiveProvider, useLive } from "@/api/live";
import { logOut, profileQuery, savePreferences, useCan, useProfile } from "@/api/profile";
import { setTimeZone } from "@/parts/format";
import { Failed, Loading } from "@/parts/page";
import { urls } from "@/urls";
import { CommandPalette } from "./CommandPalette";
import { navigation } from "./navigation";
import { ShortcutHelp } from "./ShortcutHelp";
import { useShortcut } from "./shortcuts";
import { setTheme, type Theme, theme } from "./theme";
import { Toasts, toast, toastError } from "./Toasts";

/** Pages behind the login: asks who the reader is, then shows the frame. */
export function Frame() {
  const { t } = useTranslation("frame");
  const location = useLocation();
  const navigate = useNavigate();
  const profile = useQuery({ ...profileQuery, enabled: login.present() });
  const here = location.pathname + location.search;
  const hereNow = useRef(here);
  hereNow.current = here;

  useEffect(
    () =>
      onLoginEnded(() => {
        toast("info", t("ended"));
        void navigate(urls.login(hereNow.current));
      }),
    [navigate, t],
  );
  const preferences = profile.data?.user.preferences;
  useEffect(() => {
    if (preferences?.theme) setTheme(preferences.theme);
  }, [preferences?.theme]);
  setTimeZone(preferences?.time_zone);

  if (!login.present()) return <Navigate to={urls.login(here === "/" ? undefined : here)} replace />;
  if (profile.error instanceof ApiProblem) {
    if (profile.error.code === "password_change_required") return <Navigate to={urls.setup()} replace />;
    if (profile.error.status === 401) return <Navigate to={urls.login(here)} replace />;
  }
  if (profile.data?.user.must_change_password) return <Navigate to={urls.setup()} replace />;
  if (!profile.data) {
    return profile.error ? <Failed error={profile.error} retry={() => void profile.refetch()} /> : <Loading />;
  }
  return (
    <LiveProvider>
      <Inside />
    </LiveProvider>
  );
}

function Inside() {
  const { t } = useTranslation("frame");
  const can = useCan();
  const navigate = useNavigate();
  const { pathname } = useLocation();
  const [palette, setPalette] = useState(false);
  const [help, setHelp] = useState(false);
  const [open, setOpen] = useState(() => window.innerWidth >= 1200);

  useShortcut("mod+k", t("shortcuts.palette"), () => setPalette(true));
  useShortcut("?", t("shortcuts.help"), () => setHelp(true));
  useShortcut("/", t("shortcuts.search"), () => document.querySelector<HTMLInputElement>('[data-shortcut="search"] input, input[data-shortcut="search"]')?.focus());
  useShortcut("n", t("shortcuts.launch"), () => void navigate(urls.applications()));

  // A new page begins at its head, for eyes and for screen readers.
  const first = useRef(true);
  useEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    if (window.innerWidth < 1200) setOpen(false);
    if (!document.querySelector('[role="dialog"]')) document.getElementById("main")?.focus({ preventScroll: true });
  }, [pathname]);

  const groups = navigation
    .map((group) => ({
      ...group,
      entries: group.entries.filter((entry) => !entry.needs || can(entry.needs.permission, entry.needs.least)),
    }))
    .filter((group) => group.entries.length > 0);
  const isActive = (to: string) => (to === "/" ? pathname === "/" : pathname === to || pathname.startsWith(`${to}/`));

  const masthead = (
    <Masthead display={{ default: "inline" }}>
      <MastheadMain>
        <MastheadToggle>
          <PageToggleButton
            variant="plain"
            aria-label={t("nav.toggle")}
            isSidebarOpen={open}
            onSidebarToggle={() => setOpen(!open)}
          >
            <BarsIcon />
          </PageToggleButton>
        </MastheadToggle>
        <MastheadBrand>
          <MastheadLogo component={(props) => <Link {...props} to={urls.home()} />} className="berth-logo">
            <Brand src="/assets/berth.svg" alt="" heights={{ default: "32px" }} />
            <span>Berth</span>
          </MastheadLogo>
        </MastheadBrand>
      </MastheadMain>
      <MastheadContent>
        <Toolbar isFullHeight>
          <ToolbarContent>
            <ToolbarGroup align={{ default: "alignEnd" }}>
              <ToolbarItem alignSelf="center">
                <LiveMark />
              </ToolbarItem>
              <ToolbarItem alignSelf="center">
                <Button
                  variant="plain"
                  aria-label={t("menu.palette")}
                  aria-keyshortcuts="Control+K"
                  icon={<SearchIcon />}
                  onClick={() => setPalette(true)}
                />
              </ToolbarItem>
              <ToolbarItem>
                <AccountMenu onShortcuts={() => setHelp(true)} />
              </ToolbarItem>
            </ToolbarGroup>
          </ToolbarContent>
        </Toolbar>
      </MastheadContent>
    </Masthead>
  );
  const sidebar = (
    <PageSidebar isSidebarOpen={open} id="sidebar">
      <PageSidebarBody>
        <Nav aria-label={t("nav.label")}>
          {groups.map((group) => (
            <NavGroup key={group.key} title={t(`nav.${group.key}`)}>
              {group.entries.map((entry) => (
                <NavItem key={entry.key} itemId={entry.key} isActive={isActive(entry.to)}>
                  <Link to={entry.to} aria-current={isActive(entry.to) ? "page" : undefined}>
                    {t(`nav.${entry.key}`)}
                  </Link>
                </NavItem>
              ))}
            </NavGroup>
          ))}
        </Nav>
      </PageSidebarBody>
    </PageSidebar>
  );
  return (
    <>
      {groups
        .flatMap((group) => group.entries)
        .filter((entry) => entry.shortcut)
        .map((entry) => (
          <GoTo key={entry.key} keys={`g ${entry.shortcut}`} to={entry.to} label={t("shortcuts.go", { page: t(`nav.${entry.key}`) })} />
        ))}
      <Page
        masthead={masthead}
        sidebar={sidebar}
        skipToContent={<SkipToContent href="#main">{t("skip")}</SkipToContent>}
        mainContainerId="main"
        mainTabIndex={-1}
        isContentFilled
      >
        <LostBanner />
        <Outlet />
      </Page>
      {palette && <CommandPalette onClose={() => setPalette(false)} />}
      {help && <ShortcutHelp onClose={() => setHelp(false)} />}
      <Toasts />
    </>
  );
}

function GoTo({ keys, to, label }: { keys: string; to: string; label: string }) {
  const navigate = useNavigate();
  useShortcut(keys, label, () => void navigate(to));
  return null;
}

function LiveMark() {
  const { t } = useTranslation("frame");
  const state = useLive();
  const tone = ({ live: "success", connecting: "info", lost: "danger" } as const)[state];
  return (
    <Label isCompact variant="outline" status={tone} data-testid="live" data-state={state} className="berth-live" aria-label={t(`live.${state}`)}>
      <span className="berth-live-word">{t(`live.${state}`)}</span>
    </Label>
  );
}

/** Seconds for which a lost connection is no news: it may be a restart. */
const PATIENCE_MS = 2_000;

function LostBanner() {
  const { t } = useTranslation("frame");
  const lost = useLive() === "lost";
  const [shown, setShown] = useState(false);
  useEffect(() => {
    if (!lost) {
      setShown(false);
      return undefined;
    }
    const timer = window.setTimeout(() => setShown(true), PATIENCE_MS);
    return () => window.clearTimeout(timer);
  }, [lost]);
  return (
    <div role="status" aria-live="polite">
      {shown && (
        <Alert variant="warning" isInline title={t("live.lost")} className="berth-lost">
          {t("live.lost_body")}
        </Alert>
      )}
    </div>
  );
}

function AccountMenu({ onShortcuts }: { onShortcuts: () => void }) {
  const { t } = useTranslation("frame");
  const profile = useProfile();
  const navigate = useNavigate();
  const [open, setOpen] = useState(false);
  const name = profile.user.full_name || profile.user.username;
  const chosen = (profile.user.preferences.theme as Theme | undefined) ?? theme();
  const choose = (next: Theme) => {
    setTheme(next);
    savePreferences(profile, { theme: next }).catch((error: unknown) => toastError(t("theme.label"), error));
  };
  return (
    <Dropdown
      isOpen={open}
      onOpenChange={setOpen}
      onSelect={() => setOpen(false)}
      popperProps={{ position: "right" }}
      toggle={(ref) => (
        <MenuToggle
          ref={ref}
          isExpanded={open}
          onClick={() => setOpen(!open)}
          variant="plainText"
          aria-label={t("menu.account", { name })}
          icon={<Initials name={name} />}
        >
          <span className="berth-account-name">{name}</span>
        </MenuToggle>
      )}
    >
      <DropdownGroup label={`${profile.user.username} · ${profile.tenant.name}`}>
        <DropdownList>
          <DropdownItem onClick={() => void navigate(urls.profile())}>{t("menu.profile")}</DropdownItem>
          <DropdownItem onClick={onShortcuts}>{t("menu.shortcuts")}</DropdownItem>
        </DropdownList>
      </DropdownGroup>
      <Divider />
      <DropdownGroup label={t("theme.label")}>
        <DropdownList>
          {(["system", "light", "dark"] as const).map((option) => (
            <DropdownItem key={option} isSelected={chosen === option} onClick={() => choose(option)}>
              {t(`theme.${option}`)}
            </DropdownItem>
          ))}
        </DropdownList>
      </DropdownGroup>
      <Divider />
      <DropdownList>
        <DropdownItem
          onClick={() => {
            logOut()
              .then(() => navigate(urls.login()))
              .catch((error: unknown) => toastError(t("menu.log_out"), error));
          }}
        >
          {t("menu.log_out")}
        </DropdownItem>
      </DropdownList>
    </Dropdown>
  );
}

function Initials({ name }: { name: string }) {
  const letters = name
    .split(/\s+/)
    .map((word) => word[0] ?? "")
    .slice(0, 2)
    .join("")
    .toUpperCase();
  return (
    <span className="berth-initials" aria-hidden="true">
      {letters}
    </span>
  );
}
