/**
 * Who follows a board. A follower for whom bytes are waiting is sent nothing more: what it missed is noted by key, and
 * once it has read what waited it gets the newest value of each. So a slow client costs no memory, and is not cut off.
 */
import type { BoardObserver } from './board-settings.js';
import type { Push } from './board-value.js';
import type { Frame, Subscriber } from './subscriber.js';

export class BoardFollowers {
  readonly #followers = new Set<Subscriber>();
  /** Keys of which a follower missed a push. Whoever is in here is sent nothing until it has read. */
  readonly #behind = new Map<Subscriber, Set<string>>();
  readonly #observer: BoardObserver;

  constructor(observer: BoardObserver) {
    this.#observer = observer;
  }

  get size(): number {
    return this.#followers.size;
  }

  add(follower: Subscriber): void {
    this.#followers.add(follower);
  }

  remove(follower: Subscriber): void {
    this.#followers.delete(follower);
    this.#behind.delete(follower);
  }

  clear(): void {
    this.#followers.clear();
    this.#behind.clear();
  }

  push(pushes: readonly Push[]): void {
    if (this.#followers.size === 0) return;
    for (const { form, frame } of pushes) this.#observer.pushed(form, this.#followers.size, frame.length);
    for (const follower of this.#followers) follower.together(() => this.#pushTo(follower, pushes));
  }

  /** Frames that everybody gets, and after which nobody has missed anything. */
  sendAll(frames: readonly Frame[]): void {
    this.#behind.clear();
    for (const follower of this.#followers) {
      follower.together(() => {
        for (const frame of frames) follower.send(frame);
      });
    }
  }

  /** Sends what a follower missed. @param missed what brings it to where the others are, whatever it has */
  drained(follower: Subscriber, missed: (key: string) => Push): void {
    const keys = this.#behind.get(follower);
    if (!keys) return;
    follower.together(() => {
      for (const key of keys) {
        if (follower.bufferedBytes > 0) return;
        keys.delete(key);
        follower.send(missed(key).frame);
      }
    });
    if (keys.size === 0) this.#behind.delete(follower);
  }

  #pushTo(follower: Subscriber, pushes: readonly Push[]): void {
    let behind = this.#behind.get(follower);
    for (const { key, frame } of pushes) {
      if (!behind && follower.bufferedBytes === 0) {
        follower.send(frame);
        continue;
      }
      if (!behind) {
        behind = new Set();
        this.#behind.set(follower, behind);
      }
      behind.add(key);
      this.#observer.deferred();
    }
  }
}
