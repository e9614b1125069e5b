import { SEVERITIES, type Severity } from '@belfry/shared/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Change, Violation } from './change.js';
import { type Detection, detect } from './detect.js';
import { decodeFacts, encodeFacts, type Facts } from './facts.js';

const about = { property_id: '1012650001', violation_type: 'HPD' };
const open = (...numbers: string[]): Violation[] => numbers.map((number) => ({ number }));

/** Detects changes one after another, through the text in which facts are kept. */
function history(...changes: Change[]): { facts: Facts | undefined; detections: (Detection | undefined)[] } {
  let kept: string | undefined;
  const detections = changes.map((change) => {
    const { facts, detection } = detect(decodeFacts(kept), change);
    kept = encodeFacts(facts);
    return detection;
  });
  return { facts: decodeFacts(kept), detections };
}
const lastOf = (...changes: Change[]) => history(...changes).detections.at(-1);

describe('a full report', () => {
  it('counts all as new where nothing was known', () => {
    expect(lastOf({ ...about, violations: open('a', 'b') })).toMatchObject({ count: 2, newViolations: 2, resolved: 0 });
  });

  it('makes no event when it says the same again, in whatever order', () => {
    expect(lastOf({ ...about, violations: open('a', 'b') }, { ...about, violations: open('b', 'a') })).toBeUndefined();
  });

  it('tells new ones from resolved ones', () => {
    const detection = lastOf({ ...about, violations: open('a', 'b') }, { ...about, violations: open('b', 'c', 'd') });
    expect(detection).toMatchObject({ count: 3, newViolations: 2, resolved: 1 });
    expect(detection?.violations.map(({ number }) => number)).toEqual(['c', 'd', 'b']);
  });

  it('makes an event without new violations when one that stays open is graded anew', () => {
    const graded = (severity: Severity): Change => ({ ...about, violations: [{ number: 'a', severity }] });
    expect(lastOf(graded('low'), graded('critical'))).toMatchObject({
      count: 1,
      newViolations: 0,
      resolved: 0,
      severity: 'critical',
    });
  });

  it('as a baseline sets the snapshot and announces nothing as new', () => {
    const baseline: Change = { ...about, violations: open('a', 'b'), baseline: true };
    expect(lastOf(baseline)).toMatchObject({ count: 2, newViolations: 0, resolved: 0, baseline: true });
    expect(lastOf({ ...about, violations: open('z') }, baseline)).toMatchObject({ newViolations: 0, resolved: 0 });
    expect(lastOf(baseline, baseline)).toBeUndefined();
  });

  it('as a baseline of nothing says that nothing is open', () => {
    expect(lastOf({ ...about, violations: [], baseline: true })).toMatchObject({ count: 0, baseline: true });
    expect(lastOf({ ...about, violations: [] })).toBeUndefined();
  });

  it('takes what was only counted before to be among what it names', () => {
    expect(lastOf({ ...about, count: 3 }, { ...about, violations: open('a', 'b', 'c', 'd') })).toMatchObject({
      count: 4,
      newViolations: 1,
      resolved: 0,
    });
  });

  it('names a violation twice and counts it once', () => {
    expect(lastOf({ ...about, violations: open('a', 'a') })).toMatchObject({ count: 1, newViolations: 1 });
  });
});

describe('a delta', () => {
  it('adds and resolves what it names and leaves the rest', () => {
    const detection = lastOf(
      { ...about, violations: open('a', 'b') },
      { ...about, added: open('c'), resolved: ['a', 'never-seen'] },
    );
    expect(detection).toMatchObject({ count: 2, newViolations: 1, resolved: 1 });
  });

  it('makes no event when it is repeated', () => {
    const change: Change = { ...about, added: open('c'), resolved: ['a'] };
    expect(lastOf({ ...about, violations: open('a', 'b') }, change, change)).toBeUndefined();
  });

  it('that opens and closes the same violation says nothing', () => {
    expect(lastOf({ ...about, added: open('a'), resolved: ['a'] })).toBeUndefined();
  });
});

describe('counts only', () => {
  it('makes an event when the count is another one', () => {
    expect(lastOf({ ...about, count: 3 })).toMatchObject({ count: 3, newViolations: 3, resolved: 0 });
    expect(lastOf({ ...about, count: 3 }, { ...about, count: 3 })).toBeUndefined();
    expect(lastOf({ ...about, count: 3 }, { ...about, count: 1 })).toMatchObject({ newViolations: 0, resolved: 2 });
  });

  it('believes what is said to be new', () => {
    expect(lastOf({ ...about, count: 3 }, { ...about, count: 4, new_violations: 2 })).toMatchObject({
      count: 4,
      newViolations: 2,
      resolved: 1,
    });
  });
});

describe('the severity', () => {
  it('is the worst of the new violations, not of the old ones', () => {
    expect(
      lastOf(
        { ...about, violations: [{ number: 'old', severity: 'critical' }] },
        {
          ...about,
          added: [
            { number: 'a', severity: 'low' },
            { number: 'b', severity: 'medium' },
          ],
        },
      )?.severity,
    ).toBe('medium');
  });

  it('is the given one where the violations have none, else medium', () => {
    expect(lastOf({ ...about, count: 1, severity: 'high' })?.severity).toBe('high');
    expect(lastOf({ ...about, violations: open('a'), severity: 'low' })?.severity).toBe('low');
    expect(lastOf({ ...about, violations: open('a') })?.severity).toBe('medium');
  });

  it('of a closing is never critical', () => {
    const two: Change = {
      ...about,
      violations: [
        { number: 'a', severity: 'critical' },
        { number: 'b', severity: 'critical' },
      ],
    };
    expect(lastOf(two, { ...about, resolved: ['a'] })?.severity).toBe('high');
    expect(lastOf(two, { ...about, violations: [] })?.severity).toBe('info');
  });
});

