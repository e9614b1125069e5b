/**
 * Frames in a row, newest behind oldest, in memory that is used again: a busy channel keeps its last hundred events without an
 * object for any of them. As objects they would all live just long enough to be moved about by the garbage collector.
 */
import type { Frame } from './subscriber.js';

const NO_BYTES = Buffer.alloc(0);
const NO_PLACES = new Uint32Array(0);
/** Where a frame starts, and its length. */
const PER_PLACE = 2;
const FIRST_PLACES = 4;

export class FrameRing {
  #slab: Buffer = NO_BYTES;
  #places = NO_PLACES;
  /** Which place is that of the oldest frame. */
  #oldest = 0;
  #count = 0;

  get length(): number {
    return this.#count;
  }
  /** Memory that is taken, whether frames fill it or not. */
  get bytes(): number {
    return this.#slab.length + this.#places.byteLength;
  }

  /** @param frame not empty */
  push(frame: Frame): void {
    const size = typeof frame === 'string' ? Buffer.byteLength(frame) : frame.length;
    const start = this.#roomFor(size);
    if (typeof frame === 'string') this.#slab.write(frame, start);
    else this.#slab.set(frame, start);
    if (this.#count * PER_PLACE === this.#places.length) this.#growPlaces();
    const place = this.#placeOf(this.#count);
    this.#places[place] = start;
    this.#places[place + 1] = size;
    this.#count += 1;
  }

  /** Forgets the oldest. */
  shift(): void {
    this.#oldest = (this.#oldest + 1) % (this.#places.length / PER_PLACE);
    this.#count -= 1;
  }

  /** Forgets all, and keeps the memory. */
  clear(): void {
    this.#oldest = 0;
    this.#count = 0;
  }

  /** The `n`-th oldest of those there are: a view, which the next `push` may overwrite. */
  at(n: number): Buffer {
    const place = this.#placeOf(n);
    const start = this.#places[place] as number;
    return this.#slab.subarray(start, start + (this.#places[place + 1] as number));
  }

  /** Those from the `index`-th oldest on: views like that of `at`. */
  from(index: number): Buffer[] {
    const frames: Buffer[] = [];
    for (let n = index; n < this.#count; n += 1) frames.push(this.at(n));
    return frames;
  }

  #placeOf(n: number): number {
    const place = (this.#oldest + n) * PER_PLACE;
    return place < this.#places.length ? place : place - this.#places.length;
  }

  /** Where `size` bytes fit behind the newest frame, or before the oldest: frames are not split. */
  #roomFor(size: number): number {
    if (this.#count === 0) return size <= this.#slab.length ? 0 : this.#grow(size);
    const oldest = this.#places[this.#placeOf(0)] as number;
    const newestPlace = this.#placeOf(this.#count - 1);
    const newest = this.#places[newestPlace] as number;
    const end = newest + (this.#places[newestPlace + 1] as number);
    if (newest < oldest) return end + size <= oldest ? end : this.#grow(size);
    if (end + size <= this.#slab.length) return end;
    return size <= oldest ? 0 : this.#grow(size);
  }

  /** Moves everything to memory in which there are `size` bytes more; returns where these begin. */
  #grow(size: number): number {
    let used = 0;
    for (let n = 0; n < this.#count; n += 1) used += this.#places[this.#placeOf(n) + 1] as number;
    const slab = Buffer.allocUnsafe(Math.max(2 * this.#slab.length, used + size));
    let end = 0;
    for (let n = 0; n < this.#count; n += 1) {
      const place = this.#placeOf(n);
      const start = this.#places[place] as number;
      this.#places[place] = end;
      end += this.#slab.copy(slab, end, start, start + (this.#places[place + 1] as number));
    }
    this.#slab = slab;
    return end;
  }

  #growPlaces(): void {
    const places = new Uint32Array(Math.max(FIRST_PLACES * PER_PLACE, 2 * this.#places.length));
    const toEnd = this.#places.subarray(this.#oldest * PER_PLACE);
    places.set(toEnd);
    places.set(this.#places.subarray(0, this.#oldest * PER_PLACE), toEnd.length);
    this.#places = places;
    this.#oldest = 0;
  }
}
