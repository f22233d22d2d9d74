/** Forms: one state, one place for refusals, fields that say what is wrong beneath themselves. */
import {
  ActionGroup,
  Alert,
  Button,
  Form,
  FormGroup,
  FormHelperText,
  FormSelect,
  FormSelectOption,
  HelperText,
  HelperTextItem,
  Modal,
  ModalBody,
  ModalHeader,
  TextArea,
  TextInput,
} from "@patternfly/react-core";
import { type FormEvent, type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { errorText, FieldMistake, fieldError } from "./error";

export interface FormState<V> {
  values: V;
  set: <K extends keyof V>(name: K, value: V[K]) => void;
  error: unknown;
  busy: boolean;
  submit: (event?: FormEvent) => void;
}

/** A form's values and its sending. `send` may throw; fields then show what the server said about them. */
export function useForm<V extends object>(initial: V, send: (values: V) => Promise<unknown>): FormState<V> {
  const [values, setValues] = useState(initial);
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  return {
    values,
    error,
    busy,
    set: (name, value) => setValues((before) => ({ ...before, [name]: value })),
    submit: (event) => {
      event?.preventDefault();
      if (busy) return;
      setBusy(true);
      setError(undefined);
      send(values)
        .catch((caught: unknown) => setError(caught ?? new Error("unknown")))
        .finally(() => setBusy(false));
    },
  };
}

interface FieldProps {
  name: string;
  label: string;
  hint?: ReactNode;
  required?: boolean;
  error?: unknown;
  children: ReactNode;
}

/** A label, its control, and beneath it the hint or what is wrong. */
export function Field({ name, label, hint, required, error, children }: FieldProps) {
  const wrong = fieldError(error, name);
  return (
    <FormGroup label={label} fieldId={name} isRequired={required ?? false}>
      {children}
      {(wrong ?? hint) && (
        <FormHelperText>
          <HelperText id={`${name}-hint`} isLiveRegion={wrong !== undefined}>
            <HelperTextItem variant={wrong ? "error" : "default"}>{wrong ?? hint}</HelperTextItem>
          </HelperText>
        </FormHelperText>
      )}
    </FormGroup>
  );
}

type StringKey<V> = Extract<{ [K in keyof V]: V[K] extends string ? K : never }[keyof V], string>;

interface TextProps<V> {
  form: FormState<V>;
  name: StringKey<V>;
  label: string;
  hint?: ReactNode;
  required?: boolean;
  type?: "text" | "password" | "email" | "number";
  autoComplete?: string;
  lines?: number;
  min?: number;
  max?: number;
  step?: number;
  disabled?: boolean;
  placeholder?: string;
}

/** Text, or a number as text: an empty one stands for "not given". */
export function TextField<V>(props: TextProps<V>) {
  const { form, name, label, hint, required, type = "text", autoComplete = "off", lines } = props;
  const value = form.values[name] as string;
  const change = (text: string) => form.set(name, text as V[typeof name]);
  const shared = {
    id: name,
    name,
    value,
    isRequired: required ?? false,
    isDisabled: props.disabled ?? false,
    validated: fieldError(form.error, name) ? ("error" as const) : ("default" as const),
    "aria-describedby": hint || fieldError(form.error, name) ? `${name}-hint` : undefined,
    placeholder: props.placeholder,
  };
  return (
    <Field name={name} label={label} hint={hint} required={required ?? false} error={form.error}>
      {lines ? (
        <TextArea {...shared} rows={lines} resizeOrientation="vertical" onChange={(_, text) => change(text)} />
      ) : (
        <TextInput
          {...shared}
          type={type}
          autoComplete={autoComplete}
          min={props.min}
          max={props.max}
          step={props.step ?? (type === "number" ? "any" : undefined)}
          onChange={(_, text) => change(text)}
        />
      )}
    </Field>
  );
}

interface ChoiceProps<V> {
  form: FormState<V>;
  name: StringKey<V>;
  label: string;
  hint?: ReactNode;
  options: readonly { value: string; label: string }[];
  disabled?: boolean;
}

export function ChoiceField<V>({ form, name, label, hint, options, disabled }: ChoiceProps<V>) {
  return (
    <Field name={name} label={label} hint={hint} error={form.error}>
      <FormSelect
        id={name}
        value={form.values[name] as string}
        isDisabled={disabled ?? false}
        aria-describedby={hint ? `${name}-hint` : undefined}
        onChange={(_, value) => form.set(name, value as V[typeof name])}
      >
        {options.map((option) => (
          <FormSelectOption key={option.value} value={option.value} label={option.label} />
        ))}
      </FormSelect>
    </Field>
  );
}

export { numberOf } from "./numberOf";

interface FormErrorProps {
  error: unknown;
}

/** The refusal as a whole, above the form. */
export function FormError({ error }: FormErrorProps) {
  const { t } = useTranslation();
  if (!error || error instanceof FieldMistake) return null;
  return (
    <Alert variant="danger" isInline title={t("form.refused")} role="alert">
      {errorText(error)}
    </Alert>
  );
}

interface SideFormProps<V> {
  title: string;
  form: FormState<V>;
  action: string;
  danger?: boolean;
  onClose: () => void;
  children: ReactNode;
}

/** A form that comes in from the side and keeps the page behind it in view. */
export function SideForm<V>({ title, form, action, danger, onClose, children }: SideFormProps<V>) {
  const { t } = useTranslation();
  return (
    <Modal isOpen variant="small" className="berth-side-form" onClose={onClose} aria-labelledby="side-form-title">
      <ModalHeader title={title} labelId="side-form-title" />
      <ModalBody tabIndex={0} aria-label={title}>
        <Form onSubmit={form.submit} noValidate={false}>
          <FormError error={form.error} />
          {children}
          <ActionGroup>
            <Button type="submit" variant={danger ? "danger" : "primary"} isLoading={form.busy} isDisabled={form.busy}>
              {action}
            </Button>
            <Button variant="link" onClick={onClose}>
              {t("action.cancel")}
            </Button>
          </ActionGroup>
        </Form>
      </ModalBody>
    </Modal>
  );
}
