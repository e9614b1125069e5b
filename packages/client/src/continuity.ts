/** Does an event continue what we have? The rule that makes a loss on the way visible. */
import { comparePositions, isNext, type Position } from '@belfry/shared/protocol';

export type Verdict = 'next' | 'known' | 'hole';

/**
 * Inside an epoch the next offset is one higher. A later epoch is accepted from its beginning, which has the offset 0 or 1:
 * the gateway vouches for what was before it, and would have sent RESYNC otherwise. An earlier one was seen before.
 */
export function judge(last: Position | undefined, next: Position): Verdict {
  if (!last || (next.epoch > last.epoch && next.offset < 2) || isNext(last, next)) return 'next';
  return comparePositions(next, last) <= 0 ? 'known' : 'hole';
}
