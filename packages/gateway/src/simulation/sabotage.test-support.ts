/** What a gateway must never do, done on purpose: each has to be found, or the simulation checks nothing. */
import type { SeededRandom, VirtualClock } from '@belfry/shared/log/memory';
import type { Frame } from '../channels/subscriber.js';

export const SABOTAGES = ['drop', 'double', 'reorder', 'silent rollback', 'late follow'] as const;
export type SabotageKind = (typeof SABOTAGES)[number];

export interface Sabotage {
  /** Hands a published frame on: as it is, or not. */
  publish(frame: Frame, pass: (frame: Frame) => void): void;
  /** When following a channel takes effect; undefined: at once. */
  readonly follow: ((apply: () => void) => void) | undefined;
}

/** Events begin with their position, RESYNC and STATE with their type. */
const isEvent = (frame: Frame): boolean => Buffer.from(frame).toString('utf8').startsWith('{"id"');
/** How often a frame is tampered with. */
const SHARE = 0.02;

export function createSabotage(kind: SabotageKind | undefined, random: SeededRandom, clock: VirtualClock): Sabotage {
  switch (kind) {
    case undefined:
      return { publish: (frame, pass) => pass(frame), follow: undefined };
    case 'drop':
      return {
        publish: (frame, pass) => void (isEvent(frame) && random.chance(SHARE) ? undefined : pass(frame)),
        follow: undefined,
      };
    case 'double':
      return {
        publish(frame, pass) {
          pass(frame);
          if (isEvent(frame) && random.chance(SHARE)) pass(frame);
        },
        follow: undefined,
      };
    case 'reorder':
      return createReordering(random);
    case 'silent rollback':
      return { publish: (frame, pass) => void (isEvent(frame) && pass(frame)), follow: undefined };
    case 'late follow':
      return { publish: (frame, pass) => pass(frame), follow: (apply) => void clock.after(5, apply) };
  }
}

/** Keeps a frame back until the next one has gone ahead. */
function createReordering(random: SeededRandom): Sabotage {
  let kept: (() => void) | undefined;
  return {
    publish(frame, pass) {
      if (!kept && random.chance(SHARE)) {
        const copy = Buffer.from(frame);
        kept = () => pass(copy);
        return;
      }
      pass(frame);
      kept?.();
      kept = undefined;
    },
    follow: undefined,
  };
}
