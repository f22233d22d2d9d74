/** A text to be taken along, such as a token that is shown once. */
import { Button, InputGroup, InputGroupItem, TextInput } from "@patternfly/react-core";
import { CheckIcon } from "@patternfly/react-icons/dist/esm/icons/check-icon";
import { CopyIcon } from "@patternfly/react-icons/dist/esm/icons/copy-icon";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import "./copy.css";

interface Props {
  id: string;
  label: string;
  value: string;
}

export function CopyText({ id, label, value }: Props) {
  const { t } = useTranslation();
  const field = useRef<HTMLInputElement>(null);
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    field.current?.select();
    // The clipboard's own interface exists over HTTPS and on localhost only.
    const done = navigator.clipboard
      ? await navigator.clipboard.writeText(value).then(
          () => true,
          () => false,
        )
      : document.execCommand("copy");
    setCopied(done);
  };
  return (
    <InputGroup>
      <InputGroupItem isFill>
        <TextInput
          ref={field}
          id={id}
          aria-label={label}
          value={value}
          readOnly
          readOnlyVariant="default"
          className="berth-copy"
          onFocus={(event) => event.currentTarget.select()}
        />
      </InputGroupItem>
      <InputGroupItem>
        <Button
          variant="control"
          icon={copied ? <CheckIcon /> : <CopyIcon />}
          aria-label={copied ? t("action.copied") : t("action.copy")}
          onClick={() => void copy()}
        />
      </InputGroupItem>
      <span role="status" className="pf-v6-screen-reader">
        {copied ? t("action.copied") : ""}
      </span>
    </InputGroup>
  );
}
