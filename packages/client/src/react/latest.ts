/** What a component passed last, for callbacks that outlive a render: a new function must not mean a new subscription. */
import { useEffect, useRef } from 'react';

/** To be read in events, not while rendering. */
export function useLatest<T>(value: T): { readonly current: T } {
  const latest = useRef(value);
  useEffect(() => {
    latest.current = value;
  });
  return latest;
}
