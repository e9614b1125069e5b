import type { Position } from '@belfry/shared/protocol';
import { describe, expect, it } from 'vitest';
import type { Frame } from './subscriber.js';
import { createTail, createTailBudget } from './tail.js';

const at = (offset: number, epoch = 1): Position => ({ epoch, offset });
const entry = (offset: number, epoch = 1) => ({ position: at(offset, epoch), frame: `${epoch}.${offset}` });
const between = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => entry(from + n));
const frames = (from: number, to: number) => between(from, to).map(({ frame }) => frame);
const texts = (found: readonly Frame[] | undefined) => found?.map(String);

function tailWith(maxEvents: number, from: number, to: number) {
  const budget = createTailBudget(1e9);
  const tail = createTail(maxEvents, budget);
  tail.restart(at(from - 1));
  for (const { position, frame } of between(from, to)) tail.push(position, frame);
  return { tail, budget };
}

describe('a tail', () => {
  it('gives what follows each position that it holds, and nothing for any other', () => {
    const { tail } = tailWith(10, 5, 9);
    for (let offset = 4; offset <= 9; offset += 1) expect(texts(tail.after(at(offset)))).toEqual(frames(offset + 1, 9));
    for (const other of [at(3), at(10), at(6, 2), at(6, 0)]) expect(texts(tail.after(other))).toBeUndefined();
  });

  it('drops its oldest events, and then says that it does not reach back', () => {
    const { tail } = tailWith(3, 1, 9);
    expect(texts(tail.after(at(6)))).toEqual(frames(7, 9));
    expect(texts(tail.after(at(5)))).toBeUndefined();
    expect(texts(tail.last(3))).toEqual(frames(7, 9));
    expect(texts(tail.last(4))).toBeUndefined();
    expect(texts(tail.last(0))).toEqual([]);
  });

  it('takes a reading of the log that reaches further back and ends before the newest event', () => {
    const { tail } = tailWith(10, 7, 9);
    tail.extend(at(2), between(3, 8));
    expect(texts(tail.after(at(2)))).toEqual(frames(3, 9));
    expect(texts(tail.last(7))).toEqual(frames(3, 9));
    expect(texts(tail.last(8))).toBeUndefined();
  });

  it('knows after a reading of the whole log that there is no more', () => {
    const { tail } = tailWith(10, 7, 9);
    tail.extend(undefined, [{ position: at(4), frame: undefined }, ...between(5, 9)]);
    expect(texts(tail.last(50))).toEqual(frames(5, 9));
    expect(texts(tail.after(at(4)))).toEqual(frames(5, 9));
    expect(texts(tail.after(at(3)))).toBeUndefined();
  });

  it('does not take a reading that does not touch it, or brings less than it has', () => {
    for (const [start, read] of [
      [at(1), between(2, 4)],
      [at(8), between(9, 9)],
      [at(9), between(10, 12)],
    ] as const) {
      const { tail } = tailWith(10, 7, 9);
      tail.extend(start, read);
      expect(texts(tail.after(at(6)))).toEqual(frames(7, 9));
      expect(texts(tail.after(start))).toEqual(
        start.offset >= 6 && start.offset <= 9 ? frames(start.offset + 1, 9) : undefined,
      );
    }
  });

  it('goes over from one epoch to the next without a seam', () => {
    const { tail } = tailWith(10, 5, 6);
    tail.push(at(0, 2), '2.0');
    tail.push(at(1, 2), '2.1');
    expect(texts(tail.after(at(5)))).toEqual(['1.6', '2.0', '2.1']);
    expect(texts(tail.after(at(0, 2)))).toEqual(['2.1']);
    const short = createTail(2, createTailBudget(1e9));
    short.restart(at(4));
    for (const { position, frame } of [entry(5), entry(6), entry(1, 2), entry(2, 2), entry(3, 2)])
      short.push(position, frame);
    expect(short.after(at(6))).toBeUndefined();
    expect(texts(short.after(at(1, 2)))).toEqual(['2.2', '2.3']);
    expect(texts(short.after(at(3, 2)))).toEqual([]);
  });

  it('holds no position any more whose events it dropped, though entries that are no events stood before them', () => {
    const tail = createTail(4, createTailBudget(1e9));
    tail.restart(at(0, 3));
    tail.push(at(1, 3), '3.1');
    // In the log: 1-5, somebody else's 2-0, ours from 3-0 on.
    tail.extend(at(5), [{ position: at(0, 2), frame: undefined }, entry(0, 3), entry(1, 3)]);
    expect(texts(tail.after(at(0, 2)))).toEqual(['3.0', '3.1']);
    for (let offset = 2; offset <= 11; offset += 1) tail.push(at(offset, 3), `3.${offset}`);
    expect(texts(tail.last(4))).toEqual(['3.8', '3.9', '3.10', '3.11']);
    expect(texts(tail.after(at(8, 3)))).toEqual(['3.9', '3.10', '3.11']);
    for (let offset = 0; offset < 7; offset += 1) expect(tail.after(at(offset, 3))).toBeUndefined();
  });

  it('holds the position of an entry that is no event', () => {
    const { tail } = tailWith(10, 5, 6);
    tail.pass(at(0, 2));
    expect(texts(tail.after(at(0, 2)))).toEqual([]);
    expect(texts(tail.after(at(5)))).toEqual(['1.6']);
  });

  it('keeps what it is given, whatever becomes of the memory that it came in', () => {
    const tail = createTail(3, createTailBudget(1e9));
    tail.restart(at(0));
    const received = Buffer.from('first');
    tail.push(at(1), received);
    received.fill('x');
    expect(texts(tail.after(at(0)))).toEqual(['first']);
  });

  it('takes no more memory for its hundredth thousand events than for its first', () => {
    const tail = createTail(100, createTailBudget(1e9));
    tail.restart(at(0));
    const bytesAfter = (last: number, from: number) => {
      for (let offset = from; offset <= last; offset += 1) tail.push(at(offset), 'x'.repeat(300 + (offset % 50)));
      return tail.bytes;
    };
    const first = bytesAfter(1_000, 1);
    expect(bytesAfter(100_000, 1_001)).toBe(first);
  });
});

