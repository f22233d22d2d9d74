/** The question before something is lost. It names what will be lost; the dangerous button is never the first focus. */
import { Button, Modal, ModalBody, ModalFooter, ModalHeader, TextInput } from "@patternfly/react-core";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";

export interface ConfirmProps {
  title: string;
  /** What will be lost, and for whom. */
  children: ReactNode;
  /** The word on the button: what is done. */
  action: string;
  /** A name to be typed first, where the loss is great. */
  typeName?: string;
  danger?: boolean;
  onConfirm: () => Promise<unknown> | void;
  onClose: () => void;
}

export function Confirm({ title, children, action, typeName, danger = true, onConfirm, onClose }: ConfirmProps) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    try {
      await onConfirm();
    } catch {
      // The action has told of its refusal.
    }
    setBusy(false);
    onClose();
  };
  return (
    <Modal isOpen variant="small" onClose={onClose} aria-labelledby="confirm-title" aria-describedby="confirm-body">
      <ModalHeader title={title} labelId="confirm-title" titleIconVariant={danger ? "warning" : undefined} />
      <ModalBody id="confirm-body">
        {children}
        {typeName !== undefined && (
          <div className="berth-gap-above">
            <label htmlFor="confirm-name">{t("confirm.type_name", { name: typeName })}</label>
            <TextInput id="confirm-name" value={typed} onChange={(_, value) => setTyped(value)} autoComplete="off" />
          </div>
        )}
      </ModalBody>
      <ModalFooter>
        <Button variant="secondary" onClick={onClose} autoFocus={typeName === undefined}>
          {t("action.cancel")}
        </Button>
        <Button
          variant={danger ? "danger" : "primary"}
          onClick={run}
          isLoading={busy}
          isDisabled={busy || (typeName !== undefined && typed !== typeName)}
        >
          {action}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
