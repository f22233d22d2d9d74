import {
  DescriptionList,
  DescriptionListDescription,
  DescriptionListGroup,
  DescriptionListTerm,
  Modal,
  ModalBody,
  ModalHeader,
} from "@patternfly/react-core";
import { useTranslation } from "react-i18next";
import { shortcuts } from "./shortcuts";

const isMac = navigator.platform.startsWith("Mac");

function Keys({ keys }: { keys: string }) {
  const { t } = useTranslation("frame");
  return (
    <>
      {keys.split(" ").map((key, index) => (
        <span key={key}>
          {index > 0 && ` ${t("shortcuts.then")} `}
          <kbd className="berth-key">{key.replace("mod+", isMac ? "⌘ " : "Ctrl ")}</kbd>
        </span>
      ))}
    </>
  );
}

export function ShortcutHelp({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation("frame");
  return (
    <Modal isOpen variant="small" onClose={onClose} aria-labelledby="shortcuts-title">
      <ModalHeader title={t("shortcuts.title")} labelId="shortcuts-title" />
      <ModalBody tabIndex={0} aria-label={t("shortcuts.title")}>
        <DescriptionList isHorizontal isCompact>
          {shortcuts().map(({ keys, label }) => (
            <DescriptionListGroup key={keys}>
              <DescriptionListTerm>
                <Keys keys={keys} />
              </DescriptionListTerm>
              <DescriptionListDescription>{label}</DescriptionListDescription>
            </DescriptionListGroup>
          ))}
        </DescriptionList>
      </ModalBody>
    </Modal>
  );
}
