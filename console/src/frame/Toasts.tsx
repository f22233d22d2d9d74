/** Short messages about what was done or refused, read aloud by screen readers. */
import { Alert, AlertActionCloseButton, AlertGroup } from "@patternfly/react-core";
import { useSyncExternalStore } from "react";
import { errorText } from "@/parts/error";

interface Toast {
  id: number;
  tone: "success" | "danger" | "info" | "warning";
  title: string;
  body?: string | undefined;
}

let toasts: readonly Toast[] = [];
let next = 0;
const listeners = new Set<() => void>();

function change(to: readonly Toast[]): void {
  toasts = to;
  listeners.forEach((listener) => listener());
}

const dismiss = (id: number) => change(toasts.filter((toast) => toast.id !== id));

/** Milliseconds that good news stays; a refusal stays until it is closed. */
const STAY_MS = 6_000;

export function toast(tone: Toast["tone"], title: string, body?: string): void {
  next += 1;
  // The same thing said twice stands there once.
  change([...toasts.filter((other) => other.title !== title || other.body !== body).slice(-4), { id: next, tone, title, body }]);
}

/** Tells of an error: what was wanted, and why it was refused. */
export function toastError(wanted: string, error: unknown): void {
  toast("danger", wanted, errorText(error));
}

export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <AlertGroup isToast isLiveRegion>
      {shown.map(({ id, tone, title, body }) => (
        <Alert
          key={id}
          variant={tone}
          title={title}
          {...(tone === "danger" ? {} : { timeout: STAY_MS, onTimeout: () => dismiss(id) })}
          actionClose={<AlertActionCloseButton onClose={() => dismiss(id)} />}
        >
          {body}
        </Alert>
      ))}
    </AlertGroup>
  );
}
