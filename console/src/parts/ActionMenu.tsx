/** What else can be done with the thing of this page: rarer or graver than the buttons beside it. */
import { Divider, Dropdown, DropdownItem, DropdownList, MenuToggle, Spinner } from "@patternfly/react-core";
import { EllipsisVIcon } from "@patternfly/react-icons/dist/esm/icons/ellipsis-v-icon";
import { Fragment, useState } from "react";
import { useTranslation } from "react-i18next";

export interface MenuAction {
  key: string;
  label: string;
  danger?: boolean;
  /** Why it cannot be done now; it is shown and does nothing. */
  refused?: string | undefined;
  run: () => void;
}

interface Props {
  label?: string;
  /** `false` stands for what the reader may not do; dangerous entries come last, behind a line. */
  actions: readonly (MenuAction | false)[];
  /** One of them is under way. */
  busy?: boolean;
}

export function ActionMenu({ label, actions, busy = false }: Props) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const offered = actions.filter((action) => action !== false);
  if (offered.length === 0) return null;
  const firstDanger = offered.find((action) => action.danger);
  return (
    <Dropdown
      isOpen={open}
      onOpenChange={setOpen}
      onSelect={() => setOpen(false)}
      popperProps={{ position: "right" }}
      toggle={(ref) => (
        <MenuToggle
          ref={ref}
          variant="plain"
          aria-label={label ?? t("action.more")}
          isExpanded={open}
          isDisabled={busy}
          onClick={() => setOpen(!open)}
          icon={busy ? <Spinner size="md" /> : <EllipsisVIcon />}
        />
      )}
    >
      <DropdownList>
        {offered.map((action) => (
          <Fragment key={action.key}>
            {action === firstDanger && offered.indexOf(action) > 0 && <Divider component="li" />}
            <DropdownItem
              isDanger={(action.danger ?? false) && action.refused === undefined}
              isAriaDisabled={action.refused !== undefined}
              description={action.refused}
              onClick={action.run}
            >
              {action.label}
            </DropdownItem>
          </Fragment>
        ))}
      </DropdownList>
    </Dropdown>
  );
}