const severity = fc.option(fc.constantFrom(...SEVERITIES), { nil: undefined });
const number = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', '__proto__', 'constructor');
const violation: fc.Arbitrary<Violation> = fc
  .record({ number, severity })
  .map(({ number, severity }) => (severity ? { number, severity } : { number }));
const several = fc.uniqueArray(violation, { selector: (one) => one.number });
const fullReport: fc.Arbitrary<Change> = several.map((violations) => ({ ...about, violations }));
const delta: fc.Arbitrary<Change> = fc
  .record({ added: several, resolved: fc.uniqueArray(number) })
  .map((change) => ({ ...about, ...change }));
const counts: fc.Arbitrary<Change> = fc
  .record({ count: fc.nat(12), new_violations: fc.option(fc.nat(15), { nil: undefined }) })
  .map(({ count, new_violations }) => ({
    ...about,
    count,
    ...(new_violations === undefined ? {} : { new_violations }),
  }));

describe('whatever is reported', () => {
  it('the events add up: what was open, plus the new, less the resolved, is what is open', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fullReport, delta, counts)), (changes) => {
        let count = 0;
        for (const detection of history(...changes).detections) {
          if (!detection) continue;
          expect(detection.newViolations).toBeGreaterThanOrEqual(0);
          expect(detection.resolved).toBeGreaterThanOrEqual(0);
          expect(count + detection.newViolations - detection.resolved).toBe(detection.count);
          expect(detection.newViolations).toBeLessThanOrEqual(detection.count);
          count = detection.count;
        }
        expect(history(...changes).facts?.count ?? 0).toBe(count);
      }),
    );
  });

  it('full reports and deltas say exactly what a model of sets says', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fullReport, delta)), (changes) => {
        let before = new Map<string, Severity | undefined>();
        for (const [n, detection] of history(...changes).detections.entries()) {
          const change = changes[n] as Change;
          const after = modelOf(before, change);
          const fresh = [...after.keys()].filter((key) => !before.has(key));
          const gone = [...before.keys()].filter((key) => !after.has(key));
          const regraded = [...after].some(([key, grade]) => before.has(key) && before.get(key) !== grade);
          expect(detection !== undefined).toBe(fresh.length > 0 || gone.length > 0 || regraded);
          if (detection) {
            expect(detection).toMatchObject({
              count: after.size,
              newViolations: fresh.length,
              resolved: gone.length,
            });
            expect(detection.violations.slice(0, fresh.length).map(({ number }) => number)).toEqual(
              expect.arrayContaining(fresh),
            );
          }
          before = after;
        }
      }),
    );
  });

  it('a full report or delta that is repeated makes no second event', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fullReport, delta)), fc.oneof(fullReport, delta), (changes, change) => {
        expect(lastOf(...changes, change, change)).toBeUndefined();
      }),
    );
  });

  it('facts read the same as they were written', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fullReport, delta, counts)), (changes) => {
        const { facts } = history(...changes);
        if (facts) expect(decodeFacts(encodeFacts(facts))).toEqual(facts);
      }),
    );
  });
});

/** What is open after a change, worked out the plain way. */
function modelOf(before: ReadonlyMap<string, Severity | undefined>, change: Change): Map<string, Severity | undefined> {
  if ('violations' in change) {
    return new Map(change.violations.map((one) => [one.number, one.severity ?? before.get(one.number)]));
  }
  const after = new Map(before);
  if ('count' in change) return after;
  for (const one of change.added ?? []) after.set(one.number, one.severity ?? after.get(one.number));
  for (const gone of change.resolved ?? []) after.delete(gone);
  return after;
}

describe('what is open by severity', () => {
  const graded = (number: string, severity?: Severity): Violation => ({ number, ...(severity ? { severity } : {}) });

  it('is told of all, and not only of what a change brought', () => {
    const detection = lastOf(
      { ...about, violations: [graded('a', 'critical')] },
      { ...about, added: [graded('b', 'low'), graded('c', 'low')] },
    );
    expect(detection).toMatchObject({ severity: 'low', open: { critical: 1, low: 2 } });
    expect(Object.keys(detection?.open ?? {})).toEqual(['critical', 'low']);
  });

  it('is that of the whole for those that have none of their own, known by number or only counted', () => {
    expect(lastOf({ ...about, count: 3, severity: 'high' })?.open).toEqual({ high: 3 });
    expect(lastOf({ ...about, count: 3 })?.open).toEqual({ medium: 3 });
    const named: Change = { ...about, violations: [graded('a', 'low'), graded('b')], severity: 'critical' };
    expect(lastOf(named)?.open).toEqual({ critical: 1, low: 1 });
  });

  it('is nothing once all are resolved', () => {
    expect(lastOf({ ...about, count: 3 }, { ...about, count: 0 })?.open).toEqual({});
  });
});
