/**
 * A feed of made-up changes for a handful of example properties, so that a newcomer sees movement within seconds. They
 * take the way of every other change; only the violations are invented, in the words of the city's real ones.
 */
import type { Severity } from '@belfry/shared/protocol';
import type { Clock, Logger } from '@belfry/shared/service';
import type { Violation } from '../changes/change.js';
import type { Submit } from './submit.js';

/** Well-formed BBLs, in four boroughs; the first of them is Central Park. */
export const DEMO_PROPERTIES = ['1011110001', '1012650001', '2022600001', '3011170001', '4020180001'] as const;

interface Kind {
  readonly violationType: string;
  readonly class: string;
  readonly severity: Severity;
  readonly description: string;
}

const KINDS: readonly Kind[] = [
  { violationType: 'HPD', class: 'C', severity: 'critical', description: 'No heat in the entire apartment' },
  { violationType: 'HPD', class: 'B', severity: 'high', description: 'Lighting of the public hallway is out of order' },
  { violationType: 'HPD', class: 'A', severity: 'low', description: 'Repaint the ceiling of the kitchen' },
  {
    violationType: 'DOB',
    class: 'LBLVIO',
    severity: 'medium',
    description: 'Low pressure boiler: annual inspection not filed',
  },
  { violationType: 'DOB', class: 'E', severity: 'medium', description: 'Elevator: periodic test not certified' },
  {
    violationType: 'ECB',
    class: 'CLASS - 2',
    severity: 'high',
    description: 'Work does not conform to approved plans',
  },
  {
    violationType: 'ECB',
    class: 'CLASS - 1',
    severity: 'critical',
    description: 'Sidewalk shed missing below an unsafe facade',
  },
];

/** More would be no example of a well-kept property. */
const MAX_OPEN = 8;

export interface DemoFeed {
  /** Ends the feed; resolves when the change that is under way has been handed on or refused. */
  close(): Promise<void>;
}

export interface DemoFeedOptions {
  readonly submit: Submit;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The same seed makes the same changes. Default 1. */
  readonly seed?: number;
  /** Milliseconds between two changes. Default 1,000. */
  readonly everyMs?: number;
  /** Default DEMO_PROPERTIES. */
  readonly properties?: readonly string[];
}

export function startDemoFeed(options: DemoFeedOptions): DemoFeed {
  const { submit, clock, logger, everyMs = 1_000, properties = DEMO_PROPERTIES } = options;
  const random = seeded(options.seed ?? 1);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const open = new Map<string, Violation[]>();
  let made = 0;
  let underWay: Promise<void> | undefined;

  async function change(): Promise<void> {
    const property = pick(properties);
    const kind = pick(KINDS);
    const key = `${property} ${kind.violationType}`;
    const before = open.get(key) ?? [];
    const opens = before.length === 0 || (before.length < MAX_OPEN && random() < 0.6);
    const violations = opens ? [...before, violation(kind)] : before.filter((each) => each !== before[0]);
    try {
      await submit([{ property_id: property, violation_type: kind.violationType, violations }]);
      open.set(key, violations);
    } catch (error) {
      logger.warn({ err: error }, 'demo change was not taken');
    }
  }

  function violation({ class: ofClass, severity, description }: Kind): Violation {
    made += 1;
    const date = new Date(clock.now()).toISOString().slice(0, 10);
    return { number: `DEMO-${Math.floor(clock.now() / 1_000)}-${made}`, date, class: ofClass, severity, description };
  }

  const stop = clock.every(everyMs, () => {
    // While Redis is away changes must not pile up.
    underWay ??= change().finally(() => {
      underWay = undefined;
    });
  });
  return {
    async close() {
      stop();
      await underWay;
    },
  };
}

/** A small generator (mulberry32): 0 to 1, the same for the same seed. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
