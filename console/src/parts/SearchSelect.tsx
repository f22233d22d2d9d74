/** One of many, found by typing: for lists too long to scroll through. */
import {
  Button,
  MenuToggle,
  Select,
  SelectList,
  SelectOption,
  TextInputGroup,
  TextInputGroupMain,
  TextInputGroupUtilities,
} from "@patternfly/react-core";
import { TimesIcon } from "@patternfly/react-icons/dist/esm/icons/times-icon";
import { type KeyboardEvent, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { matching, type SearchOption } from "./matching";

interface Props {
  /** Id of the field, for its label. */
  id: string;
  value: string;
  options: readonly SearchOption[];
  /** Said when nothing matches. */
  none: string;
  onChange: (value: string) => void;
}

/** Options shown at once; typing finds the others. */
const SHOWN = 60;

export function SearchSelect({ id, value, options, none, onChange }: Props) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  // Undefined: the reader is not typing, and the chosen option is shown.
  const [text, setText] = useState<string>();
  const [active, setActive] = useState(0);
  const field = useRef<HTMLInputElement>(null);
  const chosen = options.find((option) => option.value === value);
  const found = matching(options, text ?? "");
  const shown = found.slice(0, SHOWN);
  const close = () => {
    setOpen(false);
    setText(undefined);
    setActive(0);
  };
  const choose = (next: string) => {
    onChange(next);
    close();
    field.current?.focus();
  };
  const onKey = (event: KeyboardEvent) => {
    const option = shown[active];
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) setOpen(true);
      else setActive((active + (event.key === "ArrowDown" ? 1 : -1) + shown.length) % Math.max(shown.length, 1));
    } else if (event.key === "Enter" && open) {
      event.preventDefault();
      if (option) choose(option.value);
    } else if (event.key === "Escape" && open) {
      event.stopPropagation();
      close();
    } else if (event.key === "Tab") {
      close();
    }
  };
  return (
    <Select
      isOpen={open}
      selected={value}
      variant="typeahead"
      maxMenuHeight="16rem"
      isScrollable
      shouldFocusFirstItemOnOpen={false}
      onSelect={(_, next) => choose(String(next))}
      onOpenChange={(next) => !next && close()}
      toggle={(ref) => (
        <MenuToggle ref={ref} variant="typeahead" isFullWidth isExpanded={open} onClick={() => setOpen(!open)}>
          <TextInputGroup isPlain>
            <TextInputGroupMain
              inputId={id}
              innerRef={field}
              role="combobox"
              autoComplete="off"
              isExpanded={open}
              aria-controls={`${id}-list`}
              {...(open && shown[active] ? { "aria-activedescendant": `${id}-${active}` } : {})}
              value={text ?? chosen?.label ?? value}
              onClick={() => setOpen(true)}
              onFocus={() => field.current?.select()}
              onChange={(_, next) => {
                setText(next);
                setActive(0);
                setOpen(true);
              }}
              onKeyDown={onKey}
            />
            {text && (
              <TextInputGroupUtilities>
                <Button variant="plain" icon={<TimesIcon />} aria-label={t("action.clear_filters")} onClick={() => setText("")} />
              </TextInputGroupUtilities>
            )}
          </TextInputGroup>
        </MenuToggle>
      )}
    >
      <SelectList id={`${id}-list`}>
        {shown.map((option, index) => (
          <SelectOption key={option.value} id={`${id}-${index}`} value={option.value} isFocused={index === active}>
            {option.label}
          </SelectOption>
        ))}
        {shown.length === 0 && (
          <SelectOption key="none" value={value} isDisabled>
            {none}
          </SelectOption>
        )}
      </SelectList>
    </Select>
  );
}
