/** Events that wait for each other, to be handed out receiver by receiver. Its memory is used again. */
import { FrameRing } from './frame-ring.js';

/** Behind the last event of a receiver. */
const NONE = -1;

export class Gathering<R> {
  readonly #frames = new FrameRing();
  /** By event, in the order in which they came: whose it is, and which one is the next of the same receiver. */
  readonly #receivers: R[] = [];
  readonly #next: number[] = [];
  /** Each receiver's last event. */
  readonly #last = new Map<R, number>();
  /** Each receiver's first event, in the order in which they came. */
  readonly #first: number[] = [];

  /** How many events there are. */
  get size(): number {
    return this.#receivers.length;
  }
  /** Memory that is taken by their frames, whether they fill it or not. */
  get bytes(): number {
    return this.#frames.bytes;
  }

  /** Keeps a copy of the frame. */
  add(receiver: R, frame: Buffer): void {
    const n = this.#receivers.length;
    const last = this.#last.get(receiver);
    if (last === undefined) this.#first.push(n);
    else this.#next[last] = n;
    this.#last.set(receiver, n);
    this.#receivers.push(receiver);
    this.#next.push(NONE);
    this.#frames.push(frame);
  }

  /** All events of one receiver in order, then all of the next one. The frames are views, good until the next `add`. */
  forEach(visit: (receiver: R, frame: Buffer) => void): void {
    for (const first of this.#first) {
      for (let n = first; n !== NONE; n = this.#next[n] as number) visit(this.#receivers[n] as R, this.#frames.at(n));
    }
  }

  /** Forgets all, and keeps the memory. */
  clear(): void {
    this.#frames.clear();
    this.#receivers.length = 0;
    this.#next.length = 0;
    this.#last.clear();
    this.#first.length = 0;
  }
}
