import { describe, expect, it } from 'vitest';
import { createDue } from './due.js';

const INTERVAL = 1_000;
const RENEW = 300_000;

function start() {
  let now = 1_000_000;
  const due = createDue({ now: () => now, intervalMs: INTERVAL, renewMs: RENEW });
  const names = (atMost = 10) => due.take(atMost).map(({ userId }) => userId);
  return {
    due,
    names,
    pass: (ms: number) => {
      now += ms;
    },
    now: () => now,
  };
}

describe('whose figures are counted', () => {
  it('who comes is counted at once, and not twice at the same time', () => {
    const { due, names } = start();
    due.add('landlord-7', true);
    expect(due.take(10)).toEqual([{ userId: 'landlord-7', fresh: true }]);
    due.touch('landlord-7');
    expect(names()).toEqual([]);
  });

  it('at most once in an interval, however often something changes', () => {
    const { due, names, now, pass } = start();
    due.add('landlord-7', false);
    let counts = 0;
    for (let n = 0; n < 100; n += 1) {
      due.touch('landlord-7');
      for (const user of names()) {
        counts += 1;
        due.done(user, now());
      }
      pass(50);
    }
    expect(counts).toBe(5);
  });

  it('a change during a count is counted after it', () => {
    const { due, names, now, pass } = start();
    due.add('landlord-7', false);
    expect(names()).toEqual(['landlord-7']);
    due.touch('landlord-7');
    due.done('landlord-7', now());
    pass(INTERVAL);
    expect(names()).toEqual(['landlord-7']);
  });

  it('who is not there is left alone', () => {
    const { due, names } = start();
    due.touch('landlord-7');
    due.add('landlord-8', false);
    due.drop('landlord-8');
    expect(names()).toEqual([]);
    expect(due.size).toBe(0);
  });

  it('what has run out is renewed without any change', () => {
    const { due, names, now, pass } = start();
    due.add('landlord-7', false);
    due.done(names()[0] ?? '', now());
    pass(RENEW - 1);
    expect(names()).toEqual([]);
    pass(INTERVAL);
    expect(names()).toEqual(['landlord-7']);
  });

  it('what did not work out is tried again, and is still to be sent in any case', () => {
    const { due, pass } = start();
    due.add('landlord-7', true);
    const [turn] = due.take(1);
    if (turn) due.later(turn, 500);
    expect(due.take(1)).toEqual([]);
    pass(500);
    expect(due.take(1)).toEqual([{ userId: 'landlord-7', fresh: true }]);
  });
});
