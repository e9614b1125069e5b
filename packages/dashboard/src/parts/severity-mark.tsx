/** A severity as shape and colour; where its word does not stand beside it, it is read out. */
import type { Severity } from '@belfry/client';
import { SEVERITY_NAMES } from '../state/severity.js';

const SHAPES: Readonly<Record<Severity, string>> = {
  info: 'M8 2.500a5.500 5.500 0 1 0 0 11 5.500 5.500 0 0 0 0-11zm0 1.500a4 4 0 1 1 0 8 4 4 0 0 1 0-8z',
  low: 'M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3z',
  medium: 'M3 3h10v10H3z',
  high: 'M8 2l6.500 11.500h-13z',
  critical:
    'M5.300 1.500h5.400l3.800 3.800v5.400l-3.800 3.800H5.300l-3.800-3.800V5.300zM7.200 4.200v4.600h1.600V4.200zm0 6v1.600h1.600v-1.600z',
};

export function SeverityMark({ severity, label }: { readonly severity: Severity; readonly label?: boolean }) {
  return (
    <span className={`severity severity-${severity}`}>
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        <path d={SHAPES[severity]} fillRule="evenodd" fill="currentColor" />
      </svg>
      <span className={label ? 'severity-word' : 'hidden'}>{SEVERITY_NAMES[severity]}</span>
    </span>
  );
}
