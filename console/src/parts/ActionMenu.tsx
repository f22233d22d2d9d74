/** What else can be done with the thing of this page: rarer or graver than the buttons beside it. */
import { Divider, Dropdown, DropdownItem, DropdownList, MenuToggle } from "@patternfly/react-core";
import { EllipsisVIcon } from "@patternfly/react-icons/dist/esm/icons/ellipsis-v-icon";
import { Fragment, useState } from "react";
import { useTranslation } from "react-i18next";

export interface MenuAction {
  key: string;
  label: string;
  danger?: boolean;
  run: () => void;
}

/** `false` stands for what the reader may not do; dangerous entries come last, behind a line. */
export function ActionMenu({ label, actions }: { label?: string; actions: readonly (MenuAction | false)[] }) {
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
          onClick={() => setOpen(!open)}
          icon={<EllipsisVIcon />}
        />
      )}
    >
      <DropdownList>
        {offered.map((action) => (
          <Fragment key={action.key}>
            {action === firstDanger && offered.indexOf(action) > 0 && <Divider component="li" />}
            <DropdownItem isDanger={action.danger ?? false} onClick={action.run}>
              {action.label}
            </DropdownItem>
          </Fragment>
        ))}
      </DropdownList>
    </Dropdown>
  );
}
