/** What people should be told of: not every blip, only being away for a while, being back after that, and giving up. */
import type { Status, StatusReason } from './api.js';
import { type Clock, createTimer } from './clock.js';
import type { Emit } from './emitter.js';

/** @returns what to call with every status */
export function createOutage(
  clock: Clock,
  lostAfterMs: number,
  emit: Emit,
): (status: Status, reason: StatusReason | undefined) => void {
  let lost = false;
  const timer = createTimer(clock);
  return (status, reason) => {
    if (status === 'reconnecting') {
      if (lost || timer.running) return;
      timer.start(lostAfterMs, () => {
        lost = true;
        emit('lost', undefined);
      });
      return;
    }
    timer.stop();
    if (lost && status === 'connected') emit('restored', undefined);
    if (status === 'disconnected' && reason) emit('failed', reason);
    lost = false;
  };
}
