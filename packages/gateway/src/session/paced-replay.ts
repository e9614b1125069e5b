/**
 * A replay to a client that reads more slowly than it is replayed to. What it has not room for is left out, and it is not
 * made to follow yet; once it has read, it joins again behind the last event that it was sent. So a history that is longer
 * than what may wait for a client reaches it all the same, and costs no memory meanwhile.
 */
import { type Position, parsePosition } from '@belfry/shared/protocol';
import { positionInFrame } from '../channels/event-position.js';
import { resyncFrame } from '../channels/frames.js';
import type { Replay } from '../channels/hub-channel.js';
import type { Frame, Subscriber } from '../channels/subscriber.js';

export class PacedReplay implements Replay {
  readonly #to: Subscriber;
  readonly #name: string;
  readonly #maxBytes: number;
  readonly #continued: boolean;
  #last: Position | undefined;
  #full = false;

  /** @param continued whether this goes on with a replay: then a snapshot instead is news to the client */
  constructor(to: Subscriber, name: string, maxBytes: number, continued: boolean) {
    this.#to = to;
    this.#name = name;
    this.#maxBytes = maxBytes;
    this.#continued = continued;
  }

  get stopped(): boolean {
    return this.#full;
  }
  /** Where to go on; undefined where everything was sent. */
  get stoppedAt(): Position | undefined {
    return this.#full ? this.#last : undefined;
  }

  send(frame: Frame): void {
    if (this.#full) return;
    // Without knowing where an event stands nobody could go on behind it: the first one is always sent.
    if (this.#last && this.#to.bufferedBytes > this.#maxBytes) {
      this.#full = true;
      return;
    }
    if (this.#continued) this.#announceGap(frame);
    this.#to.send(frame);
    this.#last = positionOf(frame) ?? this.#last;
  }

  /** Meanwhile the log has lost what comes next. */
  #announceGap(frame: Frame): void {
    const id = typeof frame === 'string' && frame.startsWith('{"type":"STATE"') ? /"id":"([\d-]+)"/.exec(frame) : null;
    const position = parsePosition(id?.[1]);
    if (position) this.#to.send(resyncFrame(this.#name, position));
  }
}

const positionOf = (frame: Frame): Position | undefined =>
  positionInFrame(
    typeof frame === 'string'
      ? Buffer.from(frame.slice(0, 64), 'latin1')
      : Buffer.from(frame.buffer, frame.byteOffset, frame.length),
  );
