/**
 * How many events for many a service may report by HTTP: each costs as much as there are followers, on every gateway. A
 * request is accepted whole or not at all, and before anything of it is: what was accepted is never dropped for this.
 * Changes of properties are none of these, though `global` gets them: how many there are is not in a service's hands. Who
 * writes to the intake stream itself is not asked.
 */

import { parseChannel } from '@belfry/shared/protocol';
import { createBudgets, type RateLimit } from '@belfry/shared/service';
import { HttpError } from '../http/server.js';
import type { Report } from './door.js';

export interface BroadcastLimit {
  /**
   * Runs `accept` where the reports are within the limit. What it fails with costs nothing.
   * @throws HttpError `rate_limited`
   */
  within<T>(reports: readonly Report[], accept: () => Promise<T>): Promise<T>;
}

/** Services share the publisher's token: there is one bucket for all. */
const SERVICES = 'services';

/** @param now milliseconds */
export function createBroadcastLimit(limit: RateLimit, now: () => number): BroadcastLimit {
  const budget = createBudgets(limit, now);
  return {
    async within(reports, accept) {
      const cost = reports.filter(isForMany).length;
      if (cost === 0) return accept();
      const waitMs = budget.take(SERVICES, cost);
      if (waitMs > 0) {
        throw new HttpError(
          'rate_limited',
          `Nothing was accepted: ${limit.burst} events to global or a role may be sent in ${limit.windowMs / 1_000} s. Send it again later.`,
          {},
          Math.ceil(waitMs / 1_000),
        );
      }
      // A list longer than a full bucket is let through, and paid for by those that come after it.
      const owed = Math.max(0, cost - limit.burst);
      budget.charge(SERVICES, owed);
      try {
        return await accept();
      } catch (error) {
        budget.charge(SERVICES, -cost);
        throw error;
      }
    },
  };
}

function isForMany(report: Report): boolean {
  if (!('event' in report)) return false;
  const kind = parseChannel(report.event.channel)?.kind;
  return kind === 'global' || kind === 'role';
}