describe('the budget of all tails', () => {
  it('empties the oldest tails first, as many as it must, and counts what is left', () => {
    const budget = createTailBudget(2_000);
    const tails = Array.from({ length: 4 }, () => createTail(100, budget));
    for (const tail of tails) {
      tail.restart(at(0));
      for (const { position } of between(1, 8)) tail.push(position, 'x'.repeat(50));
    }
    const [each = 0] = tails.map(({ bytes }) => bytes);
    expect(each).toBeGreaterThan(8 * 50);
    expect(budget.bytes).toBe(4 * each);
    budget.enforce();
    expect(tails.map(({ bytes }) => bytes)).toEqual([0, 0, each, each]);
    expect(budget.bytes).toBe(2 * each);
    expect(texts(tails[0]?.after(at(8)))).toEqual([]);
    expect(tails[0]?.after(at(7))).toBeUndefined();
  });

  it('leaves a tail alone that a reading is about to meet', () => {
    const budget = createTailBudget(0);
    const tail = createTail(100, budget);
    tail.restart(at(0));
    tail.pinned = true;
    tail.push(at(1), 'x');
    budget.enforce();
    expect(texts(tail.after(at(0)))).toEqual(['x']);
    tail.pinned = false;
    budget.enforce();
    expect(budget.bytes).toBe(0);
  });

  it('is back at nothing when every tail has started over', () => {
    const budget = createTailBudget(1e9);
    const tails = Array.from({ length: 10 }, () => createTail(5, budget));
    for (const tail of tails) {
      tail.restart(at(0));
      for (const { position, frame } of between(1, 20)) tail.push(position, frame);
      tail.extend(at(13), between(14, 18));
    }
    expect(budget.bytes).toBeGreaterThan(0);
    for (const tail of tails) tail.restart(at(20));
    expect(budget.bytes).toBe(0);
  });
});
