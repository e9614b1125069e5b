/** Where we are: the address's fragment, so that any static file server will do. */
import { useSyncExternalStore } from 'react';

function subscribe(listener: () => void): () => void {
  addEventListener('hashchange', listener);
  return () => removeEventListener('hashchange', listener);
}

/** `/property/1012650001` as `['property', '1012650001']`. */
export function useRoute(): readonly string[] {
  const path = useSyncExternalStore(subscribe, () => location.hash.slice(1));
  return path.split('/').filter(Boolean).map(decoded);
}

/** As it is where it was never encoded: then it is the address of no page. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const linkTo = (...parts: readonly string[]): string => `#/${parts.map(encodeURIComponent).join('/')}`;
