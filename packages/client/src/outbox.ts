/**
 * What goes to the gateway, within its limit of 100 messages a minute. Frames are made when they can be sent, so whatever
 * gathers meanwhile, in the same microtask or while the limit is reached, goes in one.
 */
import type { ClientMessage } from '@belfry/shared/protocol';
import { type Clock, createTimer } from './clock.js';

const WINDOW_MS = 60_000;
/** Fewer than the 100 that the gateway allows: PONG, PING and AUTHENTICATE pass by this queue. */
const LIMIT = 80;

type Send = (message: ClientMessage) => void;

export interface Outbox {
  /** From now on there is somebody to send to. */
  attach(send: Send): void;
  detach(): void;
  /** There may be something to send. */
  poke(): void;
}

/** @param next makes the next frame; undefined when there is none */
export function createOutbox(clock: Clock, next: () => ClientMessage | undefined): Outbox {
  let send: Send | undefined;
  let poked = false;
  const timer = createTimer(clock);
  const sent: number[] = [];

  function drain(): void {
    poked = false;
    timer.stop();
    while (send) {
      // A clock that was set back must not stop us for as long.
      const left = (sent[0] ?? 0) + WINDOW_MS - clock.now();
      if (sent[0] && (left <= 0 || left > WINDOW_MS)) sent.shift();
      else if (sent.length >= LIMIT) return timer.start(left, drain);
      else {
        const message = next();
        if (!message) return;
        sent.push(clock.now());
        send(message);
      }
    }
  }

  const poke = (): void => {
    if (poked || !send) return;
    poked = true;
    queueMicrotask(drain);
  };

  return {
    attach: (to) => {
      send = to;
      // The limit is the connection's, and this is another one.
      sent.length = 0;
      poke();
    },
    detach: () => {
      send = undefined;
      timer.stop();
    },
    poke,
  };
}
