/** Roles and what they may do: a matrix on wide screens, one role at a time on a phone. */
import {
  Alert,
  AlertActionLink,
  Button,
  Content,
  FormSelect,
  FormSelectOption,
  Label,
  type LabelProps,
  SearchInput,
  Toolbar,
  ToolbarContent,
  ToolbarItem,
} from "@patternfly/react-core";
import { useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import {
  mayHandle,
  type Permission,
  type Role,
  type RoleGrant,
  type RolePermissions,
  rolePermissionReplace,
  roles,
  usePermissions,
  useRolePermissions,
} from "@/api/identity";
import { useCan, useProfile } from "@/api/profile";
import { Confirm } from "@/parts/Confirm";
import { Answer, PageBody, PageHead } from "@/parts/page";
import { useAction } from "@/parts/useAction";
import { useFilters } from "@/parts/useFilters";
import { type Change, changesOf, gains, grantsWith, type Reach, reaches, reachOf } from "./changes";
import "./roles.css";

const narrow = window.matchMedia("(max-width: 767px)");

function useNarrow(): boolean {
  return useSyncExternalStore(
    (listener) => {
      narrow.addEventListener("change", listener);
      return () => narrow.removeEventListener("change", listener);
    },
    () => narrow.matches,
  );
}

export function Component() {
  const { t } = useTranslation("identity");
  const can = useCan();
  const permissions = usePermissions();
  const granted = useRolePermissions();
  return (
    <>
      <PageHead
        title={t("roles.title")}
        description={
          <>
            {t("roles.description")} {!can("settings.manage", "any") && t("roles.readonly_note")}
          </>
        }
      />
      <PageBody fill>
        <Answer query={permissions}>
          {(all) => <Answer query={granted}>{(of) => <Matrix permissions={all} granted={of} />}</Answer>}
        </Answer>
      </PageBody>
    </>
  );
}

interface Props {
  permissions: readonly Permission[];
  granted: readonly RolePermissions[];
}

const nothing: ReadonlyMap<string, Reach> = new Map();

function Matrix({ permissions, granted }: Props) {
  const { t } = useTranslation(["identity", "enums"]);
  const me = useProfile().user;
  const can = useCan();
  const isNarrow = useNarrow();
  const [filters, change] = useFilters(["search", "resource_type", "role"]);
  const [editing, setEditing] = useState<Role>();
  const [edits, setEdits] = useState(nothing);
  const [asking, setAsking] = useState(false);

  const grantsOf = (role: Role): readonly RoleGrant[] => granted.find((entry) => entry.role === role)?.grants ?? [];
  const reach = new Map(roles.map((role) => [role, reachOf(grantsOf(role))]));
  const chosen = roles.find((role) => role === filters.role) ?? (isNarrow ? (editing ?? me.role) : undefined);
  const columns = chosen ? [chosen] : roles;
  const mayEdit = (role: Role) =>
    can("settings.manage", "any") && (me.role === "admin" || (role !== me.role && mayHandle(me.role, role)));

  const search = (filters.search ?? "").toLowerCase();
  const types = [...new Set(permissions.map(({ resource_type }) => resource_type))];
  const shown = permissions.filter(
    (permission) =>
      (!filters.resource_type || permission.resource_type === filters.resource_type) &&
      (permission.permission_name.includes(search) || (permission.description ?? "").toLowerCase().includes(search)),
  );
  const groups = types
    .map((type) => ({ type, rows: shown.filter(({ resource_type }) => resource_type === type) }))
    .filter(({ rows }) => rows.length > 0);

  const changes = editing ? changesOf(reach.get(editing) ?? new Map(), edits) : [];
  const changed = new Set(changes.map(({ permission }) => permission));
  const stop = () => {
    setEditing(undefined);
    setEdits(nothing);
  };
  const roleName = (role: Role) => t(`enums:role.${role}`);
  const save = useAction((role: Role) => rolePermissionReplace(role, grantsWith(grantsOf(role), edits)), {
    wanted: t("roles.saving"),
    done: (_, role) => t("roles.saved", { role: roleName(role) }),
    // The reader's own rights may be among them.
    changes: ["roles", "profile"],
    after: stop,
  });

  return (
    <>
      <Toolbar inset={{ default: "insetNone" }} clearAllFilters={() => change({ search: undefined, resource_type: undefined, role: undefined })}>
        <ToolbarContent>
          <ToolbarItem className="berth-search">
            <SearchInput
              aria-label={t("roles.search")}
              placeholder={t("roles.search")}
              data-shortcut="search"
              value={filters.search ?? ""}
              onChange={(_, text) => change({ search: text })}
              onClear={() => change({ search: undefined })}
            />
          </ToolbarItem>
          <ToolbarItem>
            <FormSelect
              aria-label={t("roles.filter")}
              value={filters.resource_type ?? ""}
              onChange={(_, type) => change({ resource_type: type })}
            >
              <FormSelectOption value="" label={`${t("roles.filter")}: ${t("roles.all")}`} />
              {types.map((type) => (
                <FormSelectOption key={type} value={type} label={t(`enums:resource_type.${type}`)} />
              ))}
            </FormSelect>
          </ToolbarItem>
          <ToolbarItem>
            <FormSelect
              aria-label={t("roles.role")}
              value={chosen ?? ""}
              isDisabled={editing !== undefined}
              onChange={(_, role) => change({ role })}
            >
              {!isNarrow && <FormSelectOption value="" label={`${t("roles.role")}: ${t("roles.all_roles")}`} />}
              {roles.map((role) => (
                <FormSelectOption key={role} value={role} label={roleName(role)} />
              ))}
            </FormSelect>
          </ToolbarItem>
        </ToolbarContent>
      </Toolbar>
      {editing && (
        <Alert
          variant="info"
          isInline
          className="berth-roles-editing"
          title={changes.length ? t("roles.changes", { count: changes.length }) : t("roles.no_changes")}
          actionLinks={
            <>
              <Button size="sm" isDisabled={changes.length === 0} onClick={() => setAsking(true)}>
                {t("roles.review")}
              </Button>
              <AlertActionLink onClick={stop}>{t("roles.discard")}</AlertActionLink>
            </>
          }
        >
          {t("roles.editing", { role: roleName(editing) })}
        </Alert>
      )}
      <div className="berth-roles-scroller" role="region" aria-label={t("roles.title")} tabIndex={0}>
        <table className="berth-roles">
          <thead>
            <tr>
              <th scope="col">{t("roles.permission")}</th>
              {columns.map((role) => (
                <th key={role} scope="col">
                  {roleName(role)}
                  <br />
                  {role === me.role && <Label isCompact>{t("roles.yours")}</Label>}{" "}
                  {!editing && mayEdit(role) && (
                    <Button
                      variant="link"
                      isInline
                      aria-label={t("roles.edit_role", { role: roleName(role) })}
                      onClick={() => setEditing(role)}
                    >
                      {t("roles.edit")}
                    </Button>
                  )}
                </th>
              ))}
            </tr>
          </thead>
          {groups.map(({ type, rows }) => (
            <tbody key={type}>
              <tr>
                <th scope="rowgroup" colSpan={columns.length + 1}>
                  {t(`enums:resource_type.${type}`)}
                </th>
              </tr>
              {rows.map(({ permission_name, description }) => (
                <tr key={permission_name} className={changed.has(permission_name) ? "berth-roles-changed" : undefined}>
                  <th scope="row">
                    {description ?? permission_name}
                    <br />
                    <code className="berth-quiet">{permission_name}</code>
                  </th>
                  {columns.map((role) => {
                    const now: Reach = reach.get(role)?.get(permission_name) ?? "not";
                    return (
                      <td key={role}>
                        {editing === role ? (
                          <ReachChoice
                            label={t("roles.choose", { permission: permission_name, role: roleName(role) })}
                            value={edits.get(permission_name) ?? now}
                            onChange={(next) => setEdits(new Map(edits).set(permission_name, next))}
                          />
                        ) : (
                          <ReachMark reach={now} />
                        )}
                      </td>
                    );
                  })}
                </tr>
              ))}
            </tbody>
          ))}
        </table>
        {groups.length === 0 && <Content component="p" className="berth-more">{t("roles.none")}</Content>}
      </div>
      {asking && editing && (
        <Confirm
          title={t("roles.confirm_title", { role: roleName(editing) })}
          action={t("roles.save")}
          onConfirm={() => save.mutateAsync(editing)}
          onClose={() => setAsking(false)}
        >
          <Content component="p">{t("roles.confirm_body", { role: roleName(editing) })}</Content>
          <Difference title={t("roles.gains")} changes={changes.filter(gains)} />
          <Difference title={t("roles.loses")} changes={changes.filter((one) => !gains(one))} />
        </Confirm>
      )}
    </>
  );
}

const tones: Record<Reach, LabelProps["color"]> = { not: "grey", own: "teal", tenant: "blue", any: "purple" };

function ReachMark({ reach }: { reach: Reach }) {
  const { t } = useTranslation(["identity", "enums"]);
  if (reach === "not") {
    return (
      <>
        <span aria-hidden="true" className="berth-quiet">
          {t("roles.not_short")}
        </span>
        <span className="pf-v6-screen-reader">{t("roles.not")}</span>
      </>
    );
  }
  return (
    <Label isCompact color={tones[reach] ?? "grey"}>
      {t(`enums:permission_scope.${reach}`)}
    </Label>
  );
}

interface ChoiceProps {
  label: string;
  value: Reach;
  onChange: (reach: Reach) => void;
}

function useReachName(): (reach: Reach) => string {
  const { t } = useTranslation(["identity", "enums"]);
  return (reach) => (reach === "not" ? t("roles.not") : t(`enums:permission_scope.${reach}`));
}

function ReachChoice({ label, value, onChange }: ChoiceProps) {
  const nameOf = useReachName();
  return (
    <FormSelect aria-label={label} value={value} onChange={(_, next) => onChange(next as Reach)}>
      {reaches.map((reach) => (
        <FormSelectOption key={reach} value={reach} label={nameOf(reach)} />
      ))}
    </FormSelect>
  );
}

function Difference({ title, changes }: { title: string; changes: readonly Change[] }) {
  const { t } = useTranslation("identity");
  const nameOf = useReachName();
  if (changes.length === 0) return null;
  return (
    <>
      <Content component="h3">{title}</Content>
      <Content component="ul">
        {changes.map(({ permission, before, after }) => (
          <Content component="li" key={permission}>
            {t("roles.line", { permission, before: nameOf(before), after: nameOf(after) })}
          </Content>
        ))}
      </Content>
    </>
  );
}
