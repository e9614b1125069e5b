/** Whether a gateway's link to Redis lets it take clients: after a while in which it is broken it does not. */
import type { Link } from '@belfry/shared/log';
import type { Clock } from '@belfry/shared/service';

/**
 * Returns why there should be no new clients, or undefined. A link that has never been whole gets no grace: a gateway that
 * starts while Redis is away has nothing to show.
 * @param graceMs how long a link may be broken
 */
export function linkReadiness(
  link: Pick<Link, 'whole' | 'since'>,
  graceMs: number,
  clock: Pick<Clock, 'now'>,
): () => string | undefined {
  let onceWhole = false;
  return () => {
    onceWhole ||= link.whole;
    if (link.whole || (onceWhole && clock.now() - link.since < graceMs)) return undefined;
    return 'the link to Redis is not whole';
  };
}
