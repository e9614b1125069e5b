/**
 * Faults planted into what a client receives, to show that the audit finds such things: an event that never arrives, one
 * that arrives twice, two that change places.
 */
import type { Plant } from './plan.js';
import { isEvent, readSight, type Sight } from './sight.js';

type Receive = (bytes: Buffer, start: number, end: number) => void;

/** Passes frames on to `receive`; `once` spoils the next event. */
export function plantInto(plant: Plant, receive: Receive): { readonly receive: Receive; once(): void } {
  const sight: Sight = { epoch: 0, offset: 0, channel: 0, change: 0 };
  let armed = false;
  let held: { readonly channel: number; readonly frame: Buffer } | undefined;
  return {
    once: () => {
      armed = true;
    },
    receive(bytes, start, end) {
      const event = (armed || held) && isEvent(bytes, start) && readSight(bytes, start, end, sight);
      const before = event && held?.channel === sight.channel ? held.frame : undefined;
      const spoil = event && armed && !before;
      if (spoil) armed = false;
      if (spoil && plant === 'drop') return;
      if (spoil && plant === 'reorder') {
        held = { channel: sight.channel, frame: Buffer.from(bytes.subarray(start, end)) };
        return;
      }
      receive(bytes, start, end);
      if (spoil) receive(bytes, start, end);
      if (before) {
        held = undefined;
        receive(before, 0, before.length);
      }
    },
  };
}
