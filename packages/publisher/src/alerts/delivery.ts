/** A delivery: what is to be brought to a user, by one way. Its text is made when it is sent. */

import type { UndeliveredReason, Way } from '@belfry/shared/preferences';
import type { ViolationUpdate } from '@belfry/shared/protocol';

export interface Delivery {
  /** The same for every attempt: receivers that must not act twice remember it. */
  readonly id: string;
  readonly user: string;
  readonly rule: string;
  readonly way: Way;
  /** One, or those of a digest. */
  readonly events: readonly ViolationUpdate[];
}

/** The receiver will never take it: trying again is of no use. */
export class Undeliverable extends Error {
  readonly code = 'UNDELIVERABLE';
  /** For the user. */
  readonly why: Exclude<UndeliveredReason, 'failed'>;

  constructor(why: Undeliverable['why'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.why = why;
  }
}

export const subjectOf = ({ events }: Delivery): string => {
  const [first] = events;
  return events.length === 1 && first
    ? `Property ${first.property_id}: ${first.message}`
    : `${events.length} updates on your properties`;
};

export const textOf = ({ events }: Delivery): string =>
  events
    .map(
      (event) =>
        `${new Date(event.timestamp * 1_000).toISOString()}  ${event.property_id}  ${event.severity.toUpperCase()}  ${event.message}`,
    )
    .join('\n');
