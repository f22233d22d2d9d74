import "./CapacityBar.css";
import type { ReactNode } from "react";

interface Props {
  used: number;
  total: number;
  /** Held back: neither used nor free. */
  reserved?: number;
  /** What the bar says in words; it is all that a screen reader hears. */
  text: ReactNode;
  label?: ReactNode;
  large?: boolean;
  /** A large share is nothing to warn of. */
  calm?: boolean;
}

/** Share from which a bar warns, in percent. */
const HIGH = 90;

/** How much of something is used: a bar, and the same in words. */
export function CapacityBar({ used, total, reserved = 0, text, label, large = false, calm = false }: Props) {
  const share = (part: number) => (total > 0 ? Math.min(100, Math.max(0, (part / total) * 100)) : 0);
  const part = share(used);
  return (
    <div className={large ? "berth-capacity berth-capacity-large" : "berth-capacity"}>
      <span className="berth-capacity-head">
        {label && <span>{label}</span>}
        <span className="berth-capacity-text">{text}</span>
      </span>
      <span className="berth-capacity-track" aria-hidden="true">
        <span className={part >= HIGH && !calm ? "high" : "used"} style={{ width: `${part}%` }} />
        {reserved > 0 && <span className="reserved" style={{ width: `${Math.min(100 - part, share(reserved))}%` }} />}
      </span>
    </div>
  );
}
