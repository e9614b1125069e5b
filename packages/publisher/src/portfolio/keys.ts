/** The names of what portfolios and their figures keep in Redis. */
import type { ShareKeys } from '../leases/shares.js';

export interface PortfolioKeys {
  /** Stream, bounded: users who wrote a portfolio, for whoever counts theirs. */
  readonly written: string;
  /** String: a user's portfolio as JSON. */
  of(userId: string): string;
  /** String: held while a user's portfolio is written. */
  lock(userId: string): string;
  /** Set: the users in whose portfolio a property is. In the slot of the property. */
  holders(propertyId: string): string;
  /**
   * Hash, for five minutes: what each property of a user's portfolio adds to the figures. An owner that may have missed
   * changes begins a new era, and never reads what was kept in the one before.
   */
  parts(userId: string, era: string): string;
  /** String: the figures that were last sent. */
  sent(userId: string): string;
  /** String, for a second: the user's figures were counted within it. */
  counted(userId: string): string;
  /** Who counts for which share of the users. */
  readonly leases: ShareKeys;
}

export function portfolioKeys(prefix: string): PortfolioKeys {
  const ofUser = (userId: string): string => `${prefix}:{portfolio:${userId}}`;
  const leases = `${prefix}:{kpi}`;
  return {
    written: `${prefix}:portfolios:written`,
    of: ofUser,
    lock: (userId) => `${ofUser(userId)}:lock`,
    holders: (propertyId) => `${prefix}:{property:${propertyId}}:holders`,
    parts: (userId, era) => `${ofUser(userId)}:parts:${era}`,
    sent: (userId) => `${ofUser(userId)}:sent`,
    counted: (userId) => `${ofUser(userId)}:counted`,
    leases: {
      publishers: `${leases}:publishers`,
      shares: `${leases}:shares`,
      lease: (share) => `${leases}:share:${share}:lease`,
    },
  };
}
