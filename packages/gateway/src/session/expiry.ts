/** The end of a token: a notice in time to fetch a newer one, then the end. */
import type { Clock } from '@belfry/shared/service';

export interface ExpiryHandlers {
  readonly onNotice: () => void;
  readonly onExpired: () => void;
}

/** How long before its expiry a client is asked for a newer token. */
const NOTICE_MS = 60_000;
/** Timers hold at most 24.8 days; a token that lives longer is looked at again by then. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Returns its disposer. A token that ends sooner than the notice is noticed at once. */
export function watchExpiry(clock: Clock, expiresAtMs: number, handlers: ExpiryHandlers): () => void {
  let cancel: () => void;
  const untilExpired = (): number => Math.max(0, expiresAtMs - clock.now());
  const watch = (): void => {
    const noticeMs = untilExpired() - NOTICE_MS;
    if (noticeMs > LONGEST_TIMER_MS) cancel = clock.after(LONGEST_TIMER_MS, watch);
    else cancel = clock.after(Math.max(0, noticeMs), notice);
  };
  const notice = (): void => {
    handlers.onNotice();
    cancel = clock.after(untilExpired(), handlers.onExpired);
  };
  watch();
  return () => cancel();
}
