/** The end of a token: a notice in time to fetch a newer one, then the end. */
import type { Clock } from '@belfry/shared/service';

export interface ExpiryHandlers {
  readonly onNotice: () => void;
  readonly onExpired: () => void;
}

/** How long before its expiry a client is asked for a newer token. */
export const EXPIRY_NOTICE_MS = 60_000;

/** Returns its disposer. A token that ends sooner than the notice is noticed at once. */
export function watchExpiry(clock: Clock, expiresAtMs: number, handlers: ExpiryHandlers): () => void {
  const leftMs = (): number => Math.max(0, expiresAtMs - clock.now());
  let cancel = clock.after(Math.max(0, leftMs() - EXPIRY_NOTICE_MS), () => {
    handlers.onNotice();
    cancel = clock.after(leftMs(), handlers.onExpired);
  });
  return () => cancel();
}
