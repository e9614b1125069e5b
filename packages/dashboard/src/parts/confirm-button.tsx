/** A button that acts on the second press, within a few seconds of the first. */
import { type ReactNode, useEffect, useState } from 'react';

const ARMED_MS = 4_000;

interface ConfirmButtonProps {
  readonly children: ReactNode;
  readonly onConfirm: () => void;
  /** What is read out, where the text alone does not say enough. */
  readonly label?: string;
}

export function ConfirmButton({ children, label, onConfirm }: ConfirmButtonProps) {
  const [armed, setArmed] = useState(false);
  useEffect(() => {
    if (!armed) return undefined;
    const timer = setTimeout(() => setArmed(false), ARMED_MS);
    return () => clearTimeout(timer);
  }, [armed]);
  return (
    <button
      type="button"
      className={`button${armed ? ' danger' : ''}`}
      aria-label={label && `${armed ? 'Confirm: ' : ''}${label}`}
      onClick={() => {
        setArmed(!armed);
        if (armed) onConfirm();
      }}
    >
      {armed ? 'Press again to confirm' : children}
    </button>
  );
}
