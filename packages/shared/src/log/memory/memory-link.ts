/** The link itself, subscribing at a bus in memory: what a simulation runs is the code that runs in production. */
import type { Clock } from '../../service/clock.js';
import type { Logger } from '../../service/logger.js';
import { DEFAULT_KEY_PREFIX } from '../keys.js';
import { createRedisLink, type Link, type LinkEvents } from '../link.js';
import type { MemoryBus } from './memory-bus.js';

export interface MemoryLinkOptions {
  readonly bus: MemoryBus;
  /** The name under which the bus can cut this link off. */
  readonly node: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

export function createMemoryLink(options: MemoryLinkOptions, events: LinkEvents): Link {
  const { bus, clock, logger, node, random } = options;
  return createRedisLink(
    {
      url: 'redis://in-memory',
      prefix: DEFAULT_KEY_PREFIX,
      node,
      commands: { spublish: (topic, message) => bus.send(topic, message) },
      subscriber: () => bus.open(node),
      clock,
      random,
      logger,
    },
    events,
  );
}
