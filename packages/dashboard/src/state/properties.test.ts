/** What a landlord sees of a property speaks of all that is open, and not only of what came last. */
import type { ViolationUpdate } from '@belfry/client';
import { expect, it } from 'vitest';
import { bySeverity, newProperty, withEvent, withState, worstIn } from './properties.js';

const update = (more: Partial<ViolationUpdate>): ViolationUpdate => ({
  id: '7-1',
  channel: 'property:1',
  type: 'VIOLATION_UPDATE',
  property_id: '1',
  violation_type: 'ECB',
  count: 2,
  new_violations: 1,
  resolved: 0,
  severity: 'low',
  timestamp: 1,
  message: 'one',
  ...more,
});

it('a property with an open critical violation stays critical when a mild one comes', () => {
  const first = update({ count: 1, severity: 'critical', open_by_severity: { critical: 1 } });
  const ready = withState(newProperty('1'), { id: '7-1', events: [first] } as never);
  const property = withEvent(ready, update({ open_by_severity: { critical: 1, low: 1 } }));
  expect(property).toMatchObject({ severity: 'critical', open: 2 });
  expect([...bySeverity([property])]).toEqual([
    ['critical', 1],
    ['low', 1],
  ]);
});

it('an update that does not say how many are open of each severity has its own for all of them', () => {
  const property = withEvent(newProperty('1'), update({ count: 3, severity: 'high' }));
  expect([...bySeverity([property])]).toEqual([['high', 3]]);
  expect(property.severity).toBe('high');
});

it('where none is open there is no severity', () => {
  const none = update({ count: 0, severity: 'info' });
  expect(worstIn(none)).toBeUndefined();
  expect([...bySeverity([withEvent(newProperty('1'), none)])]).toEqual([]);
});
