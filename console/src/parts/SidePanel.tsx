/** Details of a row, beside the list that stays in view. */
import { Modal, ModalBody, ModalHeader } from "@patternfly/react-core";
import type { ReactNode } from "react";

interface Props {
  title: string;
  onClose: () => void;
  children: ReactNode;
}

export function SidePanel({ title, onClose, children }: Props) {
  return (
    <Modal isOpen variant="small" className="berth-side-form" onClose={onClose} aria-labelledby="side-panel-title">
      <ModalHeader title={title} labelId="side-panel-title" />
      <ModalBody tabIndex={0} aria-label={title}>
        {children}
      </ModalBody>
    </Modal>
  );
}
